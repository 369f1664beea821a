//! The contract between the bridge and everything outside that it touches.
//!
//! Two traits carry it: [`Share`], a place where files live, and [`EventLog`], a place where events go. Adapters
//! implement them in crates of their own; the bridge knows only this crate. Calls block: whoever drives them
//! decides on which thread. Errors say what to do through their [`ErrorKind`].

mod error;
mod event_log;
pub mod failpoint;
mod share;

pub use error::{ErrorKind, PortError, Result};
pub use event_log::{
    Cleanup, EventLog, FetchedRecord, Isolation, OutgoingRecord, PartitionOffset, Polled, Reader, StartAt, TopicSpec,
    TopicState, Watermarks, Writer, WrittenRange,
};
pub use share::{
    Capabilities, Entry, EntryPath, EntryStat, ListRequest, Listing, OpenEntry, Share, Skipped, Wake, Watch,
};
