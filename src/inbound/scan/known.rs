//! What a feed's inbox holds that was dealt with: asked of the ledger once for each name, and remembered as long as the
//! name is listed unchanged. A directory of 100,000 files is looked through in every pass.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use dropbridge_port::{Entry, EntryStat, Result};

use crate::domain::EntryFacts;
use crate::inbound::slot::Context;

/// For so many names the ledger is asked at a time: nobody else has to wait for long.
const NAMES_AT_A_TIME: usize = 256;

/// The listed names that were dealt with, as they were then: 40 bytes each.
#[derive(Default)]
pub(super) struct KnownEntries {
    /// By a hash of the path, with a key of this process. Two names of one hash would have to have the same size,
    /// change time and version too before one is taken for the other.
    stats: HashMap<u64, EntryStat, BuildHasherDefault<Hashed>>,
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
        let edition = context.ledger().edition();
        if edition != self.edition {
            self.stats.clear();
            self.edition = edition;
        }
        let mut asked: Vec<&Entry> = Vec::new();
        for entry in listed {
            if self.stats.get(&self.hash(entry)) != Some(&entry.stat) && is_wanted(entry) {
                asked.push(entry);
            }
        }
        let mut unknown = Vec::new();
        for some in asked.chunks(NAMES_AT_A_TIME) {
            let ledger = context.ledger();
            for entry in some {
                match ledger.arrival(feed, &entry.path.to_string())? {
                    Some(known) if is_same(&known, entry.stat) => _ = self.stats.insert(self.hash(entry), entry.stat),
                    _ => unknown.push(*entry),
                }
            }
        }
        self.let_go(listed);
        Ok(unknown)
    }

    /// Forgets names that are listed no more, when they have become many.
    fn let_go(&mut self, listed: &[Entry]) {
        if self.stats.len() > 1024 + 2 * listed.len() {
            let mut kept = HashMap::with_capacity_and_hasher(listed.len(), BuildHasherDefault::default());
            for entry in listed {
                let hash = self.hash(entry);
                if let Some(stat) = self.stats.get(&hash) {
                    kept.insert(hash, *stat);
                }
            }
            self.stats = kept;
        }
    }

    fn hash(&self, entry: &Entry) -> u64 {
        self.hashes.hash_one(entry.path.as_bytes())
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
