//! The contract between the bridge and everything outside that it touches.
//!
//! Three traits carry it: [`Share`], a place where files live, which is only read ([`Clearing`] takes files away where a
//! configuration asks for that); [`Outbox`], a place where files are delivered; and [`EventLog`], a place where events
//! go. Beside them stands [`RecordCache`], which spares the bridge reading its ledger from the beginning. Adapters
//! implement them in crates of their own; the bridge knows only this crate. Calls block: whoever drives them decides on
//! which thread. Errors say what to do through their [`ErrorKind`].

mod clearing;
mod error;
mod event_log;
pub mod failpoint;
mod outbox;
mod record_cache;
mod repetition;
mod secret;
mod share;

pub use clearing::{Cleared, Clearing, Disposal};
pub use error::{ErrorKind, PortError, Result};
pub use event_log::{
    Cleanup, EventLog, FetchedRecord, Isolation, OutgoingRecord, PartitionOffset, Polled, Reader, StartAt, TopicSpec,
    TopicState, Watermarks, Writer, WrittenRange,
};
pub use outbox::{
    Attributes, Outbox, OutboxCapabilities, OutboxIdentity, Publication, StagedFile, StagedName, Standing, WrittenFile,
};
pub use record_cache::{
    CacheBuilder, CacheChange, CacheKeys, CacheLabel, CacheState, CacheUse, CachedRecord, EachRecord, Find, Identity,
    RARE_CLASSES_FROM, RecordCache, RecordCaches, Tally,
};
pub use repetition::Repetition;
pub use secret::Secret;
pub use share::{
    Capabilities, Entry, EntryPath, EntryStat, ListRequest, Listing, OpenEntry, Share, Skipped, Wake, Watch,
};
