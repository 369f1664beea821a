//! Shares on Windows and Samba servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dropbridge_port::{Clearing, Disposal, Outbox, Secret, Share};
use dropbridge_smb::{SmbClearing, SmbOutbox, SmbServer, SmbShare};

use super::Place;
use crate::config::settings::SmbSettings;

/// The servers that shares are on, by the names of the shares.
#[derive(Clone, Default)]
pub(super) struct SmbServers(Arc<Mutex<BTreeMap<String, KnownServer>>>);

/// A server, and what was said of it when it was first used.
type KnownServer = (SmbSettings, Arc<SmbServer>);

impl SmbServers {
    /// A directory as a share.
    pub(super) fn share(&self, place: &Place<'_>, settings: &SmbSettings) -> Arc<dyn Share> {
        Arc::new(SmbShare::new(self.server(place.share, settings), &settings.address.directory, place.directory))
    }

    /// A directory as an outbox.
    pub(super) fn outbox(&self, place: &Place<'_>, settings: &SmbSettings, staging: Option<&str>) -> Arc<dyn Outbox> {
        let server = self.server(place.share, settings);
        Arc::new(SmbOutbox::new(server, &settings.address.directory, place.directory, staging))
    }

    /// What takes files out of a directory.
    pub(super) fn clearing(&self, place: &Place<'_>, settings: &SmbSettings, disposal: &Disposal) -> Arc<dyn Clearing> {
        let server = self.server(place.share, settings);
        Arc::new(SmbClearing::new(server, &settings.address.directory, place.directory, disposal))
    }

    fn server(&self, share: &str, settings: &SmbSettings) -> Arc<SmbServer> {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, server)) = servers.get(share).filter(|(its, _)| its == settings) {
            return Arc::clone(server);
        }
        let server = SmbServer::new(for_adapter(share, settings));
        servers.insert(share.to_owned(), (settings.clone(), Arc::clone(&server)));
        server
    }
}

fn for_adapter(name: &str, settings: &SmbSettings) -> dropbridge_smb::SmbSettings {
    let address = settings.address.clone();
    dropbridge_smb::SmbSettings {
        name: name.to_owned(),
        host: address.whole.host,
        port: address.whole.port,
        share: address.share,
        domain: address.domain,
        user: address.user,
        password: settings.password.clone().unwrap_or_else(|| Secret::new("")),
        connect_timeout: settings.connect_timeout,
        stall_timeout: settings.stall_timeout,
        parallel_transfers: settings.parallel_transfers,
        exclusive_rename: settings.exclusive_rename,
    }
}
