//! A real OpenSSH server on a loopback port, for one test: started without privileges, killed when it is dropped.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

pub use crate::daemon::skipped;
use crate::daemon::{Daemon, PATIENCE, user};

/// Debian installs it where only privileged users look.
const SSHD: &str = "/usr/sbin/sshd";

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct OpenSshOptions {
    /// The zone of the server's clock (`TZ`).
    pub zone: Option<&'static str>,
    /// Further lines of its configuration. They count, whatever else would stand there.
    pub lines: String,
}

/// A server and its keys. Files are served from where they are: the protocol's root is that of the machine.
pub struct OpenSsh {
    daemon: Daemon,
    options: OpenSshOptions,
}

impl OpenSsh {
    /// Starts one. `None` when there is none on this machine, which is said by name; where nothing may be skipped, that
    /// is a failure.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(options: OpenSshOptions) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            skipped("no OpenSSH server: install Debian's package `openssh-server`");
            return None;
        }
        // Where it leaves its privileges, it wants an empty directory.
        if geteuid().is_root() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd").expect("/run/sshd");
        }
        let mut server = Self { daemon: Daemon::new("sshd"), options };
        server.make_key("host_key");
        server.make_key("user_key");
        fs::copy(server.path("user_key.pub"), server.path("authorized_keys")).expect("authorized_keys");
        let Self { daemon, options } = &mut server;
        let answered = daemon.start(|daemon| command(daemon, options), answers);
        assert!(answered, "sshd does not start: {}", daemon.text("log"));
        Some(server)
    }

    /// Something in the server's own directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.daemon.path(name)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// Who may log in, with the key `user_key` or `user_key_encrypted`'s likes in [`OpenSsh::path`].
    #[must_use]
    pub fn user(&self) -> String {
        user()
    }

    /// The server's public key, `ssh-ed25519 AAAA…`.
    #[must_use]
    pub fn host_key(&self) -> String {
        let text = fs::read_to_string(self.path("host_key.pub")).expect("the host key");
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// The fingerprint of its key, by OpenSSH's own program.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let output = Command::new("ssh-keygen").arg("-lf").arg(self.path("host_key.pub")).output().expect("ssh-keygen");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// Makes a key pair without passphrase of this name in the server's directory.
    pub fn make_key(&self, name: &str) {
        self.make_key_with_passphrase(name, "");
    }

    /// The same, encrypted.
    pub fn make_key_with_passphrase(&self, name: &str, passphrase: &str) {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-a", "4", "-N", passphrase, "-C", "test", "-f"])
            .arg(self.path(name))
            .status()
            .expect("ssh-keygen");
        assert!(made.success(), "ssh-keygen {name}");
    }

    /// Lets a key of [`OpenSsh::make_key`] in.
    pub fn authorize(&self, name: &str) {
        let mut keys = fs::OpenOptions::new().append(true).open(self.path("authorized_keys")).expect("authorized_keys");
        keys.write_all(&fs::read(self.path(&format!("{name}.pub"))).expect("a public key")).expect("authorize");
    }

    /// Kills it and all that serve its connections, as a power cut would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts it again, on the same port and with the same keys.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let command = command(&self.daemon, &self.options);
        assert!(self.daemon.launch(command, answers), "sshd does not start: {}", self.daemon.text("log"));
    }
}

/// What starts it, with its configuration written.
fn command(daemon: &Daemon, options: &OpenSshOptions) -> Command {
    let at = |name: &str| daemon.path(name).display().to_string();
    let config = format!(
        "{}\nListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
         PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nUseDNS no\n\
         MaxStartups 200\nMaxAuthTries 6\nSubsystem sftp internal-sftp\n",
        options.lines,
        daemon.address().port(),
        at("host_key"),
        at("authorized_keys"),
    );
    fs::write(daemon.path("sshd_config"), config).expect("sshd_config");
    fs::set_permissions(daemon.directory(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut command = daemon.command(SSHD, "log");
    command.args(["-D", "-e", "-f"]).arg(daemon.path("sshd_config"));
    command.envs(options.zone.map(|zone| ("TZ", zone)));
    command
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return false };
    let mut greeting = [0; 4];
    stream.set_read_timeout(Some(PATIENCE)).is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
}
