//! What a listing shows of a file.

use serde::{Deserialize, Serialize};

/// An entry as a listing showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryFacts {
    /// Path below the inbox, escaped.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Last modification, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// The share's version of it: asks for another look when it changes, proves nothing.
    #[serde(default)]
    pub version: u64,
}

impl EntryFacts {
    /// The same file as far as name, size and mtime tell.
    #[must_use]
    pub fn same_arrival(&self, other: &Self) -> bool {
        self.path == other.path && self.size == other.size && self.modified_ns == other.modified_ns
    }
}
