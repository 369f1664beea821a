//! The ledger: which drops became which events.
//!
//! It is a compacted topic, written in the same transaction as the events. Its records ([`entry`]) are read into an
//! index in memory ([`index`]) when a slot is taken ([`replay`]); the decision what to do with a capture ([`admit`])
//! is a pure function of that index, and so is why the store holds an object ([`holding`]). The index counts as it goes
//! ([`census`]). The bridge's other topics and what is said in them is in [`topics`] and [`control`]; which files were
//! made of events and placed, in [`delivery`] and [`deliveries`].

pub mod admit;
pub mod census;
pub mod control;
pub mod deliveries;
pub mod delivery;
pub mod entry;
pub mod holding;
pub mod index;
pub mod replay;
pub mod topics;

pub use admit::{Admission, Candidate, admit};
pub use census::{Census, FeedCensus, LastDrop};
pub use deliveries::{DeliveryIndex, Recognised};
pub use delivery::{Delivery, DeliveryState};
pub use entry::{DropState, LedgerEntry};
pub use holding::{Holding, Holdings, Reason};
pub use index::LedgerIndex;
pub use topics::Topics;
