//! What a share has to stand whatever its protocol: each protocol's tests call it with their server, and with what is
//! different there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::thread::sleep;
use std::time::Duration;

use dropbridge_conformance::fault_proxy::{Direction, Fault, FaultAt, Plan};

use super::{Ready, RemoteServer, says, site, uninitialised, wait_for_log, wait_for_orders};
use crate::support::places::{Mount, mount};
use crate::support::relayed::{Consumer, Habit, Taken, files, left_behind, outbox};
use crate::support::{FeedOptions, LogKind, Random, Site, order_name, orders, wait_for_or};

/// A feed that goes below directories and takes each file whose name begins with a date, whatever stands behind it.
pub fn by_date() -> FeedOptions {
    let feed = "include = [\"{business_date:YYYYMMDD}*\"]\nrecursive = true\npoll_ms = 50".to_owned();
    FeedOptions { feed, ..FeedOptions::default() }
}

/// Names where names are bytes, one of them below a directory.
pub const NAMES_OF_BYTES: [&[u8]; 5] = [
    b"20260101.dat",
    b"20260102 with space.dat",
    b"20260103#mark",
    b"20260104 latin-1 \xe9",
    b"below/20260105 per%cent",
];

/// Files of these names become events, each once. What file servers show of yesterday, in directories of their own, is
/// no drop.
pub fn names_become_events(server: &str, site: &Site, names: &[&[u8]], snapshots: &[&str]) {
    let mut expected = Vec::new();
    for (number, name) in (0..).zip(names) {
        let (numbers, bytes) = orders(number, 3);
        expected.extend(numbers);
        let file = site.inbox().join(OsStr::from_bytes(name));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    for snapshots in snapshots {
        fs::create_dir_all(site.inbox().join(snapshots).join("hourly.0")).unwrap();
        fs::write(site.inbox().join(snapshots).join("hourly.0/20260101.dat"), orders(0, 3).1).unwrap();
    }
    site.run_until_idle(0);
    assert_eq!(site.numbers(), expected, "{server}");
    site.run_until_idle(0);
    assert_eq!(site.numbers(), expected, "{server}: nothing twice");
    assert!(site.ok(&["check"]).contains("ready to run"), "{server}");
}

/// The server dies with the file half on its way. Nothing of it is published; once the server is back, all of it is, by
/// itself. A connection is slow behind so many bytes, which leave room for a greeting and a listing. Answers what was
/// logged.
pub fn killed_in_mid_transfer(server: &mut impl RemoteServer, slow_after_bytes: u64) -> String {
    let proxy = server.proxy();
    let slow = FaultAt { direction: Direction::Down, after_bytes: slow_after_bytes, fault: Fault::Throttle(400_000) };
    proxy.plan(Box::new(move |_| vec![slow]));
    let site = site(server, proxy.address(), &FeedOptions::default());
    let (numbers, bytes) = orders(1, 40_000);
    site.drop_file(&order_name(1), &bytes);
    let before = proxy.bytes(Direction::Down);
    let running = site.spawn(&["run"], None);
    let half = before + bytes.len() as u64 / 2;
    wait_for_or("half of the file", || running.log(), || proxy.bytes(Direction::Down) > half);
    server.kill();
    wait_for_log(&running, "paused");
    assert!(site.numbers().is_empty(), "nothing of half a file");
    assert!(site.ledger().is_empty());
    proxy.plan(Box::new(|_| Vec::new()));
    stay_away();
    server.start_again();
    wait_for_orders(&site, &running, &numbers);
    wait_for_log(&running, "goes on");
    let log = running.log();
    drop(running);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers, "nothing twice");
    log
}

/// How long a server that was killed is away: as `DROPBRIDGE_TEST_AWAY_MS` states it, otherwise not at all.
fn stay_away() {
    let away_ms = std::env::var("DROPBRIDGE_TEST_AWAY_MS").ok().map_or(0, |away| away.parse().unwrap());
    sleep(Duration::from_millis(away_ms));
}

/// The first connections are cut: so many, each behind one of these numbers of bytes, either way.
pub struct Cuts {
    pub connections: usize,
    pub after_bytes: Range<u64>,
}

impl Cuts {
    fn plan(self, mut random: Random) -> Plan {
        let Range { start, end } = self.after_bytes;
        Box::new(move |connection| {
            let direction = if random.below(2) == 0 { Direction::Up } else { Direction::Down };
            let after_bytes = start + random.below(end - start);
            if connection < self.connections {
                vec![FaultAt { direction, after_bytes, fault: Fault::Cut }]
            } else {
                Vec::new()
            }
        })
    }
}

/// Connections that are cut at random, on the way from the inbox and on the way to the outbox; a consumer that deletes
/// each file on sight.
pub fn connections_that_are_cut(server: &impl RemoteServer, ready: Ready, cuts: Cuts) {
    const FILES: u32 = 8;
    let random = Random::new("every_file_is_published_and_relayed_once_over_connections_that_are_cut");
    let proxy = server.proxy();
    let site = site(server, proxy.address(), &ready.options());
    proxy.plan(cuts.plan(random));
    let consumer = Consumer::start(outbox(&site), Habit::Deletes, ready.beside());
    let running = site.spawn(&["run"], None);
    let (mut expected, mut delivered) = (Vec::new(), Vec::<Taken>::new());
    for file in 0..FILES {
        let (numbers, bytes) = orders(file, 600);
        ready.drop_file(&site, file, &bytes);
        expected.extend(numbers);
        delivered.push((order_name(file), bytes));
    }
    wait_for_orders(&site, &running, &expected);
    wait_for_or("all to be relayed", || running.log(), || running.log().matches(" relayed ").count() >= FILES as usize);
    let mut taken = consumer.end();
    taken.sort();
    assert!(taken == delivered, "each once and whole: {:?}", taken.iter().map(|(name, _)| name).collect::<Vec<_>>());
    drop(running);
    site.run_until_idle(0);
    assert!(left_behind(&site).is_empty(), "{:?}", left_behind(&site));
    assert_eq!(site.numbers(), expected, "nothing twice");
}

/// A mirror, with these further lines, writes the files again into an outbox on the server. Answers its site.
pub fn mirrored(server: &impl RemoteServer, ready: Ready, further: &str) -> Site {
    let marker = if ready == Ready::Marked { "marker = \"{name}.done\"\n" } else { "" };
    let after = format!(
        "[[rendering]]\nid = \"back\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"out\"\n\
         begin = \"beginning\"\n{marker}{further}"
    );
    let site = site(server, server.address(), &FeedOptions { after, ..FeedOptions::default() });
    let running = site.spawn(&["run"], None);
    for file in 0..3 {
        site.drop_file(&order_name(file), &orders(file, 500).1);
    }
    let expected: BTreeMap<_, _> = (0..3).flat_map(|file| ready.delivered(file, orders(file, 500).1)).collect();
    wait_for_or("three files", || running.log(), || files(&outbox(&site)).len() == expected.len());
    assert_eq!(files(&outbox(&site)), expected);
    wait_for_or("the receipts", || running.log(), || left_behind(&site).is_empty());
    drop(running);
    site
}

/// A feed beside the usual one, on a share of its own.
const REMOTE_FEED: &str = "[[feed]]\nid = \"remote\"\nshare = \"gateway\"\ninbox = \"remote\"\nlayout = \"orders\"\n\
    include = [\"R_{business_date:YYYYMMDD}_{sequence:4}.dat\"]\npoll_ms = 50\n[feed.ready]\nquiet_ms = 50\n\
    [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n[feed.event.data]\n\
    number = \"order.number\"\namount = \"order.amount\"";

/// A site with a feed in a directory and another on the server, which goes wrong when all is initialised: `spoil` is
/// given the right lines of the other feed's share, and answers those that stand there from then on.
pub fn spoilt(server: &impl RemoteServer, spoil: impl FnOnce(&str) -> String) -> Site {
    let usual = FeedOptions { after: REMOTE_FEED.to_owned(), ..FeedOptions::default() };
    let site = Site::uninitialised(LogKind::Embedded, &usual);
    fs::create_dir_all(site.path("share/remote")).unwrap();
    let configure = |gateway: &str| {
        let share = format!("{}\n[share.gateway]\n{gateway}", usual.share);
        site.configure(&FeedOptions { share, ..usual.clone() });
    };
    let right = server.share_lines(server.address(), &site.path("share"));
    configure(&right);
    site.ok(&["init", "--baseline", "take"]);
    configure(&spoil(&right));
    site
}

/// Of a site that is [`spoilt`], the feed on the server is paused with its reason, and only that one. Answers what was
/// logged.
pub fn pauses_its_own_feed_only(site: &Site, reason: &str) -> String {
    let running = site.spawn(&["run"], None);
    let (numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    wait_for_orders(site, &running, &numbers);
    wait_for_log(&running, reason);
    assert_eq!(running.log().matches("paused").count(), 1, "one line: {}", running.log());
    running.log()
}

/// A relay whose files are ready by a rename is refused where a rename may replace a file.
pub fn refuses_to_go_by_renames(site: &Site) {
    let said = site.exits(&["check"], 1);
    assert!(says(&said, "may let a rename replace"), "{said}");
}

/// With a marker the same server is good enough, and gets each file once.
pub fn goes_by_markers(site: &Site) {
    assert!(site.ok(&["check"]).contains("ready to run"));
    let consumer = Consumer::start(outbox(site), Habit::Deletes, Ready::Marked.beside());
    Ready::Marked.drop_file(site, 1, &orders(1, 3).1);
    site.run_until_idle(0);
    assert_eq!(consumer.end(), [(order_name(1), orders(1, 3).1)]);
    assert!(left_behind(site).is_empty());
}

/// The disk behind the server is full in mid-upload: half of the file is taken back, and it goes on by itself.
pub fn full_disk_in_mid_upload(server: &impl RemoteServer, ready: Ready) {
    let site = uninitialised(server, server.address(), &ready.options());
    let at = outbox(&site);
    let small = ["-t", "tmpfs", "-o", "size=400k", "tmpfs"];
    let Some(_mount) = Mount::new("a full disk behind a server", &small, &at) else { return };
    site.ok(&["init", "--baseline", "take"]);
    let large = orders(1, 40_000).1;
    let running = site.spawn(&["run"], None);
    ready.drop_file(&site, 1, &large);
    wait_for_log(&running, "quota");
    assert!(files(&at).is_empty(), "nothing partial");
    mount(&["-o", "remount,size=40m"], &at);
    wait_for_log(&running, " relayed ");
    ready.drop_file(&site, 2, &orders(2, 3).1);
    wait_for_or("the next file", || running.log(), || running.log().matches(" relayed ").count() == 2);
    let said = running.log().lines().filter(|line| line.contains("quota")).count();
    assert_eq!(said, 1, "it is said once: {}", running.log());
    let both = [(1, large), (2, orders(2, 3).1)].into_iter();
    let expected: BTreeMap<_, _> = both.flat_map(|(file, bytes)| ready.delivered(file, bytes)).collect();
    let there = files(&at);
    assert!(there == expected, "the files, and their markers if they have any: {:?}", there.keys());
    wait_for_or("the receipts", || running.log(), || left_behind(&site).is_empty());
}
