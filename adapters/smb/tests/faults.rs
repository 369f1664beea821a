//! Connections that break: wherever they are cut, what is read is whole, and what is delivered is there once.

mod support;

use std::path::Path;
use std::sync::Arc;

use dropbridge_conformance::fault_proxy::{FaultProxy, Plan};
use dropbridge_conformance::faults::{self, ProxiedServer, Proxy, Route};
use dropbridge_conformance::samba::{Samba, SambaOptions};
use dropbridge_port::{Outbox, Share};
use dropbridge_smb::{SmbServer, SmbSettings};

/// The server, by way of proxies.
struct Proxied(Samba);

impl Proxied {
    fn start() -> Option<Self> {
        Samba::start(SambaOptions::default()).map(Self)
    }

    fn connect(&self, route: Route) -> Arc<SmbServer> {
        let settings = support::settings(&self.0, route.address);
        SmbServer::new(SmbSettings { stall_timeout: route.stall_timeout, ..settings })
    }
}

impl ProxiedServer for Proxied {
    fn proxy(&self, plan: Plan) -> Box<dyn Proxy> {
        Box::new(FaultProxy::start(self.0.address(), plan))
    }

    fn share(&self, route: Route, root: &Path) -> Box<dyn Share> {
        Box::new(support::share(&self.connect(route), root))
    }

    fn outbox(&self, route: Route, root: &Path) -> Box<dyn Outbox> {
        Box::new(support::outbox(&self.connect(route), root, None))
    }
}

#[test]
fn what_is_read_is_whole_wherever_the_connection_is_cut() {
    let Some(server) = Proxied::start() else { return };
    faults::reading_is_whole("what_is_read_is_whole_wherever_the_connection_is_cut", &server);
}

#[test]
fn what_is_delivered_is_there_once_wherever_the_connection_is_cut() {
    let Some(server) = Proxied::start() else { return };
    faults::delivering_is_once("what_is_delivered_is_there_once_wherever_the_connection_is_cut", &server);
}

#[test]
fn a_server_that_falls_silent_or_speaks_nonsense_is_left_and_reading_goes_on() {
    let Some(server) = Proxied::start() else { return };
    faults::reading_goes_on_elsewhere(&server, |fault, proxy| assert_eq!(proxy.connections(), 2, "{fault:?}"));
}

#[test]
fn a_slow_line_is_no_broken_one() {
    let Some(server) = Proxied::start() else { return };
    faults::slow_line_is_kept(&server, 1);
}

#[test]
fn another_file_is_not_read_on() {
    let Some(server) = Proxied::start() else { return };
    // Some of it was asked for already, and came to an end where the other file began.
    let said = ["it changed while the connection was away", "the server ended the file after"];
    faults::another_file_is_not_read_on(&server, faults::undisturbed(), &said);
}
