//! The ledger's cache against a plain account of what the topic says: over restarts, lost tails, takeovers, and files
//! that are deleted, cut off or damaged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use dropbridge::domain::{ContentHash, EntryFacts, LogicalKey, Moment};
use dropbridge::layout::Verdict;
use dropbridge::ledger::control::Genesis;
use dropbridge::ledger::index::CACHE_OPERATION;
use dropbridge::ledger::replay::read_control;
use dropbridge::ledger::{DropFilter, DropState, LedgerEntry, LedgerIndex, LedgerSource, Topics};
use dropbridge_cache::SqliteCaches;
use dropbridge_port::{CacheUse, ErrorKind, EventLog, OutgoingRecord, PortError, Writer};
use dropbridge_sqlite::SqliteLog;
use support::{FeedOptions, LogKind, Random, Site};

const FEEDS: [&str; 2] = ["orders", "returns"];

/// The newest record of each key, by the place in the topic.
#[derive(Default)]
struct Account {
    drops: BTreeMap<String, (i64, LedgerEntry)>,
    /// The newest of all drops that there ever were.
    sequences: BTreeMap<String, (u64, u64)>,
}

impl Account {
    fn put(&mut self, offset: i64, entry: LedgerEntry) {
        if let Some(sequence) = sequence(&entry) {
            let newest = self.sequences.entry(entry.feed.clone()).or_default();
            *newest = sequence.max(*newest);
        }
        self.drops.insert(entry.record_key(), (offset, entry));
    }

    fn some(&self, fits: impl Fn(&LedgerEntry) -> bool) -> BTreeSet<String> {
        self.drops.values().filter(|(_, entry)| fits(entry)).map(|(_, entry)| text(entry)).collect()
    }

    fn some_rejects(&self, feed: &str) -> u64 {
        let of = |entry: &LedgerEntry| match &entry.state {
            DropState::Published { rejects, .. } if entry.feed == feed => *rejects,
            _ => 0,
        };
        self.drops.values().map(|(_, entry)| of(entry)).sum()
    }

    /// Of the drops that are there.
    fn newest_sequence(&self, feed: &str) -> Option<(u64, u64)> {
        self.drops.values().filter(|(_, entry)| entry.feed == feed).filter_map(|(_, entry)| sequence(entry)).max()
    }

    fn newest(&self, fits: impl Fn(&LedgerEntry) -> bool) -> Option<&LedgerEntry> {
        self.drops.values().filter(|(_, entry)| fits(entry)).max_by_key(|(offset, _)| *offset).map(|(_, entry)| entry)
    }
}

fn sequence(entry: &LedgerEntry) -> Option<(u64, u64)> {
    Some((entry.generation, entry.sequence.as_deref()?.parse().ok()?))
}

fn text(entry: &LedgerEntry) -> String {
    serde_json::to_string(entry).unwrap()
}

fn texts(entries: &[LedgerEntry]) -> BTreeSet<String> {
    let all: BTreeSet<String> = entries.iter().map(text).collect();
    assert_eq!(all.len(), entries.len(), "a drop is found twice");
    all
}

/// A ledger, its account, and whoever keeps its cache.
struct Stage {
    site: Site,
    log: SqliteLog,
    topics: Topics,
    genesis: Genesis,
    caches: SqliteCaches,
    account: Account,
    writer: Box<dyn Writer>,
    random: Random,
    number: i64,
}

impl Stage {
    fn new(test: &str) -> Self {
        let site = Site::new(LogKind::Embedded, &FeedOptions::default());
        let settings = dropbridge::config::load(&site.path("config/bridge.toml")).unwrap();
        let topics = Topics::new(&settings);
        let log = SqliteLog::open(&site.path("state/events.sqlite")).unwrap();
        let genesis = read_control(&log, &topics).unwrap().genesis.unwrap();
        let writer = log.writer("test").unwrap();
        let caches = SqliteCaches::new(site.path("state/ledger-cache"));
        let (account, random) = (Account::default(), Random::new(test));
        Self { site, log, topics, genesis, caches, account, writer, random, number: 0 }
    }

    fn open(&self, intended: CacheUse) -> Result<LedgerIndex, PortError> {
        let Self { log, topics, genesis, caches, .. } = self;
        LedgerSource { log, topics, slot: 0, genesis, caches }.open(intended)
    }

    fn cache_file(&self) -> Option<PathBuf> {
        let files = fs::read_dir(self.site.path("state/ledger-cache")).ok()?;
        files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|ending| ending == "sqlite"))
    }

    fn delete_cache(&self) {
        let deleted = fs::remove_dir_all(self.site.path("state/ledger-cache"));
        // It may have been deleted before, while it was in use.
        assert!(deleted.is_ok() || self.cache_file().is_none(), "{deleted:?}");
    }

    fn entry(&mut self) -> LedgerEntry {
        let random = &mut self.random;
        self.number += 1;
        let feed = FEEDS[random.below(2) as usize];
        let state = match random.below(7) {
            0 => DropState::Baseline,
            1 => DropState::Held { reason: "r".repeat(random.below(2000) as usize) },
            2 => DropState::Discarded { reason: "no".to_owned() },
            3 => DropState::Vanished,
            4 => DropState::Publishing {
                through: random.below(100),
                events_digest: String::new(),
                revision: 1,
                supersedes: None,
                ranges: Vec::new(),
            },
            _ => DropState::Published {
                records: 1,
                events: 1,
                withheld: 0,
                verdict: [None, Some(Verdict::Exact), Some(Verdict::ReplayOnly)][random.below(3) as usize],
                rejects: random.below(4),
                revision: 1,
                supersedes: None,
                ranges: Vec::new(),
            },
        };
        let has_hash = !matches!(state, DropState::Vanished) && random.below(8) > 0;
        LedgerEntry {
            format: 1,
            feed: feed.to_owned(),
            department: "sales".to_owned(),
            key: LogicalKey::from_text(&format!("key {}", random.below(60))),
            sha256: has_hash.then(|| ContentHash::of(&[random.below(20) as u8])),
            entry: EntryFacts {
                path: format!("in/F {}.dat", random.below(40)),
                size: random.below(5),
                modified_ns: self.number,
                version: 0,
            },
            business_date: None,
            sequence: (random.below(2) == 0).then(|| format!("{:04}", random.below(50))),
            generation: random.below(3),
            state,
            repeats: 0,
            recorded_at: Moment::from_unix_ns(self.number * 1_000_000_000),
        }
    }

    /// Commits some records to the topic, and answers what the index is to be told of them.
    fn commit(&mut self, count: u64) -> Vec<(i64, Result<Vec<u8>, String>)> {
        let mut told = Vec::new();
        let topic = self.topics.ledger.clone();
        let mut said = Vec::new();
        for _ in 0..count {
            let remove = self.random.below(10) == 0;
            let key = self.account.drops.keys().nth(self.random.below(40) as usize).cloned();
            match key.filter(|_| remove) {
                Some(key) => said.push((key, None)),
                None => {
                    let entry = self.entry();
                    said.push((entry.record_key(), Some(entry)));
                }
            }
        }
        self.writer.begin().unwrap();
        for (key, entry) in &said {
            let value = entry.as_ref().map(|entry| serde_json::to_vec(entry).unwrap());
            let record = OutgoingRecord {
                topic: &topic,
                partition: Some(0),
                key: Some(key.as_bytes()),
                value: value.as_deref(),
                headers: &[],
                tag: 0,
            };
            self.writer.send(record).unwrap();
        }
        let first = self.writer.settle().unwrap()[0].from;
        self.writer.commit().unwrap();
        for (offset, (key, entry)) in (first..).zip(said) {
            match entry {
                Some(entry) => {
                    told.push((offset, Ok(serde_json::to_vec(&entry).unwrap())));
                    self.account.put(offset, entry);
                }
                None => {
                    self.account.drops.remove(&key);
                    told.push((offset, Err(key)));
                }
            }
        }
        told
    }

    /// Every question, and the same answer. An error where the cache says itself that it is damaged.
    fn compare(&mut self, index: &LedgerIndex) -> Result<(), PortError> {
        let account = &self.account;
        assert_eq!(index.count_all(), account.drops.len() as u64);
        let mut all = Vec::new();
        index.each(&mut |entry| {
            all.push(entry);
            ControlFlow::Continue(())
        })?;
        assert_eq!(texts(&all), account.some(|_| true));
        assert_eq!(texts(&index.open_drops()?), account.some(|entry| entry.state.is_open()));
        for feed in FEEDS {
            let census = index.census().of(feed);
            for state in DropState::WORDS {
                let wanted = account.some(|entry| entry.feed == feed && entry.state.as_str() == state).len();
                assert_eq!(census.in_state(state), wanted as u64, "{feed} {state}");
            }
            assert_eq!(census.rejects, account.some_rejects(feed));
        }
        let unfinished = account.some(|entry| matches!(entry.state, DropState::Publishing { .. }));
        assert_eq!(texts(&index.unfinished()?), unfinished);
        for feed in FEEDS {
            // A drop that was removed may have had the newest, until the topic is compacted: no bridge removes any.
            let newest = index.newest_sequence(feed);
            assert!((account.newest_sequence(feed)..=account.sequences.get(feed).copied()).contains(&newest), "{feed}");
            for number in 0..60 {
                let key = LogicalKey::from_text(&format!("key {number}"));
                let wanted = account.some(|entry| entry.feed == feed && entry.key == key);
                assert_eq!(texts(&index.drops(feed, &key)?), wanted, "{feed} {key}");
            }
            for number in 0..40 {
                let path = format!("in/F {number}.dat");
                let newest = account.newest(|entry| entry.feed == feed && entry.entry.path == path);
                // A drop that goes by another name now leaves its old one known, for as long as the process lives.
                if let Some(newest) = newest {
                    let arrival = index.arrival(feed, &path)?;
                    assert!(arrival.is_some_and(|arrival| arrival.modified_ns >= newest.entry.modified_ns), "{path}");
                }
            }
            let filter = DropFilter {
                feed: Some(feed.to_owned()),
                state: Some("published".to_owned()),
                ..DropFilter::default()
            };
            let published = |entry: &LedgerEntry| entry.feed == feed && entry.state.as_str() == "published";
            assert_eq!(texts(&index.newest(&filter, usize::MAX)?), account.some(published));
        }
        for byte in 0..20 {
            let hash = ContentHash::of(&[byte]);
            let mut found = Vec::new();
            index.each_with_hash(hash, &mut |entry| {
                found.push(entry);
                ControlFlow::Continue(())
            })?;
            assert_eq!(texts(&found), account.some(|entry| entry.sha256 == Some(hash)));
        }
        Ok(())
    }

    /// Compares; where the cache says that it is damaged, opens the ledger anew, which has to be right then.
    fn compare_or_open_anew(&mut self, index: LedgerIndex) -> LedgerIndex {
        let Err(error) = self.compare(&index) else { return index };
        assert_eq!((error.kind, error.operation), (ErrorKind::Transient, CACHE_OPERATION), "{error}");
        drop(index);
        let index = self.open(CacheUse::Keep).unwrap();
        self.compare(&index).unwrap();
        index
    }
}

fn tell(index: &mut LedgerIndex, told: Vec<(i64, Result<Vec<u8>, String>)>) {
    for (offset, what) in told {
        match what {
            Ok(record) => index.put(offset, record).unwrap(),
            Err(key) => index.remove(offset, &key),
        }
    }
}

#[test]
fn a_cache_answers_as_the_topic_does_whatever_happens_to_it() {
    let mut stage = Stage::new("ledger_cache");
    let mut index = stage.open(CacheUse::Keep).unwrap();
    for round in 0..100 {
        let count = 1 + stage.random.below(30);
        let told = stage.commit(count);
        let what = stage.random.below(10);
        match what {
            // Nothing out of the ordinary.
            0..=2 => {
                tell(&mut index, told);
                index.save().unwrap();
            }
            // Killed: what was not saved is lost.
            3 => {
                tell(&mut index, told);
                drop(index);
                index = stage.open(CacheUse::Keep).unwrap();
            }
            // Another instance holds the slot for a while, with a cache elsewhere.
            4 => {
                drop(index);
                index = stage.open(CacheUse::Keep).unwrap();
            }
            // It takes over beside this one, which goes on for a moment.
            5 => {
                let mut next = stage.open(CacheUse::Keep).unwrap();
                tell(&mut index, told);
                let more = stage.commit(3);
                tell(&mut next, more);
                next.save().unwrap();
                index.save().unwrap();
                index = next;
            }
            // Deleted, in use or not.
            6 => {
                if stage.random.below(2) == 0 {
                    stage.delete_cache();
                    tell(&mut index, told);
                    index.save().unwrap();
                } else {
                    drop(index);
                    stage.delete_cache();
                    index = stage.open(CacheUse::Keep).unwrap();
                }
            }
            // Cut off, or some bytes are others.
            7 | 8 => {
                index.save().unwrap();
                drop(index);
                if let Some(path) = stage.cache_file() {
                    damage(&path, &mut stage.random, what == 7);
                }
                index = stage.open(CacheUse::Keep).unwrap();
            }
            // Someone looks into it.
            _ => {
                let looking = stage.open(CacheUse::Look).unwrap();
                stage.compare(&looking).unwrap();
                tell(&mut index, told);
            }
        }
        if round % 5 == 0 || what >= 7 {
            index = stage.compare_or_open_anew(index);
        }
    }
    stage.compare_or_open_anew(index);
    let last = stage.open(CacheUse::Keep).unwrap();
    stage.compare(&last).unwrap();
}

fn damage(path: &PathBuf, random: &mut Random, cut: bool) {
    let mut file = fs::File::options().read(true).write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    if cut {
        return file.set_len(random.below(length)).unwrap();
    }
    for _ in 0..=random.below(4) {
        let at = random.below(length);
        let mut byte = [0];
        file.seek(SeekFrom::Start(at)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte[0] ^ (1 << random.below(8))]).unwrap();
    }
}

#[test]
fn a_cache_of_another_ledger_is_not_used() {
    let mut stage = Stage::new("ledger_cache_of_another");
    let told = stage.commit(20);
    let mut index = stage.open(CacheUse::Keep).unwrap();
    stage.compare(&index).unwrap();
    drop(told);
    index.save().unwrap();
    drop(index);
    let kept = stage.cache_file().unwrap();
    // The same directory, another ledger that has come further.
    let other = Stage::new("ledger_cache_of_another");
    let there = other.site.path("state/ledger-cache");
    fs::create_dir_all(&there).unwrap();
    fs::copy(&kept, there.join(kept.file_name().unwrap())).unwrap();
    assert_eq!(other.open(CacheUse::Look).unwrap().count_all(), 0);
    assert_eq!(other.open(CacheUse::Keep).unwrap().count_all(), 0);
    // The log is set back to what it was, and goes on with other records.
    let backup = stage.site.path("backup.sqlite");
    let copy = format!("VACUUM INTO '{}'", backup.display());
    let sqlite = |file: PathBuf, command: &str| {
        assert!(std::process::Command::new("sqlite3").arg(file).arg(command).status().unwrap().success());
    };
    sqlite(stage.site.path("state/events.sqlite"), &copy);
    let drops = stage.account.drops.clone();
    let sequences = stage.account.sequences.clone();
    let told = stage.commit(5);
    let mut index = stage.open(CacheUse::Keep).unwrap();
    drop(told);
    index.save().unwrap();
    drop(index);
    stage.account = Account { drops, sequences };
    stage.log = SqliteLog::open(&backup).unwrap();
    stage.writer = stage.log.writer("test").unwrap();
    let _told = stage.commit(9);
    let index = stage.open(CacheUse::Keep).unwrap();
    stage.compare(&index).unwrap();
}
