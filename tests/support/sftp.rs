//! Shares on a real OpenSSH server: the same directories, seen over SFTP.

use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::fault_proxy::FaultProxy;
use dropbridge_conformance::openssh::OpenSsh;

use super::remote::{PlannedProxy, RemoteServer};

/// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy.
pub fn share_lines(server: &OpenSsh, at: SocketAddr, directory: &Path) -> String {
    format!(
        "address = \"sftp://{}@{at}{}\"\nprivate_key_file = \"{}\"\nhost_key = \"{}\"",
        server.user(),
        directory.display(),
        server.path("user_key").display(),
        server.host_key()
    )
}

impl RemoteServer for OpenSsh {
    fn address(&self) -> SocketAddr {
        OpenSsh::address(self)
    }

    fn proxy(&self) -> Box<dyn PlannedProxy> {
        Box::new(FaultProxy::start(self.address(), |_| Vec::new()))
    }

    fn share_lines(&self, at: SocketAddr, directory: &Path) -> String {
        share_lines(self, at, directory)
    }

    fn kill(&mut self) {
        OpenSsh::kill(self);
    }

    fn start_again(&mut self) {
        OpenSsh::start_again(self);
    }
}
