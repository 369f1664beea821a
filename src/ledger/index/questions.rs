//! What the index is asked: drops by key, name, hash and state, the newest of them, and how many there are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use dropbridge_port::{Find, Result};

use super::LedgerIndex;
use crate::domain::{ContentHash, EntryFacts, LogicalKey};
use crate::ledger::census::Census;
use crate::ledger::entry::{DropState, LedgerEntry};
use crate::ledger::keys::{Class, RecordFacts};

/// How many drops of a feed are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCount {
    /// The feed.
    pub feed: String,
    /// The department.
    pub department: String,
    /// The state's word.
    pub state: &'static str,
    /// How many.
    pub drops: u64,
}

/// Which drops are wanted.
#[derive(Clone, Debug, Default)]
pub struct DropFilter {
    /// Only this feed.
    pub feed: Option<String>,
    /// Only this department.
    pub department: Option<String>,
    /// Only this state.
    pub state: Option<String>,
}

impl DropFilter {
    /// Whether it is one of those that are counted so.
    #[must_use]
    pub fn fits(&self, count: &DropCount) -> bool {
        let fits = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|wanted| wanted == own);
        fits(&self.feed, &count.feed) && fits(&self.department, &count.department) && fits(&self.state, count.state)
    }
}

/// Is handed one drop after the other, until it has seen enough.
type EachDrop<'e> = dyn FnMut(LedgerEntry) -> ControlFlow<()> + 'e;

impl LedgerIndex {
    fn find_drops(&self, what: Find, fits: &dyn Fn(&LedgerEntry) -> bool) -> Result<Vec<LedgerEntry>> {
        let mut found = Vec::new();
        self.find(what, &mut |_, record| {
            found.extend(Some(LedgerEntry::from_json(record)?).filter(fits));
            Ok(ControlFlow::Continue(()))
        })?;
        found.reverse();
        Ok(found)
    }

    fn find_facts<T>(&self, what: Find, pick: &dyn Fn(&RecordFacts<'_>) -> Option<T>) -> Result<Option<T>> {
        let mut found = None;
        self.find(what, &mut |_, record| {
            found = pick(&RecordFacts::read(record)?);
            Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Everything known under a key, the oldest first.
    ///
    /// # Errors
    /// As for [`LedgerIndex::check`], here and below; `Corrupt` where a record of the topic cannot be read.
    pub fn drops(&self, feed: &str, key: &LogicalKey) -> Result<Vec<LedgerEntry>> {
        let Some(keyring) = &self.keyring else { return Ok(Vec::new()) };
        let what = Find::Beginning(keyring.beginning(feed, key.as_str()));
        self.find_drops(what, &|entry| entry.feed == feed && entry.key == *key)
    }

    /// One drop.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn drop_with(&self, feed: &str, key: &LogicalKey, hash: ContentHash) -> Result<Option<LedgerEntry>> {
        Ok(self.drops(feed, key)?.into_iter().find(|entry| entry.sha256 == Some(hash)))
    }

    /// The newest arrival of a path.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn arrival(&self, feed: &str, path: &str) -> Result<Option<EntryFacts>> {
        if !self.looked_at.is_empty() || !self.forgotten.is_empty() {
            let place = (feed.to_owned(), path.to_owned());
            if let Some(entry) = self.looked_at.get(&place) {
                return Ok(Some(entry.clone()));
            }
            if self.forgotten.contains(&place) {
                return Ok(None);
            }
        }
        let Some(keyring) = &self.keyring else { return Ok(None) };
        let what = Find::Path(keyring.path(feed, path));
        self.find_facts(what, &|facts| facts.is_of(feed, path).then(|| facts.arrival()))
    }

    /// The newest arrival of a path, where the events of its file are all committed.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn published_arrival(&self, feed: &str, path: &str) -> Result<Option<EntryFacts>> {
        let Some(keyring) = &self.keyring else { return Ok(None) };
        let what = Find::Path(keyring.path(feed, path));
        let is_published = self.find_facts(what, &|facts| facts.is_of(feed, path).then(|| facts.is_published()))?;
        if is_published == Some(true) { self.arrival(feed, path) } else { Ok(None) }
    }

    /// Generation and number of the newest drop of a feed with a sequence.
    #[must_use]
    pub fn newest_sequence(&self, feed: &str) -> Option<(u64, u64)> {
        self.note.sequences.get(feed).copied()
    }

    /// The generation of an earlier drop with this name and these bytes, if there was one: a file that is seen again
    /// keeps the generation it was given.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn generation_of(&self, feed: &str, path: &str, hash: ContentHash) -> Result<Option<u64>> {
        let Some(keyring) = &self.keyring else { return Ok(None) };
        let is_meant = |facts: &RecordFacts<'_>| facts.is_of(feed, path) && facts.has_hash(hash);
        let what = Find::Path(keyring.path(feed, path));
        self.find_facts(what, &|facts| is_meant(facts).then_some(facts.generation))
    }

    /// Files in the middle of their chunks.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn unfinished(&self) -> Result<Vec<LedgerEntry>> {
        self.in_states(&["publishing"])
    }

    /// What waits for a person.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn open_drops(&self) -> Result<Vec<LedgerEntry>> {
        let mut found = self.in_states(&DropState::OPEN_WORDS)?;
        found.retain(|entry| entry.state.is_open());
        Ok(found)
    }

    fn in_states(&self, states: &[&str]) -> Result<Vec<LedgerEntry>> {
        let mut found = Vec::new();
        for class in states.iter().flat_map(|state| Class::numbers_of(state)) {
            found.extend(self.find_drops(Find::Class(class), &|_| true)?);
        }
        found.sort_by_key(|entry| entry.recorded_at);
        Ok(found)
    }

    /// Hands over every drop with these bytes, whatever its feed.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn each_with_hash(&self, hash: ContentHash, each: &mut EachDrop<'_>) -> Result<()> {
        self.each_found(Find::Content(hash.beginning(), hash.beginning()), &mut |entry| {
            if entry.sha256 == Some(hash) { each(entry) } else { ControlFlow::Continue(()) }
        })
    }

    /// Hands over every drop whose hash is between two numbers, by its first eight bytes.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn each_with_hash_between(&self, first: u64, last: u64, each: &mut EachDrop<'_>) -> Result<()> {
        self.each_found(Find::Content(first, last), each)
    }

    /// Hands over every drop, that which was recorded last first.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn each(&self, each: &mut EachDrop<'_>) -> Result<()> {
        self.each_found(Find::All, each)
    }

    /// Hands over the drops of a file.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn each_with_path(&self, feed: &str, path: &str, each: &mut EachDrop<'_>) -> Result<()> {
        let Some(keyring) = &self.keyring else { return Ok(()) };
        self.each_found(Find::Path(keyring.path(feed, path)), &mut |entry| {
            if entry.feed == feed && entry.entry.path == path { each(entry) } else { ControlFlow::Continue(()) }
        })
    }

    fn each_found(&self, what: Find, each: &mut EachDrop<'_>) -> Result<()> {
        self.find(what, &mut |_, record| Ok(each(LedgerEntry::from_json(record)?)))
    }

    /// The newest drops that are wanted, that which was recorded last first; at most so many.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn newest(&self, filter: &DropFilter, limit: usize) -> Result<Vec<LedgerEntry>> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let classes = filter.state.as_deref().map(Class::numbers_of);
        let what = match classes.as_deref() {
            Some([class]) => Find::Class(*class),
            _ => Find::All,
        };
        let fits = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|wanted| wanted == own);
        let group_fits =
            |(feed, department): &(String, String)| fits(&filter.feed, feed) && fits(&filter.department, department);
        let groups: Vec<bool> = self.note.groups.iter().map(group_fits).collect();
        self.find(what, &mut |keys, record| {
            let class_fits = classes.as_ref().is_none_or(|classes| classes.contains(&keys.class));
            if class_fits && groups.get(keys.group as usize) == Some(&true) {
                found.push(LedgerEntry::from_json(record)?);
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// How many drops there are, by feed, department and state.
    #[must_use]
    pub fn counts(&self) -> Vec<DropCount> {
        let mut counts: BTreeMap<(u32, &'static str), u64> = BTreeMap::new();
        for ((group, class), (drops, _)) in self.tallies.iter().filter(|(_, (drops, _))| *drops > 0) {
            *counts.entry((*group, Class::of(*class).state)).or_default() += drops;
        }
        let named = counts.into_iter().filter_map(|((group, state), drops)| {
            let (feed, department) = self.note.groups.get(group as usize)?.clone();
            Some(DropCount { feed, department, state, drops })
        });
        named.collect()
    }

    /// How many drops there are.
    #[must_use]
    pub fn count_all(&self) -> u64 {
        self.tallies.values().map(|(drops, _)| drops).sum()
    }

    /// Counts of each feed.
    #[must_use]
    pub const fn census(&self) -> &Census {
        &self.census
    }

    /// Feeds and departments that it has ever had drops of.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        self.note.groups.iter().map(|(feed, department)| (feed.as_str(), department.as_str()))
    }
}
