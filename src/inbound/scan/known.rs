//! What a feed's inbox holds that was dealt with: asked of the ledger once for each name, and remembered as long as the
//! name is listed unchanged. A directory of 100,000 files is looked through in every pass.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use dropbridge_port::{Entry, EntryStat, Result};

use crate::domain::EntryFacts;
use crate::inbound::slot::Context;

/// For so many names the ledger is asked at a time: nobody else has to wait for long.
const NAMES_AT_A_TIME: usize = 256;

/// Entries as they were listed, 40 bytes each: by a hash of the path, with a key of this process. Two names of one hash
/// would have to have the same size, change time and version too before one is taken for the other.
type Stats = HashMap<u64, EntryStat, BuildHasherDefault<Hashed>>;

/// The listed names of which it is known whether they were dealt with.
#[derive(Default)]
pub(super) struct KnownEntries {
    /// Those that were.
    stats: Stats,
    /// Those that were not: they wait for a marker, for one. By the path as the ledger writes it.
    open: Stats,
    /// How many changes the ledger had seen when those were asked for.
    changes: u64,
    hashes: RandomState,
    /// The edition of the ledger that was asked.
    edition: u64,
}

impl KnownEntries {
    /// Those of the listing that were not dealt with.
    ///
    /// # Errors
    /// Of the ledger.
    pub(super) fn unknown_of<'l>(
        &mut self,
        listed: &'l [Entry],
        is_wanted: impl Fn(&Entry) -> bool,
        context: &Context,
        feed: &str,
    ) -> Result<Vec<&'l Entry>> {
        self.forget_changed(context, feed);
        let mut asked: Vec<&Entry> = Vec::new();
        for entry in listed {
            if self.stats.get(&self.hash(entry.path.as_bytes())) != Some(&entry.stat) && is_wanted(entry) {
                asked.push(entry);
            }
        }
        let mut unknown = Vec::new();
        for some in asked.chunks(NAMES_AT_A_TIME) {
            let ledger = context.ledger();
            for entry in some {
                let path = entry.path.to_string();
                let place = self.hash(path.as_bytes());
                if self.open.get(&place) == Some(&entry.stat) {
                    unknown.push(*entry);
                    continue;
                }
                match ledger.arrival(feed, &path)? {
                    Some(known) if is_same(&known, entry.stat) => {
                        self.stats.insert(self.hash(entry.path.as_bytes()), entry.stat);
                    }
                    _ => {
                        self.open.insert(place, entry.stat);
                        unknown.push(*entry);
                    }
                }
            }
        }
        self.let_go(listed);
        Ok(unknown)
    }

    /// Whether an entry was dealt with, as it is listed.
    pub(super) fn knows(&self, entry: &Entry) -> bool {
        self.stats.get(&self.hash(entry.path.as_bytes())) == Some(&entry.stat)
    }

    /// What the ledger may answer otherwise since the last pass is asked again. What it says of a name while this pass
    /// goes on is a change that the next one sees.
    fn forget_changed(&mut self, context: &Context, feed: &str) {
        let ledger = context.ledger();
        if ledger.edition() != self.edition {
            self.stats.clear();
            self.open.clear();
            self.edition = ledger.edition();
        }
        match ledger.changed_since(self.changes, feed) {
            Some(paths) => {
                for path in paths {
                    self.open.remove(&self.hash(path.as_bytes()));
                }
            }
            None => self.open.clear(),
        }
        self.changes = ledger.changes();
    }

    /// Forgets names that are listed no more, when they have become many.
    fn let_go(&mut self, listed: &[Entry]) {
        if self.stats.len() + self.open.len() > 1024 + 2 * listed.len() {
            let among = |stats: &Stats, hash: u64| Some((hash, *stats.get(&hash)?));
            let hashes = listed.iter().map(|entry| self.hash(entry.path.as_bytes()));
            self.stats = hashes.filter_map(|hash| among(&self.stats, hash)).collect();
            let places = listed.iter().map(|entry| self.hash(entry.path.to_string().as_bytes()));
            self.open = places.filter_map(|place| among(&self.open, place)).collect();
        }
    }

    fn hash(&self, path: &[u8]) -> u64 {
        self.hashes.hash_one(path)
    }
}

/// The newest arrival of this path is this one, so it was dealt with.
fn is_same(known: &EntryFacts, stat: EntryStat) -> bool {
    known.size == stat.size
        && known.modified_ns == stat.modified_ns
        && (known.version == stat.version || known.version == 0)
}

/// Takes what is a hash already for one.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
