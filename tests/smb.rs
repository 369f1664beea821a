//! Shares on a real Samba server: files to events and files to files, through broken lines and a server that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dropbridge_conformance::fault_proxy::{Direction, Fault, FaultAt, FaultProxy};
use dropbridge_conformance::openssh::skipped;
use dropbridge_conformance::samba::{Samba, SambaOptions};
use support::relayed::{Consumer, Habit, files, left_behind, options, outbox};
use support::smb::{share_lines, share_lines_of, site, uninitialised};
use support::{FeedOptions, Random, Running, Site, order_name, orders, wait_for_or};

const BY_RENAME: &str = "temporary = [\"*.part\"]";

fn server() -> Option<Samba> {
    Samba::start(SambaOptions::default())
}

/// A table's cells have several lines.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wait_for_log(running: &Running, text: &str) {
    wait_for_or(&format!("the log to say `{text}`"), || running.log(), || running.log().contains(text));
}

fn wait_for_orders(site: &Site, running: &Running, expected: &[String]) {
    wait_for_or("the events", || running.log(), || site.numbers().len() >= expected.len());
    assert_eq!(site.numbers(), expected, "each once");
}

#[test]
fn files_become_events_whatever_their_names() {
    let Some(server) = server() else { return };
    let feed = "include = [\"{business_date:YYYYMMDD}*\"]\nrecursive = true\npoll_ms = 50".to_owned();
    let site = site(&server, server.address(), &FeedOptions { feed, ..FeedOptions::default() });
    let names = [
        "20260101.dat",
        "20260102 with space.dat",
        "20260103#mark",
        "20260104 grün €",
        // What a client of Unix stores for `20260105 10:30?.dat`.
        "20260105 10\u{f022}30\u{f025}.dat",
        "below/20260106 per%cent",
    ];
    let mut expected = Vec::new();
    fs::create_dir_all(site.inbox().join("below")).unwrap();
    for (number, name) in (0..).zip(names) {
        let (numbers, bytes) = orders(number, 3);
        expected.extend(numbers);
        fs::write(site.inbox().join(name), bytes).unwrap();
    }
    // What file servers show of yesterday is no drop.
    for snapshots in [".snapshot", "~snapshot"] {
        fs::create_dir_all(site.inbox().join(snapshots).join("hourly.0")).unwrap();
        fs::write(site.inbox().join(snapshots).join("hourly.0/20260101.dat"), orders(0, 3).1).unwrap();
    }
    site.run_until_idle(0);
    assert_eq!(site.numbers(), expected);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), expected, "nothing twice");
    assert!(site.ok(&["check"]).contains("ready to run"));
    assert!(site.ok(&["ledger", "list"]).contains("10:30?"), "names are as clients of Unix show them");
}

/// The server dies with the file half on its way. Nothing of it is published; once the server is back, all of it is, by
/// itself. `DROPBRIDGE_TEST_AWAY_MS` keeps it away for as long.
#[test]
fn a_server_that_is_killed_in_mid_transfer_leaves_no_half_file() {
    let Some(mut server) = server() else { return };
    let slow = |_| vec![FaultAt { direction: Direction::Down, after_bytes: 8_000, fault: Fault::Throttle(400_000) }];
    let proxy = FaultProxy::start(server.address(), slow);
    let site = site(&server, proxy.address(), &FeedOptions::default());
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
    proxy.plan(|_| Vec::new());
    let away_ms = std::env::var("DROPBRIDGE_TEST_AWAY_MS").ok().map_or(0, |away| away.parse().unwrap());
    std::thread::sleep(std::time::Duration::from_millis(away_ms));
    server.start_again();
    wait_for_orders(&site, &running, &numbers);
    wait_for_log(&running, "goes on");
    assert!(!running.log().contains("negotiate"), "libraries keep to themselves: {}", running.log());
    drop(running);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers, "nothing twice");
}

/// Connections that are cut at random, on the way from the inbox and on the way to the outbox; a consumer that deletes
/// each file on sight.
#[test]
fn every_file_is_published_and_relayed_once_over_connections_that_are_cut() {
    const FILES: u32 = 8;
    const CUT_CONNECTIONS: usize = 20;
    let Some(server) = server() else { return };
    let mut random = Random::new("every_file_is_published_and_relayed_once_over_connections_that_are_cut");
    let proxy = FaultProxy::start(server.address(), |_| Vec::new());
    let site = site(&server, proxy.address(), &options("", BY_RENAME));
    proxy.plan(move |connection| {
        let direction = if random.below(2) == 0 { Direction::Up } else { Direction::Down };
        let after_bytes = 3_000 + random.below(60_000);
        if connection < CUT_CONNECTIONS {
            vec![FaultAt { direction, after_bytes, fault: Fault::Cut }]
        } else {
            Vec::new()
        }
    });
    let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[]);
    let running = site.spawn(&["run"], None);
    let mut expected = Vec::new();
    for file in 0..FILES {
        let (numbers, bytes) = orders(file, 600);
        expected.extend(numbers);
        site.drop_file(&order_name(file), &bytes);
    }
    wait_for_orders(&site, &running, &expected);
    wait_for_or("all to be relayed", || running.log(), || running.log().matches(" relayed ").count() >= FILES as usize);
    let mut taken = consumer.end();
    taken.sort();
    let delivered: Vec<(String, Vec<u8>)> = (0..FILES).map(|file| (order_name(file), orders(file, 600).1)).collect();
    assert!(taken == delivered, "each once and whole: {:?}", taken.iter().map(|(name, _)| name).collect::<Vec<_>>());
    drop(running);
    site.run_until_idle(0);
    assert!(left_behind(&site).is_empty(), "{:?}", left_behind(&site));
    assert_eq!(site.numbers(), expected, "nothing twice");
}

/// A mirror writes the files again into an outbox on the server.
#[test]
fn events_become_files_on_the_server() {
    let Some(server) = server() else { return };
    let after = "[[rendering]]\nid = \"back\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"out\"\n\
                 begin = \"beginning\"";
    let site = site(&server, server.address(), &FeedOptions { after: after.to_owned(), ..FeedOptions::default() });
    let running = site.spawn(&["run"], None);
    for file in 0..3 {
        site.drop_file(&order_name(file), &orders(file, 500).1);
    }
    wait_for_or("three files", || running.log(), || files(&outbox(&site)).len() == 3);
    let expected = (0..3).map(|file| (order_name(file), orders(file, 500).1)).collect();
    assert_eq!(files(&outbox(&site)), expected);
    wait_for_or("the receipts", || running.log(), || left_behind(&site).is_empty());
}

/// What stands in the way is said before a run, each with what to do.
#[test]
fn check_says_what_is_wrong_with_a_share() {
    let shares = "[closed]\npath = /\nvalid users = nobody\n[enciphered]\npath = /\nsmb encrypt = required\n\
                  [to-read]\npath = /\nread only = yes\n";
    let options = SambaOptions { shares: shares.to_owned(), ..SambaOptions::default() };
    let Some(server) = Samba::start(options) else { return };
    let relayed = support::relayed::options("", BY_RENAME);
    let site = site(&server, server.address(), &relayed);
    let said = |share: &str| {
        site.configure(&FeedOptions { share: share.to_owned(), ..relayed.clone() });
        in_one_line(&site.exits(&["check"], 1))
    };
    let right = share_lines(&server, server.address(), &site.path("share"));
    let of = |share: &str| share_lines_of(&server, server.address(), share, &site.path("share"));
    let expect = |share: &str, words: &[&str]| {
        let said = said(share);
        for word in words {
            assert!(said.contains(word), "`{word}` is not said of {share}: {said}");
        }
        assert!(!said.contains("wr0ng"), "{said}");
    };
    expect(&of("nowhere"), &["no share `nowhere`", "smbclient -L"]);
    expect(&of("closed"), &["does not give user", "ask the server's owner"]);
    expect(&of("enciphered"), &["encrypt", "mount the share"]);
    expect(&of("to-read"), &["permission denied", "write permission on the outbox"]);
    let elsewhere = share_lines(&server, server.address(), Path::new("/no/such/directory"));
    expect(&elsewhere, &["no such directory on the server", "is the path behind the share's name right"]);
    fs::write(server.path("wrong"), "wr0ng").unwrap();
    let wrong =
        right.replace(&server.path("password").display().to_string(), &server.path("wrong").display().to_string());
    expect(&wrong, &["user or password is wrong", "[share.nas]"]);
}

/// A feed whose password is wrong is paused with its reason; the other feed goes on.
#[test]
fn a_wrong_password_pauses_its_own_feed_only() {
    let Some(server) = server() else { return };
    let second = "[[feed]]\nid = \"remote\"\nshare = \"gateway\"\ninbox = \"remote\"\nlayout = \"orders\"\n\
                  include = [\"R_{business_date:YYYYMMDD}_{sequence:4}.dat\"]\npoll_ms = 50\n[feed.ready]\nquiet_ms = 50\n\
                  [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n[feed.event.data]\n\
                  number = \"order.number\"\namount = \"order.amount\"";
    let usual = FeedOptions { after: second.to_owned(), ..FeedOptions::default() };
    let site = Site::uninitialised(support::LogKind::Embedded, &usual);
    fs::create_dir_all(site.path("share/remote")).unwrap();
    let gateway = share_lines(&server, server.address(), &site.path("share"));
    site.configure(&FeedOptions { share: format!("{}\n[share.gateway]\n{gateway}", usual.share), ..usual.clone() });
    site.ok(&["init", "--baseline", "take"]);
    fs::write(server.path("password"), "wr0ng").unwrap();
    let running = site.spawn(&["run"], None);
    let (numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    wait_for_orders(&site, &running, &numbers);
    wait_for_log(&running, "user or password is wrong");
    assert_eq!(running.log().matches("paused").count(), 1, "one line: {}", running.log());
    assert!(!running.log().contains("wr0ng"));
}

/// A server whose rename may replace a file is refused, unless a marker says when a file is complete.
#[test]
fn a_server_that_may_replace_files_needs_a_marker() {
    let Some(server) = server() else { return };
    let site = uninitialised(&server, server.address(), &options("", BY_RENAME));
    let share = share_lines(&server, server.address(), &site.path("share")).replace("exclusive_rename = true", "");
    site.configure(&FeedOptions { share: share.clone(), ..options("", BY_RENAME) });
    site.ok(&["init", "--baseline", "take"]);
    let said = in_one_line(&site.exits(&["check"], 1));
    assert!(said.contains("may let a rename replace"), "{said}");
    site.configure(&FeedOptions { share, ..options("", "marker = \"{name}.done\"") });
    assert!(site.ok(&["check"]).contains("ready to run"));
}

/// The disk behind the server is full in mid-upload: half of the file is taken back, and it goes on by itself.
#[test]
fn a_full_disk_in_mid_upload_is_said_once_and_got_over() {
    let Some(server) = server() else { return };
    let site = uninitialised(&server, server.address(), &options("", BY_RENAME));
    let Some(_mount) = Mount::new(&outbox(&site), "size=400k") else { return };
    site.ok(&["init", "--baseline", "take"]);
    let large = orders(1, 40_000).1;
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &large);
    wait_for_log(&running, "quota");
    assert!(files(&outbox(&site)).is_empty(), "nothing partial");
    let grown = Command::new("mount").args(["-o", "remount,size=40m"]).arg(outbox(&site)).status().unwrap();
    assert!(grown.success());
    wait_for_log(&running, " relayed ");
    assert_eq!(files(&outbox(&site)), [(order_name(1), large)].into());
}

/// A small file system of its own on a directory, until the test ends.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, size: &str) -> Option<Self> {
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(at).output().unwrap();
        if !output.status.success() {
            skipped("cannot mount, which takes root");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
