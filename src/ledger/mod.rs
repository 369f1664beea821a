//! The ledger: which drops became which events.
//!
//! It is a compacted topic, written in the same transaction as the events. When a slot is taken, its records ([`entry`])
//! are read ([`open`]) into an index ([`index`]): a cache on disk, and beside it what came since. The decision what to do
//! with a capture ([`admit`]) is a pure function of what the index has, and so is why the store holds an object
//! ([`holding`]). The index counts as it goes ([`census`]). The bridge's other topics and what is said in them is in
//! [`topics`], [`control`] and [`replay`]; [`trace`] finds a file's events, and [`transfer`] is a ledger in a file.
//! Which files were made of events and placed, is in [`delivery`] and [`deliveries`].

pub mod admit;
pub mod census;
mod changes;
pub mod control;
pub mod deliveries;
pub mod delivery;
pub mod entry;
pub mod holding;
pub mod index;
mod keys;
pub mod open;
mod recent;
pub mod replay;
pub mod topics;
pub mod trace;
pub mod transfer;

pub use admit::{Admission, Candidate, admit};
pub use census::{Census, FeedCensus, LastDrop};
pub use deliveries::{DeliveryIndex, Recognised};
pub use delivery::{Delivery, DeliveryState};
pub use entry::{DropState, LedgerEntry};
pub use holding::{Holding, Holdings, Reason};
pub use index::{DropCount, DropFilter, LedgerIndex};
pub use open::LedgerSource;
pub use topics::Topics;
