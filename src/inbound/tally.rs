//! What a run has done, in numbers.

use serde::Serialize;

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
    /// Deliveries of ours that came back.
    pub echoes: u64,
    /// Files that came again and are equal to a delivery of ours: the legacy producer's own, and evidence of parity.
    pub equal_to_delivery: u64,
    /// Files of which nothing was published, since the new service speaks for their dates.
    #[serde(skip_serializing_if = "is_zero")]
    pub withheld: u64,
    /// Candidate events that became authoritative.
    #[serde(skip_serializing_if = "is_zero")]
    pub forwarded: u64,
    /// Candidate events that were refused.
    #[serde(skip_serializing_if = "is_zero")]
    pub candidates_rejected: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// Counts a ledger entry that was just committed.
    pub const fn count(&mut self, entry: &LedgerEntry, bytes: u64) {
        match &entry.state {
            _ if entry.repeats > 0 => self.repeats += 1,
            DropState::Published { events, .. } => {
                self.published += 1;
                self.events += *events;
                self.bytes += bytes;
            }
            DropState::Withheld { .. } => self.withheld += 1,
            DropState::Quarantined { .. } => self.quarantined += 1,
            DropState::Held { .. } => self.held += 1,
            DropState::Vanished => self.vanished += 1,
            DropState::Abandoned { closed: Some(_), .. } => self.discarded += 1,
            DropState::Abandoned { .. } => self.abandoned += 1,
            DropState::Discarded { .. } => self.discarded += 1,
            DropState::Echo { .. } => self.echoes += 1,
            DropState::Baseline | DropState::Publishing { .. } => {}
        }
    }
}
