//! Programs of others that the tests use: found, installed where that is ours to do, or asked for by name.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace;

/// A program that the tests call.
struct Program {
    name: &'static str,
    /// Debian's package.
    package: &'static str,
    /// What cannot be tested without it.
    without: &'static str,
}

const PROGRAMS: [Program; 14] = [
    Program { name: "java", package: "default-jre-headless", without: "everything that needs Apache Kafka" },
    Program { name: "mvn", package: "maven", without: "everything that needs Apache Kafka" },
    Program { name: "openssl", package: "openssl", without: "everything that needs Apache Kafka" },
    Program { name: "kcat", package: "kcat", without: "counting what was published by an independent consumer" },
    Program { name: "sqlite3", package: "sqlite3", without: "reading the embedded log with another program" },
    Program { name: "python3", package: "python3", without: "expectations of the fixtures by an independent reader" },
    Program { name: "strace", package: "strace", without: "the order of system calls when bytes are made durable" },
    Program { name: "promtool", package: "prometheus", without: "the alert rules" },
    Program { name: "chromium", package: "chromium", without: "the page for the owner of a department" },
    Program { name: "sshd", package: "openssh-server", without: "shares on SFTP servers" },
    Program { name: "smbd", package: "samba", without: "shares on Windows and Samba servers" },
    // Its TLS is a module in a package of its own, which brings the server.
    Program { name: "proftpd", package: "proftpd-mod-crypto", without: "shares on FTP servers" },
    Program { name: "vsftpd", package: "vsftpd", without: "shares on FTP servers without MLSD" },
    Program { name: "systemd-analyze", package: "systemd", without: "the systemd unit" },
];

/// Programs of packages that cannot stand beside another one that the tests need: unpacked, where the tests look for them.
const UNPACKED: [&str; 1] = ["vsftpd"];

/// Whether a green run must hide nothing: then a missing program is an error.
pub(crate) fn skipping_is_disallowed() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true") || env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some()
}

/// Sees to all programs that the tests call, and names those that are missing and what is not tested for it.
///
/// Fails in CI when one is missing.
pub(crate) fn provide_all() -> Result<()> {
    let missing: Vec<&Program> = PROGRAMS.iter().filter(|program| !provide(program)).collect();
    for program in &missing {
        eprintln!("`{}` is missing: {}. Not tested: {}", program.name, how_to_get(program), program.without);
    }
    if !missing.is_empty() && skipping_is_disallowed() {
        bail!("programs are missing, and nothing may be skipped here");
    }
    Ok(())
}

/// Sees to one program without which the caller cannot go on.
pub(crate) fn require(name: &str, consequence: &str) -> Result<()> {
    let known = PROGRAMS.iter().find(|program| program.name == name);
    match known {
        Some(program) if provide(program) => Ok(()),
        Some(program) => bail!("`{name}` is missing: {consequence}; {}", how_to_get(program)),
        None if is_there(name) => Ok(()),
        None => bail!("`{name}` is missing: {consequence}"),
    }
}

fn how_to_get(program: &Program) -> String {
    format!("install Debian's package `{}` or its like", program.package)
}

fn provide(program: &Program) -> bool {
    if UNPACKED.contains(&program.name) {
        return is_there(program.name)
            || is_unpacked(program)
            || (may_install() && unpack(program.package) && is_unpacked(program));
    }
    is_there(program.name) || (may_install() && install(program.package) && is_there(program.name))
}

fn is_there(name: &str) -> bool {
    let Some(path) = env::var_os("PATH") else { return false };
    // Servers lie where only privileged users look.
    let servers = Path::new("/usr/sbin").to_path_buf();
    env::split_paths(&path).chain([servers]).any(|directory| directory.join(name).is_file())
}

fn may_install() -> bool {
    Path::new("/etc/debian_version").exists() && is_there("apt-get") && rustix::process::geteuid().is_root()
}

fn is_unpacked(program: &Program) -> bool {
    workspace::programs().join(program.package).join("usr/sbin").join(program.name).is_file()
}

/// Brings a package and unpacks it, without installing it.
fn unpack(package: &str) -> bool {
    eprintln!("unpacking {package} to {} …", workspace::programs().display());
    let script = "mkdir -p \"$1\" && cd \"$1\" && { apt-get -q download \"$2\" || \
                  { apt-get -q update && apt-get -q download \"$2\"; }; } && dpkg -x \"$2\"_*.deb \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(workspace::programs()).arg(package);
    shell.status().is_ok_and(|status| status.success())
}

fn install(package: &str) -> bool {
    eprintln!("installing {package} with apt-get …");
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            // Nothing that is there is taken away for it.
            .args(["-q", "-y", "--no-remove"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .is_ok_and(|status| status.success())
    };
    // A bare root has no package lists yet.
    apt(&["install", "--no-install-recommends", package])
        || (apt(&["update"]) && apt(&["install", "--no-install-recommends", package]))
}
