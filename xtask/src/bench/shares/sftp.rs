//! OpenSSH, and its own `sftp`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use dropbridge_port::Share;
use dropbridge_sftp::{HostKeyTrust, PrivateKeyFile, SftpServer, SftpSettings, SftpShare};

use super::{Served, text};
use crate::programs;

struct Sftp(OpenSsh);

/// Starts the server.
pub(super) fn start() -> Result<Box<dyn Served>> {
    programs::require("sshd", "there is no server to measure")?;
    programs::require("sftp", "there is nothing to measure against")?;
    let Some(server) = OpenSsh::start(OpenSshOptions::default()) else { bail!("no OpenSSH server") };
    Ok(Box::new(Sftp(server)))
}

impl Sftp {
    /// OpenSSH's own client with one line for each command.
    fn command(&self, batch: &str, scratch: &Path) -> Result<Command> {
        let path = scratch.join("batch");
        fs::write(&path, batch)?;
        let known = scratch.join("known_hosts");
        fs::write(&known, format!("[127.0.0.1]:{} {}\n", self.0.address().port(), self.0.host_key()))?;
        let mut command = Command::new("sftp");
        command.arg("-q").arg("-b").arg(path).arg("-i").arg(self.0.path("user_key"));
        command.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o"]);
        command.arg(format!("UserKnownHostsFile={}", known.display()));
        command.arg("-P").arg(self.0.address().port().to_string());
        command.arg(format!("{}@127.0.0.1", self.0.user()));
        Ok(command)
    }
}

impl Served for Sftp {
    fn protocol(&self) -> &'static str {
        "SFTP"
    }

    fn client(&self) -> &'static str {
        "sftp"
    }

    fn least_speed(&self) -> f64 {
        0.8
    }

    fn share(&self, directory: &Path) -> Result<Box<dyn Share>> {
        let server = SftpServer::new(SftpSettings {
            share: "bench".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.0.address().port(),
            user: self.0.user(),
            password: None,
            private_key: Some(PrivateKeyFile { path: self.0.path("user_key"), passphrase: None }),
            trust: HostKeyTrust { host_keys: vec![self.0.host_key()], known_hosts: None },
            connect_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            parallel_transfers: 4,
        });
        Ok(Box::new(SftpShare::new(server, text(directory)?.as_bytes(), "")))
    }

    fn fetching(&self, from: &Path, to: &Path, scratch: &Path) -> Result<Command> {
        self.command(&format!("get {}/* {}/\n", from.display(), to.display()), scratch)
    }

    fn listing(&self, directory: &Path, scratch: &Path) -> Result<Command> {
        self.command(&format!("ls -ln {}\n", directory.display()), scratch)
    }
}
