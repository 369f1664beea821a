//! From a listed entry to immutable bytes: which names belong to a feed ([`selection`]), when an entry is complete
//! ([`readiness`], [`settle`]), taking its bytes ([`take`]), and the durable place for them ([`store`]), from
//! which nothing is removed that is still being worked on ([`lease`]).

pub mod lease;
pub mod readiness;
pub mod selection;
pub mod settle;
pub mod sidecar;
pub mod store;
pub mod take;

pub use lease::Lease;
pub use store::Store;
pub use take::{Body, Capture};
