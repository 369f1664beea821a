//! Shares on a real Samba server: the same directories, seen over SMB.

use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::fault_proxy::FaultProxy;
use dropbridge_conformance::samba::{FILES, Samba};

use super::remote::{PlannedProxy, RemoteServer};

/// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy. Nobody else gives
/// names there.
pub fn share_lines(server: &Samba, at: SocketAddr, directory: &Path) -> String {
    share_lines_of(server, at, FILES, directory)
}

/// The same of another share of the server.
pub fn share_lines_of(server: &Samba, at: SocketAddr, share: &str, directory: &Path) -> String {
    format!(
        "address = \"smb://{}@{at}/{share}{}\"\npassword_file = \"{}\"\nexclusive_rename = true",
        server.user(),
        directory.display(),
        server.path("password").display(),
    )
}

impl RemoteServer for Samba {
    fn address(&self) -> SocketAddr {
        Samba::address(self)
    }

    fn proxy(&self) -> Box<dyn PlannedProxy> {
        Box::new(FaultProxy::start(self.address(), |_| Vec::new()))
    }

    fn share_lines(&self, at: SocketAddr, directory: &Path) -> String {
        share_lines(self, at, directory)
    }

    fn kill(&mut self) {
        Samba::kill(self);
    }

    fn start_again(&mut self) {
        Samba::start_again(self);
    }
}
