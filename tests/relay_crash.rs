//! The relay is killed at every step, and at random moments, with consumers that delete on sight, leave, or rename: each
//! file is seen once, whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use support::lanes::side_by_side;
use support::relayed::{Consumer, HABITS, Habit, left_behind, options, outbox, site};
use support::{LogKind, Random, Site, order_name, orders};

const SIGKILL: i32 = 9;
const FILES: u32 = 3;

/// Every point of a delivery but those of the inbox, which have a test of their own.
fn points() -> impl Iterator<Item = Failpoint> {
    let all = Failpoint::ALL.into_iter();
    all.filter(|point| point.name().starts_with("outbox_") || point.name().starts_with("relay_"))
        .filter(|point| ![Failpoint::RelayTidying, Failpoint::RelayTidied].contains(point))
}

fn drop_marked(site: &Site, file: u32) -> (String, Vec<u8>) {
    let (name, bytes) = (order_name(file), orders(file, 4).1);
    site.drop_file(&name, &bytes);
    site.drop_file(&format!("{name}.done"), format!("done {file}").as_bytes());
    (name, bytes)
}

/// Kills a run at a point, lets others finish, and looks at what the consumer has got.
fn play(log: LogKind, habit: Habit, failpoint: &str) {
    let site = site(log, &options("", "marker = \"{name}.done\""));
    let consumer = Consumer::start(outbox(&site), habit, &[".done"]);
    let expected: Vec<_> = (1..=FILES).map(|file| drop_marked(&site, file)).collect();
    let mut victim = site.spawn(&["run", "--until-idle"], Some(failpoint));
    assert_eq!(victim.wait().signal(), Some(SIGKILL), "{failpoint} was not reached: {}", victim.log());
    site.run_until_idle(0);
    site.run_until_idle(0);
    let mut taken = consumer.end();
    taken.sort();
    assert_eq!(taken, expected, "{failpoint}, a consumer that {habit:?}, {log:?}");
    assert!(left_behind(&site).is_empty(), "{failpoint}: {:?}", left_behind(&site));
    assert_eq!(site.numbers().len(), 4 * FILES as usize, "{failpoint}: the events are there too");
    let text = site.ok(&["relay", "list"]);
    assert!(text.contains(&FILES.to_string()), "{text}");
}

/// How often a point is passed in one run: once for each file, or for each of its two parts.
fn hits(point: Failpoint) -> &'static [u32] {
    if point.name().starts_with("relay_") { &[1, 2, 3] } else { &[1, 2, 3, 6] }
}

fn play_all(log: LogKind, habit: Habit) {
    let failpoints =
        points().flat_map(|point| hits(point).iter().map(move |hit| format!("{}:{hit}=kill", point.name())));
    side_by_side(failpoints.collect::<Vec<_>>(), |failpoint| play(log, habit, &failpoint));
}

#[test]
fn a_consumer_that_deletes_on_sight_gets_each_file_once() {
    play_all(LogKind::Embedded, Habit::Deletes);
}

#[test]
fn a_consumer_that_leaves_files_gets_each_once() {
    play_all(LogKind::Embedded, Habit::Leaves);
}

#[test]
fn a_consumer_that_renames_gets_each_file_once() {
    play_all(LogKind::Embedded, Habit::Renames);
}

#[test]
fn each_file_once_on_kafka() {
    if support::kafka_brokers("crashes of the relay on Kafka").is_none() {
        return;
    }
    let scenarios: Vec<_> = points().zip(HABITS.into_iter().cycle()).collect();
    side_by_side(scenarios, |(point, habit)| play(LogKind::Kafka, habit, &format!("{}:2=kill", point.name())));
}

/// A step that fails and is tried again by the same process.
#[test]
fn a_step_that_fails_once_is_tried_again() {
    side_by_side(points().collect::<Vec<_>>(), |point| {
        let site = site(LogKind::Embedded, &options("", "marker = \"{name}.done\""));
        let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[".done"]);
        let mut expected = vec![drop_marked(&site, 1), drop_marked(&site, 2)];
        let running = site.spawn(&["run"], Some(&format!("{}:2=error", point.name())));
        let done = || running.log().lines().filter(|line| line.contains(" relayed ")).count() >= 2;
        support::wait_for_or(point.name(), || running.log(), done);
        drop(running);
        site.run_until_idle(0);
        let mut taken = consumer.end();
        taken.sort();
        expected.sort();
        assert_eq!(taken, expected, "{}", point.name());
        assert!(left_behind(&site).is_empty(), "{}: {:?}", point.name(), left_behind(&site));
    });
}

/// Killed again and again at random moments while files come in: ninety times, thirty for each consumer.
#[test]
fn random_kills_lose_nothing_and_double_nothing() {
    let rounds = std::env::var("DROPBRIDGE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let kills = rounds.unwrap_or(90) / 3;
    side_by_side(HABITS, |habit| {
        let mut random = Random::new(&format!("random_kills_lose_nothing_and_double_nothing, {habit:?}"));
        let site = site(LogKind::Embedded, &options("", "marker = \"{name}.done\""));
        let consumer = Consumer::start(outbox(&site), habit, &[".done"]);
        let mut expected = Vec::new();
        for _ in 0..kills {
            let mut running = site.spawn(&["run"], None);
            for _ in 0..random.below(4) {
                expected.push(drop_marked(&site, 1 + expected.len() as u32));
                std::thread::park_timeout(Duration::from_millis(random.below(60)));
            }
            std::thread::park_timeout(Duration::from_millis(random.below(300)));
            running.kill();
        }
        site.run_until_idle(0);
        let mut taken = consumer.end();
        taken.sort();
        assert_eq!(taken, expected, "a consumer that {habit:?}");
        assert_eq!(site.numbers().len(), 4 * expected.len());
    });
}

/// Between the publication of a file and its removal from the inbox.
#[test]
fn a_file_that_is_to_leave_the_inbox_leaves_it_once() {
    for point in [Failpoint::RelayTidying, Failpoint::RelayTidied] {
        let site = site(LogKind::Embedded, &options("after_relay = \"delete\"", "marker = \"{name}.done\""));
        let consumer = Consumer::start(outbox(&site), Habit::Deletes, &[".done"]);
        let expected = vec![drop_marked(&site, 1)];
        let mut victim = site.spawn(&["run"], Some(&format!("{}=kill", point.name())));
        assert_eq!(victim.wait().signal(), Some(SIGKILL), "{}", victim.log());
        let running = site.spawn(&["run"], None);
        let is_empty = || fs::read_dir(site.inbox()).unwrap().count() == 0;
        support::wait_for_or("the inbox to be empty", || running.log(), is_empty);
        drop(running);
        assert_eq!(consumer.end(), expected, "{}", point.name());
        assert_eq!(site.numbers().len(), 4);
    }
}

/// The staging directory is wiped between the intent and the rename: nobody can tell, and a person decides.
#[test]
fn a_wiped_staging_directory_is_left_to_a_person() {
    for (outcome, count) in [("again", 1), ("delivered", 0)] {
        let site = site(LogKind::Embedded, &options("", "marker = \"{name}.done\""));
        let (name, bytes) = drop_marked(&site, 1);
        let mut victim = site.spawn(&["run", "--until-idle"], Some("relay_intended=kill"));
        assert_eq!(victim.wait().signal(), Some(SIGKILL), "{}", victim.log());
        fs::remove_dir_all(outbox(&site).join(".dropbridge")).unwrap();
        // The next one is not stopped by it.
        drop_marked(&site, 2);
        site.run_until_idle(1);
        assert!(!outbox(&site).join(&name).exists());
        assert!(outbox(&site).join(order_name(2)).exists());
        let text = site.exits(&["relay", "list"], 1);
        assert!(text.contains("HELD") && text.contains("nobody can tell"), "{text}");
        site.run_until_idle(1);
        site.ok(&["relay", "release", "orders", &name, "--as", outcome]);
        site.run_until_idle(0);
        let there = fs::read(outbox(&site).join(&name));
        assert_eq!(there.iter().count(), count, "{outcome}");
        assert!(there.is_err() || there.unwrap() == bytes);
        site.ok(&["relay", "list"]);
    }
}
