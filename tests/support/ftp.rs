//! Shares on a real FTP server: the same directories, seen over FTP.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::fault_proxy::Plan;
use dropbridge_conformance::ftp_proxy::FtpProxy;
use dropbridge_conformance::ftpd::{FtpDaemon, FtpdOptions, FtpdTls};

use super::remote::{PlannedProxy, RemoteServer};

/// ProFTPD with TLS where it is explicit.
pub fn ftps(options: FtpdOptions) -> Option<FtpDaemon> {
    FtpDaemon::start(FtpdOptions { tls: FtpdTls::Explicit, ..options })
}

/// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy.
pub fn share_lines(server: &FtpDaemon, at: SocketAddr, directory: &Path) -> String {
    let password = server.path("password");
    fs::write(&password, format!("{}\n", server.password())).unwrap();
    format!(
        "address = \"ftps://{}@{at}{}\"\npassword_file = \"{}\"\ncertificate_fingerprint = \"{}\"",
        server.user(),
        directory.display(),
        password.display(),
        server.fingerprint()
    )
}

impl RemoteServer for FtpDaemon {
    fn address(&self) -> SocketAddr {
        FtpDaemon::address(self)
    }

    /// The server has to have been started with the ports for transfers that the proxy knows.
    fn proxy(&self) -> Box<dyn PlannedProxy> {
        Box::new(FtpProxy::start(self, |_| Vec::new()))
    }

    fn share_lines(&self, at: SocketAddr, directory: &Path) -> String {
        share_lines(self, at, directory)
    }

    fn kill(&mut self) {
        FtpDaemon::kill(self);
    }

    fn start_again(&mut self) {
        FtpDaemon::start_again(self);
    }
}

impl PlannedProxy for FtpProxy {
    fn plan(&self, plan: Plan) {
        FtpProxy::plan(self, plan);
    }
}
