//! Shares, outboxes and inboxes: settings become adapters. The connection to a server is one for each share.

#[cfg(feature = "ftp")]
mod ftp;
#[cfg(feature = "smb")]
mod smb;

#[cfg(feature = "sftp")]
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "sftp")]
use std::sync::{Mutex, PoisonError};

use dropbridge_local::{LocalClearing, LocalOutbox, LocalSettings, LocalShare};
use dropbridge_port::{Clearing, Disposal, Outbox, Share};
#[cfg(feature = "sftp")]
use dropbridge_sftp::{HostKeyTrust, PrivateKeyFile, SftpClearing, SftpOutbox, SftpServer, SftpShare};

#[cfg(feature = "sftp")]
use crate::config::settings::SftpSettings;
use crate::config::settings::{DirectorySettings, ShareSettings};

/// The servers that shares are on, by the names of the shares. They outlive a configuration that leaves them as they are.
#[derive(Clone, Default)]
pub(super) struct Servers {
    #[cfg(feature = "sftp")]
    sftp: Arc<Mutex<BTreeMap<String, KnownServer>>>,
    #[cfg(feature = "smb")]
    smb: smb::SmbServers,
    #[cfg(feature = "ftp")]
    ftp: ftp::FtpServers,
}

/// A server, and what was said of it when it was first used.
#[cfg(feature = "sftp")]
type KnownServer = (SftpSettings, Arc<SftpServer>);

/// A directory of a share.
pub(super) struct Place<'a> {
    /// The share's name.
    pub(super) share: &'a str,
    /// What is said of it.
    pub(super) settings: &'a ShareSettings,
    /// The directory below it.
    pub(super) directory: &'a str,
}

impl Servers {
    /// A directory as a share.
    ///
    /// # Errors
    /// Of the adapter.
    pub(super) fn share(&self, place: &Place<'_>) -> anyhow::Result<Arc<dyn Share>> {
        match place.settings {
            ShareSettings::Directory(settings) => {
                let below = Path::new(place.directory);
                Ok(Arc::new(LocalShare::open_below(&settings.root, below, local(settings))?))
            }
            #[cfg(feature = "sftp")]
            ShareSettings::Sftp(settings) => {
                let server = self.sftp(place.share, settings);
                Ok(Arc::new(SftpShare::new(server, &settings.address.path, place.directory)))
            }
            #[cfg(feature = "smb")]
            ShareSettings::Smb(settings) => Ok(self.smb.share(place, settings)),
            #[cfg(feature = "ftp")]
            ShareSettings::Ftp(settings) => Ok(self.ftp.share(place, settings)),
            #[cfg(not(all(feature = "ftp", feature = "sftp", feature = "smb")))]
            _ => Err(not_built(place)),
        }
    }

    /// A directory as an outbox.
    ///
    /// # Errors
    /// Of the adapter.
    pub(super) fn outbox(&self, place: &Place<'_>, staging: Option<&str>) -> anyhow::Result<Arc<dyn Outbox>> {
        match place.settings {
            ShareSettings::Directory(settings) => {
                let (outbox, staging) = (Path::new(place.directory), staging.map(Path::new));
                Ok(Arc::new(LocalOutbox::open(&settings.root, outbox, staging, local(settings))?))
            }
            #[cfg(feature = "sftp")]
            ShareSettings::Sftp(settings) => {
                let server = self.sftp(place.share, settings);
                Ok(Arc::new(SftpOutbox::new(server, &settings.address.path, place.directory, staging)))
            }
            #[cfg(feature = "smb")]
            ShareSettings::Smb(settings) => Ok(self.smb.outbox(place, settings, staging)),
            #[cfg(feature = "ftp")]
            ShareSettings::Ftp(settings) => Ok(self.ftp.outbox(place, settings, staging)),
            #[cfg(not(all(feature = "ftp", feature = "sftp", feature = "smb")))]
            _ => Err(not_built(place)),
        }
    }

    /// What takes files out of a directory.
    ///
    /// # Errors
    /// Of the adapter.
    pub(super) fn clearing(&self, place: &Place<'_>, disposal: &Disposal) -> anyhow::Result<Arc<dyn Clearing>> {
        match place.settings {
            ShareSettings::Directory(settings) => {
                let inbox = Path::new(place.directory);
                Ok(Arc::new(LocalClearing::open(&settings.root, inbox, disposal, local(settings))?))
            }
            #[cfg(feature = "sftp")]
            ShareSettings::Sftp(settings) => {
                let server = self.sftp(place.share, settings);
                Ok(Arc::new(SftpClearing::new(server, &settings.address.path, place.directory, disposal)))
            }
            #[cfg(feature = "smb")]
            ShareSettings::Smb(settings) => Ok(self.smb.clearing(place, settings, disposal)),
            #[cfg(feature = "ftp")]
            ShareSettings::Ftp(settings) => Ok(self.ftp.clearing(place, settings, disposal)),
            #[cfg(not(all(feature = "ftp", feature = "sftp", feature = "smb")))]
            _ => Err(not_built(place)),
        }
    }

    #[cfg(feature = "sftp")]
    fn sftp(&self, share: &str, settings: &SftpSettings) -> Arc<SftpServer> {
        let mut servers = self.sftp.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, server)) = servers.get(share).filter(|(its, _)| its == settings) {
            return Arc::clone(server);
        }
        let server = SftpServer::new(sftp_settings(share, settings));
        servers.insert(share.to_owned(), (settings.clone(), Arc::clone(&server)));
        server
    }
}

const fn local(settings: &DirectorySettings) -> LocalSettings {
    LocalSettings { notify: settings.notify, require_mount: settings.require_mount }
}

/// Configuration has refused the address already.
#[cfg(not(all(feature = "ftp", feature = "sftp", feature = "smb")))]
fn not_built(place: &Place<'_>) -> anyhow::Error {
    anyhow::anyhow!("share `{}` is on a server of a kind that this build does not support", place.share)
}

#[cfg(feature = "sftp")]
fn sftp_settings(share: &str, settings: &SftpSettings) -> dropbridge_sftp::SftpSettings {
    let key = settings.private_key.as_ref();
    dropbridge_sftp::SftpSettings {
        share: share.to_owned(),
        host: settings.address.host.clone(),
        port: settings.address.port,
        user: settings.address.user.clone(),
        password: settings.password.clone(),
        private_key: key
            .map(|(path, passphrase)| PrivateKeyFile { path: path.clone(), passphrase: passphrase.clone() }),
        trust: HostKeyTrust { host_keys: settings.host_keys.clone(), known_hosts: settings.known_hosts.clone() },
        connect_timeout: settings.connect_timeout,
        stall_timeout: settings.stall_timeout,
        parallel_transfers: settings.parallel_transfers,
    }
}
