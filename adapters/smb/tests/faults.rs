//! Connections that break: wherever they are cut, what is read is whole, and what is delivered is there once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dropbridge_conformance::fault_proxy::{Direction, Fault, FaultAt, FaultProxy};
use dropbridge_conformance::random::Random;
use dropbridge_conformance::samba::{Samba, SambaOptions};
use dropbridge_port::{
    Attributes, EntryPath, ErrorKind, ListRequest, Outbox, PortError, Publication, Result, Share, StagedName, Standing,
};
use dropbridge_smb::{SmbServer, SmbSettings};

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

/// One file through a connection of its own: listed, opened, read.
fn read_through(server: &ServerAt<'_>, root: &Path, bytes: &[u8]) {
    let share = support::share(&server.connect(), root);
    let listed = patiently(|| share.list(ListRequest::default()));
    assert_eq!(listed.entries.len(), 1, "{listed:?}");
    assert!(patiently(|| read_all(&share, "large")) == bytes, "other bytes");
}

/// One file into the outbox as the bridge does it: what was not staged is staged again under another name; what was to be
/// published is, once.
fn deliver_through(server: &ServerAt<'_>, root: &Path, target: &str, bytes: &[u8]) {
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
struct ServerAt<'a> {
    server: &'a Samba,
    proxy: &'a FaultProxy,
    stall_timeout: Duration,
}

impl ServerAt<'_> {
    fn connect(&self) -> Arc<SmbServer> {
        let settings = support::settings(self.server, self.proxy.address());
        SmbServer::new(SmbSettings { stall_timeout: self.stall_timeout, ..settings })
    }
}

/// Does the same over and over, each time over a connection that is cut at another byte of what an undisturbed one
/// carries. Further connections of the same round are left alone.
fn cut_everywhere(test: &str, server: &Samba, work: impl Fn(&ServerAt<'_>, usize) + Sync) {
    let through = |proxy: &FaultProxy, round| {
        work(&ServerAt { server, proxy, stall_timeout: Duration::from_secs(60) }, round);
    };
    let calm = FaultProxy::start(server.address(), |_| Vec::new());
    through(&calm, CUTS);
    let carried = [Direction::Up, Direction::Down].map(|direction| (direction, calm.bytes(direction)));
    let mut random = Random::announced(test);
    let cuts: Vec<FaultAt> = (0..CUTS)
        .map(|round| {
            let (direction, bytes) = carried[round % 2];
            let after_bytes = random.below(usize::try_from(bytes).unwrap()) as u64;
            FaultAt { direction, after_bytes, fault: Fault::Cut }
        })
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((round, cut)) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|round| cuts.get(round).map(|cut| (round, *cut)))
                {
                    println!("round {round}: {cut:?}");
                    let plan = move |connection| if connection == 0 { vec![cut] } else { Vec::new() };
                    through(&FaultProxy::start(server.address(), plan), round);
                }
            });
        }
    });
}

#[test]
fn what_is_read_is_whole_wherever_the_connection_is_cut() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let bytes = large();
    fs::write(scratch.path().join("large"), &bytes).unwrap();
    cut_everywhere("what_is_read_is_whole_wherever_the_connection_is_cut", &server, |server, _| {
        read_through(server, scratch.path(), &bytes);
    });
}

#[test]
fn what_is_delivered_is_there_once_wherever_the_connection_is_cut() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    fs::create_dir(&out).unwrap();
    let bytes = large();
    cut_everywhere("what_is_delivered_is_there_once_wherever_the_connection_is_cut", &server, |server, round| {
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

/// Where the middle of the file is on its way.
fn in_the_middle(fault: Fault) -> impl FnMut(usize) -> Vec<FaultAt> + Send + 'static {
    move |connection| match connection {
        0 => vec![FaultAt { direction: Direction::Down, after_bytes: 600_000, fault }],
        _ => Vec::new(),
    }
}

#[test]
fn a_server_that_falls_silent_or_speaks_nonsense_is_left_and_reading_goes_on() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let bytes = large();
    fs::write(scratch.path().join("large"), &bytes).unwrap();
    for fault in [Fault::Silence, Fault::Corrupt] {
        let proxy = FaultProxy::start(server.address(), in_the_middle(fault));
        // Only the silent one waits for it.
        let at = ServerAt { server: &server, proxy: &proxy, stall_timeout: Duration::from_secs(2) };
        read_through(&at, scratch.path(), &bytes);
        assert_eq!(proxy.connections(), 2, "{fault:?}");
    }
}

#[test]
fn a_slow_line_is_no_broken_one() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let bytes = large();
    fs::write(scratch.path().join("large"), &bytes).unwrap();
    for fault in [Fault::Throttle(600_000), Fault::Delay(Duration::from_millis(300))] {
        let proxy = FaultProxy::start(server.address(), in_the_middle(fault));
        let at = ServerAt { server: &server, proxy: &proxy, stall_timeout: Duration::from_secs(60) };
        read_through(&at, scratch.path(), &bytes);
        assert_eq!(proxy.connections(), 1, "{fault:?}");
    }
}

/// A file that is replaced while the connection is away is never continued with the bytes of another.
#[test]
fn another_file_is_not_read_on() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("large");
    fs::write(&path, large()).unwrap();
    let proxy = FaultProxy::start(server.address(), |_| Vec::new());
    let at = ServerAt { server: &server, proxy: &proxy, stall_timeout: Duration::from_secs(60) };
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
    // Some of it was asked for already, and came to an end where the other file began.
    let said = ["it changed while the connection was away", "the server ended the file after"];
    assert!(said.iter().any(|said| error.message.contains(said)), "{error}");
}
