//! A real Samba server, and shares on it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_conformance::samba::{FILES, PASSWORD, Samba};
use dropbridge_conformance::share::{DirectoryHarness, ShareHarness};
use dropbridge_port::{EntryPath, Secret, Share};
use dropbridge_smb::{SmbOutbox, SmbServer, SmbSettings, SmbShare};

/// How to reach a server as its user, directly or over a proxy. Timeouts are long: they bound hangs.
pub fn settings(server: &Samba, at: SocketAddr) -> SmbSettings {
    SmbSettings {
        name: "nas".to_owned(),
        host: at.ip().to_string(),
        port: at.port(),
        share: FILES.to_owned(),
        domain: String::new(),
        user: server.user(),
        password: Secret::new(PASSWORD),
        connect_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        parallel_transfers: 4,
        exclusive_rename: false,
    }
}

/// A connection of its own to a server.
pub fn connection(server: &Samba) -> Arc<SmbServer> {
    SmbServer::new(settings(server, server.address()))
}

/// The share of a directory of this machine, over the server.
pub fn share(connection: &Arc<SmbServer>, root: &Path) -> SmbShare {
    SmbShare::new(Arc::clone(connection), root.to_str().unwrap(), "")
}

/// The outbox `out` below a directory of this machine, over the server.
pub fn outbox(connection: &Arc<SmbServer>, share: &Path, staging: Option<&str>) -> SmbOutbox {
    SmbOutbox::new(Arc::clone(connection), share.to_str().unwrap(), "out", staging)
}

/// A directory in which files have the names that clients of Unix give them on a server: what Windows allows in no name
/// stands there as other characters.
pub struct WireNames(pub DirectoryHarness);

impl WireNames {
    fn stored(path: &EntryPath) -> Option<EntryPath> {
        let names = std::str::from_utf8(path.as_bytes()).ok()?.split('/');
        EntryPath::new(names.map(smb2::encode_name).collect::<Vec<_>>().join("/"))
    }
}

impl ShareHarness for WireNames {
    fn share(&self) -> Box<dyn Share> {
        self.0.share()
    }

    fn create(&self, path: &EntryPath, bytes: &[u8]) -> bool {
        Self::stored(path).is_some_and(|stored| self.0.create(&stored, bytes))
    }

    fn overwrite(&self, path: &EntryPath, bytes: &[u8]) {
        self.0.overwrite(&Self::stored(path).unwrap(), bytes);
    }

    fn append(&self, path: &EntryPath, bytes: &[u8]) {
        self.0.append(&Self::stored(path).unwrap(), bytes);
    }

    fn extend(&self, path: &EntryPath, size_bytes: u64) -> bool {
        self.0.extend(&Self::stored(path).unwrap(), size_bytes)
    }

    fn rename(&self, from: &EntryPath, to: &EntryPath) {
        self.0.rename(&Self::stored(from).unwrap(), &Self::stored(to).unwrap());
    }

    fn remove(&self, path: &EntryPath) {
        self.0.remove(&Self::stored(path).unwrap());
    }

    fn create_directory(&self, path: &EntryPath) {
        self.0.create_directory(&Self::stored(path).unwrap());
    }

    fn remove_directory(&self, path: &EntryPath) {
        self.0.remove_directory(&Self::stored(path).unwrap());
    }

    fn snapshot(&self) -> BTreeMap<String, String> {
        self.0.snapshot()
    }
}
