//! A real Samba server on a loopback port, for one test: started without privileges, killed when it is dropped.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::openssh::{skipped, user, with_descendants};

/// Debian installs it where only privileged users look.
const SMBD: &str = "/usr/sbin/smbd";

/// How long it may take to answer on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// The share with all files of this machine.
pub const FILES: &str = "files";

/// The password of [`Samba::user`].
pub const PASSWORD: &str = "open sesame";

/// Directories that the server keeps for itself.
const DIRECTORIES: [&str; 6] = ["private", "lock", "state", "cache", "pid", "ncalrpc"];

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct SambaOptions {
    /// The zone of the server's clock (`TZ`).
    pub zone: Option<&'static str>,
    /// Further lines of its section `[global]`.
    pub global: String,
    /// Further lines of the share [`FILES`], and further shares.
    pub shares: String,
}

/// A server. Its share [`FILES`] shows the files of this machine from their root on.
pub struct Samba {
    scratch: tempfile::TempDir,
    options: SambaOptions,
    port: u16,
    child: Option<Child>,
}

impl Samba {
    /// Starts one. `None` when there is none on this machine, which is said by name; where nothing may be skipped, that
    /// is a failure.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(options: SambaOptions) -> Option<Self> {
        if !Path::new(SMBD).exists() {
            skipped("no Samba server: install Debian's package `samba`");
            return None;
        }
        let scratch = tempfile::Builder::new().prefix("dropbridge-smbd-").tempdir().expect("a scratch directory");
        for directory in DIRECTORIES {
            fs::create_dir(scratch.path().join(directory)).expect("a directory of the server");
        }
        fs::write(scratch.path().join("password"), PASSWORD).expect("a file with the password");
        let mut server = Self { scratch, options, port: 0, child: None };
        // Somebody may take the port before it does.
        for attempt in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            server.port = free.port();
            server.configure();
            if attempt == 0 {
                server.add_user();
            }
            if server.launch() {
                return Some(server);
            }
        }
        panic!("smbd does not start: {}", server.log());
    }

    /// Something in the server's own directory: in `password` stands [`PASSWORD`].
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Who may log in, with [`PASSWORD`].
    #[must_use]
    pub fn user(&self) -> String {
        user()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
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

    /// Starts it again, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        assert!(self.launch(), "smbd does not start: {}", self.log());
    }

    fn configure(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        let Self { options, port, .. } = self;
        let config = format!(
            "[global]\nserver role = standalone server\ninterfaces = 127.0.0.1/8\nbind interfaces only = yes\n\
             smb ports = {port}\ndisable netbios = yes\nload printers = no\nprinting = bsd\nprintcap name = /dev/null\n\
             disable spoolss = yes\nmap to guest = Bad User\nserver multi channel support = no\nlog level = 1 auth:3\n\
             log file = {}\nprivate dir = {}\nlock directory = {}\nstate directory = {}\ncache directory = {}\n\
             pid directory = {}\nncalrpc dir = {}\npassdb backend = tdbsam:{}/passdb.tdb\n{}\n\
             [{FILES}]\npath = /\nread only = no\n{}\n",
            at("log"),
            at("private"),
            at("lock"),
            at("state"),
            at("cache"),
            at("pid"),
            at("ncalrpc"),
            at("private"),
            options.global,
            options.shares,
        );
        fs::write(self.path("smb.conf"), config).expect("smb.conf");
    }

    fn add_user(&self) {
        let mut child = Command::new("pdbedit")
            .arg("-s")
            .arg(self.path("smb.conf"))
            .args(["-a", "-t", "-u", &self.user()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pdbedit");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes()).expect("the password");
        drop(input);
        assert!(child.wait().expect("wait for pdbedit").success(), "pdbedit");
    }

    /// Starts it; `false` when it ended.
    fn launch(&mut self) -> bool {
        let output = fs::File::create(self.path("output")).expect("its output");
        let mut command = Command::new(SMBD);
        command.args(["-F", "--no-process-group", "-s"]).arg(self.path("smb.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        if let Some(zone) = self.options.zone {
            command.env("TZ", zone);
        }
        let mut child = command.spawn().expect("smbd");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if child.try_wait().expect("wait").is_some() {
                return false;
            }
            if TcpStream::connect_timeout(&self.address(), PATIENCE).is_ok() {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ended = child.kill().and_then(|()| child.wait());
        false
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.kill();
    }
}
