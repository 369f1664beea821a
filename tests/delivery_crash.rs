//! Deliveries under kills: a kill at each step and at random moments, on both logs, with consumers that delete on sight,
//! leave, or rename. Each file is seen once, whole, and in its order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use dropbridge_port::failpoint::Failpoint::{self, *};
use rustix::process::Signal;
use serde_json::Value;
use support::desk::{Consumer, Manner};
use support::{FeedOptions, LogKind, Random, Site, kafka_brokers, order_name, orders, wait_for};

const SIGKILL: i32 = 9;

/// The points that one file passes on its way, with checksum and marker: how often each.
const PASSES: [(Failpoint, u32); 14] = [
    (Fetched, 1),
    (OutboxBegun, 3),
    (OutboxStaged, 3),
    (OutboxWritten, 3),
    (Rendered, 1),
    (OutboxSynced, 3),
    (OutboxWitnessed, 3),
    (IntentSent, 1),
    (IntentAnswered, 1),
    (OutboxRenamed, 3),
    (OutboxPublished, 3),
    (ReceiptSent, 1),
    (ReceiptAnswered, 1),
    (OutboxForgotten, 3),
];

/// A bridge with a mirror, its consumer, and the account of both.
struct Stage {
    /// Before the site, so that it ends before its directory is gone.
    consumer: Consumer,
    site: Site,
    dropped: Vec<(String, Vec<u8>)>,
}

impl Stage {
    fn new(log: LogKind, manner: Manner) -> Self {
        let after = "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\n\
                     outbox = \"desk\"\nmarker = \"{name}.done\"\nchecksum = \"{name}.sha256\"";
        let options = FeedOptions { after: after.to_owned(), takeover_after_ms: 600_000, ..FeedOptions::default() };
        let site = Site::uninitialised(log, &options);
        fs::create_dir_all(site.path("share/desk")).unwrap();
        site.ok(&["init", "--baseline", "take"]);
        let consumer = Consumer::start(site.path("share/desk"), manner);
        Self { consumer, site, dropped: Vec::new() }
    }

    fn drop_file(&mut self) {
        let number = self.dropped.len() as u32 + 1;
        let (_, bytes) = orders(number, 1 + number % 7);
        let name = order_name(number);
        self.site.drop_file(&name, &bytes);
        self.dropped.push((name, bytes));
    }

    /// Each file was taken once, whole, in order; and nothing is left of its way.
    fn check(&self, moment: &str) {
        wait_for(&format!("all files, {moment}"), || self.consumer.taken().len() >= self.dropped.len());
        assert_eq!(self.consumer.taken(), self.dropped, "{moment}");
        let staging = self.site.path("share/desk/.dropbridge");
        let left: Vec<_> = fs::read_dir(staging).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{moment}: {left:?}");
    }

    fn kill_at(&mut self, failpoint: &str) {
        self.drop_file();
        self.kill_and_restart(failpoint);
    }

    fn kill_and_restart(&mut self, failpoint: &str) {
        let mut victim = self.site.spawn(&["run", "--until-idle"], Some(failpoint));
        let status = victim.wait();
        assert_eq!(status.signal(), Some(SIGKILL), "{failpoint} was not reached: {status}\n{}", victim.log());
        self.site.run_until_idle(0);
        self.check(&format!("after {failpoint}"));
    }

    /// A step that fails once is tried again, without a restart.
    fn fail_at(&mut self, failpoint: &str) {
        self.drop_file();
        let mut bridge = self.site.spawn(&["run"], Some(failpoint));
        wait_for(&format!("the file, with {failpoint}"), || {
            assert!(bridge.child.try_wait().unwrap().is_none(), "{failpoint} ended it: {}", bridge.log());
            self.consumer.taken().len() >= self.dropped.len()
        });
        wait_for("the receipt", || self.deliveries().last().unwrap()["state"] == "delivered");
        bridge.signal(Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{failpoint}: {}", bridge.log());
        // What a failure left in the staging directory goes at the next start that has something to deliver.
        self.drop_file();
        self.site.run_until_idle(0);
        self.check(&format!("with {failpoint}"));
    }

    fn deliveries(&self) -> Vec<Value> {
        let text = self.site.ok(&["--json", "deliveries", "list", "--limit", "100000"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The commit of an intent and of a receipt, lost before and after it was sent. The commits before them are those of
    /// the slot's claim and of the journal's epoch.
    fn kill_at_commits(&mut self) {
        self.drop_file();
        self.site.run_until_idle(0);
        for failpoint in ["commit_begun:3", "commit_sent:3", "commit_begun:4", "commit_sent:4"] {
            self.site.ok(&["deliveries", "hold", "mirror", "--reason", "published first"]);
            self.drop_file();
            self.site.run_until_idle(1);
            self.site.ok(&["deliveries", "release", "mirror"]);
            self.kill_and_restart(&format!("{failpoint}=kill"));
        }
    }
}

fn play(log: LogKind, manner: Manner) {
    if log == LogKind::Kafka && kafka_brokers("kills of deliveries on Kafka").is_none() {
        return;
    }
    let mut stage = Stage::new(log, manner);
    for (point, passes) in PASSES {
        for hit in 1..=passes {
            stage.kill_at(&format!("{}:{hit}=kill", point.name()));
        }
    }
    stage.kill_at_commits();
    if manner == Manner::Deletes {
        for (point, passes) in PASSES {
            stage.fail_at(&format!("{}:{passes}=error", point.name()));
        }
    }
}

#[test]
fn a_consumer_that_deletes_gets_each_file_once_from_the_embedded_log() {
    play(LogKind::Embedded, Manner::Deletes);
}

#[test]
fn a_consumer_that_leaves_gets_each_file_once_from_the_embedded_log() {
    play(LogKind::Embedded, Manner::Leaves);
}

#[test]
fn a_consumer_that_renames_gets_each_file_once_from_the_embedded_log() {
    play(LogKind::Embedded, Manner::Renames);
}

#[test]
fn a_consumer_that_deletes_gets_each_file_once_from_kafka() {
    play(LogKind::Kafka, Manner::Deletes);
}

#[test]
fn a_consumer_that_leaves_gets_each_file_once_from_kafka() {
    play(LogKind::Kafka, Manner::Leaves);
}

#[test]
fn a_consumer_that_renames_gets_each_file_once_from_kafka() {
    play(LogKind::Kafka, Manner::Renames);
}

#[test]
fn every_point_of_a_delivery_is_played() {
    let played: BTreeSet<&str> = PASSES.iter().map(|(point, _)| point.name()).collect();
    let ours = ["fetched", "rendered", "intent_", "receipt_", "outbox_"];
    let all = Failpoint::ALL.iter().map(|point| point.name());
    let all: BTreeSet<&str> = all.filter(|name| ours.iter().any(|own| name.starts_with(own))).collect();
    assert_eq!(played, all);
}

/// A predecessor that was stopped at a step and wakes up when its successor has delivered: it renames nothing, and
/// journals nothing.
#[test]
fn a_stopped_predecessor_delivers_nothing_when_it_wakes_up() {
    for log in support::logs() {
        let mut stage = Stage::new(log, Manner::Deletes);
        let points = ["outbox_witnessed:3", "intent_sent", "intent_answered", "outbox_renamed", "outbox_published:3"];
        for point in points {
            stage.drop_file();
            let mut predecessor = stage.site.spawn(&["run"], Some(&format!("{point}=stop")));
            predecessor.wait_until_stopped();
            stage.site.run_until_idle(0);
            stage.check(&format!("{log:?}: while one is stopped at {point}"));
            predecessor.signal(Signal::CONT);
            wait_for("the predecessor to see that it is fenced", || {
                predecessor.log().contains("gave the slot up") || predecessor.log().contains("no more deliveries")
            });
            stage.check(&format!("{log:?}: after one has woken up at {point}"));
            predecessor.kill();
            stage.site.run_until_idle(0);
            stage.check(&format!("{log:?}: at the next start after {point}"));
        }
    }
}

#[test]
fn two_hundred_kills_at_random_moments_on_the_embedded_log() {
    kill_at_random(LogKind::Embedded, 200, Duration::from_millis(400));
}

#[test]
fn a_hundred_kills_at_random_moments_on_kafka() {
    if kafka_brokers("random kills of deliveries on Kafka").is_some() {
        kill_at_random(LogKind::Kafka, 100, Duration::from_millis(2000));
    }
}

/// Starts the bridge and kills it after a random time up to `longest`, while files come in.
fn kill_at_random(log: LogKind, kills: u32, longest: Duration) {
    let mut random = Random::new(&format!("{kills} kills of deliveries on {log:?}"));
    let mut stage = Stage::new(log, Manner::Deletes);
    let mut between = 0;
    for _ in 0..kills {
        (0..random.below(4)).for_each(|_| stage.drop_file());
        let before = stage.consumer.taken().len();
        let mut bridge = stage.site.spawn(&["run"], None);
        let until = Instant::now() + Duration::from_micros(random.below(longest.as_micros() as u64));
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        assert!(bridge.child.try_wait().unwrap().is_none(), "it ended by itself: {}", bridge.log());
        bridge.kill();
        fs::remove_file(&bridge.log).unwrap();
        between += usize::from(stage.consumer.taken().len() > before);
    }
    stage.drop_file();
    stage.site.run_until_idle(0);
    stage.check("after random kills");
    eprintln!(
        "{log:?}: {kills} kills, {} files, deliveries in {between} of the runs that were killed",
        stage.dropped.len()
    );
    assert!(between > kills as usize / 20, "the kills came before anything was delivered: {between}");
}
