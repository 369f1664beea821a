//! The bridge is killed at every step, and at random moments; after a restart each record is there once.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use dropbridge_port::failpoint::Failpoint::{self, *};
use rustix::process::Signal;
use support::account::Account;
use support::{FeedOptions, LogKind, Random, Site, kafka_brokers, wait_for};

const SIGKILL: i32 = 9;

/// Files of one kind, and the points that the bridge passes on their way: how often each, in one run.
///
/// The commit of the slot's claim comes first: the second `CommitBegun` and `CommitSent` are those of the first events.
struct Scenario {
    transaction: &'static str,
    drop_files: fn(&mut Account, &Site),
    passes: &'static [(Failpoint, u32)],
    /// Further kills on the embedded log.
    kills: &'static [&'static str],
}

/// Small files. Which of them share a transaction is a matter of time. On Kafka they gather while the bridge starts; on
/// the embedded log the first is held up by a failure, so that the others gather behind it and share the next one.
const SMALL: Scenario = Scenario {
    // Two transactions at least, however the files happen to come together.
    transaction: "max_files = 2",
    drop_files: |account, site| (0..3).for_each(|_| account.drop_orders(site, 3)),
    passes: &[
        (EntryOpened, 3),
        (Captured, 3),
        (Admitted, 3),
        (Prepared, 3),
        (Begun, 1),
        (HalfProduced, 1),
        (Produced, 1),
        (CommitBegun, 2),
        (CommitSent, 2),
        (CommitAnswered, 1),
        (Disposed, 3),
        (CacheBegun, 1),
        (CacheWritten, 1),
    ],
    kills: &["begun=error;half_produced:2=kill", "begun=error;produced:2=kill", "begun=error;commit_sent:3=kill"],
};

/// A file in four chunks, the last of them half full.
const CHUNKED: Scenario = Scenario {
    transaction: "chunk_records = 10",
    drop_files: |account, site| account.drop_orders(site, 35),
    passes: &[
        (EntryOpened, 1),
        (Captured, 1),
        (StoreBegun, 1),
        (StoreStaged, 1),
        (StorePlaced, 1),
        (Admitted, 1),
        (Prepared, 1),
        (Begun, 1),
        (HalfProduced, 4),
        (Produced, 4),
        (CommitBegun, 5),
        (CommitSent, 5),
        (CommitAnswered, 4),
        (BetweenChunks, 3),
        (Disposed, 1),
        (CacheBegun, 1),
        (CacheWritten, 1),
    ],
    kills: &[],
};

/// A bad file, and a good one behind it.
const BAD: Scenario = Scenario {
    transaction: "",
    drop_files: |account, site| {
        account.drop_bad(site);
        account.drop_orders(site, 3);
    },
    passes: &[
        (EntryOpened, 2),
        (Captured, 2),
        (Admitted, 2),
        (Prepared, 2),
        (StoreBegun, 1),
        (StoreStaged, 1),
        (StorePlaced, 1),
        (QuarantineStored, 1),
        (Begun, 1),
        (HalfProduced, 1),
        (Produced, 1),
        (CommitBegun, 2),
        (CommitSent, 2),
        (CommitAnswered, 1),
        (Quarantined, 1),
        (Disposed, 2),
        (CacheBegun, 1),
        (CacheWritten, 1),
    ],
    kills: &[],
};

/// A file that goes to the store while it is read, and from there into one transaction.
const SPOOLED: Scenario = Scenario {
    transaction: "memory_capture_bytes = 100",
    drop_files: |account, site| account.drop_orders(site, 30),
    passes: &[
        (EntryOpened, 1),
        (StoreBegun, 1),
        (StoreStaged, 1),
        (StorePlaced, 1),
        (Captured, 1),
        (Admitted, 1),
        (Prepared, 1),
        (Begun, 1),
        (HalfProduced, 1),
        (Produced, 1),
        (CommitBegun, 2),
        (CommitSent, 2),
        (CommitAnswered, 1),
        (Disposed, 1),
    ],
    kills: &[],
};

/// An object in the store that nobody needs, left behind two hours ago, and a small file.
const PURGED: Scenario = Scenario {
    transaction: "",
    drop_files: |account, site| {
        leave_behind(site, account.good_count());
        account.drop_orders(site, 3);
    },
    passes: &[(PurgeBegun, 1), (Purged, 1)],
    kills: &[],
};

/// What the names of objects begin with that [`leave_behind`] has made.
const NOBODYS: &str = "00000000000000000000";

fn leave_behind(site: &Site, number: usize) {
    let directory = site.path("store/objects/00");
    fs::create_dir_all(&directory).unwrap();
    let object = directory.join(format!("{number:064x}"));
    fs::write(&object, b"left behind").unwrap();
    age(&object);
}

/// Makes an object two hours old.
fn age(object: &Path) {
    let file = fs::File::options().write(true).open(object).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
}

/// A bridge at which one scenario is played again and again, and the account of all of it.
struct Stage<'a> {
    scenario: &'a Scenario,
    site: Site,
    account: Account,
}

impl<'a> Stage<'a> {
    fn new(log: LogKind, scenario: &'a Scenario) -> Self {
        let options = FeedOptions { transaction: scenario.transaction.to_owned(), ..FeedOptions::default() };
        Self { scenario, site: Site::new(log, &options), account: Account::default() }
    }

    /// Each point of the scenario, killed at each of its passes.
    fn kill_at_every_point(&mut self) {
        for &(point, passes) in self.scenario.passes {
            for hit in 1..=passes {
                self.kill_at(&format!("{}:{hit}=kill", point.name()));
            }
        }
        if self.site.log == LogKind::Embedded {
            for failpoint in self.scenario.kills {
                self.kill_at(failpoint);
            }
        }
        self.account.check(&self.site, "after all kills");
    }

    fn kill_at(&mut self, failpoint: &str) {
        (self.scenario.drop_files)(&mut self.account, &self.site);
        let mut victim = self.site.spawn(&["run", "--until-idle"], Some(failpoint));
        let status = victim.wait();
        assert_eq!(status.signal(), Some(SIGKILL), "{failpoint} was not reached: {status}\n{}", victim.log());
        let restarted = self.site.output(&["run", "--until-idle"]);
        let errors = String::from_utf8_lossy(&restarted.stderr);
        // 1 where this run, not the killed one, has put the bad file into quarantine.
        assert!(matches!(restarted.status.code(), Some(0 | 1)), "after {failpoint}: {errors}");
        self.account.check_events(&self.site, &format!("after {failpoint}"));
        self.check_nothing_is_left_behind(failpoint);
    }

    /// A step that fails once is tried again, without a restart.
    fn fail_at(&mut self, failpoint: &str) {
        (self.scenario.drop_files)(&mut self.account, &self.site);
        let mut bridge = self.site.spawn(&["run"], Some(failpoint));
        let (events, rejects) = (self.account.numbers().len(), self.account.bad_count());
        wait_for(&format!("all events, with {failpoint}"), || {
            assert!(bridge.child.try_wait().unwrap().is_none(), "{failpoint} ended it: {}", bridge.log());
            self.site.numbers().len() >= events && self.site.committed("rejects").len() >= rejects
        });
        bridge.signal(Signal::TERM);
        let status = bridge.wait();
        assert_eq!(status.code(), Some(0), "{failpoint}: {}", bridge.log());
        self.account.check(&self.site, &format!("with {failpoint}"));
        self.check_nothing_is_left_behind(failpoint);
    }

    fn check_nothing_is_left_behind(&self, failpoint: &str) {
        let objects = self.site.objects();
        let left = objects.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(NOBODYS));
        assert_eq!(left.count(), 0, "{failpoint}: {objects:?}");
    }

    fn fail_at_every_point(&mut self) {
        let points = || self.scenario.passes.iter().map(|(point, _)| format!("{}=error", point.name()));
        let all = points().collect::<Vec<_>>().join(";");
        // On Kafka, where a start takes its time, only all at once.
        let each: Vec<String> = if self.site.log == LogKind::Embedded { points().collect() } else { Vec::new() };
        for failpoint in each.iter().chain([&all]) {
            self.fail_at(failpoint);
        }
    }
}

fn play(log: LogKind, scenario: &Scenario) {
    if log == LogKind::Kafka && kafka_brokers("the kills at every point on Kafka").is_none() {
        return;
    }
    let mut stage = Stage::new(log, scenario);
    stage.kill_at_every_point();
    stage.fail_at_every_point();
}

#[test]
fn small_files_survive_a_kill_at_every_point_on_the_embedded_log() {
    play(LogKind::Embedded, &SMALL);
}

#[test]
fn small_files_survive_a_kill_at_every_point_on_kafka() {
    play(LogKind::Kafka, &SMALL);
}

#[test]
fn a_chunked_file_survives_a_kill_at_every_point_on_the_embedded_log() {
    play(LogKind::Embedded, &CHUNKED);
}

#[test]
fn a_chunked_file_survives_a_kill_at_every_point_on_kafka() {
    play(LogKind::Kafka, &CHUNKED);
}

#[test]
fn a_bad_file_survives_a_kill_at_every_point_on_the_embedded_log() {
    play(LogKind::Embedded, &BAD);
}

#[test]
fn a_bad_file_survives_a_kill_at_every_point_on_kafka() {
    play(LogKind::Kafka, &BAD);
}

#[test]
fn a_spooled_file_survives_a_kill_at_every_point_on_the_embedded_log() {
    play(LogKind::Embedded, &SPOOLED);
}

#[test]
fn a_spooled_file_survives_a_kill_at_every_point_on_kafka() {
    play(LogKind::Kafka, &SPOOLED);
}

#[test]
fn a_purge_survives_a_kill_at_every_point_on_the_embedded_log() {
    play(LogKind::Embedded, &PURGED);
}

#[test]
fn a_purge_survives_a_kill_at_every_point_on_kafka() {
    play(LogKind::Kafka, &PURGED);
}

/// Those of deliveries are played by `tests/delivery_crash.rs`, those of arrivals by `tests/arrivals.rs`, which has a clock
/// that goes faster, those of candidate events and cutovers by `tests/forwarding.rs`.
fn is_of_others(name: &str) -> bool {
    let others = [
        "outbox_",
        "fetched",
        "rendered",
        "intent_",
        "receipt_",
        "arrivals_",
        "relay_",
        "window_",
        "inbox_",
        "candidates_",
        "cutover_",
    ];
    others.iter().any(|own| name.starts_with(own))
}

/// A point that no scenario passes would never be killed at.
#[test]
fn every_point_is_in_a_scenario() {
    let played = [SMALL, CHUNKED, BAD, SPOOLED, PURGED];
    let played: BTreeSet<&str> =
        played.iter().flat_map(|scenario| scenario.passes).map(|(point, _)| point.name()).collect();
    let all = Failpoint::ALL.iter().map(|point| point.name()).filter(|name| !is_of_others(name));
    assert_eq!(played, all.collect());
}

/// The store is lost with the rest of a file in it: the inbox still has it.
#[test]
fn a_file_in_chunks_is_finished_from_the_inbox_when_the_store_is_lost() {
    for log in support::logs() {
        let mut stage = Stage::new(log, &CHUNKED);
        (stage.scenario.drop_files)(&mut stage.account, &stage.site);
        let mut victim = stage.site.spawn(&["run", "--until-idle"], Some("between_chunks:2=kill"));
        assert_eq!(victim.wait().signal(), Some(SIGKILL), "{}", victim.log());
        fs::remove_dir_all(stage.site.path("store")).unwrap();
        stage.site.run_until_idle(0);
        stage.account.check(&stage.site, "after the store was lost");
    }
}

/// Half published, and its bytes are old: a purge by whoever takes the slot leaves them alone.
#[test]
fn a_purge_leaves_a_file_in_chunks_alone() {
    for log in support::logs() {
        let mut stage = Stage::new(log, &CHUNKED);
        let transaction = CHUNKED.transaction.to_owned();
        stage.site.configure(&FeedOptions { transaction, takeover_after_ms: 1000, ..FeedOptions::default() });
        (stage.scenario.drop_files)(&mut stage.account, &stage.site);
        let mut victim = stage.site.spawn(&["run", "--until-idle"], Some("between_chunks:2=kill"));
        assert_eq!(victim.wait().signal(), Some(SIGKILL), "{}", victim.log());
        let [object] = &stage.site.objects()[..] else { panic!("it is in the store") };
        age(object);
        leave_behind(&stage.site, 1);
        let purged = stage.site.ok(&["store", "purge", "--older-than", "0d"]);
        assert!(purged.contains("in-flight") && purged.contains("needed: it is open"), "{purged}");
        stage.check_nothing_is_left_behind("a purge");
        assert!(object.exists());
        stage.site.ok(&["run", "--until-idle"]);
        stage.account.check(&stage.site, "after a purge");
    }
}

#[test]
fn two_hundred_kills_at_random_moments_on_the_embedded_log() {
    kill_at_random(LogKind::Embedded, 200, Duration::from_millis(250));
}

#[test]
fn a_hundred_kills_at_random_moments_on_kafka() {
    if kafka_brokers("the kills at random moments on Kafka").is_some() {
        kill_at_random(LogKind::Kafka, 100, Duration::from_millis(1500));
    }
}

/// Starts the bridge and kills it after a random time up to `longest`, while files come in.
fn kill_at_random(log: LogKind, kills: u32, longest: Duration) {
    let mut random = Random::new(&format!("{kills} kills on {log:?}"));
    let mut producer_random = Random::new(&format!("the producer of {log:?}"));
    let options = FeedOptions {
        feed: format!("{}\nexclude = []", FeedOptions::default().feed),
        ready: "quiet_ms = 50\ntemporary = [\"*.tmp\"]".to_owned(),
        transaction: "chunk_records = 20\nmemory_capture_bytes = 400".to_owned(),
        ..FeedOptions::default()
    };
    let site = Site::new(log, &options);
    let ended = AtomicBool::new(false);
    let account = thread::scope(|scope| {
        let producer = scope.spawn(|| produce(&site, &mut producer_random, &ended, longest));
        for _ in 0..kills {
            let mut bridge = site.spawn(&["run"], None);
            let until = Instant::now() + Duration::from_micros(random.below(longest.as_micros() as u64));
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                thread::park_timeout(left);
            }
            assert!(bridge.child.try_wait().unwrap().is_none(), "it ended by itself: {}", bridge.log());
            bridge.kill();
            fs::remove_file(&bridge.log).unwrap();
        }
        ended.store(true, Ordering::SeqCst);
        producer.join().unwrap()
    });
    let events = site.numbers().len();
    let last = site.output(&["run", "--until-idle"]);
    assert!(matches!(last.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&last.stderr));
    account.check(&site, "after random kills");
    let (good, bad, all) = (account.good_count(), account.bad_count(), account.numbers().len());
    eprintln!("{log:?}: {kills} kills, {good} good and {bad} bad files; {events} of {all} events before the last run");
    assert!(events > all / 4, "the kills left nothing to be done: {events} of {all} events came between them");
}

/// Drops files of all kinds until it is told that it is enough.
fn produce(site: &Site, random: &mut Random, ended: &AtomicBool, longest: Duration) -> Account {
    let mut account = Account::default();
    account.drop_orders(site, 3);
    while !ended.load(Ordering::SeqCst) {
        match random.below(8) {
            0 => account.drop_bad(site),
            1 => account.drop_orders(site, 65),
            // The same bytes again, with another mtime.
            2 => {
                let (name, bytes) = account.good(random.next() as usize);
                site.drop_file(name, bytes);
            }
            3 | 4 => {
                let (name, bytes) = account.next_orders(5);
                let temporary = site.inbox().join(format!("{name}.tmp"));
                fs::write(&temporary, &bytes).unwrap();
                fs::rename(&temporary, site.inbox().join(name)).unwrap();
            }
            _ => account.drop_orders(site, 1 + random.below(10) as u32),
        }
        thread::park_timeout(Duration::from_micros(random.below(longest.as_micros() as u64 / 2)));
    }
    account
}
