//! The drops of each feed, counted: what a person sees first, without going through the whole ledger. Pure counting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::{DropState, LedgerEntry};
use crate::domain::Moment;
use crate::layout::Verdict;

/// Counts by feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    feeds: BTreeMap<String, FeedCensus>,
}

/// Counts of one feed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedCensus {
    /// Files by state; a state that no file is in may be absent.
    pub states: BTreeMap<String, u64>,
    /// Published files by verdict; `unproven` are those of a version that did not prove files.
    pub verdicts: BTreeMap<String, u64>,
    /// Bad records that were left out of published files.
    pub rejects: u64,
    /// The drop that the ledger says something of last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastDrop>,
}

/// The newest drop of a feed that is no baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastDrop {
    /// Its logical key.
    pub key: String,
    /// Its path below the inbox.
    pub path: String,
    /// What became of it.
    pub state: String,
    /// When the ledger was told.
    pub recorded_at: Moment,
}

/// The word for files that no version has proven.
pub const UNPROVEN: &str = "unproven";

impl Census {
    /// Counts a drop.
    pub fn take_in(&mut self, entry: &LedgerEntry) {
        let feed = match self.feeds.get_mut(&entry.feed) {
            Some(feed) => feed,
            None => self.feeds.entry(entry.feed.clone()).or_default(),
        };
        feed.count(entry, |count, by| *count += by);
        let is_newer = feed.last.as_ref().is_none_or(|last| last.recorded_at <= entry.recorded_at);
        if is_newer && !matches!(entry.state, DropState::Baseline) {
            feed.last = Some(LastDrop {
                key: entry.key.to_string(),
                path: entry.entry.path.clone(),
                state: entry.state.as_str().to_owned(),
                recorded_at: entry.recorded_at,
            });
        }
    }

    /// Counts a drop no more: something else is said of it now, or nothing. That it came last stays.
    pub fn take_out(&mut self, entry: &LedgerEntry) {
        if let Some(feed) = self.feeds.get_mut(&entry.feed) {
            feed.count(entry, |count, by| *count = count.saturating_sub(by));
        }
    }

    /// Counts of each feed, by id.
    pub fn feeds(&self) -> impl Iterator<Item = (&str, &FeedCensus)> {
        self.feeds.iter().map(|(feed, census)| (feed.as_str(), census))
    }

    /// Counts of one feed; nothing where no drop of it is known.
    #[must_use]
    pub fn of(&self, feed: &str) -> FeedCensus {
        self.feeds.get(feed).cloned().unwrap_or_default()
    }
}

impl FeedCensus {
    /// Words of the states that are not a file's end.
    pub const UNSETTLED: [&'static str; 5] = ["publishing", "quarantined", "held", "vanished", "abandoned"];

    /// How many files are in a state.
    #[must_use]
    pub fn in_state(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or_default()
    }

    /// How many files need a person.
    #[must_use]
    pub fn open(&self) -> u64 {
        DropState::OPEN_WORDS.iter().map(|state| self.in_state(state)).sum()
    }

    fn count(&mut self, entry: &LedgerEntry, change: impl Fn(&mut u64, u64)) {
        let count = |counts: &mut BTreeMap<String, u64>, word: &str| match counts.get_mut(word) {
            Some(count) => change(count, 1),
            None => change(counts.entry(word.to_owned()).or_default(), 1),
        };
        count(&mut self.states, entry.state.as_str());
        if let DropState::Published { verdict, rejects, .. } = &entry.state {
            count(&mut self.verdicts, verdict.map_or(UNPROVEN, Verdict::as_str));
            change(&mut self.rejects, *rejects);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::{ContentHash, EntryFacts, LogicalKey};
    use crate::ledger::LedgerIndex;

    fn entry(key: &str, at: i64, state: DropState) -> LedgerEntry {
        LedgerEntry {
            format: 1,
            feed: "bids".to_owned(),
            department: "parks".to_owned(),
            key: LogicalKey::from_text(key),
            sha256: Some(ContentHash::of(key.as_bytes())),
            entry: EntryFacts { path: format!("{key}.dat"), size: 1, modified_ns: 0, version: 0 },
            business_date: None,
            sequence: None,
            generation: 0,
            state,
            repeats: 0,
            recorded_at: Moment::from_unix_ns(at),
        }
    }

    fn published(verdict: Option<Verdict>, rejects: u64) -> DropState {
        DropState::Published {
            records: 1,
            events: 1,
            verdict,
            rejects,
            revision: 1,
            supersedes: None,
            ranges: Vec::new(),
        }
    }

    #[test]
    fn a_drop_counts_once_for_what_it_came_to_last() {
        let mut index = LedgerIndex::default();
        index.apply(entry("0", 0, DropState::Baseline));
        assert_eq!(index.census().of("bids").last, None, "a baseline is no file that came");
        index.apply(entry("1", 1, published(Some(Verdict::Exact), 0)));
        index.apply(entry("2", 2, DropState::Held { reason: "other bytes".to_owned() }));
        let held = index.census().of("bids");
        assert_eq!((held.in_state("published"), held.in_state("held"), held.open()), (1, 1, 1));
        index.apply(entry("2", 3, published(None, 4)));
        index.apply(entry("2", 3, published(None, 4)));
        let now = index.census().of("bids");
        assert_eq!((now.in_state("published"), now.in_state("held"), now.open(), now.rejects), (2, 0, 0, 4));
        assert_eq!((now.verdicts["exact"], now.verdicts[UNPROVEN]), (1, 1));
        assert_eq!(now.last.as_ref().unwrap().key, "2");
        index.remove(&entry("2", 3, published(None, 4)));
        let now = index.census().of("bids");
        assert_eq!((now.in_state("published"), now.rejects), (1, 0));
        assert_eq!(index.census().of("orders"), FeedCensus::default());
    }
}
