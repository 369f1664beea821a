//! How relays stand, for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::domain::Moment;

/// How one relay stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RelayFacts {
    /// Its feed.
    pub feed: String,
    /// Where its files go.
    pub outbox: String,
    /// Files relayed since the journal began.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the last one was relayed by this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Moment>,
    /// Files that wait, and for what.
    pub waiting: Vec<(String, String)>,
    /// Files that wait for a person, and why.
    pub held: Vec<(String, String)>,
    /// Why it cannot go on now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl RelayFacts {
    /// Something is not as it should be.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        !self.waiting.is_empty() || !self.held.is_empty()
    }
}

/// All relays of a process, by feed. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RelayBoard {
    relays: Arc<Mutex<BTreeMap<String, RelayFacts>>>,
}

impl RelayBoard {
    /// How each stands.
    #[must_use]
    pub fn all(&self) -> Vec<RelayFacts> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Changes what is said of one.
    pub fn update(&self, feed: &str, change: impl FnOnce(&mut RelayFacts)) {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        change(
            relays
                .entry(feed.to_owned())
                .or_insert_with(|| RelayFacts { feed: feed.to_owned(), ..RelayFacts::default() }),
        );
    }
}
