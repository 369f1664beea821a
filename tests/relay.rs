//! Interposed feeds: the legacy file goes from inbox to outbox, byte for byte and in order, whatever becomes of its events.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use dropbridge::config;
use dropbridge::relay::directory;
use dropbridge::relay::worker::{Places, Relay};
use dropbridge::wiring::Bridge;
use support::memory;
use support::private_broker::PrivateBroker;
use support::relayed::{Consumer, Habit, files, left_behind, options, outbox, site};
use support::stages::Department;
use support::{FeedOptions, LogKind, Running, Site, order_name, orders, wait_for_or};

const RENAMED: &str = "temporary = [\"*.part\"]";
const MARKED: &str = "marker = \"{name}.done\"\nchecksum = \"{name}.sha256\"";

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many files were relayed, as the journal has it.
fn relayed(site: &Site) -> u64 {
    let state = site.output(&["--json", "relay", "list"]);
    let state: serde_json::Value = serde_json::from_slice(&state.stdout).unwrap();
    state["files"].as_u64().unwrap()
}

/// Waits until the outbox has these names.
fn wait_for_names(site: &Site, running: &Running, names: &[String]) {
    wait_for_or(
        "the outbox to have the files",
        || running.log(),
        || files(&outbox(site)).keys().cloned().collect::<Vec<_>>() == names,
    );
}

/// Good files and bad ones, repeats and corrections: all are passed on.
#[test]
fn every_file_is_passed_on_whatever_becomes_of_its_events() {
    for log in support::logs() {
        let site = site(log, &options("", RENAMED));
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.drop_file(&order_name(2), b"this is no order\n");
        site.drop_file(&order_name(3), b"");
        site.run_until_idle(1);
        let expected = [(1, orders(1, 3).1), (2, b"this is no order\n".to_vec()), (3, Vec::new())];
        let expected: Vec<(String, Vec<u8>)> =
            expected.into_iter().map(|(file, bytes)| (order_name(file), bytes)).collect();
        assert_eq!(files(&outbox(&site)).into_iter().collect::<Vec<_>>(), expected);
        assert!(left_behind(&site).is_empty(), "{:?}", left_behind(&site));
        assert_eq!(site.numbers(), orders(1, 3).0);
        // Nothing is passed on twice, although nobody took it; a restart changes nothing.
        site.run_until_idle(0);
        assert_eq!(files(&outbox(&site)).len(), 3);
        // The same file dropped again, and a correction: the consumer gets them as it would have without us.
        fs::remove_dir_all(outbox(&site)).unwrap();
        fs::create_dir(outbox(&site)).unwrap();
        site.ok(&["relay", "adopt-outbox", "orders"]);
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.drop_file(&order_name(3), &orders(9, 1).1);
        site.run_until_idle(1);
        assert_eq!(files(&outbox(&site)).keys().cloned().collect::<Vec<_>>(), [order_name(1), order_name(3)]);
    }
}

/// Data first, then the sidecar, then the marker; a consumer that goes by the marker finds all.
#[test]
fn marker_and_sidecar_follow_their_file() {
    let site = site(LogKind::Embedded, &options("", MARKED));
    let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[".sha256", ".done"]);
    let mut running = site.spawn(&["run"], None);
    let mut expected = Vec::new();
    for file in 1..=20 {
        let (name, bytes) = (order_name(file), orders(file, 5).1);
        site.drop_file(&name, &bytes);
        site.drop_file(&format!("{name}.sha256"), format!("{}  {name}\n", sha256(&bytes)).as_bytes());
        site.drop_file(&format!("{name}.done"), b"");
        expected.push((name, bytes));
    }
    let log = running.log.clone();
    wait_for_or(
        "twenty deliveries",
        || fs::read_to_string(&log).unwrap(),
        || running.log().lines().filter(|line| line.contains(" relayed ")).count() == 20,
    );
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.wait().code(), Some(0), "{}", running.log());
    let mut taken = consumer.end();
    taken.sort();
    assert_eq!(taken, expected);
}

/// By business date, then by sequence, not by the order in which a directory has them.
#[test]
fn files_go_in_the_order_of_their_names() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    for name in ["ORD_20260102_0001.dat", "ORD_20260101_0010.dat", "ORD_20260101_0009.dat", "ORD_20260103_0001.dat"] {
        site.drop_file(name, &orders(1, 1).1);
    }
    let output = site.output(&["run", "--until-idle"]);
    let log = String::from_utf8(output.stderr).unwrap();
    let relayed: Vec<&str> = log.lines().filter(|line| line.contains(" relayed ")).collect();
    let expected = ["20260101_0009", "20260101_0010", "20260102_0001", "20260103_0001"];
    assert_eq!(relayed.len(), expected.len(), "{log}");
    for (line, name) in relayed.iter().zip(expected) {
        assert!(line.contains(name), "{name} is not in {line}");
    }
}

/// What lies there when the bridge comes was delivered before; with `--relay take` it is passed on.
#[test]
fn files_of_before_are_passed_on_only_when_that_is_asked_for() {
    for (policy, count) in [("skip", 1), ("take", 2)] {
        let site = Site::uninitialised(LogKind::Embedded, &options("", RENAMED));
        fs::create_dir_all(outbox(&site)).unwrap();
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.ok(&["init", "--relay", policy]);
        site.drop_file(&order_name(2), &orders(2, 3).1);
        site.run_until_idle(0);
        assert_eq!(files(&outbox(&site)).len(), count, "{policy}");
    }
}

/// The journal is what knows what was delivered: without it nothing is, until a person says so.
#[test]
fn without_its_journal_a_relay_does_not_begin_again() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    site.drop_file(&order_name(1), &orders(1, 3).1);
    site.run_until_idle(0);
    fs::remove_dir_all(site.path("state/relay")).unwrap();
    fs::remove_file(outbox(&site).join(order_name(1))).unwrap();
    let output = site.output(&["run", "--until-idle"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no journal of the relay"));
    let text = site.exits(&["init"], 1);
    assert!(text.contains("--relay skip"), "{text}");
    site.ok(&["init", "--relay", "skip"]);
    site.run_until_idle(0);
    assert!(files(&outbox(&site)).is_empty());
}

/// A fixed name: the next file waits until the consumer has collected the last one, and is safe meanwhile.
#[test]
fn a_fixed_name_waits_until_the_last_file_was_collected() {
    let site = site(LogKind::Embedded, &options("corrections = \"publish\"", RENAMED));
    let running = site.spawn(&["run"], None);
    let names = [order_name(1)];
    for file in 1..=3 {
        site.drop_file(&order_name(1), &orders(file, 2).1);
        wait_for_or(
            "the file to be taken",
            || running.log(),
            || {
                fs::read_dir(site.path("state/relay")).is_ok() && {
                    let state = site.output(&["--json", "relay", "list"]);
                    let state: serde_json::Value = serde_json::from_slice(&state.stdout).unwrap();
                    state["files"].as_u64().unwrap() + state["waiting"].as_array().unwrap().len() as u64
                        == u64::from(file)
                }
            },
        );
    }
    for file in 1..=3 {
        wait_for_names(&site, &running, &names);
        assert_eq!(fs::read(outbox(&site).join(order_name(1))).unwrap(), orders(file, 2).1, "in the order of arrival");
        fs::remove_file(outbox(&site).join(order_name(1))).unwrap();
    }
    let waits = running.log().matches("which is in the outbox").count();
    assert!((1..=3).contains(&waits), "it says so, and not in every pass: {waits}");
}

#[test]
fn a_name_that_is_taken_is_held_where_the_feed_says_so() {
    let site = site(LogKind::Embedded, &options("target_exists = \"hold\"", RENAMED));
    fs::write(outbox(&site).join(order_name(1)), "of somebody else").unwrap();
    site.drop_file(&order_name(1), &orders(1, 3).1);
    site.drop_file(&order_name(2), &orders(2, 3).1);
    site.run_until_idle(1);
    assert_eq!(fs::read(outbox(&site).join(order_name(1))).unwrap(), b"of somebody else", "never replaced");
    assert!(outbox(&site).join(order_name(2)).exists(), "those behind it go on");
    let text = site.exits(&["relay", "list"], 1);
    assert!(text.contains("HELD") && text.contains(&order_name(1)), "{text}");
    site.exits(&["relay", "release", "orders", "no such file", "--as", "again"], 2);
    site.run_until_idle(1);
    fs::remove_file(outbox(&site).join(order_name(1))).unwrap();
    site.ok(&["relay", "release", "orders", &order_name(1), "--as", "again"]);
    site.run_until_idle(0);
    assert_eq!(fs::read(outbox(&site).join(order_name(1))).unwrap(), orders(1, 3).1);
    assert!(left_behind(&site).is_empty());
}

/// The log is away when the bridge starts: files are passed on all the same.
#[test]
fn files_are_passed_on_while_the_event_log_cannot_be_reached() {
    let site = site(LogKind::Embedded, &options("after_relay = \"delete\"", RENAMED));
    let config = site.path("config/bridge.toml");
    let text = fs::read_to_string(&config).unwrap();
    // Nothing listens on the discard port.
    let away = text.replace("kind = \"embedded\"", "kind = \"kafka\"\n[log.kafka]\nbrokers = \"127.0.0.1:9\"");
    assert_ne!(away, text);
    fs::write(&config, away).unwrap();
    let running = site.spawn(&["run"], None);
    let mut names = Vec::new();
    for file in 1..=5 {
        site.drop_file(&order_name(file), &orders(file, 3).1);
        names.push(order_name(file));
        wait_for_names(&site, &running, &names);
    }
    assert_eq!(files(&site.inbox()).len(), 5, "none leaves the inbox before its events are published");
    drop(running);
    fs::write(&config, text).unwrap();
    let running = site.spawn(&["run"], None);
    wait_for_or("the inbox to be empty", || running.log(), || files(&site.inbox()).is_empty());
    assert_eq!(files(&outbox(&site)).len(), 5);
    assert_eq!(site.numbers().len(), 15);
}

/// The broker stands still while more files come than the way to the publisher holds.
#[test]
fn files_are_passed_on_while_the_publisher_waits_for_its_broker() {
    let Some(broker) = PrivateBroker::start("relay-outage") else { return };
    let options = options("", RENAMED);
    let mut site = Site::uninitialised(LogKind::Kafka, &options);
    site.brokers = broker.brokers();
    site.configure(&options);
    fs::create_dir_all(outbox(&site)).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    wait_for_or("the first events", || running.log(), || site.numbers().len() == 3);
    broker.stop();
    let mut names = vec![order_name(1)];
    for file in 2..=1500 {
        site.drop_file(&order_name(file), &orders(file, 3).1);
        names.push(order_name(file));
    }
    names.sort();
    wait_for_names(&site, &running, &names);
    broker.kill();
    broker.restart();
    wait_for_or("all events", || running.log(), || site.numbers().len() == 4500);
    assert_eq!(files(&outbox(&site)).len(), 1500);
}

/// A file that grows after it was passed on is another one; nothing partial was ever in the outbox.
#[test]
fn a_file_that_changed_after_it_was_passed_on_comes_again() {
    let site = site(LogKind::Embedded, &options("corrections = \"publish\"", "quiet_ms = 50"));
    let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[]);
    site.drop_file(&order_name(1), &orders(1, 2).1);
    site.run_until_idle(0);
    let longer = orders(1, 4).1;
    fs::write(site.inbox().join(order_name(1)), &longer).unwrap();
    site.run_until_idle(0);
    let taken: Vec<Vec<u8>> = consumer.end().into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(taken, [orders(1, 2).1, longer]);
}

/// 256 MiB through little memory, byte for byte.
#[test]
fn a_large_file_is_passed_on_in_little_memory() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let line = b"this is no order, and there are very many of them in this file, each of them as long as this one\n";
    let mut bytes = line.repeat((256 << 20) / line.len());
    bytes.extend_from_slice(b"the last one\n");
    let running = site.spawn(&["--log", "trace", "run"], None);
    let idle_kib = memory::idle_peak_kib(&running);
    site.drop_file(&order_name(1), &bytes);
    wait_for_or("the large file", || running.log(), || running.log().contains(" relayed "));
    memory::assert_bounded("a large file through the relay", &running, idle_kib);
    assert_eq!(sha256(&fs::read(outbox(&site).join(order_name(1))).unwrap()), sha256(&bytes));
}

/// Mode as stated, and directories below the inbox are directories below the outbox.
#[test]
fn files_have_the_mode_and_directory_that_was_asked_for() {
    let site = site(LogKind::Embedded, &options("recursive = true\nfile_mode = \"0604\"", RENAMED));
    fs::create_dir_all(site.inbox().join("north")).unwrap();
    site.drop_file(&format!("north/{}", order_name(1)), &orders(1, 3).1);
    site.run_until_idle(0);
    let metadata = fs::metadata(outbox(&site).join("north").join(order_name(1))).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o604);
    assert_eq!(metadata.nlink(), 1, "no witness is left");
}

/// An outbox below a recursive inbox: what is delivered there is no drop.
#[test]
fn what_is_delivered_below_a_recursive_inbox_is_not_taken_again() {
    let inside = FeedOptions {
        feed: format!("{}\nrecursive = true\noutbox = \"orders/out\"", FeedOptions::default().feed),
        ready: RENAMED.to_owned(),
        ..FeedOptions::default()
    };
    let site = Site::uninitialised(LogKind::Embedded, &inside);
    fs::create_dir_all(site.inbox().join("out")).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    for _ in 0..3 {
        site.run_until_idle(0);
    }
    assert_eq!(files(&site.inbox().join("out")).len(), 1);
    assert_eq!(site.numbers(), orders(1, 3).0, "its events are there once");
    assert_eq!(site.states().len(), 1, "the ledger has one drop");
    assert!(!site.inbox().join("out/out").exists());
}

/// A relay into its own inbox, or round and round, is no configuration.
#[test]
fn a_relay_that_leads_back_is_refused() {
    for directory in ["orders", "./orders/"] {
        let round = FeedOptions {
            feed: format!("{}\noutbox = \"{directory}\"", FeedOptions::default().feed),
            ..FeedOptions::default()
        };
        let site = Site::uninitialised(LogKind::Embedded, &round);
        let output = site.output(&["check"]);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("feed[1].outbox: leads back to this feed's inbox"), "{text}");
    }
}

/// What was relayed leaves the inbox when that is asked for, once its events are published; and never before.
#[test]
fn a_relayed_file_leaves_the_inbox_once_it_is_published() {
    for (after, kept) in [("leave", 3), ("delete", 0), ("move:done", 0)] {
        let site = site(LogKind::Embedded, &options(&format!("after_relay = \"{after}\""), MARKED));
        fs::create_dir(site.path("share/done")).unwrap();
        let (name, bytes) = (order_name(1), orders(1, 3).1);
        site.drop_file(&name, &bytes);
        site.drop_file(&format!("{name}.sha256"), format!("{}  {name}\n", sha256(&bytes)).as_bytes());
        site.drop_file(&format!("{name}.done"), b"");
        let running = site.spawn(&["run"], None);
        wait_for_or("its events", || running.log(), || site.numbers().len() == 3);
        wait_for_or("marker and sidecar to follow", || running.log(), || files(&outbox(&site)).len() == 3);
        wait_for_or("the inbox to be as stated", || running.log(), || files(&site.inbox()).len() == kept);
        assert_eq!(files(&site.path("share/done")).len(), if after == "move:done" { 3 } else { 0 });
    }
}

/// `check` says what is wrong with an outbox, and writes nothing there.
#[test]
fn check_looks_at_the_outbox() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let text = site.ok(&["check"]);
    assert!(text.contains("orders relay"), "{text}");
    assert_eq!(fs::read_dir(outbox(&site)).unwrap().count(), 0, "no probe file, no directory");
    fs::remove_dir(outbox(&site)).unwrap();
    let text = site.exits(&["check"], 1);
    assert!(text.contains("No such file or"), "{text}");
}

/// An outbox that is another feed's inbox is a hop: that feed takes the file as a drop of its own, once, and passes it on.
#[test]
fn a_chain_of_relays_is_a_hop_for_each_feed() {
    let site = Site::uninitialised(LogKind::Embedded, &options("", RENAMED));
    for directory in ["share/out", "share/last"] {
        fs::create_dir_all(site.path(directory)).unwrap();
    }
    let first = fs::read_to_string(site.path("config/departments/sales.toml")).unwrap();
    let second = first
        .replace("department = \"sales\"", "department = \"stores\"")
        .replace("id = \"orders\"", "id = \"stores\"")
        .replace("outbox = \"out\"", "outbox = \"last\"")
        .replace("inbox = \"orders\"", "inbox = \"out\"");
    fs::write(site.path("config/departments/stores.toml"), second).unwrap();
    site.ok(&["init", "--baseline", "take"]);
    let running = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    let last = site.path("share/last");
    wait_for_or("both hops", || running.log(), || files(&last).len() == 1 && site.numbers().len() == 6);
    drop(running);
    site.run_until_idle(0);
    assert_eq!(files(&last).into_iter().collect::<Vec<_>>(), [(order_name(1), orders(1, 3).1)]);
    let feeds: Vec<String> = site.ledger().iter().map(|entry| entry["feed"].as_str().unwrap().to_owned()).collect();
    assert_eq!(feeds.len(), 2, "one drop of each feed: {feeds:?}");
    // And back again is no chain.
    let round = fs::read_to_string(site.path("config/departments/stores.toml")).unwrap();
    fs::write(site.path("config/departments/stores.toml"), round.replace("\"last\"", "\"orders\"")).unwrap();
    let output = site.output(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("would be relayed without end"));
}

/// A standby on the same state directory relays nothing before it has the slot, and goes on where the other one was.
#[test]
fn a_standby_goes_on_where_the_other_one_was() {
    let quick = FeedOptions { takeover_after_ms: 1500, ..options("", RENAMED) };
    let site = site(LogKind::Embedded, &quick);
    let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[]);
    let mut first = site.spawn(&["run"], None);
    let standby = site.spawn(&["run", "--standby"], None);
    let mut expected = Vec::new();
    for file in 1..=6 {
        site.drop_file(&order_name(file), &orders(file, 3).1);
        expected.push((order_name(file), orders(file, 3).1));
        if file == 3 {
            first.kill();
        }
    }
    wait_for_or("the standby to relay", || standby.log(), || site.numbers().len() == 18 && relayed(&site) == 6);
    drop(standby);
    site.run_until_idle(0);
    let mut taken = consumer.end();
    taken.sort();
    assert_eq!(taken, expected);
}

/// A second instance that takes the slot over waits for the journal until the first one has given it up.
#[test]
fn whoever_takes_the_slot_over_relays() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let consumer = Consumer::start(outbox(&site), Habit::Renames, &[]);
    let mut expected = Vec::new();
    let mut instances = vec![site.spawn(&["run"], None)];
    for file in 1..=12 {
        site.drop_file(&order_name(file), &orders(file, 3).1);
        expected.push((order_name(file), orders(file, 3).1));
        if file % 4 == 0 {
            instances.push(site.spawn(&["run"], None));
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    let log = || instances.iter().map(Running::log).collect::<String>();
    wait_for_or("all events", log, || site.numbers().len() == 36 && relayed(&site) == 12);
    drop(instances);
    let mut taken = consumer.end();
    taken.sort();
    assert_eq!(taken, expected);
}

/// The relay of a site, in this process: it is to end when this says so.
fn open_relay(site: &Site, is_over: impl Fn() -> bool + Send + 'static) -> Relay {
    let bridge = Bridge::open(config::load(&site.path("config/bridge.toml")).unwrap()).unwrap();
    let plan = Arc::clone(&bridge.feeds[0]);
    let settings = plan.settings.relay.clone().unwrap();
    let places = Places {
        inbox: bridge.share(&plan.settings).unwrap(),
        outbox: bridge.outbox(&settings.outbox).unwrap(),
        clearing: None,
        journals: directory(&bridge.settings.state),
    };
    Relay::open(plan, settings, places, bridge.context.clone(), Box::new(is_over)).unwrap()
}

/// A new configuration, a lost slot and an end wait for the relay: it does not pass on all that is there before.
#[test]
fn a_relay_that_is_to_end_passes_no_further_file_on() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    (1..=3).for_each(|file| site.drop_file(&order_name(file), &orders(file, 3).1));
    let first = outbox(&site).join(order_name(1));
    let mut relay = open_relay(&site, move || first.exists());
    assert_eq!(relay.pass().unwrap().relayed, 1);
    assert_eq!(relay.pass().unwrap().relayed, 0);
    drop(relay);
    assert_eq!(files(&outbox(&site)).into_keys().collect::<Vec<_>>(), [order_name(1)]);
    site.run_until_idle(0);
    assert_eq!(files(&outbox(&site)).len(), 3);
}

/// Nor is a large one copied to its end.
#[test]
fn a_copy_that_is_broken_off_leaves_nothing_and_is_made_anew_by_the_next_start() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    // Three buffers of it.
    let bytes = orders(1, 30_000).1;
    site.drop_file(&order_name(1), &bytes);
    let staging = outbox(&site).join(".dropbridge");
    let is_begun = move || {
        fs::read_dir(&staging).is_ok_and(|mut found| found.any(|entry| entry.unwrap().metadata().unwrap().len() > 0))
    };
    let mut relay = open_relay(&site, is_begun);
    let pass = relay.pass().unwrap();
    assert_eq!((pass.relayed, pass.settling), (0, 1), "{pass:?}");
    drop(relay);
    assert!(files(&outbox(&site)).is_empty() && left_behind(&site).is_empty(), "{:?}", left_behind(&site));
    site.run_until_idle(0);
    assert!(files(&outbox(&site))[&order_name(1)] == bytes);
}

/// What can be read through its handle alone is not left to a restart, which could not read it.
#[test]
fn a_relay_that_is_to_end_passes_on_what_has_no_name_any_more() {
    let site = site(LogKind::Embedded, &options("", RENAMED));
    let away = site.path("share/away");
    (1..=2).for_each(|file| site.drop_file(&order_name(file), &orders(file, 3).1));
    fs::rename(outbox(&site), &away).unwrap();
    let mut relay = open_relay(&site, || true);
    relay.pass().expect_err("the outbox is away, and both are opened");
    fs::remove_file(site.inbox().join(order_name(1))).unwrap();
    fs::rename(&away, outbox(&site)).unwrap();
    assert_eq!(relay.pass().unwrap().relayed, 1);
    assert_eq!(files(&outbox(&site)).into_iter().collect::<Vec<_>>(), [(order_name(1), orders(1, 3).1)]);
}

/// The batch job of a live department still runs: its files are neither kept open nor missed.
#[test]
fn a_withheld_file_is_not_kept_open_and_may_go_away() {
    let sales = Department::new(LogKind::Embedded);
    let site = &sales.window.site;
    sales.dump(0, &["A-1"]);
    sales.run();
    (1..=2).for_each(|day| drop(sales.advance(day)));
    // One that is there before the log was read, and one that comes when it is known who speaks.
    sales.dump(2, &["C-1"]);
    let running = site.spawn(&["run"], None);
    let withheld = |count: usize| {
        let is_said = || running.log().matches("not relayed: the new service speaks").count() == count;
        wait_for_or("the relay to say so", || running.log(), is_said);
        let is_withheld = || site.states().iter().filter(|(_, state)| state == "withheld").count() == count;
        wait_for_or("the ledger to say so", || running.log(), is_withheld);
    };
    withheld(1);
    sales.dump(3, &["D-1"]);
    withheld(2);
    let inbox = site.inbox().canonicalize().unwrap();
    let open = || -> Vec<PathBuf> {
        let handles = fs::read_dir(format!("/proc/{}/fd", running.child.id())).unwrap();
        let paths = handles.filter_map(|handle| fs::read_link(handle.unwrap().path()).ok());
        paths.filter(|path| path.parent() == Some(&inbox)).collect()
    };
    wait_for_or("both to be closed", || format!("{:?}", open()), || open().is_empty());
    (2..=3).for_each(|day| fs::remove_file(site.inbox().join(sales.name(day))).unwrap());
    // The pass that shows this one has shown that they are gone.
    sales.dump(4, &["E-1"]);
    withheld(3);
    assert!(!running.log().contains("gone from the inbox"), "{}", running.log());
    assert!(sales.delivered().into_keys().all(|name| name == sales.name(0)), "{:?}", sales.delivered());
}
