//! The forward path: from a capture to committed events.
//!
//! A [`plan`] is a feed made ready. [`scan`] lists, settles and takes entries; [`prepare`] does everything that can
//! fail about a file ([`translate`] is its core) before a transaction is opened; [`publish`] writes events,
//! [`manifest`] and ledger entry all or none; [`slot`] holds the right to do so. [`request`] does what commands ask,
//! [`forward`] makes candidate events authoritative, and [`cutover`] decides for which dates, as [`authorities`] tells all
//! threads. [`archive`] chooses what a backfill publishes, and [`keeping`] decides what stays in the store. A [`way`] says when a
//! file passed each stage.

mod account;
mod ahead;
pub mod archive;
pub mod arrivals;
pub mod authorities;
pub mod baseline;
pub mod candidate;
mod chunks;
pub mod cutover;
pub mod forward;
pub mod keeping;
pub mod manifest;
pub mod plan;
pub mod prepare;
pub mod proof;
pub mod publish;
pub mod recent;
pub mod request;
pub mod rewrite;
pub mod scan;
pub mod slot;
pub mod tally;
pub mod translate;
pub mod way;
