//! ProFTPD, with one virtual user.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};

use super::certificates::crypt;
use super::{FtpdOptions, FtpdTls};
use crate::daemon::{Daemon, name_of, user};

pub(super) const USER: &str = "batch";
pub(super) const PASSWORD: &str = "open sesame";

/// Debian installs it where only privileged users look.
const PROGRAM: &str = "/usr/sbin/proftpd";
const MODULES: &str = "/usr/lib/proftpd";

/// The server, where its TLS is there as well.
pub(super) fn program() -> Option<PathBuf> {
    let whole = Path::new(PROGRAM).exists() && Path::new(MODULES).join("mod_tls.so").exists();
    whole.then(|| PROGRAM.into())
}

/// Writes its files of users, and gives its configuration.
pub(super) fn configuration(daemon: &Daemon, options: &FtpdOptions) -> String {
    let (directory, address) = (daemon.directory(), daemon.address());
    let at = |name: &str| directory.join(name).display().to_string();
    let (uid, gid, hash) = (geteuid().as_raw(), getegid().as_raw(), crypt(PASSWORD));
    // Whoever it runs as has to be known to it, too.
    secret(
        directory,
        "passwd",
        &format!("{USER}:{hash}:{uid}:{gid}::/tmp:/bin/sh\n{}:!:{uid}:{gid}::/:/bin/sh\n", user()),
    );
    let group = name_of(gid, "/etc/group");
    secret(directory, "group", &format!("{group}:x:{gid}:\n"));
    let tls = match options.tls {
        FtpdTls::None => String::new(),
        FtpdTls::Explicit => protected(directory, ""),
        FtpdTls::Implicit => protected(directory, "TLSOptions UseImplicitSSL\n"),
    };
    let ports =
        options.passive_ports.map_or_else(String::new, |(first, last)| format!("PassivePorts {first} {last}\n"));
    format!(
        "ServerName \"test\"\nServerType standalone\nDefaultAddress {}\nPort {}\nSocketBindTight on\n\
         UseIPv6 off\nUseReverseDNS off\nUser {}\nGroup {group}\nPidFile {}\nScoreboardFile {}\nDelayEngine off\n\
         WtmpLog off\nTransferLog none\nSystemLog {}\nAuthOrder mod_auth_file.c\nAuthUserFile {}\nAuthGroupFile {}\n\
         RequireValidShell off\nRootLogin on\nAllowOverride off\nAllowOverwrite on\nAllowStoreRestart on\nMaxInstances 200\nUmask 022\n\
         MaxLoginAttempts 10\nModulePath {MODULES}\n{tls}{ports}{}\n",
        address.ip(),
        address.port(),
        user(),
        at("pid"),
        at("scoreboard"),
        at("log"),
        at("passwd"),
        at("group"),
        options.lines
    )
}

fn protected(directory: &Path, options: &str) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    format!(
        "LoadModule mod_tls.c\nTLSEngine on\nTLSLog {}\nTLSProtocol TLSv1.2 TLSv1.3\nTLSECCertificateFile {}\n\
         TLSECCertificateKeyFile {}\nTLSRequired on\n{options}",
        at("tls_log"),
        at("server.pem"),
        at("server.key")
    )
}

/// It takes no such file that others may read.
fn secret(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file of users");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permissions");
}
