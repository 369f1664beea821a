//! Taking files out of an inbox: the one thing that is ever done to a legacy directory, and only for a feed whose
//! configuration asks for it.

use crate::{EntryPath, EntryStat, Result};

/// Where a file goes that is taken out of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// Nowhere: it is deleted.
    Delete,
    /// To this directory of the same share, under its name.
    Move(String),
    /// Nowhere: it gets a name that ends with this.
    Rename(String),
}

/// What came of taking a file away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// It is gone from the inbox: deleted, moved, or under another name.
    Done,
    /// Another file has its name; that one stays.
    Changed,
    /// Nothing had its name.
    Gone,
}

/// Takes files out of an inbox, as its [`Disposal`] says.
pub trait Clearing: Send + Sync {
    /// Takes a file away if it still has this size and mtime. It is put aside first and looked at then, so that a file
    /// which takes its name in between is never lost.
    ///
    /// # Errors
    /// `NotFound` when the inbox is away, `Refused` without permission, `Conflict` when a file of that name is where it is
    /// to be moved to.
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared>;
}
