//! What the store keeps, for how long, and how much: kept captures, quotas, `store status` and `store purge`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::Value;
use support::{FeedOptions, LogKind, ORDERS_LAYOUT, Running, Site, order_name, orders, wait_for, wait_for_or};

/// The default feed, with lines of its own and lines of `[store]`.
fn site(feed: &str, store: &str) -> Site {
    Site::new(LogKind::Embedded, &options(feed, store))
}

fn options(feed: &str, store: &str) -> FeedOptions {
    let options = FeedOptions::default();
    let feed = format!("{}\n{feed}", options.feed);
    let transaction = "memory_capture_bytes = 50000\nchunk_records = 5000".to_owned();
    FeedOptions { feed, store: store.to_owned(), transaction, ..options }
}

/// A file of so many lines that is bad at its end.
fn bad(file: u32, lines: u32) -> Vec<u8> {
    let mut bytes = orders(file, lines).1;
    bytes.extend_from_slice(b"BAD|none\n");
    bytes
}

/// An object as if it had been written so long ago.
fn age(path: &Path, time: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - time).unwrap();
}

/// Changes a byte in the middle of an object.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

const YEARS: Duration = Duration::from_secs(3 * 365 * 24 * 3600);

/// An object of which nobody speaks, written two hours ago.
fn left_behind(site: &Site, number: u32) {
    let name = format!("{number:064x}");
    let directory = site.path("store/objects").join(&name[..2]);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(&name), b"left behind").unwrap();
    age(&directory.join(name), Duration::from_secs(7200));
}

fn hash_of(site: &Site, file: u32) -> String {
    let ledger = site.ledger();
    let entry = ledger.iter().find(|entry| entry["entry"]["path"] == order_name(file).as_str());
    entry.unwrap_or_else(|| panic!("no {}", order_name(file)))["sha256"].as_str().unwrap().to_owned()
}

fn status(site: &Site) -> Value {
    serde_json::from_str(&site.ok(&["--json", "store", "status"])).unwrap()
}

/// Outcome, reason and number of objects of each line of a purge, sorted.
fn purge(site: &Site, arguments: &[&str]) -> Vec<(String, String, u64)> {
    let text = site.ok(&[&["--json", "store", "purge"], arguments].concat());
    let mut found: Vec<_> = text
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("outcome"), text("reason"), line["objects"].as_u64().unwrap())
        })
        .collect();
    found.sort();
    found
}

fn line(outcome: &str, reason: &str, objects: u64) -> (String, String, u64) {
    (outcome.to_owned(), reason.to_owned(), objects)
}

fn wait_for_log(running: &Running, words: &[&str]) {
    let said = || running.log();
    wait_for_or(&format!("{words:?} in the log"), said, || {
        said().lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
}

fn is_quarantined(site: &Site, file: u32) -> bool {
    site.states().contains(&(order_name(file), "quarantined".to_owned()))
}

#[test]
fn kept_captures_are_there_and_equal_in_either_form() {
    for (store, suffix) in [("", ".zst"), ("compression = \"none\"", "")] {
        let site = site("keep_captures = \"all\"", store);
        // Held in memory; spooled and published at once; spooled and published in chunks.
        for (file, count) in [(1, 3), (2, 4_000), (3, 12_000)] {
            site.drop_file(&order_name(file), &orders(file, count).1);
        }
        site.run_until_idle(0);
        assert_eq!(site.objects().len(), 3);
        for (file, count) in [(1, 3), (2, 4_000), (3, 12_000)] {
            let hash = hash_of(&site, file);
            assert!(site.stored(&hash).unwrap() == orders(file, count).1, "{store} {file}");
            assert!(site.objects().iter().any(|path| path.ends_with(format!("{}/{hash}{suffix}", &hash[..2]))));
        }
        // The next start has no reason to remove them, and a purge has none either.
        for path in site.objects() {
            age(&path, Duration::from_secs(7200));
        }
        site.run_until_idle(0);
        assert_eq!(purge(&site, &[]), [line("kept", "kept", 3)]);
        assert_eq!(site.objects().len(), 3);
    }
}

#[test]
fn what_its_events_give_again_is_not_kept() {
    let site = site("keep_captures = \"unproven\"", "");
    for (file, count) in [(1, 3), (2, 4_000), (3, 12_000)] {
        site.drop_file(&order_name(file), &orders(file, count).1);
    }
    site.run_until_idle(0);
    assert_eq!(site.objects(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_store_that_was_not_compressed_is_read() {
    let site = site("", "compression = \"none\"");
    let (small, large) = (bad(1, 3), bad(2, 12_000));
    site.drop_file(&order_name(1), &small);
    site.drop_file(&order_name(2), &large);
    site.run_until_idle(1);
    assert!(site.objects().iter().all(|path| path.extension().is_none()), "{:?}", site.objects());
    // The layout was wrong: the amount is a text. New objects are compressed by now.
    let layout = ORDERS_LAYOUT.replace("\"decimal\", scale = 2", "\"text\"");
    site.configure(&FeedOptions { layout, ..FeedOptions::default() });
    let schema = site.path("config/schemas/OrderTaken.schema.json");
    fs::write(&schema, fs::read_to_string(&schema).unwrap().replace(r#","pattern":"^-?[0-9]+\\.[0-9]{2}$""#, ""))
        .unwrap();
    for (file, bytes) in [(1, &small), (2, &large)] {
        assert!(site.output(&["quarantine", "show", &order_name(file), "--bytes"]).stdout == *bytes);
        site.ok(&["quarantine", "retry", &order_name(file)]);
    }
    assert_eq!(site.events().len(), 12_005);
    assert!(site.objects().is_empty(), "{:?}", site.objects());
}

#[test]
fn a_quota_puts_files_off_and_nothing_is_lost() {
    let site = site("", "compression = \"none\"\nquota = \"64 KiB\"");
    let mut running = site.spawn(&["run"], None);
    // Two of them do not fit.
    let (first, second) = (bad(1, 1_800), bad(2, 1_800));
    assert!(first.len() > 32 << 10 && first.len() < 50_000);
    site.drop_file(&order_name(1), &first);
    wait_for("the first to be put away", || is_quarantined(&site, 1));
    site.drop_file(&order_name(2), &second);
    wait_for_log(&running, &["tried again", &order_name(2), "quota of 64.0 KiB", "store status"]);
    // Those behind it go on, where they need no room.
    let (numbers, bytes) = orders(3, 3);
    site.drop_file(&order_name(3), &bytes);
    wait_for("the good file", || site.numbers() == numbers);
    // One that is spooled while it is read finds none either: the feed pauses, and says for which file.
    let (spooled, bytes) = orders(4, 2_500);
    site.drop_file(&order_name(4), &bytes);
    wait_for_log(&running, &["paused", &order_name(4), "quota of 64.0 KiB"]);
    assert!(!is_quarantined(&site, 2));
    site.ok(&["quarantine", "discard", &order_name(1), "--reason", "a test"]);
    wait_for("the second to be put away", || is_quarantined(&site, 2));
    assert!(site.stored(&hash_of(&site, 2)).unwrap() == second);
    site.ok(&["quarantine", "discard", &order_name(2), "--reason", "a test"]);
    let all: Vec<String> = numbers.into_iter().chain(spooled).collect();
    wait_for("all good files", || site.numbers() == all);
    assert!(running.child.try_wait().unwrap().is_none());
    running.kill();
}

#[test]
fn a_feed_with_much_put_aside_pauses_and_goes_on_when_there_is_room() {
    let site = site("store_quota = \"64 KiB\"", "compression = \"none\"");
    let running = site.spawn(&["run"], None);
    // There is room for one of them; the others take more memory than one feed may have put aside.
    for file in 1..=45 {
        site.drop_file(&order_name(file), &bad(file, 2_000));
    }
    wait_for_log(&running, &["paused", "of its files wait, put aside", "quota of 64.0 KiB", "store status"]);
    let (numbers, bytes) = orders(46, 3);
    site.drop_file(&order_name(46), &bytes);
    site.configure(&options("store_quota = \"1 GiB\"", "compression = \"none\""));
    running.signal(Signal::HUP);
    wait_for_or("the file behind them", || running.log(), || site.numbers() == numbers);
    let quarantined = || site.states().iter().filter(|(_, state)| state == "quarantined").count();
    wait_for_or("those that were put aside", || running.log(), || quarantined() == 45);
}

#[test]
fn files_that_come_without_a_pause_do_not_put_off_those_that_wait_for_room() {
    let site = site("", "compression = \"none\"\nquota = \"64 KiB\"");
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &bad(1, 1_800));
    wait_for("the first to be put away", || is_quarantined(&site, 1));
    site.drop_file(&order_name(2), &bad(2, 1_800));
    wait_for_log(&running, &["tried again", &order_name(2)]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for file in (3..3_000).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                site.drop_file(&order_name(file), &orders(file, 1).1);
                wait_for_log(&running, &["published", &order_name(file)]);
            }
        });
        site.ok(&["quarantine", "discard", &order_name(1), "--reason", "a test"]);
        wait_for_or("the second to be put away", || running.log(), || is_quarantined(&site, 2));
        is_over.store(true, Ordering::Relaxed);
    });
}

/// A retry of what the store has damaged is refused, and nothing else is kept from going on.
#[test]
fn a_damaged_object_is_the_trouble_of_its_file_alone() {
    for (store, lines) in [("", 3), ("", 6_000), ("compression = \"none\"", 3), ("compression = \"none\"", 6_000)] {
        let site = site("", store);
        site.drop_file(&order_name(1), &bad(1, lines));
        site.run_until_idle(1);
        let [object] = &site.objects()[..] else { panic!("it is in quarantine") };
        damage(object);
        let mut running = site.spawn(&["run"], None);
        wait_for_log(&running, &["holding the slot"]);
        let told = site.exits(&["quarantine", "retry", &order_name(1)], 1);
        wait_for_log(&running, &["a request cannot be done", "lost or damaged the bytes"]);
        assert!(told.contains("quarantined") && is_quarantined(&site, 1), "{store} {lines}: {told}");
        let ledger = site.ledger();
        assert_eq!((ledger.len(), &ledger[0]["attempts"]), (1, &1.into()), "{store} {lines}: {ledger:?}");
        let (numbers, bytes) = orders(2, 3);
        site.drop_file(&order_name(2), &bytes);
        wait_for_or("the other file", || running.log(), || site.numbers() == numbers);
        assert!(running.child.try_wait().unwrap().is_none(), "{}", running.log());
    }
}

#[test]
fn a_feed_has_a_quota_of_its_own() {
    let site = site("store_quota = \"10 KiB\"", "compression = \"none\"\nquota = \"1 GiB\"");
    site.drop_file(&order_name(1), &bad(1, 300));
    site.run_until_idle(1);
    site.drop_file(&order_name(2), &bad(2, 300));
    let output = site.output(&["run", "--until-idle"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("feed `orders` has reached its quota of 10.0 KiB in the store"), "{said}");
    let status = status(&site);
    assert_eq!(status["feed_quotas"][0]["feed"], "orders");
    assert_eq!(status["feed_quotas"][0]["quota_bytes"], 10 << 10);
    // It is still there to be taken when there is room.
    site.ok(&["quarantine", "discard", &order_name(1), "--reason", "a test"]);
    site.run_until_idle(1);
    assert!(is_quarantined(&site, 2));
}

#[test]
fn what_is_past_its_retention_makes_room() {
    let store = "compression = \"none\"\nquota = \"64 KiB\"\nretention = { kept = \"1 second\" }";
    let site = site("keep_captures = \"all\"", store);
    let mut running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 1_800).1);
    wait_for("the first", || site.states() == [(order_name(1), "published".to_owned())]);
    let [object] = &site.objects()[..] else { panic!("it is kept") };
    // A second is over soon; that it was written an hour ago is told.
    age(object, Duration::from_secs(7200));
    site.drop_file(&order_name(2), &bad(2, 1_800));
    wait_for("room for the second", || is_quarantined(&site, 2));
    assert!(!object.exists());
    assert!(running.log().contains("removed from the store"), "{}", running.log());
    running.kill();
}

#[test]
fn a_purge_touches_nothing_that_is_open() {
    for runs in [true, false] {
        let site = site("keep_captures = \"all\"", "retention = { discarded = \"10 days\" }");
        // Kept, quarantined, held (other bytes under a known key), discarded, and left behind by nobody knows whom.
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.run_until_idle(0);
        site.drop_file(&order_name(1), &orders(1, 4).1);
        site.drop_file(&order_name(2), &bad(2, 3));
        site.drop_file(&order_name(3), &bad(3, 3));
        site.run_until_idle(1);
        site.ok(&["quarantine", "discard", &order_name(3), "--reason", "a test"]);
        assert_eq!(site.objects().len(), 4);
        let mut running = runs.then(|| site.spawn(&["run"], None));
        if let Some(running) = &running {
            wait_for_log(running, &["holding the slot"]);
        }
        left_behind(&site, 1);
        let stays = [
            line("kept", "discarded", 1),
            line("kept", "held", 1),
            line("kept", "kept", 1),
            line("kept", "quarantined", 1),
        ];
        let with = |outcome: (String, String, u64)| [&stays[..], &[outcome]].concat();
        assert_eq!(purge(&site, &[]).len(), 5, "what was just written stays");
        for path in site.objects() {
            age(&path, YEARS);
        }
        left_behind(&site, 2);
        let dry = purge(&site, &["--dry-run"]);
        assert!(dry.contains(&line("would be removed", "unclaimed", 1)), "{dry:?}");
        assert_eq!(site.objects().len(), 5, "a dry run removes nothing");
        assert_eq!(purge(&site, &["--feed", "orders"]), stays, "nobody knows whose the last one is");
        assert_eq!(purge(&site, &[]), with(line("removed", "unclaimed", 1)), "{runs}");
        assert_eq!(site.objects().len(), 4);
        // A person may take less time than was configured, but from what is at its end only.
        let all = [
            line("kept", "held", 1),
            line("kept", "quarantined", 1),
            line("removed", "discarded", 1),
            line("removed", "kept", 1),
        ];
        assert_eq!(purge(&site, &["--older-than", "0d"]), all, "{runs}");
        assert_eq!(site.objects().len(), 2);
        assert!(site.output(&["quarantine", "show", &order_name(2), "--bytes"]).stdout == bad(2, 3));
        assert_eq!(site.ledger().iter().filter(|entry| entry["state"] == "held").count(), 1);
        assert_eq!(site.stored(&hash_of(&site, 2)).unwrap(), bad(2, 3));
        if let Some(running) = &mut running {
            assert!(running.child.try_wait().unwrap().is_none(), "{}", running.log());
            running.kill();
        }
    }
}

#[test]
fn status_says_what_is_there_for_whom_and_why() {
    let site = site("keep_captures = \"all\"", "quota = \"1 GiB\"");
    assert!(site.ok(&["store", "status"]).contains("0 objects"));
    let (good, wrong) = (orders(1, 2_000).1, bad(2, 3));
    site.drop_file(&order_name(1), &good);
    site.drop_file(&order_name(2), &wrong);
    site.run_until_idle(1);
    left_behind(&site, 1);
    let found = status(&site);
    let rows: Vec<(Option<&str>, &str, u64, u64)> = found["held"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let number = |key: &str| row[key].as_u64().unwrap();
            (row["feed"].as_str(), row["reason"].as_str().unwrap(), number("objects"), number("uncompressed_bytes"))
        })
        .collect();
    let expected = [
        (None, "unclaimed", 1, 11),
        (Some("orders"), "kept", 1, good.len() as u64),
        (Some("orders"), "quarantined", 1, wrong.len() as u64),
    ];
    assert_eq!(rows, expected);
    let stored: u64 = site.objects().iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(
        (&found["objects"], &found["stored_bytes"], &found["quota_bytes"]),
        (&3.into(), &stored.into(), &(1 << 30).into())
    );
    assert_eq!(found["uncompressed_bytes"], good.len() as u64 + wrong.len() as u64 + 11);
    assert!(stored < good.len() as u64 / 4, "{stored} of {}", good.len());
    let text = site.ok(&["store", "status"]);
    for word in ["orders", "kept", "quarantined", "unclaimed", "of 1.0 GiB", "3 objects"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_misspelt_feed_or_time_is_an_error() {
    let site = site("", "");
    let said = |arguments: &[&str]| {
        let output = site.output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["store", "purge", "--feed", "oders"]).contains("did you mean `orders`?"));
    assert!(said(&["store", "purge", "--older-than", "30"]).contains("no length of time"));
    assert_eq!(site.ok(&["store", "purge"]).trim(), "there is nothing to remove");
}

#[test]
fn what_events_do_not_give_back_is_kept_unless_the_feed_says_otherwise() {
    // Small enough for memory, and spooled.
    for lines in [40, 6_000] {
        let spelled =
            |sign: &str| (0..lines).map(|number| format!("{number:06}|{sign}{number}.00\n")).collect::<String>();
        for (feed, is_kept) in [("", true), ("keep_captures = \"none\"", false)] {
            let site = site(feed, "");
            site.drop_file(&order_name(1), spelled("").as_bytes());
            site.drop_file(&order_name(2), spelled("+").as_bytes());
            site.run_until_idle(0);
            let verdicts: Vec<Value> = site.ledger().iter().map(|entry| entry["verdict"].clone()).collect();
            assert!(verdicts.contains(&"exact".into()) && verdicts.contains(&"replay_only".into()), "{verdicts:?}");
            assert_eq!(site.stored(&hash_of(&site, 1)), None, "events give it: {lines} {feed}");
            let stored = site.stored(&hash_of(&site, 2));
            assert_eq!(stored, is_kept.then(|| spelled("+").into_bytes()), "{lines} {feed}");
        }
    }
}

#[test]
fn what_events_do_not_give_back_is_kept_though_its_publishing_was_interrupted() {
    let site = site("", "");
    let bytes = (0..12_000).map(|number| format!("{number:06}|+{number}.00\n")).collect::<String>();
    site.drop_file(&order_name(1), bytes.as_bytes());
    let mut bridge = site.spawn(&["run", "--until-idle"], Some("between_chunks:1=kill"));
    assert_eq!(bridge.wait().code(), None, "it is killed");
    site.run_until_idle(0);
    assert_eq!(site.ledger()[0]["verdict"], "replay_only");
    assert_eq!(site.stored(&hash_of(&site, 1)), Some(bytes.into_bytes()));
}
