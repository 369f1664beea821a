//! Connections that break: wherever they are cut, what is read is whole, and what is delivered is there once.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dropbridge_conformance::fault_proxy::{Direction, Fault, FaultAt, Plan};
use dropbridge_conformance::faults::{self, PATIENCE, ProxiedServer, Proxy, Route};
use dropbridge_conformance::ftp_proxy::{FtpProxy, PASSIVE_PORTS};
use dropbridge_conformance::ftpd::{FtpDaemon, FtpdOptions, FtpdTls};
use dropbridge_ftp::{CertificateTrust, FtpServer, FtpSettings};
use dropbridge_port::{Attributes, Outbox, Share, StagedName};

/// The server, by way of proxies.
struct Proxied {
    server: FtpDaemon,
    tls: FtpdTls,
}

impl Proxied {
    fn start(tls: FtpdTls) -> Option<Self> {
        let options = FtpdOptions { tls, passive_ports: Some(PASSIVE_PORTS), ..FtpdOptions::default() };
        Some(Self { server: FtpDaemon::start(options)?, tls })
    }

    fn connect(&self, route: Route) -> Arc<FtpServer> {
        let settings = support::settings(&self.server, route.address, self.tls);
        // The certificate is not for the proxy's address.
        let prints = vec![self.server.fingerprint()];
        let trust = CertificateTrust { certificate_fingerprints: prints, ca_file: None };
        FtpServer::new(FtpSettings { stall_timeout: route.stall_timeout, trust, ..settings })
    }
}

impl ProxiedServer for Proxied {
    fn proxy(&self, plan: Plan) -> Box<dyn Proxy> {
        Box::new(FtpProxy::start(&self.server, plan))
    }

    fn share(&self, route: Route, root: &Path) -> Box<dyn Share> {
        Box::new(support::share(&self.connect(route), root))
    }

    fn outbox(&self, route: Route, root: &Path) -> Box<dyn Outbox> {
        Box::new(support::outbox(&self.connect(route), root, None))
    }

    /// Behind the control connection and the listing.
    fn reading_connection(&self) -> usize {
        2
    }

    /// TLS says where a transfer ends.
    fn cut_listing_looks_shorter(&self) -> bool {
        self.tls == FtpdTls::None
    }
}

#[test]
fn what_is_read_is_whole_wherever_a_connection_is_cut() {
    let Some(server) = Proxied::start(FtpdTls::None) else { return };
    faults::reading_is_whole("what_is_read_is_whole_wherever_a_connection_is_cut", &server);
}

#[test]
fn what_is_read_over_tls_is_whole_wherever_a_connection_is_cut() {
    let Some(server) = Proxied::start(FtpdTls::Explicit) else { return };
    faults::reading_is_whole("what_is_read_over_tls_is_whole_wherever_a_connection_is_cut", &server);
}

#[test]
fn what_is_delivered_is_there_once_wherever_a_connection_is_cut() {
    let Some(server) = Proxied::start(FtpdTls::None) else { return };
    faults::delivering_is_once("what_is_delivered_is_there_once_wherever_a_connection_is_cut", &server);
}

#[test]
fn what_is_delivered_over_tls_is_there_once_wherever_a_connection_is_cut() {
    let Some(server) = Proxied::start(FtpdTls::Explicit) else { return };
    faults::delivering_is_once("what_is_delivered_over_tls_is_there_once_wherever_a_connection_is_cut", &server);
}

#[test]
fn a_server_that_falls_silent_or_speaks_nonsense_is_left_and_reading_goes_on() {
    let Some(server) = Proxied::start(FtpdTls::Explicit) else { return };
    let bytes = faults::large().len() as u64;
    faults::reading_goes_on_elsewhere(&server, |fault, proxy| {
        assert_eq!(proxy.connections(), 5, "a control connection and a transfer more: {fault:?}");
        // After nonsense some more comes through before it is noticed.
        let came = proxy.bytes(Direction::Down);
        let is_read_on = came < bytes * 4 / 3;
        assert!(is_read_on || fault == Fault::Corrupt, "it is read on, not anew: {came} bytes");
    });
}

/// In the middle of the upload, which is the first transfer: no second one under another name.
#[test]
fn an_upload_goes_on_behind_what_the_server_has() {
    for tls in [FtpdTls::None, FtpdTls::Explicit] {
        let Some(server) = Proxied::start(tls) else { return };
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("out")).unwrap();
        let bytes = faults::large();
        let cut = FaultAt { direction: Direction::Up, after_bytes: 600_000, fault: Fault::Cut };
        let proxy = server.proxy(faults::only(1, &[cut]));
        let outbox = server.outbox(faults::through(&*proxy, PATIENCE), scratch.path());
        let name = StagedName::new("test", 1, 1).unwrap();
        let mut staged = outbox.stage(&name, Attributes::default()).unwrap();
        bytes.chunks(50_000).for_each(|block| staged.write(block).unwrap());
        assert_eq!(staged.finish().unwrap().size, bytes.len() as u64);
        assert!(fs::read(scratch.path().join("out/.dropbridge").join(format!("{name}.staged"))).unwrap() == bytes);
        let sent = proxy.bytes(Direction::Up);
        assert!(sent < bytes.len() as u64 * 4 / 3, "{sent} bytes were sent, {tls:?}");
    }
}

#[test]
fn a_slow_line_is_no_broken_one() {
    let Some(server) = Proxied::start(FtpdTls::None) else { return };
    faults::slow_line_is_kept(&server, 3);
}

#[test]
fn another_file_is_not_read_on() {
    let Some(server) = Proxied::start(FtpdTls::None) else { return };
    // So that it does not get through before it is cut.
    let slow = FaultAt { direction: Direction::Down, after_bytes: 100_000, fault: Fault::Throttle(20_000) };
    let said = ["it changed while the connection was away"];
    faults::another_file_is_not_read_on(&server, faults::only(1, &[slow]), &said);
}
