//! Two instances: whoever is taken over publishes nothing any more, and the slot is never without a holder for long.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;

use rustix::process::Signal;
use support::account::Account;
use support::{FeedOptions, LogKind, Running, Site, kafka_brokers, logs, wait_for, wait_for_or};

/// Where the first instance is stopped. On the embedded log a commit that was sent cannot be taken over: see
/// [`on_the_embedded_log_a_sent_commit_is_waited_for`].
const STOPS: [&str; 6] = ["prepared", "begun", "half_produced", "produced", "commit_begun:2", "commit_sent:2"];

fn taken_over_at(site: &Site, account: &mut Account, stop: &str) {
    account.drop_orders(site, 10);
    account.drop_orders(site, 3);
    let mut first = site.spawn(&["run", "--until-idle"], Some(&format!("{stop}=stop")));
    first.wait_until_stopped();
    let mut second = site.spawn(&["run", "--until-idle"], None);
    assert_eq!(second.wait().code(), Some(0), "{stop}: {}", second.log());
    account.check(site, &format!("taken over at {stop}"));
    first.signal(Signal::CONT);
    let status = first.wait();
    assert_eq!(status.code(), Some(2), "{stop}: it has to say that it did not finish: {}", first.log());
    account.check(site, &format!("the first has given up, stopped at {stop}"));
    says_who_took_over(&first, &second);
}

/// The log of a fenced instance names its successor, and the time.
fn says_who_took_over(fenced: &Running, successor: &Running) {
    let log = fenced.log();
    let who = format!("(process {}) took it over at 2", successor.child.id());
    assert!(log.contains(&who), "`{who}…` is not in: {log}");
}

#[test]
fn an_instance_that_was_taken_over_publishes_nothing_on_the_embedded_log() {
    let (site, mut account) = (Site::new(LogKind::Embedded, &FeedOptions::default()), Account::default());
    for stop in STOPS.into_iter().filter(|stop| !stop.starts_with("commit_sent")) {
        taken_over_at(&site, &mut account, stop);
    }
}

#[test]
fn an_instance_that_was_taken_over_publishes_nothing_on_kafka() {
    if kafka_brokers("the takeovers on Kafka").is_none() {
        return;
    }
    let (site, mut account) = (Site::new(LogKind::Kafka, &FeedOptions::default()), Account::default());
    for stop in STOPS {
        taken_over_at(&site, &mut account, stop);
    }
}

/// The commit is one write of the file, and its lock is held by the stopped process: nobody can tell it from one that
/// is at work. The second instance waits, says so, and takes over when the write is done.
#[test]
fn on_the_embedded_log_a_sent_commit_is_waited_for() {
    let (site, mut account) = (Site::new(LogKind::Embedded, &FeedOptions::default()), Account::default());
    account.drop_orders(&site, 10);
    let mut first = site.spawn(&["run"], Some("commit_sent:2=stop"));
    first.wait_until_stopped();
    let mut second = site.spawn(&["run"], None);
    wait_for("the second to say what it waits for", || {
        assert!(second.child.try_wait().unwrap().is_none(), "it ended: {}", second.log());
        second.log().contains("cannot go on for now: trying again")
    });
    assert_eq!(site.numbers().len(), 0);
    first.signal(Signal::CONT);
    wait_for("the first to be taken over", || first.log().contains("standing by"));
    says_who_took_over(&first, &second);
    account.check(&site, "after the takeover");
    for bridge in [&mut first, &mut second] {
        bridge.signal(Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
    }
    account.check(&site, "at the end");
}

/// Waits until a bridge that runs has published everything.
fn wait_for_events(site: &Site, account: &Account, bridge: &Running) {
    wait_for_or("all events", || bridge.log(), || site.numbers().len() >= account.numbers().len());
    account.check_events(site, "while it runs");
}

#[test]
fn a_standby_takes_over_from_a_silent_holder_and_back() {
    for log in logs() {
        let options = FeedOptions { takeover_after_ms: 2000, ..FeedOptions::default() };
        let (site, mut account) = (Site::new(log, &options), Account::default());
        let mut first = site.spawn(&["run"], Some("begun:2=stop"));
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &first);
        let mut second = site.spawn(&["run", "--standby"], None);
        wait_for("the standby", || second.log().contains("standing by"));

        account.drop_orders(&site, 3);
        first.wait_until_stopped();
        wait_for_events(&site, &account, &second);
        assert!(second.log().contains("silent since"), "{}", second.log());

        first.signal(Signal::CONT);
        wait_for("the first to give up", || first.log().contains("gave the slot up; standing by"));
        says_who_took_over(&first, &second);

        second.kill();
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &first);

        first.signal(Signal::TERM);
        assert_eq!(first.wait().code(), Some(0), "{}", first.log());
        account.check(&site, "at the end");
    }
}

/// Silence would be noticed after an hour, long after the test has given up.
#[test]
fn a_standby_takes_over_at_once_when_the_holder_is_asked_to_end() {
    for log in logs() {
        let options = FeedOptions { takeover_after_ms: 3_600_000, ..FeedOptions::default() };
        let (site, mut account) = (Site::new(log, &options), Account::default());
        let mut first = site.spawn(&["run"], None);
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &first);
        let mut second = site.spawn(&["run", "--standby"], None);
        wait_for("the standby", || second.log().contains("standing by"));
        first.signal(Signal::TERM);
        assert_eq!(first.wait().code(), Some(0), "{}", first.log());
        account.drop_orders(&site, 3);
        wait_for_events(&site, &account, &second);
        assert!(second.log().contains("was given up: taking it"), "{}", second.log());
        second.signal(Signal::TERM);
        assert_eq!(second.wait().code(), Some(0), "{}", second.log());
        account.check(&site, "at the end");
    }
}

/// SIGTERM does not wait for the end of a large file, and the slot is free at once.
#[test]
fn asked_to_end_between_chunks_it_ends_and_goes_on_later() {
    for log in logs() {
        let options = FeedOptions {
            transaction: "chunk_records = 10".to_owned(),
            takeover_after_ms: 3_600_000,
            ..FeedOptions::default()
        };
        let (site, mut account) = (Site::new(log, &options), Account::default());
        account.drop_orders(&site, 95);
        let mut bridge = site.spawn(&["run"], Some("between_chunks:2=stop"));
        bridge.wait_until_stopped();
        bridge.signal(Signal::TERM);
        bridge.signal(Signal::CONT);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
        let events = site.numbers().len();
        // The signal may reach its thread a little later than the file goes on.
        assert!(events < 95, "it went on to the end of the file: {events}");
        let mut standby = site.spawn(&["run", "--standby"], None);
        wait_for_events(&site, &account, &standby);
        standby.signal(Signal::TERM);
        assert_eq!(standby.wait().code(), Some(0), "{}", standby.log());
        account.check(&site, "at the end");
    }
}

/// No bridge runs: the command takes the slot, and the heartbeat has nobody else to come from.
#[test]
fn a_holder_that_examines_a_large_file_says_that_it_is_alive() {
    let options = FeedOptions { takeover_after_ms: 200, ..FeedOptions::default() };
    let site = Site::new(LogKind::Embedded, &options);
    let mut bytes = support::orders(1, 600_000).1;
    bytes.extend_from_slice(b"BAD|none\n");
    let name = support::order_name(1);
    site.drop_file(&name, &bytes);
    site.run_until_idle(1);
    site.exits(&["quarantine", "retry", &name], 1);
    let control = site.committed("control");
    let claim = control.iter().rfind(|record| record["heartbeat"].is_u64()).unwrap();
    assert!(claim["released"] == true && claim["heartbeat"].as_u64() > Some(0), "{claim}");
}

/// Everything in the state directory but the embedded log is a cache.
#[test]
fn without_its_state_directory_nothing_is_published_again() {
    for log in logs() {
        let options = FeedOptions { transaction: "chunk_records = 10".to_owned(), ..FeedOptions::default() };
        let (site, mut account) = (Site::new(log, &options), Account::default());
        account.drop_orders(&site, 25);
        account.drop_bad(&site);
        site.run_until_idle(1);
        let state = site.path("state");
        for file in fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()) {
            if log == LogKind::Kafka || !file.file_name().unwrap().to_str().unwrap().starts_with("events.sqlite") {
                if file.is_dir() { fs::remove_dir_all(file).unwrap() } else { fs::remove_file(file).unwrap() }
            }
        }
        if log == LogKind::Kafka {
            fs::remove_dir(&state).unwrap();
        }
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 0, "{log:?}");
        account.check(&site, "without the state directory");
    }
}

/// A ledger that is gone would make everything in the inbox look new.
#[test]
fn without_its_ledger_a_bridge_with_a_past_refuses_to_start() {
    for log in logs() {
        let (site, mut account) = (Site::new(log, &FeedOptions::default()), Account::default());
        account.drop_orders(&site, 3);
        site.run_until_idle(0);
        remove_topic(&site, "ledger");
        refuses(&site, "ledger");
        // `init` makes the topic anew, but not the past.
        let _made = site.output(&["init", "--baseline", "take"]);
        refuses(&site, "its genesis record is missing, though the bridge has a past");
        account.check_events(&site, "nothing came of it");

        remove_topic(&site, "control");
        refuses(&site, "control");
        let made = site.output(&["init", "--baseline", "take"]);
        assert_eq!(made.status.code(), Some(2), "init must not make a second past");
        refuses(&site, "but this bridge has a past");
        account.check_events(&site, "nothing came of it");
    }
}

fn refuses(site: &Site, reason: &str) {
    let output = site.output(&["run", "--until-idle"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{:?}: {errors}", site.log);
    assert!(errors.contains(reason), "{:?}: `{reason}` is not in: {errors}", site.log);
}

fn remove_topic(site: &Site, topic: &str) {
    let topic = format!("{}{topic}", site.prefix);
    match site.log {
        LogKind::Embedded => support::tampering::remove_embedded_topic(&site.path("state/events.sqlite"), &topic),
        LogKind::Kafka => support::tampering::remove_kafka_topic(&site.brokers, &topic),
    }
}
