//! When a file is taken: each readiness rule against the ways in which files arrive, and names that come again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use support::feeds::{FRAMED_LAYOUT, dated_orders, framed_orders, unnamed, with_feed_lines, with_ready};
use support::{FeedOptions, LogKind, Running, Site, order_name, orders};

/// Longer than a test's thread can be kept waiting between two appends.
const LONG_QUIET: &str = "quiet_ms = 2000";

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn published(running: &mut Running, name: &str) {
    running.wait_for_line(&[" published ", name]);
}

fn state_of(site: &Site, name: &str) -> Vec<String> {
    site.states().into_iter().filter(|(path, _)| path == name).map(|(_, state)| state).collect()
}

/// Writes a file in pieces, and lets the bridge look after each.
fn write_slowly(running: &Running, path: &Path, bytes: &[u8], after_each: impl Fn()) {
    for piece in bytes.chunks(bytes.len().div_ceil(8)) {
        append(path, piece);
        after_each();
        running.wait_for_a_look();
    }
}

#[test]
fn a_slow_writer_is_waited_for() {
    let site = Site::new(LogKind::Embedded, &with_ready(LONG_QUIET));
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 100);
    write_slowly(&running, &site.inbox().join(order_name(1)), &bytes, || {});
    assert!(site.events().is_empty(), "its quiet time is not over");
    published(&mut running, &order_name(1));
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn a_copy_that_keeps_the_old_mtime_is_waited_for() {
    let site = Site::new(LogKind::Embedded, &with_ready(LONG_QUIET));
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 100);
    let path = site.inbox().join(order_name(1));
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    write_slowly(&running, &path, &bytes, || set_modified(&path, old));
    assert!(site.events().is_empty());
    published(&mut running, &order_name(1));
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn a_marker_that_comes_last_is_waited_for() {
    let site = Site::new(LogKind::Embedded, &with_ready("marker = \"{name}.done\""));
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 100);
    let path = site.inbox().join(order_name(1));
    write_slowly(&running, &path, &bytes, || {});
    assert!(site.events().is_empty(), "there is no marker yet");
    fs::write(site.inbox().join(format!("{}.done", order_name(1))), "").unwrap();
    published(&mut running, &order_name(1));
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn a_marker_that_comes_first_does_not_make_half_a_file_whole() {
    let site = Site::new(LogKind::Embedded, &with_ready(&format!("marker = \"{{stem}}.go\"\n{LONG_QUIET}")));
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 100);
    let marker = order_name(1).replace(".dat", ".go");
    fs::write(site.inbox().join(marker), "").unwrap();
    running.wait_for_a_look();
    write_slowly(&running, &site.inbox().join(order_name(1)), &bytes, || {});
    assert!(site.events().is_empty());
    published(&mut running, &order_name(1));
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn a_temporary_name_is_not_there_until_it_is_renamed() {
    let options = FeedOptions { ready: "temporary = [\"*.tmp\", \"~*\"]".to_owned(), ..unnamed("*", "ignore") };
    let site = Site::new(LogKind::Embedded, &options);
    let mut running = site.run_traced();
    let (numbers, bytes) = dated_orders(1, 100);
    let part = site.inbox().join("orders.tmp");
    write_slowly(&running, &part, &bytes, || {});
    assert!(!running.log().contains("orders.tmp"), "{}", running.said());
    fs::rename(&part, site.inbox().join("orders.txt")).unwrap();
    published(&mut running, "orders.txt");
    assert_eq!(site.numbers(), numbers);
    running.end();
}

/// What `sha256sum` or `md5sum` says of bytes, as a sidecar for a name.
fn sidecar(site: &Site, program: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let directory = site.path(&format!("sums-{program}-{name}"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), bytes).unwrap();
    Command::new(program).arg(name).current_dir(directory).output().unwrap().stdout
}

#[test]
fn a_checksum_sidecar_is_waited_for_and_verified() {
    for (program, extension) in [("sha256sum", "sha256"), ("md5sum", "md5")] {
        let site = Site::new(LogKind::Embedded, &with_ready(&format!("checksum = \"{{name}}.{extension}\"")));
        let mut running = site.run_traced();
        let beside = |number| site.inbox().join(format!("{}.{extension}", order_name(number)));
        let (numbers, bytes) = orders(1, 20);
        let whole = sidecar(&site, program, &order_name(1), &bytes);
        site.drop_file(&order_name(1), &bytes);
        running.wait_for_a_look();
        append(&beside(1), &whole[..20]);
        running.wait_for_a_look();
        assert!(site.events().is_empty() && site.ledger().is_empty(), "the sidecar says nothing yet");
        append(&beside(1), &whole[20..]);
        published(&mut running, &order_name(1));

        let (_, other) = orders(2, 20);
        fs::write(beside(2), sidecar(&site, program, &order_name(2), &bytes)).unwrap();
        site.drop_file(&order_name(2), &other);
        running.wait_for_line(&["quarantined", &order_name(2), "[checksum]"]);
        assert_eq!(site.numbers(), numbers, "{program}");
        running.end();
    }
}

#[test]
fn a_late_trailer_is_waited_for() {
    let ready = "trailer = true\nquiet_ms = 50".to_owned();
    let site = Site::new(
        LogKind::Embedded,
        &FeedOptions { ready, layout: FRAMED_LAYOUT.to_owned(), ..FeedOptions::default() },
    );
    let mut running = site.run_traced();
    let (numbers, rows, trailer) = framed_orders(1, 50);
    let path = site.inbox().join(order_name(1));
    write_slowly(&running, &path, &rows, || {});
    // It was quiet for longer than its time by then: the bridge has taken it and found no trailer.
    support::wait_for("the bridge to miss the trailer", || {
        running.log().lines().any(|line| line.contains("looked") && line.contains("waiting=1"))
    });
    append(&path, &trailer[..1]);
    running.wait_for_a_look();
    assert!(site.events().is_empty() && site.ledger().is_empty());
    append(&path, &trailer[1..]);
    published(&mut running, &order_name(1));
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn what_waits_for_ever_is_said_when_everything_else_is_done() {
    let site = Site::new(LogKind::Embedded, &with_ready("marker = \"{name}.done\""));
    site.drop_file(&order_name(1), &orders(1, 1).1);
    let summary = site.run_until_idle(1);
    assert_eq!(summary["feeds"][0]["waiting"][0][0], order_name(1));
    assert_eq!(summary["feeds"][0]["waiting"][0][1], "its marker file");
}

#[test]
fn a_file_that_grows_after_it_was_taken_is_held_and_said() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 10);
    site.drop_file(&order_name(1), &bytes);
    published(&mut running, &order_name(1));
    append(&site.inbox().join(order_name(1)), b"LATE|1.00\n");
    running.wait_for_line(&["held for a person", &order_name(1), "other bytes under a known key"]);
    assert_eq!(site.numbers(), numbers);
    running.end();
    assert!(site.exits(&["quarantine", "list"], 1).contains("held"));
    assert_eq!(
        site.output(&["quarantine", "show", "2026-01-01/0001", "--bytes"]).stdout,
        [bytes, b"LATE|1.00\n".to_vec()].concat()
    );
}

/// Replaces a file by another of the same size and mtime.
fn replace_in_disguise(site: &Site, name: &str, bytes: &[u8]) {
    let path = site.inbox().join(name);
    let before = fs::metadata(&path).unwrap();
    let part = site.path("disguised");
    fs::write(&part, bytes).unwrap();
    set_modified(&part, before.modified().unwrap());
    fs::rename(&part, &path).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    assert_ne!(before.ino(), after.ino());
}

#[test]
fn a_file_replaced_by_one_of_the_same_size_and_mtime_is_seen() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 10);
    site.drop_file(&order_name(1), &bytes);
    published(&mut running, &order_name(1));
    replace_in_disguise(&site, &order_name(1), &orders(2, 10).1);
    running.wait_for_line(&["held for a person", &order_name(1)]);
    assert_eq!(site.numbers(), numbers);
    // The same bytes under another inode are no news.
    site.drop_file(&order_name(3), &orders(3, 1).1);
    published(&mut running, &order_name(3));
    replace_in_disguise(&site, &order_name(3), &orders(3, 1).1);
    running.wait_for_a_look();
    assert_eq!(site.ledger().len(), 3);
    running.end();
}

#[test]
fn a_file_replaced_before_it_settled_is_taken_as_it_is_in_the_end() {
    let site = Site::new(LogKind::Embedded, &with_ready(LONG_QUIET));
    let mut running = site.run_traced();
    site.drop_file(&order_name(1), &orders(1, 10).1);
    running.wait_for_line(&["seen", &order_name(1)]);
    let (numbers, bytes) = orders(2, 10);
    replace_in_disguise(&site, &order_name(1), &bytes);
    published(&mut running, &order_name(1));
    assert_eq!(site.numbers(), numbers);
    running.end();
}

#[test]
fn a_name_that_comes_back_is_another_drop_where_the_feed_says_new() {
    let site = Site::new(LogKind::Embedded, &unnamed("ORDERS.TXT", "new"));
    let (numbers, bytes) = dated_orders(1, 5);
    for day in 1..=3_u64 {
        site.drop_file("ORDERS.TXT", &bytes);
        set_modified(&site.inbox().join("ORDERS.TXT"), SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * day));
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 5, "day {day}");
        fs::remove_file(site.inbox().join("ORDERS.TXT")).unwrap();
    }
    assert_eq!(site.events().len(), 3 * numbers.len(), "the same bytes on three days are three standing orders");
    assert_eq!(site.ledger().len(), 3);
}

#[test]
fn a_name_that_comes_back_is_known_by_its_bytes_where_the_feed_says_ignore() {
    let site = Site::new(LogKind::Embedded, &unnamed("ORDERS.TXT", "ignore"));
    let (mut numbers, bytes) = dated_orders(1, 5);
    site.drop_file("ORDERS.TXT", &bytes);
    site.run_until_idle(0);
    fs::remove_file(site.inbox().join("ORDERS.TXT")).unwrap();
    site.drop_file("ORDERS.TXT", &bytes);
    assert_eq!(site.run_until_idle(0)["tally"]["repeats"], 1);
    assert_eq!(site.numbers(), numbers);
    let (more, other) = dated_orders(2, 5);
    site.drop_file("ORDERS.TXT", &other);
    assert_eq!(site.run_until_idle(0)["tally"]["published"], 1, "other bytes are another drop");
    numbers.extend(more);
    assert_eq!(site.numbers(), numbers);
}

#[test]
fn a_correction_is_held_or_published_as_the_feed_says() {
    for (policy, code, expected) in [("hold", 1, "held"), ("publish", 0, "published")] {
        let site = Site::new(LogKind::Embedded, &with_feed_lines(&format!("corrections = {policy:?}")));
        let (first, bytes) = orders(1, 3);
        site.drop_file(&order_name(1), &bytes);
        site.run_until_idle(0);
        let (second, corrected) = orders(2, 3);
        site.drop_file(&order_name(1), &corrected);
        site.run_until_idle(code);
        assert_eq!(state_of(&site, &order_name(1)), ["published", expected]);
        if policy == "hold" {
            assert_eq!(site.numbers(), first);
            site.ok(&["quarantine", "retry", "2026-01-01/0001", "--as-correction"]);
        }
        assert_eq!(site.numbers(), [first, second].concat());
        let events = site.events();
        let of_file = |file: &'static str| {
            events.iter().filter(move |event| event["subject"].as_str().unwrap().starts_with(file))
        };
        let hash = of_file("ORD-00001").next().unwrap()["capturehash"].clone();
        for event in of_file("ORD-00002") {
            assert_eq!((&event["revision"], &event["supersedes"]), (&2.into(), &hash), "{policy}");
        }
        // Over and over it stays a drop that is known.
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 0);
    }
}

#[test]
fn a_sequence_that_wraps_goes_on_in_the_next_generation() {
    let options = FeedOptions {
        feed: "include = [\"ORD_{sequence:4}.dat\"]\npoll_ms = 50\nsequence = { reset = \"wrap\", last = 9999 }"
            .to_owned(),
        ..unnamed("", "new")
    };
    let site = Site::new(LogKind::Embedded, &options);
    let mut numbers = Vec::new();
    for (file, sequence) in [(1, 9998), (2, 9999), (3, 1), (4, 2)] {
        let (own, bytes) = dated_orders(file, 2);
        site.drop_file(&format!("ORD_{sequence:04}.dat"), &bytes);
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 2, "{sequence}");
        fs::remove_file(site.inbox().join(format!("ORD_{sequence:04}.dat"))).unwrap();
        numbers.extend(own);
    }
    assert_eq!(site.numbers(), numbers);
    let keys: Vec<String> = site.ledger().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, ["g0/9998", "g0/9999", "g1/0001", "g1/0002"]);
    // The next round: the same number is another drop, and needs no decision by a person.
    let (own, bytes) = dated_orders(5, 2);
    for (sequence, bytes) in [(5000, dated_orders(6, 1).1), (9998, bytes)] {
        site.drop_file(&format!("ORD_{sequence:04}.dat"), &bytes);
        site.run_until_idle(0);
    }
    assert!(site.numbers().ends_with(&["ORD-00006-000000".to_owned()]) && site.numbers().contains(&own[1]));
    assert!(site.ledger().iter().any(|entry| entry["key"] == "g1/9998"));
}

#[test]
fn equal_names_in_two_directories_are_two_drops() {
    let site = Site::new(LogKind::Embedded, &with_feed_lines("recursive = true"));
    let mut numbers = Vec::new();
    for (file, directory) in [(1, "north"), (2, "south/a")] {
        let (own, bytes) = orders(file, 3);
        fs::create_dir_all(site.inbox().join(directory)).unwrap();
        fs::write(site.inbox().join(directory).join(order_name(1)), bytes).unwrap();
        numbers.extend(own);
    }
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers);
    let keys: Vec<String> = site.ledger().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, ["north:2026-01-01/0001", "south/a:2026-01-01/0001"]);
}

#[test]
fn a_touched_old_file_without_date_or_sequence_stays_in_the_baseline() {
    let site = Site::uninitialised(LogKind::Embedded, &unnamed("ORDERS.TXT", "ignore"));
    let (_, bytes) = dated_orders(1, 5);
    site.drop_file("ORDERS.TXT", &bytes);
    site.ok(&["init", "--baseline", "skip"]);
    set_modified(&site.inbox().join("ORDERS.TXT"), SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    assert_eq!(site.run_until_idle(0)["tally"]["repeats"], 1, "its bytes are known");
    assert_eq!(site.numbers(), [""; 0]);
    let (numbers, new) = dated_orders(2, 5);
    site.drop_file("ORDERS.TXT", &new);
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers, "new bytes under the old name are a drop");
}
