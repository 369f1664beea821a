//! What a run has done, in numbers.

use serde::Serialize;

use crate::layout::Verdict;
use crate::ledger::{DropState, LedgerEntry};

/// Counts of files by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Files whose events were published.
    pub published: u64,
    /// Their events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that came again with the same bytes.
    pub repeats: u64,
    /// Files put into quarantine.
    pub quarantined: u64,
    /// Files that wait for a person.
    pub held: u64,
    /// Entries that disappeared unread.
    pub vanished: u64,
    /// Files that could not be finished.
    pub abandoned: u64,
    /// Files that a person said are not to be published.
    pub discarded: u64,
}

impl Tally {
    /// Counts a ledger entry that was just committed, and says so in one line of the log.
    pub fn count(&mut self, entry: &LedgerEntry, bytes: u64) {
        let hash = entry.sha256.map(|hash| hash.short()).unwrap_or_default();
        let (feed, key, path) = (&entry.feed, entry.key.as_str(), &entry.entry.path);
        match &entry.state {
            _ if entry.repeats > 0 => {
                self.repeats += 1;
                tracing::info!(%feed, %key, %path, %hash, repeats = entry.repeats, "the same bytes again: recorded, not published");
            }
            DropState::Published { records, events, verdict, rejects, revision, .. } => {
                self.published += 1;
                self.events += events;
                self.bytes += bytes;
                let verdict = verdict.map_or("not proven", Verdict::as_str);
                tracing::info!(%feed, %key, %path, %hash, records, events, rejects, bytes, revision, verdict, "published");
            }
            DropState::Quarantined { reject, attempts } => {
                self.quarantined += 1;
                tracing::error!(%feed, %key, %path, %hash, attempts, "quarantined: {reject}");
            }
            DropState::Held { reason } => {
                self.held += 1;
                tracing::error!(%feed, %key, %path, %hash, "held for a person: {reason}");
            }
            DropState::Vanished => {
                self.vanished += 1;
                tracing::error!(%feed, %key, %path, "the file disappeared before it could be read");
            }
            DropState::Abandoned { through, reason, .. } => {
                self.abandoned += 1;
                tracing::error!(%feed, %key, %path, %hash, through, "abandoned: {reason}");
            }
            DropState::Discarded { reason } => {
                self.discarded += 1;
                tracing::info!(%feed, %key, %path, %hash, "discarded: {reason}");
            }
            DropState::Baseline | DropState::Publishing { .. } => {}
        }
    }
}
