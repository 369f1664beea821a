//! Why the store holds an object: what the ledger, and requests that are not done yet, say of its bytes.

use std::collections::HashMap;

use serde::Serialize;

use super::control::{Request, RequestAction};
use super::entry::{DropState, LedgerEntry};
use crate::domain::{ContentHash, Moment};

/// Why the store holds an object, the strongest reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is being published, or a command has asked for it.
    InFlight,
    /// It could not be taken; a person has to look at it.
    Quarantined,
    /// A person has to decide.
    Held,
    /// Its events are published, and its feed keeps captures.
    Kept,
    /// It could not be finished after some of its events were published.
    Abandoned,
    /// A person said that it is not to be published.
    Discarded,
}

impl Reason {
    /// The word used in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::Quarantined => "quarantined",
            Self::Held => "held",
            Self::Kept => "kept",
            Self::Abandoned => "abandoned",
            Self::Discarded => "discarded",
        }
    }

    /// Somebody is going to ask for the bytes: they stay, however old they are.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::InFlight | Self::Quarantined | Self::Held)
    }

    /// The reason that a drop in this state gives.
    #[must_use]
    pub const fn of(state: &DropState) -> Option<Self> {
        match state {
            DropState::Publishing { .. } => Some(Self::InFlight),
            DropState::Quarantined { .. } => Some(Self::Quarantined),
            DropState::Held { .. } => Some(Self::Held),
            DropState::Published { .. } | DropState::Withheld { .. } => Some(Self::Kept),
            DropState::Abandoned { .. } => Some(Self::Abandoned),
            DropState::Discarded { .. } => Some(Self::Discarded),
            DropState::Baseline | DropState::Vanished | DropState::Echo { .. } => None,
        }
    }
}

/// One drop that an object is held for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// Why.
    pub reason: Reason,
    /// The drop's feed.
    pub feed: String,
    /// Since when.
    pub since: Moment,
}

/// Why objects are held. Two drops may have the same bytes, so that there may be several reasons for one.
#[derive(Debug, Default)]
pub struct Holdings(HashMap<ContentHash, Vec<Holding>>);

impl Holdings {
    /// Takes in what a drop of the ledger says.
    pub fn hold(&mut self, entry: &LedgerEntry) {
        if let (Some(hash), Some(reason)) = (entry.sha256, Reason::of(&entry.state)) {
            self.add(hash, Holding { reason, feed: entry.feed.clone(), since: entry.recorded_at });
        }
    }

    /// Takes in what a request says that is not done yet.
    pub fn ask(&mut self, request: &Request) {
        if let RequestAction::Ingest { feed, sha256, .. } | RequestAction::Retry { feed, sha256, .. } = &request.action
        {
            let feed = feed.clone();
            self.add(*sha256, Holding { reason: Reason::InFlight, feed, since: request.requested_at });
        }
    }

    fn add(&mut self, hash: ContentHash, holding: Holding) {
        let all = self.0.entry(hash).or_default();
        let place = all.partition_point(|other| *other < holding);
        all.insert(place, holding);
    }

    /// Why an object is held, the strongest reason first; nothing where nobody speaks of it: it is on its way into the
    /// ledger, or was left behind by a process that died.
    #[must_use]
    pub fn of(&self, hash: ContentHash) -> &[Holding] {
        self.0.get(&hash).map_or(&[], Vec::as_slice)
    }

    /// The feed that counts each object: that of the strongest reason.
    pub fn feeds(&self) -> impl Iterator<Item = (ContentHash, &str)> {
        self.0.iter().filter_map(|(hash, all)| Some((*hash, all.first()?.feed.as_str())))
    }
}
