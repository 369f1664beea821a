//! Samba, and its own `smbclient`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use dropbridge_conformance::samba::{FILES, PASSWORD, Samba, SambaOptions};
use dropbridge_port::{Secret, Share};
use dropbridge_smb::{SmbServer, SmbSettings, SmbShare};

use super::{Served, text};
use crate::programs;

struct Smb(Samba);

/// Starts the server.
pub(super) fn start() -> Result<Box<dyn Served>> {
    programs::require("smbd", "there is no server to measure")?;
    programs::require("smbclient", "there is nothing to measure against; install Debian's package `smbclient`")?;
    let Some(server) = Samba::start(SambaOptions::default()) else { bail!("no Samba server") };
    Ok(Box::new(Smb(server)))
}

impl Smb {
    /// Samba's own client; it says which file it fetches, and is not listened to.
    fn command(&self, commands: &str, scratch: &Path) -> Result<Command> {
        let account = scratch.join("account");
        fs::write(&account, format!("username = {}\npassword = {PASSWORD}\n", self.0.user()))?;
        let mut command = Command::new("smbclient");
        command.arg(format!("//127.0.0.1/{FILES}")).arg("-A").arg(account);
        command.arg("-p").arg(self.0.address().port().to_string());
        command.arg("-c").arg(commands).stderr(Stdio::null());
        Ok(command)
    }
}

impl Served for Smb {
    fn protocol(&self) -> &'static str {
        "SMB"
    }

    fn client(&self) -> &'static str {
        "smbclient"
    }

    fn least_speed(&self) -> f64 {
        0.4
    }

    fn share(&self, directory: &Path) -> Result<Box<dyn Share>> {
        let server = SmbServer::new(SmbSettings {
            name: "bench".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.0.address().port(),
            share: FILES.to_owned(),
            domain: String::new(),
            user: self.0.user(),
            password: Secret::new(PASSWORD),
            connect_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            parallel_transfers: 4,
            exclusive_rename: false,
        });
        Ok(Box::new(SmbShare::new(server, text(directory)?, "")))
    }

    fn fetching(&self, from: &Path, to: &Path, scratch: &Path) -> Result<Command> {
        self.command(&format!("prompt OFF; cd {}; lcd {}; mget *", from.display(), to.display()), scratch)
    }

    fn listing(&self, directory: &Path, scratch: &Path) -> Result<Command> {
        self.command(&format!("cd {}; ls", directory.display()), scratch)
    }
}
