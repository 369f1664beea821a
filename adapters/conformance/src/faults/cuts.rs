//! The same work over and over, each time with one connection cut at another byte of what an undisturbed session
//! carries.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::session::{deliver_through, read_through};
use super::{PATIENCE, ProxiedServer, Proxy, Route, large, only, through, undisturbed, with_large};
use crate::fault_proxy::{Direction, Fault, FaultAt};
use crate::random::Random;

/// Cuts of reading sessions, and as many of writing ones.
const CUTS: usize = 100;

/// They wait more than they work.
const THREADS: usize = 12;

/// A file is read whole, wherever a connection is cut.
pub fn reading_is_whole(test: &str, server: &dyn ProxiedServer) {
    let bytes = large();
    let scratch = with_large(&bytes);
    cut_everywhere(test, server, |route, _| read_through(server, route, scratch.path(), &bytes));
}

/// A file is delivered once and whole and nothing is left over, wherever a connection is cut.
pub fn delivering_is_once(test: &str, server: &dyn ProxiedServer) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let out = scratch.path().join("out");
    fs::create_dir(&out).expect("an outbox");
    let bytes = large();
    cut_everywhere(test, server, |route, round| {
        deliver_through(server, route, scratch.path(), &format!("target-{round}"), &bytes);
    });
    let files = fs::read_dir(&out).expect("the outbox").map(|file| file.expect("a file of the outbox"));
    let mut names: Vec<String> = files.map(|file| file.file_name().into_string().expect("text")).collect();
    names.retain(|name| name != ".dropbridge");
    assert_eq!(names.len(), CUTS + 1);
    for name in names {
        assert!(fs::read(out.join(&name)).expect("what was delivered") == bytes, "{name} has other bytes");
    }
    let staged = fs::read_dir(out.join(".dropbridge")).expect("the staging directory");
    assert_eq!(staged.count(), 0, "nothing is left over");
}

/// Where it is cut: which connection of the session, which way, after how many bytes.
type Place = (usize, FaultAt);

/// Places in what an undisturbed session carries: in each of its connections, both ways.
fn places(test: &str, calm: &dyn Proxy) -> Vec<Place> {
    let carried = calm.carried();
    let mut random = Random::announced(test);
    let mut place = |round: usize| {
        // Some transfers of FTP are of nothing, and some of nothing one way.
        let used: Vec<usize> = (0..carried.len()).filter(|number| carried[*number] != [0, 0]).collect();
        let connection = used[random.below(used.len())];
        let way = if carried[connection][round % 2] > 0 { round % 2 } else { 1 - round % 2 };
        let bytes = usize::try_from(carried[connection][way]).expect("what fits into memory");
        let direction = [Direction::Up, Direction::Down][way];
        (connection, FaultAt { direction, after_bytes: random.below(bytes) as u64, fault: Fault::Cut })
    };
    (0..CUTS).map(&mut place).collect()
}

/// Does the same for each place. Further connections of the same round are left alone.
fn cut_everywhere(test: &str, server: &dyn ProxiedServer, work: impl Fn(Route, usize) + Sync) {
    let calm = server.proxy(undisturbed());
    work(through(&*calm, PATIENCE), CUTS);
    let connections = calm.connections();
    let places = places(test, &*calm);
    let (next, noticed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::SeqCst);
                    let Some((connection, cut)) = places.get(round) else { return };
                    println!("round {round}: connection {connection}: {cut:?}");
                    let proxy = server.proxy(only(*connection, &[*cut]));
                    work(through(&*proxy, PATIENCE), round);
                    // The first connections are those of the calm session, until one is cut.
                    noticed.fetch_add(usize::from(proxy.connections() > connections), Ordering::SeqCst);
                }
            });
        }
    });
    println!("{test}: {} of {CUTS} made further connections necessary", noticed.load(Ordering::SeqCst));
    assert!(noticed.load(Ordering::SeqCst) > CUTS / 2, "most cuts are noticed");
}
