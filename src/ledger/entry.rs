//! A record of the ledger: one drop, told apart by feed, logical key and hash.

use dropbridge_port::WrittenRange;
use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, ContentHash, EntryFacts, LogicalKey, Moment};
use crate::layout::{Reject, Verdict};

/// The newest version of the ledger's record format that this build reads. A record states the oldest that tells all of
/// it: see [`DropState::format`].
pub const FORMAT: u32 = 3;

/// One drop and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Version of this format.
    pub format: u32,
    /// The feed's id.
    pub feed: String,
    /// The department.
    pub department: String,
    /// The logical key.
    pub key: LogicalKey,
    /// The hash of the bytes; a baseline and a vanished entry have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<ContentHash>,
    /// The entry as it was listed when its bytes were taken.
    pub entry: EntryFacts,
    /// Business date in the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// Sequence in the name, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// How often a wrapping sequence had begun again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// What became of it.
    #[serde(flatten)]
    pub state: DropState,
    /// How often the same bytes came again under the same key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
    /// When this record was written.
    pub recorded_at: Moment,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Offsets of a drop's events in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRange {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset of the first.
    pub from: i64,
    /// Offset after the last; other writers' records may stand in between.
    pub to: i64,
    /// How many events of the drop are within.
    pub count: u64,
    /// The log that it is in, where that is another one: the ledger was imported from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// Adds newly written ranges to known ones, joining those of one partition.
pub fn extend_ranges(ranges: &mut Vec<EventRange>, written: &[WrittenRange]) {
    for new in written {
        let is_same = |range: &&mut EventRange| {
            range.log.is_none() && range.topic == new.topic && range.partition == new.partition
        };
        let known = ranges.iter_mut().find(is_same);
        match known {
            Some(range) => {
                range.from = range.from.min(new.from);
                range.to = range.to.max(new.to);
                range.count += new.count;
            }
            None => ranges.push(EventRange {
                topic: new.topic.clone(),
                partition: new.partition,
                from: new.from,
                to: new.to,
                count: new.count,
                log: None,
            }),
        }
    }
}

/// What became of a drop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DropState {
    /// It was there before the bridge came: recorded, not published.
    Baseline,
    /// A large file in the middle: its events up to and including this ordinal are committed.
    Publishing {
        /// Ordinal of the last committed event: the chunks so far are `(0, through]`.
        through: u64,
        /// SHA-256 over keys and values of all events so far: a resumed file has to make the very same ones.
        events_digest: String,
        /// Revision.
        revision: u32,
        /// What it corrects.
        #[serde(skip_serializing_if = "Option::is_none")]
        supersedes: Option<ContentHash>,
        /// Where the events are.
        ranges: Vec<EventRange>,
    },
    /// All its events are committed.
    Published {
        /// How many records it had.
        records: u64,
        /// How many events it made that are published.
        events: u64,
        /// How many it made that are not, since the new service speaks for their dates.
        #[serde(default, skip_serializing_if = "is_zero")]
        withheld: u64,
        /// Whether these are enough to write it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
        /// How many bad records it had, which are in no event.
        #[serde(default, skip_serializing_if = "is_zero")]
        rejects: u64,
        /// 1, or more for a correction.
        revision: u32,
        /// What it corrects.
        #[serde(skip_serializing_if = "Option::is_none")]
        supersedes: Option<ContentHash>,
        /// Where the events are.
        ranges: Vec<EventRange>,
    },
    /// All its events are of dates for which the new service speaks: none is published. Its bytes are in the store, to be
    /// compared.
    Withheld {
        /// How many records it had.
        records: u64,
        /// How many events it made.
        withheld: u64,
        /// Whether these are enough to write it again.
        round_trip: Verdict,
        /// 1, or more for a correction.
        revision: u32,
        /// What it corrects.
        #[serde(skip_serializing_if = "Option::is_none")]
        supersedes: Option<ContentHash>,
    },
    /// It could not be taken; its bytes are in the store.
    Quarantined {
        /// Why.
        reject: Reject,
        /// How often it was tried.
        attempts: u32,
    },
    /// A person has to decide; its bytes are in the store.
    Held {
        /// Why.
        reason: String,
    },
    /// A person said that it is not to be published.
    Discarded {
        /// Why.
        reason: String,
    },
    /// A delivery of ours that came back: recorded, not published.
    Echo {
        /// The delivery.
        delivery: String,
    },
    /// It disappeared before its bytes could be read.
    Vanished,
    /// It could not be finished after some of its chunks were committed.
    Abandoned {
        /// Ordinal of the last committed event.
        through: u64,
        /// Why.
        reason: String,
        /// Where the events are.
        ranges: Vec<EventRange>,
        /// A person has seen to it: nothing is to be done any more, and this is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closed: Option<String>,
    },
}

impl DropState {
    /// Every word of [`DropState::as_str`].
    pub const WORDS: [&'static str; 10] = [
        "baseline",
        "publishing",
        "published",
        "withheld",
        "quarantined",
        "held",
        "discarded",
        "echo",
        "vanished",
        "abandoned",
    ];

    /// The format of a record with this state: builds that read format 1 alone know no echoes, those that read 2 know
    /// nothing that is withheld.
    #[must_use]
    pub const fn format(&self) -> u32 {
        match self {
            Self::Echo { .. } => 2,
            Self::Withheld { .. } => 3,
            _ => 1,
        }
    }

    /// The words of those states that need a person, as [`DropState::is_open`] says.
    pub const OPEN_WORDS: [&'static str; 4] = ["quarantined", "held", "vanished", "abandoned"];

    /// The word used in tables and filters.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Publishing { .. } => "publishing",
            Self::Withheld { .. } => "withheld",
            Self::Published { .. } => "published",
            Self::Quarantined { .. } => "quarantined",
            Self::Held { .. } => "held",
            Self::Discarded { .. } => "discarded",
            Self::Echo { .. } => "echo",
            Self::Vanished => "vanished",
            Self::Abandoned { .. } => "abandoned",
        }
    }

    /// A person has something to do.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Quarantined { .. } | Self::Held { .. } | Self::Vanished | Self::Abandoned { closed: None, .. }
        )
    }

    /// Some of its events may be visible, or stand for being so (a baseline, what is withheld).
    #[must_use]
    pub const fn speaks(&self) -> bool {
        matches!(
            self,
            Self::Baseline
                | Self::Publishing { .. }
                | Self::Published { .. }
                | Self::Withheld { .. }
                | Self::Abandoned { .. }
        )
    }

    /// Its bytes have to stay in the store.
    #[must_use]
    pub const fn needs_store(&self) -> bool {
        matches!(self, Self::Publishing { .. } | Self::Quarantined { .. } | Self::Held { .. })
    }
}

impl LedgerEntry {
    /// The key of its record in the topic.
    #[must_use]
    pub fn record_key(&self) -> String {
        let hash = self.sha256.map_or_else(|| self.state_without_hash().to_owned(), |hash| hash.to_string());
        format!("{} {} {hash}", self.feed, self.key)
    }

    const fn state_without_hash(&self) -> &'static str {
        match self.state {
            DropState::Vanished => "vanished",
            _ => "baseline",
        }
    }

    /// Reads a record of the ledger.
    ///
    /// # Errors
    /// A message that names the format where it is newer than this build.
    pub fn from_json(value: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(value).map_err(|error| format!("no ledger record: {error}"))?;
        if version.format > FORMAT {
            return Err(format!(
                "a ledger record has format {}, this build reads up to {FORMAT}: a newer dropbridge wrote it, use that",
                version.format
            ));
        }
        serde_json::from_slice(value).map_err(|error| format!("no ledger record of format {}: {error}", version.format))
    }
}
