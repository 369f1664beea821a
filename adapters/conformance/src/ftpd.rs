//! Real FTP servers on a loopback port, for one test: ProFTPD and vsftpd, started without privileges, killed when they are
//! dropped. Files are served from where they are: the protocol's root is that of the machine.

mod certificates;
mod proftpd;
mod vsftpd;

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::openssh::{skipped, with_descendants};

/// How long it may take to answer on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ftpd {
    /// With users of its own, `MLSD`, and quotas.
    #[default]
    Proftpd,
    /// Without privileges for anonymous users only, and without `MLSD`.
    Vsftpd,
}

/// Whether and when TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FtpdTls {
    /// Never.
    #[default]
    None,
    /// After `AUTH TLS`, and not without it.
    Explicit,
    /// With the first byte.
    Implicit,
}

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct FtpdOptions {
    /// Which one.
    pub ftpd: Ftpd,
    /// Whether and when TLS begins. Transfers have to resume the session of their control connection, as both servers
    /// want it unless they are told otherwise.
    pub tls: FtpdTls,
    /// Its certificate expired yesterday.
    pub expired: bool,
    /// First and last port for transfers; none: whichever are free.
    pub passive_ports: Option<(u16, u16)>,
    /// The zone of the server's clock (`TZ`).
    pub zone: Option<&'static str>,
    /// Further lines of its configuration.
    pub lines: String,
}

/// A server that runs.
pub struct FtpDaemon {
    scratch: tempfile::TempDir,
    options: FtpdOptions,
    program: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl FtpDaemon {
    /// Starts one. `None` when there is none on this machine, which is said by name; where nothing may be skipped, that
    /// is a failure.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(options: FtpdOptions) -> Option<Self> {
        let (found, package) = match options.ftpd {
            Ftpd::Proftpd => (proftpd::program(), "proftpd-mod-crypto"),
            Ftpd::Vsftpd => (vsftpd::program(), "vsftpd"),
        };
        let Some(program) = found else {
            skipped(&format!("no FTP server: `cargo xtask test` brings Debian's package `{package}`"));
            return None;
        };
        let scratch = tempfile::Builder::new().prefix("dropbridge-ftpd-").tempdir().expect("a scratch directory");
        let mut server = Self { scratch, options, program, port: 0, child: None };
        certificates::make(server.scratch.path(), server.options.expired);
        // Somebody may take the port before it does.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            server.port = free.port();
            if server.launch() {
                return Some(server);
            }
        }
        panic!("the FTP server does not start: {}", server.log());
    }

    /// Something in the server's own directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        ["log", "output"].map(|name| fs::read_to_string(self.path(name)).unwrap_or_default()).concat()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Who may log in.
    #[must_use]
    pub fn user(&self) -> &'static str {
        match self.options.ftpd {
            Ftpd::Proftpd => proftpd::USER,
            Ftpd::Vsftpd => "anonymous",
        }
    }

    /// With which password.
    #[must_use]
    pub fn password(&self) -> &'static str {
        proftpd::PASSWORD
    }

    /// The certificate of the authority that issued the server's, which is for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The fingerprint of its certificate, by OpenSSL's own program.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        certificates::fingerprint(&self.path("server.pem"))
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

    /// Starts it again, on the same port and with the same certificate.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        assert!(self.launch(), "the FTP server does not start: {}", self.log());
    }

    /// Starts it; `false` when it ended.
    fn launch(&mut self) -> bool {
        let config = match self.options.ftpd {
            Ftpd::Proftpd => proftpd::configuration(self.scratch.path(), self.port, &self.options),
            Ftpd::Vsftpd => vsftpd::configuration(self.scratch.path(), self.port, &self.options),
        };
        let file = self.path("ftpd.conf");
        fs::write(&file, config).expect("ftpd.conf");
        let output = fs::File::create(self.path("output")).expect("an output");
        let mut command = Command::new(&self.program);
        if self.options.ftpd == Ftpd::Proftpd {
            command.args(["-n", "-c"]);
        }
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        command.env("TZ", self.options.zone.unwrap_or("UTC"));
        let mut child = command.spawn().expect("an FTP server");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if child.try_wait().expect("wait").is_some() {
                return false;
            }
            if answers(self.address(), self.options.tls) {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ended = child.kill().and_then(|()| child.wait());
        false
    }
}

impl Drop for FtpDaemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether somebody greets there; where TLS begins with the first byte, whether somebody listens.
fn answers(address: SocketAddr, tls: FtpdTls) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return false };
    let mut greeting = [0; 4];
    tls == FtpdTls::Implicit
        || stream.set_read_timeout(Some(PATIENCE)).is_ok()
            && stream.read_exact(&mut greeting).is_ok()
            && &greeting == b"220 "
}
