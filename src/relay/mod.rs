//! The relay of an interposed feed: its files go from the inbox to the outbox, byte for byte and in order, by a journal
//! of their own on the local disk. It needs no event log and knows nothing of records: what is settled is passed on,
//! whether or not it parses, came before, or can be published now.
//!
//! A file is read once, through the handle that was opened at first sight, straight into a staged file of the outbox,
//! and hashed on the way; its marker and checksum sidecar follow. Only then is an intent journaled, each part is given
//! its name, the marker last, and the receipt is journaled:
//!
//! ```text
//! settled → staged, synced, witnessed (every part) → intent → renamed (data, sidecar, marker) → receipt → forgotten
//! ```
//!
//! A restart finds one of these:
//!
//! | journal | outbox | what is done |
//! |---|---|---|
//! | no intent | leftovers under temporary names | removed; the file is relayed from the inbox |
//! | intent | a part has its temporary name | goes on with that part |
//! | intent | a part has its witness alone | it was published: goes on with the next |
//! | intent | neither, or in doubt | held for a person |
//! | receipt | witnesses | removed |
//!
//! - [`journal`]: the file; [`state`]: what it says;
//! - [`follow`]: the inbox, settled by the feed's own rule;
//! - [`staging`]: a file into the outbox under temporary names; [`taking`]: one that has settled, with its companions, up to
//!   the intent;
//! - [`worker`]: the pass over all, and delivery; [`tidy`]: what becomes of the file in the inbox;
//! - [`newest`]: which dates they have passed on, for cutovers;
//! - [`begin`]: the first start; [`decision`]: what a person decided; [`release`]: and what comes of it;

pub mod begin;
pub mod decision;
mod follow;
pub mod journal;
pub mod newest;
mod release;
mod staging;
pub mod state;
mod taking;
mod tidy;
pub mod worker;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

/// The directory of all journals in the state directory.
#[must_use]
pub fn directory(state: &Path) -> PathBuf {
    state.join("relay")
}
