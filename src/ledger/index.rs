//! The ledger in memory: a cache that is rebuilt from the topic whenever a slot is taken.

use std::collections::{BTreeMap, HashMap};

use super::census::Census;
use super::entry::{DropState, LedgerEntry};
use crate::domain::{ContentHash, EntryFacts, LogicalKey};

/// Everything the ledger says, by feed.
#[derive(Debug, Default)]
pub struct LedgerIndex {
    feeds: HashMap<String, FeedLedger>,
    census: Census,
}

#[derive(Debug, Default)]
struct FeedLedger {
    drops: BTreeMap<LogicalKey, Vec<LedgerEntry>>,
    /// The newest arrival of each path: what is listed unchanged was dealt with.
    arrivals: HashMap<String, EntryFacts>,
    /// Generation and number of the newest drop with a sequence.
    newest_sequence: Option<(u64, u64)>,
}

impl LedgerIndex {
    /// Takes a record of the ledger in; a later one with the same identity replaces it.
    pub fn apply(&mut self, entry: LedgerEntry) {
        let feed = self.feeds.entry(entry.feed.clone()).or_default();
        feed.arrivals.insert(entry.entry.path.clone(), entry.entry.clone());
        if let Some(number) = entry.sequence.as_deref().and_then(|digits| digits.parse().ok()) {
            feed.newest_sequence = feed.newest_sequence.max(Some((entry.generation, number)));
        }
        let drops = feed.drops.entry(entry.key.clone()).or_default();
        match drops.iter_mut().find(|known| known.record_key() == entry.record_key()) {
            Some(known) => {
                self.census.take_out(known);
                self.census.take_in(&entry);
                *known = entry;
            }
            None => {
                self.census.take_in(&entry);
                drops.push(entry);
            }
        }
    }

    /// Takes a drop out: its record was removed from the topic.
    pub fn remove(&mut self, entry: &LedgerEntry) {
        if let Some(drops) = self.feeds.get_mut(&entry.feed).and_then(|feed| feed.drops.get_mut(&entry.key)) {
            let census = &mut self.census;
            drops.retain(|known| {
                let stays = known.record_key() != entry.record_key();
                if !stays {
                    census.take_out(known);
                }
                stays
            });
        }
    }

    /// How many drops of each feed are in which state.
    #[must_use]
    pub const fn census(&self) -> &Census {
        &self.census
    }

    /// Everything known under a key.
    #[must_use]
    pub fn drops(&self, feed: &str, key: &LogicalKey) -> Vec<&LedgerEntry> {
        self.feeds.get(feed).and_then(|feed| feed.drops.get(key)).into_iter().flatten().collect()
    }

    /// One drop.
    #[must_use]
    pub fn drop_with(&self, feed: &str, key: &LogicalKey, hash: ContentHash) -> Option<&LedgerEntry> {
        self.drops(feed, key).into_iter().find(|entry| entry.sha256 == Some(hash))
    }

    /// The newest arrival of a path.
    #[must_use]
    pub fn arrival(&self, feed: &str, path: &str) -> Option<&EntryFacts> {
        self.feeds.get(feed)?.arrivals.get(path)
    }

    /// Remembers that an arrival was looked at again and is the one known: its version changed without cause.
    pub fn refresh_arrival(&mut self, feed: &str, entry: &EntryFacts) {
        self.feeds.entry(feed.to_owned()).or_default().arrivals.insert(entry.path.clone(), entry.clone());
    }

    /// Forgets the newest arrival of a path: what is listed there is to be looked at again.
    pub fn forget_arrival(&mut self, feed: &str, path: &str) {
        if let Some(feed) = self.feeds.get_mut(feed) {
            feed.arrivals.remove(path);
        }
    }

    /// Generation and number of the newest drop of a feed with a sequence.
    #[must_use]
    pub fn newest_sequence(&self, feed: &str) -> Option<(u64, u64)> {
        self.feeds.get(feed)?.newest_sequence
    }

    /// The generation of an earlier drop with this sequence and these bytes, if there was one: a file that is seen
    /// again keeps the generation it was given.
    #[must_use]
    pub fn generation_of(&self, feed: &str, path: &str, hash: ContentHash) -> Option<u64> {
        let feed = self.feeds.get(feed)?;
        let mut drops = feed.drops.values().flatten();
        drops.find(|entry| entry.entry.path == path && entry.sha256 == Some(hash)).map(|entry| entry.generation)
    }

    /// All drops, by feed and key.
    #[must_use]
    pub fn all(&self) -> Vec<&LedgerEntry> {
        let mut feeds: Vec<_> = self.feeds.iter().collect();
        feeds.sort_by_key(|(id, _)| id.as_str());
        feeds.into_iter().flat_map(|(_, feed)| feed.drops.values().flatten()).collect()
    }

    /// Files in the middle of their chunks.
    #[must_use]
    pub fn unfinished(&self) -> Vec<LedgerEntry> {
        let unfinished = |entry: &&LedgerEntry| matches!(entry.state, DropState::Publishing { .. });
        self.all().into_iter().filter(unfinished).cloned().collect()
    }

    /// Every drop with these bytes, whatever its feed.
    pub fn with_hash(&self, hash: ContentHash) -> impl Iterator<Item = &LedgerEntry> {
        let drops = self.feeds.values().flat_map(|feed| feed.drops.values().flatten());
        drops.filter(move |entry| entry.sha256 == Some(hash))
    }
}
