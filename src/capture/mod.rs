//! From a listed entry to immutable bytes: which names belong to a feed ([`selection`]), when an entry is complete
//! ([`readiness`], [`settle`]), taking its bytes ([`take`]), and the durable place for them ([`store`]).

pub mod readiness;
pub mod selection;
pub mod settle;
pub mod sidecar;
pub mod store;
pub mod take;

pub use store::Store;
pub use take::{Body, Capture};
