//! `backfill`: the files of an archive, once each, in the order of business date and sequence, beside a bridge or alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use support::account::Account;
use support::{FeedOptions, Site, logs, order_name, orders, wait_for, wait_for_or};

/// An archive in directories by hundreds, with one file of another feed; the numbers of its orders by file.
fn archive(site: &Site, files: std::ops::Range<u32>) -> (PathBuf, Vec<String>) {
    let root = site.path("archive");
    let mut numbers = Vec::new();
    for file in files {
        let directory = root.join(format!("{}", file / 100));
        fs::create_dir_all(&directory).unwrap();
        let (own, bytes) = orders(file, 2);
        fs::write(directory.join(order_name(file)), bytes).unwrap();
        numbers.extend(own);
    }
    fs::write(root.join("readme.txt"), "not a file of the feed").unwrap();
    numbers.sort();
    (root, numbers)
}

fn backfill(site: &Site, root: &Path, more: &[&str], code: i32) -> String {
    let root = root.to_str().unwrap();
    let mut arguments = vec!["backfill", root, "--feed", "orders"];
    arguments.extend(more);
    site.exits(&arguments, code)
}

/// The names of the files in the order in which their manifests were written.
fn published(site: &Site) -> Vec<String> {
    let manifests = site.committed("manifests");
    manifests.iter().map(|manifest| manifest["entry"]["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_a_bridge_an_archive_is_published_once_and_in_order() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        let (root, numbers) = archive(&site, 1..230);
        let told = backfill(&site, &root, &["--dry-run"], 0);
        assert!(told.contains("would be published: 229 files") && site.numbers().is_empty(), "{told}");
        let told = backfill(&site, &root, &[], 0);
        assert!(told.contains("229 files dealt with"), "{told}");
        assert_eq!(site.numbers(), numbers);
        let names: Vec<String> = (1..230).map(order_name).collect();
        assert_eq!(published(&site), names, "in the order of date and sequence");
        let told = backfill(&site, &root, &[], 0);
        assert!(told.contains("229 files known") && told.contains("nothing is to be published"), "{told}");
        assert_eq!(site.numbers(), numbers);
        // The slot was given up: nobody has to wait for it.
        site.run_until_idle(0);
        assert_eq!(site.events()[0]["businessdate"], "2026-01-01", "as its name says, however late it comes");
    }
}

#[test]
fn beside_a_bridge_live_files_are_published_too_and_the_slot_stays() {
    for log in logs() {
        let (site, mut account) = (Site::new(log, &FeedOptions::default()), Account::default());
        let mut bridge = site.spawn(&["run"], None);
        wait_for("the bridge", || bridge.log().contains("holding the slot"));
        let (root, archived) = archive(&site, 2000..2150);
        let root_text = root.to_str().unwrap();
        let mut filling = site.spawn(&["backfill", root_text, "--feed", "orders"], None);
        for _ in 0..20 {
            account.drop_orders(&site, 3);
        }
        assert_eq!(filling.wait().code(), Some(0), "{}", filling.log());
        let mut all: Vec<String> =
            account.numbers().iter().map(|number| (*number).to_owned()).chain(archived).collect();
        all.sort();
        wait_for_or("all events", || bridge.log(), || site.numbers().len() >= all.len());
        assert_eq!(site.numbers(), all);
        bridge.signal(Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
        assert_eq!(bridge.log().matches("holding the slot").count(), 1, "{}", bridge.log());
    }
}

/// Ended by Ctrl-C and by kill, begun again: each file once.
#[test]
fn interrupted_it_goes_on_where_it_was() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions { takeover_after_ms: 2000, ..FeedOptions::default() });
        let (root, numbers) = archive(&site, 1..120);
        let arguments = ["backfill", root.to_str().unwrap(), "--feed", "orders", "--rate", "10/s"];
        let mut first = site.spawn(&arguments, None);
        wait_for_or("some events", || first.log(), || site.numbers().len() > 20);
        first.signal(Signal::INT);
        assert_eq!(first.wait().code(), Some(1), "{}", first.log());
        assert!(first.log().contains("the same command goes on"), "{}", first.log());
        let before = site.numbers().len();
        assert!(before < numbers.len(), "it was not interrupted");
        let mut second = site.spawn(&arguments, None);
        wait_for_or("more events", || second.log(), || site.numbers().len() > before + 10);
        second.kill();
        let told = backfill(&site, &root, &[], 0);
        assert!(told.contains("known to the ledger"), "{told}");
        assert_eq!(site.numbers(), numbers);
    }
}

#[test]
fn what_is_known_wrong_or_missing_is_told() {
    for log in logs() {
        let (site, mut account) = (Site::uninitialised(log, &FeedOptions::default()), Account::default());
        // In the inbox before the bridge came: baseline.
        account.drop_orders(&site, 2);
        site.ok(&["init", "--baseline", "skip"]);
        let (root, _) = archive(&site, 1..10);
        fs::remove_file(root.join("0").join(order_name(5))).unwrap();
        fs::write(root.join("0/ORD_20269901_0001.dat"), "no such month").unwrap();
        fs::write(root.join("0").join(order_name(7)), "ORD|none\n").unwrap();
        for more in [&["--dry-run"][..], &[]] {
            let told = backfill(&site, &root, more, 1);
            for part in ["in the baseline", "ORD_20269901_0001.dat: ", "numbers 5 to 5 are neither here"] {
                assert!(told.contains(part), "`{part}` is not in: {told}");
            }
        }
        assert_eq!(site.numbers().len(), 12, "files 2, 3, 4, 6, 8 and 9");
        let states = site.states();
        assert!(states.contains(&(order_name(7), "quarantined".to_owned())), "{states:?}");

        site.ok(&["feed", "pause", "orders"]);
        let output = site.output(&["backfill", root.to_str().unwrap(), "--feed", "orders"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && errors.contains("is paused by"), "{errors}");
    }
}
