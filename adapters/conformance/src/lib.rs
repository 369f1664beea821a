//! What every adapter of a port must do, as tests that each adapter runs over itself.
//!
//! Beside the suites stand what they need: real servers, and a proxy that breaks connections. What concerns servers
//! only (connections that break, servers that refuse or are away) are functions that the tests of their adapters call.
//!
//! A test crate: it is a dev-dependency of the adapters only, and panics where an adapter breaks the contract.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod clearing;
mod daemon;
pub mod event_log;
pub mod fault_proxy;
pub mod faults;
pub mod ftp_proxy;
pub mod ftpd;
pub mod large_directory;
pub mod openssh;
pub mod outbox;
pub mod random;
pub mod samba;
pub mod share;
pub mod trouble;
