//! From a listed entry to immutable bytes: which names belong to a feed ([`selection`]), when an entry is complete
//! ([`readiness`], [`settle`]), taking its bytes ([`take`]), and the durable place for them ([`store`]): its objects on
//! the disk ([`objects`]), one that is being written ([`staged`]), how many there may be ([`quota`]). Nothing is removed
//! from it that is still being worked on ([`lease`]).

pub mod lease;
pub mod objects;
pub mod quota;
pub mod read_ahead;
pub mod readiness;
pub mod selection;
pub mod settle;
pub mod sidecar;
pub mod staged;
pub mod store;
pub mod take;

pub use lease::Lease;
pub use objects::{Compression, StoredObject};
pub use quota::Account;
pub use store::{Store, StoreOptions};
pub use take::{Body, Capture};
