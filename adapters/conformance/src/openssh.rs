//! A real OpenSSH server on a loopback port, for one test: started without privileges, killed when it is dropped.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Debian installs it where only privileged users look.
const SSHD: &str = "/usr/sbin/sshd";

/// How long it may take to answer on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct OpenSshOptions {
    /// The zone of the server's clock (`TZ`).
    pub zone: Option<&'static str>,
    /// Further lines of its configuration.
    pub lines: String,
}

/// A server and its keys. Files are served from where they are: the protocol's root is that of the machine.
pub struct OpenSsh {
    scratch: tempfile::TempDir,
    options: OpenSshOptions,
    port: u16,
    child: Option<Child>,
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
        let scratch = tempfile::Builder::new().prefix("dropbridge-sshd-").tempdir().expect("a scratch directory");
        let mut server = Self { scratch, options, port: 0, child: None };
        server.make_key("host_key");
        server.make_key("user_key");
        fs::copy(server.path("user_key.pub"), server.path("authorized_keys")).expect("authorized_keys");
        // Somebody may take the port before it does.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            server.port = free.port();
            if server.launch() {
                return Some(server);
            }
        }
        panic!("sshd does not start: {}", fs::read_to_string(server.path("log")).unwrap_or_default());
    }

    /// Something in the server's own directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
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
        let Some(mut child) = self.child.take() else { return };
        for id in with_descendants(child.id()) {
            // One that has ended already is fine.
            if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ended = kill_process(pid, Signal::KILL);
            }
        }
        let _reaped = child.wait();
    }

    /// Starts it again, on the same port and with the same keys.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        assert!(self.launch(), "sshd does not start: {}", fs::read_to_string(self.path("log")).unwrap_or_default());
    }

    /// Starts it; `false` when it ended.
    fn launch(&mut self) -> bool {
        let at = |name: &str| self.path(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nUseDNS no\n\
             MaxStartups 200\nMaxAuthTries 6\nSubsystem sftp internal-sftp\n{}\n",
            self.port,
            at("host_key"),
            at("authorized_keys"),
            self.options.lines
        );
        fs::write(self.path("sshd_config"), config).expect("sshd_config");
        fs::set_permissions(self.scratch.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let log = fs::File::create(self.path("log")).expect("a log");
        let mut command = Command::new(SSHD);
        command.args(["-D", "-e", "-f"]).arg(self.path("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(zone) = self.options.zone {
            command.env("TZ", zone);
        }
        let mut child = command.spawn().expect("sshd");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if child.try_wait().expect("wait").is_some() {
                return false;
            }
            if answers(self.address()) {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ended = child.kill().and_then(|()| child.wait());
        false
    }
}

impl Drop for OpenSsh {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says by name that a test is skipped; where nothing may be skipped, it fails.
///
/// # Panics
/// Then.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let message = format!("skipped: {}: {why}", thread.name().unwrap_or("a test"));
    let disallowed = std::env::var("CI").is_ok_and(|value| value == "true")
        || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
    assert!(!disallowed, "{message}");
    // Not by `eprintln!`: what a test prints by that is shown only when it fails.
    std::io::stderr().write_all(format!("{message}\n").as_bytes()).expect("standard error");
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return false };
    let mut greeting = [0; 4];
    stream.set_read_timeout(Some(PATIENCE)).is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
}

/// The name of the user that runs this.
pub(crate) fn user() -> String {
    name_of(geteuid().as_raw(), "/etc/passwd")
}

/// The name of a user or group in a file of them.
pub(crate) fn name_of(id: u32, file: &str) -> String {
    let id = id.to_string();
    let known = fs::read_to_string(file).expect("a file of users or groups");
    let mut all = known.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = all.find(|fields| fields.get(2) == Some(&id.as_str()));
    found.unwrap_or_else(|| panic!("{id} must stand in {file}"))[0].to_owned()
}

/// A process and all that descend from it, by what the kernel says now.
pub(crate) fn with_descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // The name in parentheses may hold anything; the parent is the second field behind it.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    let mut found = vec![of];
    let mut at = 0;
    while let Some(&above) = found.get(at) {
        at += 1;
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(id, _)| *id));
    }
    found
}
