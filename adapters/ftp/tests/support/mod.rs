//! Real FTP servers, and shares on them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_conformance::ftpd::{FtpDaemon, Ftpd, FtpdOptions, FtpdTls};
use dropbridge_ftp::{CertificateTrust, Encryption, FtpOutbox, FtpServer, FtpSettings, FtpShare};
use dropbridge_port::Secret;

/// A server of this kind.
pub fn server(ftpd: Ftpd, tls: FtpdTls) -> Option<FtpDaemon> {
    FtpDaemon::start(FtpdOptions { ftpd, tls, ..FtpdOptions::default() })
}

/// How to reach a server as its user, directly or over a proxy. Timeouts are long: they bound hangs.
pub fn settings(server: &FtpDaemon, at: SocketAddr, tls: FtpdTls) -> FtpSettings {
    FtpSettings {
        share: "gateway".to_owned(),
        host: at.ip().to_string(),
        port: at.port(),
        user: server.user().to_owned(),
        password: Some(Secret::new(server.password())),
        encryption: match tls {
            FtpdTls::None => Encryption::None,
            FtpdTls::Explicit => Encryption::Explicit,
            FtpdTls::Implicit => Encryption::Implicit,
        },
        trust: CertificateTrust { certificate_fingerprints: Vec::new(), ca_file: Some(server.ca_file()) },
        connect_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        parallel_transfers: 4,
    }
}

/// Connections of its own to a server.
pub fn connection(server: &FtpDaemon, tls: FtpdTls) -> Arc<FtpServer> {
    FtpServer::new(settings(server, server.address(), tls))
}

/// The share of a directory of this machine, over the server.
pub fn share(connection: &Arc<FtpServer>, root: &Path) -> FtpShare {
    FtpShare::new(Arc::clone(connection), root.as_os_str().as_bytes(), "")
}

/// The outbox `out` below a directory of this machine, over the server.
pub fn outbox(connection: &Arc<FtpServer>, share: &Path, staging: Option<&str>) -> FtpOutbox {
    FtpOutbox::new(Arc::clone(connection), share.as_os_str().as_bytes(), "out", staging)
}
