//! Real FTP servers on a loopback port, for one test: ProFTPD and vsftpd, started without privileges, killed when they are
//! dropped. Files are served from where they are: the protocol's root is that of the machine.

mod certificates;
mod proftpd;
mod vsftpd;

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::{Daemon, PATIENCE, own_address, skipped};

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

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FtpdCertificate {
    /// Nothing: it is for `localhost` and the server's address.
    #[default]
    Right,
    /// It expired yesterday.
    Expired,
    /// It is for `elsewhere.test`.
    OfAnotherName,
}

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct FtpdOptions {
    /// Which one.
    pub ftpd: Ftpd,
    /// Whether and when TLS begins. Transfers have to resume the session of their control connection, as both servers
    /// want it unless they are told otherwise.
    pub tls: FtpdTls,
    /// What is wrong with its certificate.
    pub certificate: FtpdCertificate,
    /// First and last port for transfers, at an address that is the server's own; none: whichever are free.
    pub passive_ports: Option<(u16, u16)>,
    /// The zone of the server's clock (`TZ`).
    pub zone: Option<&'static str>,
    /// Further lines of its configuration.
    pub lines: String,
}

/// A server that runs.
pub struct FtpDaemon {
    daemon: Daemon,
    options: FtpdOptions,
    program: PathBuf,
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
        let mut daemon = Daemon::new("ftpd");
        if options.passive_ports.is_some() {
            // Others have these ports too.
            daemon.move_to(own_address());
        }
        certificates::make(&daemon, options.certificate);
        let mut server = Self { daemon, options, program };
        let Self { daemon, options, program } = &mut server;
        let answered = daemon.start(|daemon| command(daemon, program, options), |at| answers(at, options.tls));
        assert!(answered, "the FTP server does not start: {}", server.log());
        Some(server)
    }

    /// Something in the server's own directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.daemon.path(name)
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        ["log", "output"].map(|name| self.daemon.text(name)).concat()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
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

    /// The certificate of the authority that issued the server's.
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
        self.daemon.kill();
    }

    /// Starts it again, on the same port and with the same certificate.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let command = command(&self.daemon, &self.program, &self.options);
        let answered = self.daemon.launch(command, |at| answers(at, self.options.tls));
        assert!(answered, "the FTP server does not start: {}", self.log());
    }
}

/// What starts it, with its configuration written.
fn command(daemon: &Daemon, program: &Path, options: &FtpdOptions) -> Command {
    let configuration = match options.ftpd {
        Ftpd::Proftpd => proftpd::configuration,
        Ftpd::Vsftpd => vsftpd::configuration,
    };
    let file = daemon.path("ftpd.conf");
    fs::write(&file, configuration(daemon, options)).expect("ftpd.conf");
    let mut command = daemon.command(program, "output");
    if options.ftpd == Ftpd::Proftpd {
        command.args(["-n", "-c"]);
    }
    command.arg(file).env("TZ", options.zone.unwrap_or("UTC"));
    command
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
