//! A real OpenSSH server, and shares on it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_conformance::openssh::OpenSsh;
use dropbridge_sftp::{HostKeyTrust, PrivateKeyFile, SftpOutbox, SftpServer, SftpSettings, SftpShare};

/// How to reach a server as its user, directly or over a proxy. Timeouts are long: they bound hangs.
pub fn settings(server: &OpenSsh, at: SocketAddr) -> SftpSettings {
    SftpSettings {
        share: "gateway".to_owned(),
        host: at.ip().to_string(),
        port: at.port(),
        user: server.user(),
        password: None,
        private_key: Some(PrivateKeyFile { path: server.path("user_key"), passphrase: None }),
        trust: HostKeyTrust { host_keys: vec![server.host_key()], known_hosts: None },
        connect_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        parallel_transfers: 4,
    }
}

/// A connection of its own to a server.
pub fn connection(server: &OpenSsh) -> Arc<SftpServer> {
    SftpServer::new(settings(server, server.address()))
}

/// The share of a directory of this machine, over the server.
pub fn share(connection: &Arc<SftpServer>, root: &Path) -> SftpShare {
    SftpShare::new(Arc::clone(connection), root.as_os_str().as_bytes(), "")
}

/// The outbox `out` below a directory of this machine, over the server.
pub fn outbox(connection: &Arc<SftpServer>, share: &Path, staging: Option<&str>) -> SftpOutbox {
    SftpOutbox::new(Arc::clone(connection), share.as_os_str().as_bytes(), "out", staging)
}
