//! Shares on real FTP servers: files to events and files to files, through broken lines and a server that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use dropbridge_conformance::fault_proxy::{Direction, Fault, FaultAt};
use dropbridge_conformance::ftp_proxy::{FtpProxy, PASSIVE_PORTS};
use dropbridge_conformance::ftpd::{FtpDaemon, Ftpd, FtpdOptions};
use dropbridge_conformance::openssh::skipped;
use support::ftp::{ftps, share_lines, site, uninitialised};
use support::relayed::{Consumer, Habit, files, left_behind, options, outbox};
use support::{FeedOptions, Random, Running, Site, order_name, orders, wait_for_or};

/// FTP cannot keep two from taking a name at once, so that a relay has to have one.
const MARKER: &str = "marker = \"{name}.done\"";

fn server() -> Option<FtpDaemon> {
    ftps(FtpdOptions::default())
}

/// One whose transfers can be led over a proxy.
fn server_to_be_cut() -> Option<FtpDaemon> {
    ftps(FtpdOptions { passive_ports: Some(PASSIVE_PORTS), ..FtpdOptions::default() })
}

/// A table's cells have several lines, and a fingerprint has two of them.
fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

fn wait_for_log(running: &Running, text: &str) {
    wait_for_or(&format!("the log to say `{text}`"), || running.log(), || running.log().contains(text));
}

fn wait_for_orders(site: &Site, running: &Running, expected: &[String]) {
    wait_for_or("the events", || running.log(), || site.numbers().len() >= expected.len());
    assert_eq!(site.numbers(), expected, "each once");
}

fn drop_marked(site: &Site, file: u32, bytes: &[u8]) {
    site.drop_file(&order_name(file), bytes);
    site.drop_file(&format!("{}.done", order_name(file)), b"");
}

/// By the listings of both servers, with TLS and without.
#[test]
fn files_become_events_whatever_their_names() {
    for ftpd in [Ftpd::Proftpd, Ftpd::Vsftpd] {
        let server = match ftpd {
            Ftpd::Proftpd => server(),
            Ftpd::Vsftpd => FtpDaemon::start(FtpdOptions { ftpd, ..FtpdOptions::default() }),
        };
        let Some(server) = server else { return };
        let feed = "include = [\"{business_date:YYYYMMDD}*\"]\nrecursive = true\npoll_ms = 50".to_owned();
        let options = FeedOptions { feed, ..FeedOptions::default() };
        let site = uninitialised(&server, server.address(), &options);
        if ftpd == Ftpd::Vsftpd {
            let directory = site.path("share");
            let share = format!("address = \"ftp://anonymous@{}{}\"", server.address(), directory.display());
            site.configure(&FeedOptions { share, ..options });
        }
        site.ok(&["init", "--baseline", "take"]);
        let names: [&[u8]; 5] = [
            b"20260101.dat",
            b"20260102 with space.dat",
            b"20260103#mark",
            b"20260104 latin-1 \xe9",
            b"below/20260105 per%cent",
        ];
        let mut expected = Vec::new();
        fs::create_dir_all(site.inbox().join("below")).unwrap();
        for (number, name) in (0..).zip(names) {
            let (numbers, bytes) = orders(number, 3);
            expected.extend(numbers);
            fs::write(site.inbox().join(OsStr::from_bytes(name)), bytes).unwrap();
        }
        // What file servers show of yesterday is no drop.
        fs::create_dir_all(site.inbox().join(".snapshot/hourly.0")).unwrap();
        fs::write(site.inbox().join(".snapshot/hourly.0/20260101.dat"), orders(0, 3).1).unwrap();
        site.run_until_idle(0);
        assert_eq!(site.numbers(), expected, "{ftpd:?}");
        site.run_until_idle(0);
        assert_eq!(site.numbers(), expected, "{ftpd:?}: nothing twice");
        assert!(site.ok(&["check"]).contains("ready to run"));
    }
}

/// The server dies with the file half on its way. Nothing of it is published; once the server is back, all of it is, by
/// itself.
#[test]
fn a_server_that_is_killed_in_mid_transfer_leaves_no_half_file() {
    let Some(mut server) = server_to_be_cut() else { return };
    let slow = |_| vec![FaultAt { direction: Direction::Down, after_bytes: 16_000, fault: Fault::Throttle(400_000) }];
    let proxy = FtpProxy::start(&server, slow);
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
    server.start_again();
    wait_for_orders(&site, &running, &numbers);
    wait_for_log(&running, "goes on");
    drop(running);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers, "nothing twice");
}

/// Connections that are cut at random, on the way from the inbox and on the way to the outbox; a consumer that deletes
/// each file on sight.
#[test]
fn every_file_is_published_and_relayed_once_over_connections_that_are_cut() {
    const FILES: u32 = 8;
    const CUT_CONNECTIONS: usize = 40;
    let Some(server) = server_to_be_cut() else { return };
    let mut random = Random::new("every_file_is_published_and_relayed_once_over_connections_that_are_cut");
    let proxy = FtpProxy::start(&server, |_| Vec::new());
    let site = site(&server, proxy.address(), &options("", MARKER));
    proxy.plan(move |connection| {
        let direction = if random.below(2) == 0 { Direction::Up } else { Direction::Down };
        let after_bytes = 500 + random.below(20_000);
        if connection < CUT_CONNECTIONS {
            vec![FaultAt { direction, after_bytes, fault: Fault::Cut }]
        } else {
            Vec::new()
        }
    });
    let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[".done"]);
    let running = site.spawn(&["run"], None);
    let mut expected = Vec::new();
    for file in 0..FILES {
        let (numbers, bytes) = orders(file, 600);
        expected.extend(numbers);
        drop_marked(&site, file, &bytes);
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

/// What `check` says of a share on the server before anything runs.
fn said_by_check(share: &str) -> String {
    let usual = FeedOptions::default();
    let site = Site::uninitialised(support::LogKind::Embedded, &usual);
    site.ok(&["init", "--baseline", "take"]);
    site.configure(&FeedOptions { share: share.to_owned(), ..usual });
    without_blanks(&site.exits(&["check"], 1))
}

#[test]
fn what_the_server_refuses_check_says_before_anything_runs() {
    let Some(server) = server() else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("in")).unwrap();
    let right = share_lines(&server, server.address(), scratch.path());
    fs::write(scratch.path().join("wrong"), "not the password").unwrap();
    let wrong = right
        .replace(&server.path("password").display().to_string(), &scratch.path().join("wrong").display().to_string());
    let said = said_by_check(&wrong);
    assert!(said.contains("doesnotletuser") && !said.contains("notthepassword"), "{said}");
    let untrusted = right.replace(&server.fingerprint(), &"AB".repeat(32));
    let said = said_by_check(&untrusted);
    assert!(said.contains(&server.fingerprint()) && said.contains("isexpected"), "{said}");
    let nowhere = share_lines(&server, server.address(), &scratch.path().join("nowhere"));
    assert!(said_by_check(&nowhere).contains("nosuchdirectory"));
    let Some(expired) = ftps(FtpdOptions { expired: true, ..FtpdOptions::default() }) else { return };
    let pinned = share_lines(&expired, expired.address(), scratch.path());
    let (address, _) = pinned.split_once("certificate_fingerprint").unwrap();
    let said = said_by_check(&format!("{address}ca_file = \"{}\"", expired.ca_file().display()));
    assert!(said.contains("hasexpired") && said.contains(&expired.fingerprint()), "{said}");
}

/// A feed whose server shows another certificate is paused with its reason; the other feed goes on.
#[test]
fn a_wrong_certificate_pauses_its_own_feed_only() {
    let Some(server) = server() else { return };
    let second = "[[feed]]\nid = \"remote\"\nshare = \"gateway\"\ninbox = \"remote\"\nlayout = \"orders\"\n\
                  include = [\"R_{business_date:YYYYMMDD}_{sequence:4}.dat\"]\npoll_ms = 50\n[feed.ready]\nquiet_ms = 50\n\
                  [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n[feed.event.data]\n\
                  number = \"order.number\"\namount = \"order.amount\"";
    let usual = FeedOptions { after: second.to_owned(), ..FeedOptions::default() };
    let site = Site::uninitialised(support::LogKind::Embedded, &usual);
    fs::create_dir_all(site.path("share/remote")).unwrap();
    let with =
        |gateway: &str| FeedOptions { share: format!("{}\n[share.gateway]\n{gateway}", usual.share), ..usual.clone() };
    let right = share_lines(&server, server.address(), &site.path("share"));
    site.configure(&with(&right));
    site.ok(&["init", "--baseline", "take"]);
    site.configure(&with(&right.replace(&server.fingerprint(), &"AB".repeat(32))));
    let running = site.spawn(&["run"], None);
    let (numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    wait_for_orders(&site, &running, &numbers);
    wait_for_log(&running, &server.fingerprint());
    assert_eq!(running.log().matches("paused").count(), 1, "one line: {}", running.log());
}

/// A rename may replace a file: without a marker that says when one is complete, `check` refuses the relay.
#[test]
fn a_relay_needs_a_marker() {
    let Some(server) = server() else { return };
    let refused = site(&server, server.address(), &options("", "temporary = [\"*.part\"]"));
    let said = without_blanks(&refused.exits(&["check"], 1));
    assert!(said.contains("mayletarenamereplace"), "{said}");
    let marked = site(&server, server.address(), &options("", MARKER));
    assert!(marked.ok(&["check"]).contains("ready to run"));
    let consumer = Consumer::start(outbox(&marked), Habit::Deletes, &[".done"]);
    drop_marked(&marked, 1, &orders(1, 3).1);
    marked.run_until_idle(0);
    assert_eq!(consumer.end(), [(order_name(1), orders(1, 3).1)]);
    assert!(left_behind(&marked).is_empty());
}

/// The disk behind the server is full in mid-upload: half of the file is taken back, and it goes on by itself.
#[test]
fn a_full_disk_in_mid_upload_is_said_once_and_got_over() {
    let Some(server) = server() else { return };
    let site = uninitialised(&server, server.address(), &options("", MARKER));
    let Some(_mount) = Mount::new(&outbox(&site), "size=400k") else { return };
    site.ok(&["init", "--baseline", "take"]);
    let large = orders(1, 40_000).1;
    let running = site.spawn(&["run"], None);
    drop_marked(&site, 1, &large);
    wait_for_log(&running, "quota");
    assert!(files(&outbox(&site)).is_empty(), "nothing partial");
    let grown = Command::new("mount").args(["-o", "remount,size=40m"]).arg(outbox(&site)).status().unwrap();
    assert!(grown.success());
    wait_for_log(&running, " relayed ");
    let there = files(&outbox(&site));
    assert!(there[&order_name(1)] == large && there.len() == 2, "the file and its marker: {:?}", there.keys());
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
