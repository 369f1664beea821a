//! Legacy files that nothing was published of: those of dates for which the new service speaks, and those that wait for a
//! person.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use anyhow::anyhow;

use crate::cutover::{Authority, CutoverJournal};
use crate::domain::{BusinessDate, ContentHash, Moment};
use crate::ledger::replay::ControlState;
use crate::ledger::{DropState, LedgerEntry};
use crate::wiring::Bridge;

/// A drop as the ledger knows it.
#[derive(Debug)]
pub(super) struct LegacyDrop {
    /// Its name.
    pub(super) path: String,
    /// When it came.
    pub(super) since: Moment,
    /// Its sequence number, as written.
    pub(super) sequence: Option<String>,
    /// Its bytes; what vanished or was there before the bridge has none.
    pub(super) sha256: Option<ContentHash>,
    /// The word of its state.
    pub(super) state: &'static str,
    /// It has to be looked at, or is in the middle.
    pub(super) is_open: bool,
}

/// Drops by feed and business date.
#[derive(Debug, Default)]
pub(super) struct LegacyDrops(BTreeMap<(String, BusinessDate), Vec<LegacyDrop>>);

impl LegacyDrops {
    /// Reads the whole ledger: of dates that the new service speaks for, the newest drop of each key that has bytes; of
    /// other dates, what was not published. Only those that are `wanted`.
    ///
    /// # Errors
    /// Of the log; where the bridge was not initialised.
    pub(super) fn read(
        bridge: &Bridge,
        control: &ControlState,
        journal: &CutoverJournal,
        wanted: &dyn Fn(&str, BusinessDate) -> bool,
    ) -> anyhow::Result<Self> {
        let genesis = control.genesis.as_ref();
        let genesis = genesis.ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
        let ledger = bridge.context.look_into_ledger(0, genesis)?;
        let mut drops = Self::default();
        let mut seen = BTreeSet::new();
        ledger.each(&mut |entry| {
            let date = entry.business_date.filter(|date| wanted(&entry.feed, *date));
            if let Some(date) = date
                && is_of_interest(&entry, journal.authority_on(date))
                && seen.insert((entry.feed.clone(), entry.key.clone()))
            {
                drops.0.entry((entry.feed.clone(), date)).or_default().push(LegacyDrop::new(entry));
            }
            ControlFlow::Continue(())
        })?;
        Ok(drops)
    }

    /// Those of a feed and a date.
    pub(super) fn of(&self, feed: &str, date: BusinessDate) -> &[LegacyDrop] {
        self.0.get(&(feed.to_owned(), date)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The dates that a feed has drops of.
    pub(super) fn dates(&self, feed: &str) -> impl Iterator<Item = BusinessDate> {
        self.0.keys().filter(move |(known, _)| known == feed).map(|(_, date)| *date)
    }
}

fn is_of_interest(entry: &LedgerEntry, authority: Authority) -> bool {
    match (&entry.state, authority) {
        // Our own file is none of the legacy producer's.
        (DropState::Echo { .. }, _) => false,
        (_, Authority::Candidate) => entry.sha256.is_some(),
        (DropState::Published { .. } | DropState::Discarded { .. }, Authority::Legacy) => false,
        (_, Authority::Legacy) => true,
    }
}

impl LegacyDrop {
    fn new(entry: LedgerEntry) -> Self {
        Self {
            since: Moment::from_unix_ns(entry.entry.modified_ns),
            state: entry.state.as_str(),
            is_open: entry.state.is_open() || matches!(entry.state, DropState::Publishing { .. }),
            path: entry.entry.path,
            sequence: entry.sequence,
            sha256: entry.sha256,
        }
    }
}
