//! Connections that break: wherever they are cut, what is read is whole, and what is delivered is there once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dropbridge_conformance::fault_proxy::{Direction, Fault, FaultAt};
use dropbridge_conformance::ftp_proxy::{FtpProxy, PASSIVE_PORTS};
use dropbridge_conformance::ftpd::{FtpDaemon, FtpdOptions, FtpdTls};
use dropbridge_conformance::random::Random;
use dropbridge_ftp::{CertificateTrust, FtpServer, FtpSettings};
use dropbridge_port::{
    Attributes, EntryPath, ErrorKind, ListRequest, Outbox, PortError, Publication, Result, Share, StagedName, Standing,
};

/// Cuts of reading sessions, and as many of writing ones.
const CUTS: usize = 100;

/// They wait more than they work.
const THREADS: usize = 12;

/// Larger than what is asked for at a time, so that some are on their way when the connection ends.
fn large() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn entry(name: &str) -> EntryPath {
    EntryPath::new(name).unwrap()
}

/// As the bridge does: what failed for the moment is tried again.
fn patiently<T>(mut work: impl FnMut() -> Result<T>) -> T {
    for _ in 0..50 {
        match work() {
            Ok(done) => return done,
            Err(error) if error.kind == ErrorKind::Transient => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it does not get better")
}

/// Reads a file of the share to its end.
fn read_all(share: &dyn Share, name: &str) -> Result<Vec<u8>> {
    let mut file = share.open(&entry(name))?;
    let size = file.stat()?.size;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| PortError::io("read", name, &error))?;
    assert_eq!(bytes.len() as u64, size, "an end before the announced size");
    Ok(bytes)
}

/// One file through connections of its own: listed, opened, read.
fn read_through(server: &FtpServerAt<'_>, root: &Path, bytes: &[u8]) {
    let share = support::share(&server.connect(), root);
    let mut listed = patiently(|| share.list(ListRequest::default()));
    if listed.entries.is_empty() && server.tls == FtpdTls::None {
        // Without TLS, what is cut between two rows looks like a shorter listing; the next one has it all.
        listed = patiently(|| share.list(ListRequest::default()));
    }
    assert_eq!(listed.entries.len(), 1, "{listed:?}");
    assert!(patiently(|| read_all(&share, "large")) == bytes, "other bytes");
}

/// One file into the outbox as the bridge does it: what was not staged is staged again under another name; what was to be
/// published is, once.
fn deliver_through(server: &FtpServerAt<'_>, root: &Path, target: &str, bytes: &[u8]) {
    let outbox = support::outbox(&server.connect(), root, None);
    let mut number = 0;
    let name = patiently(|| {
        number += 1;
        let name = StagedName::new(target, 1, number).unwrap();
        let mut staged = outbox.stage(&name, Attributes::default())?;
        for block in bytes.chunks(100_000) {
            staged.write(block)?;
        }
        assert_eq!(staged.finish()?.size, bytes.len() as u64);
        outbox.witness(&name)?;
        Ok(name)
    });
    patiently(|| match outbox.standing(&name, &entry(target))? {
        Standing::Published => Ok(()),
        Standing::Staged => match outbox.publish(&name, &entry(target))? {
            Publication::Published => Ok(()),
            Publication::TargetExists => panic!("{target}: somebody else has its name"),
        },
        other => panic!("{target}: {other:?}"),
    });
    patiently(|| outbox.forget(&name));
    for stale in patiently(|| outbox.staged(target)) {
        patiently(|| outbox.discard(&stale));
    }
}

/// The server, by way of a proxy.
struct FtpServerAt<'a> {
    server: &'a FtpDaemon,
    proxy: &'a FtpProxy,
    tls: FtpdTls,
    stall_timeout: Duration,
}

impl FtpServerAt<'_> {
    fn connect(&self) -> Arc<FtpServer> {
        let settings = support::settings(self.server, self.proxy.address(), self.tls);
        // The certificate is not for the proxy's address.
        let prints = vec![self.server.fingerprint()];
        let trust = CertificateTrust { certificate_fingerprints: prints, ca_file: None };
        FtpServer::new(FtpSettings { stall_timeout: self.stall_timeout, trust, ..settings })
    }
}

fn server(tls: FtpdTls) -> Option<FtpDaemon> {
    FtpDaemon::start(FtpdOptions { tls, passive_ports: Some(PASSIVE_PORTS), ..FtpdOptions::default() })
}

/// Where it is cut: which connection of the session, which way, after how many bytes.
type Place = (usize, FaultAt);

/// Places in what an undisturbed session carries: in its control connection and in its transfers, both ways.
fn places(test: &str, calm: &FtpProxy) -> Vec<Place> {
    let carried = calm.carried();
    let mut random = Random::announced(test);
    let mut place = |round: usize| {
        // Witnesses are empty, and nothing goes up in a transfer from the server that is not encrypted.
        let used: Vec<usize> = (0..carried.len()).filter(|number| carried[*number] != [0, 0]).collect();
        let connection = used[random.below(used.len())];
        let way = if carried[connection][round % 2] > 0 { round % 2 } else { 1 - round % 2 };
        let after_bytes = random.below(usize::try_from(carried[connection][way]).unwrap()) as u64;
        let direction = [Direction::Up, Direction::Down][way];
        (connection, FaultAt { direction, after_bytes, fault: Fault::Cut })
    };
    (0..CUTS).map(&mut place).collect()
}

/// Does the same over and over, each time with one connection cut at another byte. Further connections of the same round
/// are left alone.
fn cut_everywhere(test: &str, tls: FtpdTls, server: &FtpDaemon, work: impl Fn(&FtpServerAt<'_>, usize) + Sync) {
    let through = |proxy: &FtpProxy, round| {
        work(&FtpServerAt { server, proxy, tls, stall_timeout: Duration::from_secs(60) }, round);
    };
    let calm = FtpProxy::start(server, |_| Vec::new());
    through(&calm, CUTS);
    let places = places(test, &calm);
    let (next, cut) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((round, (connection, fault))) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|round| places.get(round).map(|at| (round, *at)))
                {
                    println!("round {round}: connection {connection}: {fault:?}");
                    let plan = move |number| if number == connection { vec![fault] } else { Vec::new() };
                    let proxy = FtpProxy::start(server, plan);
                    through(&proxy, round);
                    // The first connections are those of the calm session, until one is cut.
                    cut.fetch_add(usize::from(proxy.connections() > calm.connections()), Ordering::SeqCst);
                }
            });
        }
    });
    println!("{test}: {} of {CUTS} made further connections necessary", cut.load(Ordering::SeqCst));
    assert!(cut.load(Ordering::SeqCst) > CUTS / 2, "most cuts are noticed");
}

fn reading_is_whole(test: &str, tls: FtpdTls) {
    let Some(server) = server(tls) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let bytes = large();
    fs::write(scratch.path().join("large"), &bytes).unwrap();
    cut_everywhere(test, tls, &server, |server, _| read_through(server, scratch.path(), &bytes));
}

#[test]
fn what_is_read_is_whole_wherever_a_connection_is_cut() {
    reading_is_whole("what_is_read_is_whole_wherever_a_connection_is_cut", FtpdTls::None);
}

#[test]
fn what_is_read_over_tls_is_whole_wherever_a_connection_is_cut() {
    reading_is_whole("what_is_read_over_tls_is_whole_wherever_a_connection_is_cut", FtpdTls::Explicit);
}

fn delivering_is_once(test: &str, tls: FtpdTls) {
    let Some(server) = server(tls) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    fs::create_dir(&out).unwrap();
    let bytes = large();
    cut_everywhere(test, tls, &server, |server, round| {
        deliver_through(server, scratch.path(), &format!("target-{round}"), &bytes);
    });
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".dropbridge");
    assert_eq!(names.len(), CUTS + 1);
    for name in names {
        assert!(fs::read(out.join(&name)).unwrap() == bytes, "{name} has other bytes");
    }
    assert_eq!(fs::read_dir(out.join(".dropbridge")).unwrap().count(), 0, "nothing is left over");
}

#[test]
fn what_is_delivered_is_there_once_wherever_a_connection_is_cut() {
    delivering_is_once("what_is_delivered_is_there_once_wherever_a_connection_is_cut", FtpdTls::None);
}

#[test]
fn what_is_delivered_over_tls_is_there_once_wherever_a_connection_is_cut() {
    delivering_is_once("what_is_delivered_over_tls_is_there_once_wherever_a_connection_is_cut", FtpdTls::Explicit);
}

/// Where the middle of the file is on its way: behind the control connection and the listing.
fn in_the_middle(fault: Fault) -> impl FnMut(usize) -> Vec<FaultAt> + Send + 'static {
    move |connection| match connection {
        2 => vec![FaultAt { direction: Direction::Down, after_bytes: 600_000, fault }],
        _ => Vec::new(),
    }
}

#[test]
fn a_server_that_falls_silent_or_speaks_nonsense_is_left_and_reading_goes_on() {
    let Some(server) = server(FtpdTls::Explicit) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let bytes = large();
    fs::write(scratch.path().join("large"), &bytes).unwrap();
    for fault in [Fault::Silence, Fault::Corrupt] {
        let proxy = FtpProxy::start(&server, in_the_middle(fault));
        // Only the silent one waits for it.
        let stall_timeout = Duration::from_secs(2);
        let at = FtpServerAt { server: &server, proxy: &proxy, tls: FtpdTls::Explicit, stall_timeout };
        read_through(&at, scratch.path(), &bytes);
        assert_eq!(proxy.connections(), 5, "a control connection and a transfer more: {fault:?}");
        // After nonsense some more comes through before it is noticed.
        let came = proxy.bytes(Direction::Down);
        let is_read_on = came < bytes.len() as u64 * 4 / 3;
        assert!(is_read_on || fault == Fault::Corrupt, "it is read on, not anew: {came} bytes");
    }
}

/// In the middle of the upload, which is the first transfer: no second one under another name.
#[test]
fn an_upload_goes_on_behind_what_the_server_has() {
    for tls in [FtpdTls::None, FtpdTls::Explicit] {
        let Some(server) = server(tls) else { return };
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("out")).unwrap();
        let bytes = large();
        let cut = FaultAt { direction: Direction::Up, after_bytes: 600_000, fault: Fault::Cut };
        let proxy = FtpProxy::start(&server, move |connection| if connection == 1 { vec![cut] } else { Vec::new() });
        let at = FtpServerAt { server: &server, proxy: &proxy, tls, stall_timeout: Duration::from_secs(60) };
        let outbox = support::outbox(&at.connect(), scratch.path(), None);
        let name = StagedName::new("test", 1, 1).unwrap();
        let mut staged = outbox.stage(&name, Attributes::default()).unwrap();
        bytes.chunks(50_000).for_each(|block| staged.write(block).unwrap());
        assert_eq!(staged.finish().unwrap().size, bytes.len() as u64);
        assert!(fs::read(scratch.path().join("out/.dropbridge").join(name.to_string())).unwrap() == bytes);
        let sent = proxy.bytes(Direction::Up);
        assert!(sent < bytes.len() as u64 * 4 / 3, "{sent} bytes were sent, {tls:?}");
    }
}

#[test]
fn a_slow_line_is_no_broken_one() {
    let Some(server) = server(FtpdTls::None) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let bytes = large();
    fs::write(scratch.path().join("large"), &bytes).unwrap();
    for fault in [Fault::Throttle(600_000), Fault::Delay(Duration::from_millis(300))] {
        let proxy = FtpProxy::start(&server, in_the_middle(fault));
        let stall_timeout = Duration::from_secs(60);
        let at = FtpServerAt { server: &server, proxy: &proxy, tls: FtpdTls::None, stall_timeout };
        read_through(&at, scratch.path(), &bytes);
        assert_eq!(proxy.connections(), 3, "{fault:?}");
    }
}

/// A file that is replaced while the connection is away is never continued with the bytes of another.
#[test]
fn another_file_is_not_read_on() {
    let Some(server) = server(FtpdTls::None) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("large");
    fs::write(&path, large()).unwrap();
    // So that it does not get through before it is cut.
    let proxy = FtpProxy::start(&server, |connection| {
        let slow = FaultAt { direction: Direction::Down, after_bytes: 100_000, fault: Fault::Throttle(20_000) };
        if connection == 1 { vec![slow] } else { Vec::new() }
    });
    let stall_timeout = Duration::from_secs(60);
    let at = FtpServerAt { server: &server, proxy: &proxy, tls: FtpdTls::None, stall_timeout };
    let share = support::share(&at.connect(), scratch.path());
    let mut file = share.open(&entry("large")).unwrap();
    file.stat().unwrap();
    file.read_exact(&mut [0; 1000]).unwrap();
    fs::write(&path, &large()[..1_100_000]).unwrap();
    proxy.cut_all();
    // What was on its way already may still come.
    let mut rest = Vec::new();
    let error = file.read_to_end(&mut rest).expect_err("it is another file");
    let error = PortError::io("read", "large", &error);
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("it changed while the connection was away"), "{error}");
}
