//! How relays stand.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Health;
use crate::domain::Moment;
use crate::metrics::FeedState;

/// How one relay stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Moment>,
    /// Files that wait, and for what.
    pub waiting: Vec<(String, String)>,
    /// Files that wait for a person, and why.
    pub held: Vec<(String, String)>,
    /// What the file waits for that lets those behind it wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Why it cannot go on now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// It goes on only when the process is started again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_ended: bool,
    /// Seconds since it could go on last, where something keeps it from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_s: Option<f64>,
}

impl RelayFacts {
    /// Something is not as it should be.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        !self.waiting.is_empty() || !self.held.is_empty()
    }

    /// Whether it is looked after.
    #[must_use]
    pub const fn state(&self) -> FeedState {
        match (self.has_ended, &self.trouble) {
            (true, _) => FeedState::Stopped,
            (false, Some(_)) => FeedState::Paused,
            (false, None) => FeedState::Ok,
        }
    }
}

/// A relay, and since when it cannot go on.
#[derive(Default)]
pub(super) struct Relay {
    facts: RelayFacts,
    stuck_since: Option<Duration>,
}

impl Relay {
    /// As it stands now.
    pub(super) fn facts(&self, now: Duration) -> RelayFacts {
        let stuck_s = self.stuck_since.map(|since| now.saturating_sub(since).as_secs_f64());
        RelayFacts { stuck_s, ..self.facts.clone() }
    }
}

impl Health {
    /// Changes what is said of the relay of a feed.
    pub fn update_relay(&self, feed: &str, change: impl FnOnce(&mut RelayFacts)) {
        let now = self.clock.elapsed();
        let mut state = self.state();
        let relay = state.relays.entry(feed.to_owned()).or_default();
        feed.clone_into(&mut relay.facts.feed);
        change(&mut relay.facts);
        let is_stuck = relay.facts.trouble.is_some() || relay.facts.blocked.is_some();
        relay.stuck_since = is_stuck.then(|| relay.stuck_since.unwrap_or(now));
        self.metrics.relays.set(feed, relay.facts.state(), relay.facts.waiting.len(), relay.facts.held.len());
    }

    /// How each relay stands.
    #[must_use]
    pub fn relays(&self) -> Vec<RelayFacts> {
        let now = self.clock.elapsed();
        self.state().relays.values().map(|relay| relay.facts(now)).collect()
    }

    /// A feed is not interposed any more.
    pub fn forget_relay(&self, feed: &str) {
        if self.state().relays.remove(feed).is_some() {
            self.metrics.relays.forget(feed);
        }
    }
}
