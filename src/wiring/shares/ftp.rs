//! Shares on FTP servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dropbridge_ftp::{CertificateTrust, Encryption, FtpClearing, FtpOutbox, FtpServer, FtpShare};
use dropbridge_port::{Clearing, Disposal, Outbox, Share};

use super::Place;
use crate::config::settings::{FtpSettings, FtpTls};

/// The servers that shares are on, by the names of the shares.
#[derive(Clone, Default)]
pub(super) struct FtpServers(Arc<Mutex<BTreeMap<String, KnownServer>>>);

/// A server, and what was said of it when it was first used.
type KnownServer = (FtpSettings, Arc<FtpServer>);

impl FtpServers {
    /// A directory as a share.
    pub(super) fn share(&self, place: &Place<'_>, settings: &FtpSettings) -> Arc<dyn Share> {
        Arc::new(FtpShare::new(self.server(place.share, settings), &settings.address.path, place.directory))
    }

    /// A directory as an outbox.
    pub(super) fn outbox(&self, place: &Place<'_>, settings: &FtpSettings, staging: Option<&str>) -> Arc<dyn Outbox> {
        let server = self.server(place.share, settings);
        Arc::new(FtpOutbox::new(server, &settings.address.path, place.directory, staging))
    }

    /// What takes files out of a directory.
    pub(super) fn clearing(&self, place: &Place<'_>, settings: &FtpSettings, disposal: &Disposal) -> Arc<dyn Clearing> {
        let server = self.server(place.share, settings);
        Arc::new(FtpClearing::new(server, &settings.address.path, place.directory, disposal))
    }

    fn server(&self, share: &str, settings: &FtpSettings) -> Arc<FtpServer> {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, server)) = servers.get(share).filter(|(its, _)| its == settings) {
            return Arc::clone(server);
        }
        let server = FtpServer::new(for_adapter(share, settings));
        servers.insert(share.to_owned(), (settings.clone(), Arc::clone(&server)));
        server
    }
}

fn for_adapter(share: &str, settings: &FtpSettings) -> dropbridge_ftp::FtpSettings {
    dropbridge_ftp::FtpSettings {
        share: share.to_owned(),
        host: settings.address.host.clone(),
        port: settings.address.port,
        user: settings.address.user.clone(),
        password: settings.password.clone(),
        encryption: match settings.tls {
            FtpTls::None => Encryption::None,
            FtpTls::Explicit => Encryption::Explicit,
            FtpTls::Implicit => Encryption::Implicit,
        },
        trust: CertificateTrust {
            certificate_fingerprints: settings.certificate_fingerprints.clone(),
            ca_file: settings.ca_file.clone(),
        },
        connect_timeout: settings.connect_timeout,
        stall_timeout: settings.stall_timeout,
        parallel_transfers: settings.parallel_transfers,
    }
}
