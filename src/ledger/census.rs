//! The drops of each feed, counted: what a person sees first, without going through the whole ledger. Pure counting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::DropState;
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
    /// Counts drops of a state (and, where they are published, of a verdict), or counts them no more. `rejects`: how many
    /// bad records were left out of them.
    pub fn count(&mut self, feed: &str, state: &str, verdict: Option<Verdict>, drops: i64, rejects: i64) {
        let feed = self.of_mut(feed);
        let add = |count: &mut u64, by: i64| *count = count.saturating_add_signed(by);
        add(feed.states.entry(state.to_owned()).or_default(), drops);
        if state == "published" {
            add(feed.verdicts.entry(verdict.map_or(UNPROVEN, Verdict::as_str).to_owned()).or_default(), drops);
            add(&mut feed.rejects, rejects);
        }
    }

    /// The ledger says something of a drop: where nothing newer was said, it came last. That stays so, whatever becomes
    /// of its record.
    pub fn saw(&mut self, feed: &str, drop: LastDrop) {
        let feed = self.of_mut(feed);
        if feed.last.as_ref().is_none_or(|last| last.recorded_at <= drop.recorded_at) {
            feed.last = Some(drop);
        }
    }

    fn of_mut(&mut self, feed: &str) -> &mut FeedCensus {
        self.feeds.entry(feed.to_owned()).or_default()
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::{ContentHash, EntryFacts, LogicalKey};
    use crate::ledger::{LedgerEntry, LedgerIndex};

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
            withheld: 0,
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
        let mut offset = 0;
        let mut apply = |index: &mut LedgerIndex, entry: LedgerEntry| {
            offset += 1;
            index.put(offset, serde_json::to_vec(&entry).unwrap()).unwrap();
        };
        apply(&mut index, entry("0", 0, DropState::Baseline));
        assert_eq!(index.census().of("bids").last, None, "a baseline is no file that came");
        apply(&mut index, entry("1", 1, published(Some(Verdict::Exact), 0)));
        apply(&mut index, entry("2", 2, DropState::Held { reason: "other bytes".to_owned() }));
        let held = index.census().of("bids");
        assert_eq!((held.in_state("published"), held.in_state("held"), held.open()), (1, 1, 1));
        apply(&mut index, entry("2", 3, published(None, 4)));
        apply(&mut index, entry("2", 3, published(None, 4)));
        let now = index.census().of("bids");
        assert_eq!((now.in_state("published"), now.in_state("held"), now.open(), now.rejects), (2, 0, 0, 4));
        assert_eq!((now.verdicts["exact"], now.verdicts[UNPROVEN]), (1, 1));
        assert_eq!(now.last.as_ref().unwrap().key, "2");
        index.remove(9, &entry("2", 3, published(None, 4)).record_key());
        let now = index.census().of("bids");
        assert_eq!((now.in_state("published"), now.rejects), (1, 0));
        assert_eq!(index.census().of("orders"), FeedCensus::default());
    }
}
