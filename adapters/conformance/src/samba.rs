//! A real Samba server on a loopback port, for one test: started without privileges, killed when it is dropped.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::daemon::{Daemon, PATIENCE, skipped, user};

/// Debian installs it where only privileged users look.
const SMBD: &str = "/usr/sbin/smbd";

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
    daemon: Daemon,
    options: SambaOptions,
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
        let mut daemon = Daemon::new("smbd");
        for directory in DIRECTORIES {
            fs::create_dir(daemon.path(directory)).expect("a directory of the server");
        }
        fs::write(daemon.path("password"), PASSWORD).expect("a file with the password");
        let mut has_user = false;
        let answered = daemon.start(
            |daemon| {
                configure(daemon, &options);
                if !std::mem::replace(&mut has_user, true) {
                    add_user(daemon);
                }
                command(daemon, &options)
            },
            answers,
        );
        assert!(answered, "smbd does not start: {}", daemon.text("log"));
        Some(Self { daemon, options })
    }

    /// Something in the server's own directory: in `password` stands [`PASSWORD`].
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.daemon.path(name)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// Who may log in, with [`PASSWORD`].
    #[must_use]
    pub fn user(&self) -> String {
        user()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.text("log")
    }

    /// Kills it and all that serve its connections, as a power cut would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts it again, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let command = command(&self.daemon, &self.options);
        assert!(self.daemon.launch(command, answers), "smbd does not start: {}", self.log());
    }
}

fn configure(daemon: &Daemon, options: &SambaOptions) {
    let at = |name: &str| daemon.path(name).display().to_string();
    let port = daemon.address().port();
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
    fs::write(daemon.path("smb.conf"), config).expect("smb.conf");
}

/// Into the server's own file of users, which its configuration names.
fn add_user(daemon: &Daemon) {
    let mut child = Command::new("pdbedit")
        .arg("-s")
        .arg(daemon.path("smb.conf"))
        .args(["-a", "-t", "-u", &user()])
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

fn command(daemon: &Daemon, options: &SambaOptions) -> Command {
    let mut command = daemon.command(SMBD, "output");
    command.args(["-F", "--no-process-group", "-s"]).arg(daemon.path("smb.conf"));
    command.envs(options.zone.map(|zone| ("TZ", zone)));
    command
}

/// Whether somebody listens there: it greets nobody who says nothing.
fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_ok()
}
