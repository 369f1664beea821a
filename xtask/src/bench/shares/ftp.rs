//! ProFTPD, plain and over TLS, and curl.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use dropbridge_conformance::ftpd::{FtpDaemon, FtpdOptions, FtpdTls};
use dropbridge_ftp::{CertificateTrust, Encryption, FtpServer, FtpSettings, FtpShare};
use dropbridge_port::{Secret, Share};

use super::{Served, text};
use crate::programs;

/// Files beside each other, on both sides: over one connection curl (7.88) falls into waiting a third of a second for each.
const BESIDE_EACH_OTHER: usize = 4;

struct Ftp {
    server: FtpDaemon,
    tls: FtpdTls,
}

/// Starts the server, with TLS where that is wanted.
pub(super) fn start(tls: FtpdTls) -> Result<Box<dyn Served>> {
    programs::require("proftpd", "there is no server to measure")?;
    programs::require("curl", "there is nothing to measure against; install Debian's package `curl`")?;
    // With several connections, curl does not always resume the session of the right one.
    let lines = if tls == FtpdTls::None { "" } else { "TLSOptions NoSessionReuseRequired" };
    let options = FtpdOptions { tls, lines: lines.to_owned(), ..FtpdOptions::default() };
    let Some(server) = FtpDaemon::start(options) else { bail!("no FTP server") };
    Ok(Box::new(Ftp { server, tls }))
}

impl Ftp {
    /// A directory as curl takes it: a second slash means the server's top.
    fn address(&self, directory: &Path) -> String {
        format!("ftp://{}/{}", self.server.address(), directory.display())
    }

    /// curl, which takes all from a file, so that one connection serves all.
    fn command(&self, lines: &str, scratch: &Path) -> Result<Command> {
        let config = scratch.join("curl.conf");
        let tls = match self.tls {
            FtpdTls::None => String::new(),
            _ => format!("ssl-reqd\ncacert = \"{}\"\n", self.server.ca_file().display()),
        };
        let user = format!("user = \"{}:{}\"\n", self.server.user(), self.server.password());
        fs::write(&config, format!("silent\nshow-error\n{user}{tls}{lines}"))?;
        let mut command = Command::new("curl");
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }
}

impl Served for Ftp {
    fn protocol(&self) -> &'static str {
        if self.tls == FtpdTls::None { "FTP" } else { "FTPS" }
    }

    fn client(&self) -> &'static str {
        "curl"
    }

    fn least_speed(&self) -> f64 {
        0.8
    }

    fn share(&self, directory: &Path) -> Result<Box<dyn Share>> {
        let server = FtpServer::new(FtpSettings {
            share: "bench".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.server.address().port(),
            user: self.server.user().to_owned(),
            password: Some(Secret::new(self.server.password())),
            encryption: if self.tls == FtpdTls::None { Encryption::None } else { Encryption::Explicit },
            trust: CertificateTrust { certificate_fingerprints: Vec::new(), ca_file: Some(self.server.ca_file()) },
            connect_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            parallel_transfers: BESIDE_EACH_OTHER,
        });
        Ok(Box::new(FtpShare::new(server, text(directory)?.as_bytes(), "")))
    }

    fn beside_each_other(&self) -> usize {
        BESIDE_EACH_OTHER
    }

    fn fetching(&self, from: &Path, to: &Path, scratch: &Path) -> Result<Command> {
        let mut lines = format!("no-progress-meter\nparallel\nparallel-max = {BESIDE_EACH_OTHER}\n");
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            let (source, target) = (self.address(&from.join(&name)), to.join(&name));
            writeln!(lines, "url = \"{source}\"\noutput = \"{}\"", target.display())?;
        }
        self.command(&lines, scratch)
    }

    /// By `MLSD`, as the bridge asks: the rows of `LIST` have neither seconds nor a zone.
    fn listing(&self, directory: &Path, scratch: &Path) -> Result<Command> {
        self.command(&format!("request = \"MLSD\"\nurl = \"{}/\"\n", self.address(directory)), scratch)
    }
}
