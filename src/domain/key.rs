//! What makes a drop this drop.

use std::fmt;

use dropbridge_port::EntryPath;
use serde::{Deserialize, Serialize};

use super::hash::ContentHash;
use super::name_pattern::NameFacts;

/// The logical key of a drop within its feed. Two drops with one key claim to be the same delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogicalKey(String);

/// How a drop whose name carries neither date nor sequence is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// By name and bytes: the same bytes again are the same drop.
    ByContent(ContentHash),
    /// By name and arrival (the mtime in nanoseconds since the Unix epoch): each arrival is a drop.
    ByArrival(i64),
}

impl LogicalKey {
    /// The key of a drop whose name carries a business date, a sequence, or both. `generation` counts how often a
    /// sequence without date began again. `None` where the name carries neither.
    #[must_use]
    pub fn named(path: &EntryPath, facts: &NameFacts, generation: u64, recursive: bool) -> Option<Self> {
        let own = match (&facts.business_date, &facts.sequence) {
            (Some(date), Some(sequence)) => format!("{date}/{sequence}"),
            (Some(date), None) => date.to_string(),
            (None, Some(sequence)) => format!("g{generation}/{sequence}"),
            (None, None) => return None,
        };
        Some(Self::in_directory(path, own, recursive))
    }

    /// The key of a drop whose name carries neither.
    #[must_use]
    pub fn unnamed(path: &EntryPath, by: Unnamed, recursive: bool) -> Self {
        let name = EntryPath::new(path.file_name()).map(|name| name.to_string()).unwrap_or_default();
        let own = match by {
            Unnamed::ByContent(hash) => format!("{name}#{}", hash.short()),
            Unnamed::ByArrival(modified_ns) => format!("{name}@{modified_ns}"),
        };
        Self::in_directory(path, own, recursive)
    }

    /// In a recursive feed two directories may hold the same name: the directory is part of the key.
    fn in_directory(path: &EntryPath, own: String, recursive: bool) -> Self {
        match EntryPath::new(path.parent()) {
            Some(directory) if recursive => Self(format!("{directory}:{own}")),
            _ => Self(own),
        }
    }

    /// A key from its text, as a command or the ledger gives it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogicalKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The generation of a wrapping sequence number: how often the sequence began again before this one.
///
/// `newest` is the generation and number of the newest drop known. A number far below it (by more than half the
/// range) has wrapped; one far above it is a late file from before the wrap.
#[must_use]
pub fn generation(newest: Option<(u64, u64)>, number: u64, last: u64) -> u64 {
    let Some((generation, newest)) = newest else { return 0 };
    let half = last / 2;
    if number + half < newest {
        generation + 1
    } else if number > newest + half {
        generation.saturating_sub(1)
    } else {
        generation
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn generations() {
        assert_eq!(generation(None, 5, 9999), 0);
        assert_eq!(generation(Some((0, 9999)), 1, 9999), 1);
        assert_eq!(generation(Some((0, 41)), 42, 9999), 0);
        assert_eq!(generation(Some((0, 42)), 41, 9999), 0);
        assert_eq!(generation(Some((1, 2)), 9998, 9999), 0);
        assert_eq!(generation(Some((0, 2)), 9998, 9999), 0);
    }

    #[test]
    fn keys_read_well() {
        let path = EntryPath::new("north/BID 1.dat").unwrap();
        let facts = NameFacts { business_date: None, sequence: Some("0042".to_owned()) };
        assert_eq!(LogicalKey::named(&path, &facts, 3, false).unwrap().as_str(), "g3/0042");
        assert_eq!(LogicalKey::named(&path, &facts, 3, true).unwrap().as_str(), "north:g3/0042");
        let by = Unnamed::ByContent(ContentHash::of(b""));
        assert_eq!(LogicalKey::unnamed(&path, by, false).as_str(), "BID 1.dat#e3b0c44298fc1c14");
        assert_eq!(LogicalKey::named(&path, &NameFacts::default(), 0, false), None);
    }
}
