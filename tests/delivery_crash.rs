//! Deliveries under kills: a kill at each step and at random moments, on both logs, with consumers that delete on sight,
//! leave, or rename. Each file is seen once, whole, and in its order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dropbridge_port::failpoint::Failpoint::{self, *};
use rustix::process::Signal;
use serde_json::Value;
use support::desk::{Consumer, Manner};
use support::lanes::{shares, side_by_side};
use support::private_broker::PrivateBroker;
use support::{FeedOptions, LogKind, Random, Site, kafka_brokers, order_name, orders, relayed, wait_for};

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

/// What happens on the way of a file.
#[derive(Clone, Debug)]
enum Scenario {
    /// The bridge is killed there.
    Kill(String),
    /// It is killed around the commits of an intent and of a receipt.
    KillAtCommits,
    /// The step fails once.
    Fail(String),
}

/// A bridge with a mirror, its consumer, and the account of both.
struct Stage {
    /// Before the site, so that it ends before its directory is gone.
    consumer: Consumer,
    site: Site,
    dropped: Vec<(String, Vec<u8>)>,
}

/// A mirror of the feed, with checksum and marker.
fn mirrored(feed: FeedOptions) -> FeedOptions {
    let after = "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\n\
                 outbox = \"desk\"\nmarker = \"{name}.done\"\nchecksum = \"{name}.sha256\"";
    FeedOptions { after: after.to_owned(), takeover_after_ms: 600_000, ..feed }
}

impl Stage {
    fn new(log: LogKind, manner: Manner) -> Self {
        Self::on(Site::uninitialised(log, &mirrored(FeedOptions::default())), manner)
    }

    /// On a site that is not initialised yet.
    fn on(site: Site, manner: Manner) -> Self {
        fs::create_dir_all(site.path("share/desk")).unwrap();
        site.ok(&["init", "--baseline", "take"]);
        let consumer = Consumer::start(site.path("share/desk"), manner);
        Self { consumer, site, dropped: Vec::new() }
    }

    fn play(&mut self, scenario: &Scenario) {
        match scenario {
            Scenario::Kill(failpoint) => self.kill_at(failpoint),
            Scenario::KillAtCommits => self.kill_at_commits(),
            Scenario::Fail(failpoint) => self.fail_at(failpoint),
        }
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
    let mut scenarios = vec![Scenario::KillAtCommits];
    for (point, passes) in PASSES {
        scenarios.extend((1..=passes).map(|hit| Scenario::Kill(format!("{}:{hit}=kill", point.name()))));
        if manner == Manner::Deletes {
            scenarios.push(Scenario::Fail(format!("{}:{passes}=error", point.name())));
        }
    }
    side_by_side(shares(&scenarios), |share| {
        let mut stage = Stage::new(log, manner);
        share.iter().for_each(|scenario| stage.play(scenario));
    });
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
    let points = ["outbox_witnessed:3", "intent_sent", "intent_answered", "outbox_renamed", "outbox_published:3"];
    let logs = support::logs();
    let scenarios: Vec<_> = logs.iter().flat_map(|log| points.map(|point| (*log, point))).collect();
    side_by_side(scenarios, |(log, point)| {
        let mut stage = Stage::new(log, Manner::Deletes);
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
    });
}

const MANNERS: [Manner; 3] = [Manner::Deletes, Manner::Leaves, Manner::Renames];

#[test]
fn a_hundred_and_twenty_kills_at_random_moments_on_the_embedded_log() {
    side_by_side(MANNERS, |manner| kill_at_random(Stage::new(LogKind::Embedded, manner), manner, 40));
}

#[test]
fn sixty_kills_at_random_moments_on_kafka() {
    if kafka_brokers("random kills of deliveries on Kafka").is_some() {
        side_by_side(MANNERS, |manner| kill_at_random(Stage::new(LogKind::Kafka, manner), manner, 20));
    }
}

/// Kills the bridge again and again, at moments within the time that it takes to deliver, while files come in.
fn kill_at_random(mut stage: Stage, manner: Manner, kills: u32) {
    let mut random = Random::new(&format!("{kills} kills of deliveries on {:?}, {manner:?}", stage.site.log));
    stage.drop_file();
    let begun = Instant::now();
    stage.site.run_until_idle(0);
    let longest = begun.elapsed().mul_f64(1.5);
    let mut between = 0;
    for _ in 0..kills {
        (0..random.below(4)).for_each(|_| stage.drop_file());
        let before = stage.consumer.taken().len();
        kill_within(&stage.site, longest, &mut random);
        between += usize::from(stage.consumer.taken().len() > before);
    }
    stage.drop_file();
    stage.site.run_until_idle(0);
    stage.check("after random kills");
    let (log, files) = (stage.site.log, stage.dropped.len());
    eprintln!(
        "{log:?}, {manner:?}: {kills} kills, {files} files, deliveries in {between} of the runs that were killed"
    );
    assert!(between > kills as usize / 20, "the kills came before anything was delivered: {between}");
}

/// Starts the bridge and kills it after a random time.
fn kill_within(site: &Site, longest: Duration, random: &mut Random) {
    let mut bridge = site.spawn(&["run"], None);
    let until = Instant::now() + Duration::from_micros(random.below(longest.as_micros() as u64));
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
    assert!(bridge.child.try_wait().unwrap().is_none(), "it ended by itself: {}", bridge.log());
    bridge.kill();
    fs::remove_file(&bridge.log).unwrap();
}

const RESTARTS: u32 = 3;

/// Whatever becomes of the one who restarts the broker, nobody waits for it any longer.
struct Over<'r>(&'r AtomicU32);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(RESTARTS, Ordering::SeqCst);
    }
}

/// The broker is killed and started again, and so are bridges that relay and deliver, each whenever it happens.
#[test]
fn kills_of_the_broker_and_of_bridges_at_random_moments() {
    let Some(broker) = PrivateBroker::start("reverse-kills") else { return };
    let restarts = AtomicU32::new(0);
    thread::scope(|scope| {
        for (manner, habit) in MANNERS.into_iter().zip(relayed::HABITS) {
            let (broker, restarts) = (&broker, &restarts);
            scope.spawn(move || {
                let site = broker.uninitialised_site(&mirrored(relayed::options("", "temporary = [\"*.part\"]")));
                fs::create_dir_all(relayed::outbox(&site)).unwrap();
                let mut stage = Stage::on(site, manner);
                let passed_on = relayed::Consumer::start(relayed::outbox(&stage.site), habit, &[]);
                let mut random = Random::new(&format!("kills of the broker, {manner:?}"));
                let mut kills = 0;
                while kills < 10 || restarts.load(Ordering::SeqCst) < RESTARTS {
                    (0..random.below(3)).for_each(|_| stage.drop_file());
                    kill_within(&stage.site, Duration::from_secs(3), &mut random);
                    kills += 1;
                }
                stage.drop_file();
                stage.site.run_until_idle(0);
                stage.check("after kills of the broker");
                let mut passed_on = passed_on.end();
                passed_on.sort();
                assert_eq!(passed_on, stage.dropped, "relayed, to one who {habit:?}");
                eprintln!("{manner:?}: {kills} kills, {} files", stage.dropped.len());
            });
        }
        let _over = Over(&restarts);
        let mut random = Random::new("restarts of the broker");
        while restarts.load(Ordering::SeqCst) < RESTARTS {
            thread::park_timeout(Duration::from_millis(random.below(5000)));
            broker.kill();
            broker.restart();
            restarts.fetch_add(1, Ordering::SeqCst);
        }
    });
}
