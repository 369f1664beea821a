//! What is said in the control topic: the genesis, baselines of feeds, which of them are
//! paused, claims of slots, and requests of commands.

use serde::{Deserialize, Serialize};

use crate::cutover;
use crate::domain::{BusinessDate, ContentHash, EntryFacts, LogicalKey, Moment};

/// The version of these records that this build writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// The key of the genesis record.
pub const GENESIS_KEY: &str = "genesis";

/// The birth of a bridge: the same id stands in the control topic, at the head of the ledger, and in the state
/// directory, so that a log that was emptied or exchanged is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// Version of this format.
    pub format: u32,
    /// A random id.
    pub id: String,
    /// The bridge's name.
    pub bridge: String,
    /// When `init` made it.
    pub created_at: Moment,
}

/// A feed has its baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Version of this format.
    pub format: u32,
    /// The feed's id.
    pub feed: String,
    /// What was done: `take`, `skip`, `from 2026-01-31`.
    pub policy: String,
    /// How many entries were recorded as baseline.
    pub entries: u64,
    /// When.
    pub recorded_at: Moment,
}

impl Baseline {
    /// The record's key.
    #[must_use]
    pub fn record_key(feed: &str) -> String {
        format!("baseline/{feed}")
    }
}

/// A person switched a feed off or on: `feed pause`, `feed resume`. The newest record of a feed holds, through restarts
/// and takeovers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedSwitch {
    /// Version of this format.
    pub format: u32,
    /// The feed's id.
    pub feed: String,
    /// It neither lists nor takes.
    pub paused: bool,
    /// Why, as the person said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who: user and host.
    pub by: String,
    /// When.
    pub switched_at: Moment,
}

impl FeedSwitch {
    /// The record's key.
    #[must_use]
    pub fn record_key(feed: &str) -> String {
        format!("feed/{feed}")
    }
}

/// The ledger was imported from another log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Version of this format.
    pub format: u32,
    /// The genesis of the bridge in the log that it was exported from.
    pub genesis: String,
    /// All of it is here.
    pub complete: bool,
    /// When it was begun, or was complete.
    pub at: Moment,
}

impl Import {
    /// The record's key.
    pub const RECORD_KEY: &'static str = "import";
}

/// Who holds a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Version of this format.
    pub format: u32,
    /// The slot.
    pub slot: u32,
    /// A random id of the process.
    pub instance: String,
    /// Host and process, for people.
    pub holder: String,
    /// When it took the slot.
    pub claimed_at: Moment,
    /// Counted up while it holds it; a standby watches it stand still.
    pub heartbeat: u64,
    /// When it last said so.
    pub heartbeat_at: Moment,
    /// It gave the slot up of its own will.
    pub released: bool,
}

impl Claim {
    /// The record's key.
    #[must_use]
    pub fn record_key(slot: u32) -> String {
        format!("slot/{slot}")
    }
}

/// Something a command asks of whoever holds the slot. The record is removed in the transaction that does it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Version of this format.
    pub format: u32,
    /// A random id.
    pub id: String,
    /// When it was made.
    pub requested_at: Moment,
    /// What is asked.
    #[serde(flatten)]
    pub action: RequestAction,
}

impl Request {
    /// The record's key.
    #[must_use]
    pub fn record_key(id: &str) -> String {
        format!("request/{id}")
    }
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum RequestAction {
    /// Publish bytes that are in the store.
    Ingest {
        /// The feed.
        feed: String,
        /// The entry that they stand for.
        entry: EntryFacts,
        /// Their hash.
        sha256: ContentHash,
    },
    /// Try a quarantined or held drop again.
    Retry {
        /// The feed.
        feed: String,
        /// The drop's key.
        key: LogicalKey,
        /// Its hash.
        sha256: ContentHash,
        /// Publish it even though other bytes are known under its key.
        as_correction: bool,
    },
    /// Do not publish a quarantined or held drop.
    Discard {
        /// The feed.
        feed: String,
        /// The drop's key.
        key: LogicalKey,
        /// Its hash; a vanished entry has none.
        sha256: Option<ContentHash>,
        /// Why.
        reason: String,
    },
    /// Nothing but to be noticed: its end says that the holder has read everything that was said before it.
    Notice,
    /// Give a feed its baseline.
    Baseline {
        /// The feed.
        feed: String,
        /// `take`, `skip`, `from 2026-01-31`: as [`Baseline::policy`].
        policy: String,
    },
    /// Remove from the store what nothing needs any more.
    Purge {
        /// Only what this feed's drops have left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feed: Option<String>,
        /// Only what is older than so many seconds, and all of it that no open drop needs, whatever the retention.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        older_than_s: Option<u64>,
    },
    /// Something about deliveries.
    Deliveries(DeliveryAction),
    /// Move a department to another stage.
    Cutover {
        /// The department.
        department: String,
        /// What a person asks for.
        command: cutover::Command,
        /// The newest business date of its published files, as the command found it: to look for it takes long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newest_date: Option<BusinessDate>,
    },
}

/// What can be asked of deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum DeliveryAction {
    /// Deliver a file again that is delivered or skipped.
    Redeliver {
        /// The rendering.
        rendering: String,
        /// The file's key.
        key: String,
        /// The file's revision.
        revision: u32,
        /// Why.
        reason: String,
    },
    /// Decide about a delivery that is held.
    Release {
        /// The rendering.
        rendering: String,
        /// The file's key.
        key: String,
        /// The file's revision.
        revision: u32,
        /// What becomes of it.
        release: Release,
        /// Why.
        reason: String,
    },
    /// Deliver nothing more of a rendering.
    HoldRendering {
        /// The rendering.
        rendering: String,
        /// Why.
        reason: String,
    },
    /// Go on with a rendering.
    ReleaseRendering {
        /// The rendering.
        rendering: String,
        /// Its outbox is another directory now, and the right one.
        new_outbox: bool,
    },
}

impl DeliveryAction {
    /// Which rendering is meant.
    #[must_use]
    pub fn rendering(&self) -> &str {
        match self {
            Self::Redeliver { rendering, .. }
            | Self::Release { rendering, .. }
            | Self::HoldRendering { rendering, .. }
            | Self::ReleaseRendering { rendering, .. } => rendering,
        }
    }
}

/// What becomes of a delivery that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Deliver it: the consumer did not get it.
    Deliver,
    /// The consumer got it.
    Delivered,
    /// The consumer is not to get it.
    Skip,
}
