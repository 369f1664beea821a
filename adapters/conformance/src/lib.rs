//! What every adapter of a port must do, as tests that each adapter runs over itself.
//!
//! A test crate: it is a dev-dependency of the adapters only, and panics where an adapter breaks the contract.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod event_log;
pub mod outbox;
pub mod share;
