//! What the ledger says, by whatever it is asked for: a cache on disk of what the topic says, and beside it what came
//! since. Nothing in it is the truth; see [`open`](super::open).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{CacheChange, CacheKeys, CacheState, ErrorKind, Find, Identity, PortError, RecordCache, Result};

use super::census::Census;
use super::changes::Changes;
use super::keys::{Class, Keyring, RecordFacts};
use super::recent::Recent;
use crate::domain::EntryFacts;

mod note;
mod questions;

pub(super) use note::{Note, Put};
pub use questions::{DropCount, DropFilter};

/// What was tried, in errors of a cache that is damaged.
pub const CACHE_OPERATION: &str = "use the ledger's cache";

/// After so many records they are written to the cache.
const RECORDS_PER_WRITE: usize = 1024;

/// So many records may wait for a cache that cannot be written.
const MOST_RECENT: usize = 200_000;

/// Of so many arrivals it is remembered that they were looked at again.
const MOST_LOOKED_AT: usize = 1 << 17;

/// What the ledger says.
#[derive(Default)]
pub struct LedgerIndex {
    keyring: Option<Keyring>,
    cache: Option<Box<dyn RecordCache>>,
    recent: Recent,
    /// Up to where the topic was read.
    position: i64,
    note: Note,
    /// Records and amounts, by group and class.
    tallies: BTreeMap<(u32, u8), (u64, u64)>,
    census: Census,
    /// The cache is to be kept up to date.
    keeps: bool,
    /// The cache was found damaged.
    condemned: AtomicBool,
    /// Why it could not be written the last time.
    trouble: Option<String>,
    looked_at: HashMap<(String, String), EntryFacts>,
    forgotten: HashSet<(String, String)>,
    edition: u64,
    changes: Changes,
}

/// Is handed one record after the other, until it has seen enough, or one that it cannot read.
type EachRecord<'e> = dyn FnMut(&CacheKeys, &[u8]) -> std::result::Result<ControlFlow<()>, String> + 'e;

impl LedgerIndex {
    /// Over a cache that is complete up to its position, or over nothing.
    pub(super) fn new(keyring: Keyring, cache: Option<Box<dyn RecordCache>>, keeps: bool) -> Result<Self> {
        let mut index = Self { keyring: Some(keyring), keeps, edition: next_edition(), ..Self::default() };
        if let Some(cache) = cache {
            index.position = cache.state().position;
            index.note = serde_json::from_slice(&cache.state().note)
                .map_err(|error| PortError::new(ErrorKind::Corrupt, CACHE_OPERATION, "its note", error))?;
            for tally in cache.tallies()? {
                index.tallies.insert((tally.group, tally.class), (tally.records, tally.amount));
                if let Some((feed, _)) = index.note.groups.get(tally.group as usize) {
                    let Class { state, verdict } = Class::of(tally.class);
                    let (drops, rejects) = (tally.records.cast_signed(), tally.amount.cast_signed());
                    index.census.count(feed, state, verdict, drops, rejects);
                }
            }
            index.note.last.iter().for_each(|(feed, last)| index.census.saw(feed, last.clone()));
            index.cache = Some(cache);
        }
        Ok(index)
    }

    /// Up to where the topic was read.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }

    pub(super) const fn note(&self) -> &Note {
        &self.note
    }

    /// Another number whenever arrivals that were known may be known no more.
    #[must_use]
    pub const fn edition(&self) -> u64 {
        self.edition
    }

    /// How often the answer for an arrival has changed since the ledger was opened.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes.count()
    }

    /// The paths of a feed for which [`LedgerIndex::arrival`] may answer otherwise than it did when there were `seen`
    /// changes; `None` where nobody remembers.
    #[must_use]
    pub fn changed_since<'c>(&'c self, seen: u64, feed: &'c str) -> Option<impl Iterator<Item = &'c str>> {
        self.changes.since(seen, feed)
    }

    /// Takes a record of the topic in, as it stands there.
    ///
    /// # Errors
    /// A message where it is no record of a ledger.
    pub fn put(&mut self, offset: i64, record: Vec<u8>) -> std::result::Result<(), String> {
        let keyring = self.keyring.get_or_insert_with(|| Keyring::new(""));
        let Put { change, place } = self.note.put(keyring, offset, record)?;
        if let CacheChange::Put { keys, .. } = &change {
            self.replace(keys.identity, Some(keys.path));
            self.count(keys, 1);
            if let Some(last) = self.note.last.get(&place.0) {
                self.census.saw(&place.0, last.clone());
            }
        }
        self.recent.add(change);
        self.changes.add(&place.0, &place.1);
        self.position = self.position.max(offset + 1);
        // Most of the time both are empty.
        if !self.looked_at.is_empty() || !self.forgotten.is_empty() {
            self.looked_at.remove(&place);
            self.forgotten.remove(&place);
        }
        Ok(())
    }

    /// The record of this identity is about to be replaced by one under that path, or removed. The same drop under
    /// another name takes the place of the record that has its name so far: what is listed there stays known, or the two
    /// would be taken in turn for ever.
    fn replace(&mut self, identity: Identity, path: Option<u64>) {
        let mut known = None;
        let found = self.find(Find::Identity(identity), &mut |keys, record| {
            let facts = RecordFacts::read(record)?;
            known = Some((*keys, facts.feed.to_string(), facts.arrival()));
            Ok(ControlFlow::Break(()))
        });
        // Whatever is wrong with the cache is told to whoever asks it next.
        let (Ok(()), Some((keys, feed, arrival))) = (found, known) else { return };
        self.count(&keys, -1);
        if path.is_some_and(|path| path != keys.path)
            && matches!(self.arrival(&feed, &arrival.path), Ok(Some(newest)) if newest == arrival)
        {
            self.refresh_arrival(&feed, &arrival);
        }
    }

    fn count(&mut self, keys: &CacheKeys, drops: i64) {
        let amount = i64::from(keys.amount) * drops;
        let (records, amounts) = self.tallies.entry((keys.group, keys.class)).or_default();
        *records = records.saturating_add_signed(drops);
        *amounts = amounts.saturating_add_signed(amount);
        if let Some((feed, _)) = self.note.groups.get(keys.group as usize) {
            let Class { state, verdict } = Class::of(keys.class);
            self.census.count(feed, state, verdict, drops, amount);
        }
    }

    /// Takes the record of this key out: the topic says that it is gone.
    pub fn remove(&mut self, offset: i64, record_key: &str) {
        let keyring = self.keyring.get_or_insert_with(|| Keyring::new(""));
        if let Some(identity) = keyring.identity_of_record(record_key) {
            self.replace(identity, None);
            self.recent.add(CacheChange::Remove { offset, identity });
        }
        self.position = self.position.max(offset + 1);
    }

    /// Remembers that an arrival was looked at again and is the one known: its version changed without cause.
    pub fn refresh_arrival(&mut self, feed: &str, entry: &EntryFacts) {
        if self.looked_at.len() >= MOST_LOOKED_AT {
            // They are looked at once more.
            self.looked_at.clear();
        }
        let place = (feed.to_owned(), entry.path.clone());
        self.changes.add(feed, &entry.path);
        self.forgotten.remove(&place);
        self.looked_at.insert(place, entry.clone());
    }

    /// Forgets the newest arrival of a path: what is listed there is to be looked at again.
    pub fn forget_arrival(&mut self, feed: &str, path: &str) {
        let place = (feed.to_owned(), path.to_owned());
        self.looked_at.remove(&place);
        self.forgotten.insert(place);
        self.edition = next_edition();
    }

    /// Writes what is new to the cache, when it is much.
    ///
    /// # Errors
    /// As for [`LedgerIndex::save`].
    pub fn save_if_much(&mut self) -> Result<()> {
        if self.recent.len() < RECORDS_PER_WRITE { Ok(()) } else { self.save() }
    }

    /// Writes what is new to the cache. That it cannot be written is said, and no error: it is read from the topic again
    /// at the next start.
    ///
    /// # Errors
    /// `Transient` where the cache is damaged, or cannot be written for so long that memory would run out.
    pub fn save(&mut self) -> Result<()> {
        self.check()?;
        let Some(cache) = self.cache.as_mut().filter(|_| self.keeps && self.recent.len() > 0) else { return Ok(()) };
        if reach(Failpoint::CacheBegun) {
            return Err(PortError::new(ErrorKind::Transient, CACHE_OPERATION, "its file", "failpoint"));
        }
        let changes = self.recent.take();
        let state = CacheState { position: self.position, note: self.note.to_bytes() };
        let written = cache.write(&changes, state);
        if let Ok(true) = written {
            self.trouble = None;
            let _answered = reach(Failpoint::CacheWritten);
            return Ok(());
        }
        changes.into_iter().for_each(|change| self.recent.add(change));
        match written {
            Ok(_) => {
                tracing::warn!("another process writes the ledger's cache: it is left to that one");
                self.keeps = false;
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Corrupt || self.recent.len() > MOST_RECENT => {
                Err(self.noticed(error))
            }
            Err(error) => {
                let text = error.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    tracing::warn!("the ledger's cache is not written, and it is tried again: {text}");
                    self.trouble = Some(text);
                }
                Ok(())
            }
        }
    }

    /// Whether what it answers can be relied on.
    ///
    /// # Errors
    /// `Transient` where the cache was found damaged: the ledger has to be opened anew.
    pub fn check(&self) -> Result<()> {
        if self.condemned.load(Ordering::Relaxed) { Err(damaged("it was found damaged")) } else { Ok(()) }
    }

    fn noticed(&self, error: PortError) -> PortError {
        if error.kind != ErrorKind::Corrupt {
            return error;
        }
        tracing::error!(%error, "the ledger's cache is damaged: it is made anew from the topic");
        self.condemned.store(true, Ordering::Relaxed);
        if let Some(cache) = &self.cache {
            cache.condemn();
        }
        damaged(error.to_string())
    }

    /// Hands what is found to `each`, the newest first.
    fn find(&self, what: Find, each: &mut EachRecord<'_>) -> Result<()> {
        self.check()?;
        let wrong = |offset: i64, message: String| {
            PortError::new(ErrorKind::Corrupt, "read ledger", format!("offset {offset}"), message)
        };
        for (offset, keys, record) in self.recent.find(what) {
            if each(keys, record).map_err(|message| wrong(offset, message))?.is_break() {
                return Ok(());
            }
        }
        let Some(cache) = &self.cache else { return Ok(()) };
        let mut unread = None;
        let answer = cache.find(what, &mut |found| {
            if self.recent.hides(&found.keys.identity) {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(each(&found.keys, found.record).unwrap_or_else(|message| {
                unread = Some(wrong(found.offset, message));
                ControlFlow::Break(())
            }))
        });
        answer.map_err(|error| self.noticed(error))?;
        unread.map_or(Ok(()), Err)
    }
}

fn damaged(message: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Transient, CACHE_OPERATION, "its file", message)
        .with_hint("it is made anew from the topic at the next start")
}

fn next_edition() -> u64 {
    static EDITIONS: AtomicU64 = AtomicU64::new(1);
    EDITIONS.fetch_add(1, Ordering::Relaxed)
}
