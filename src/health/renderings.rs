//! How renderings stand.

use serde::{Deserialize, Serialize};

use super::Health;
use crate::domain::Moment;
use crate::metrics::FeedState;

/// How one rendering stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenderingFacts {
    /// Its id.
    pub rendering: String,
    /// Its department.
    pub department: String,
    /// The directory that it delivers to.
    pub outbox: String,
    /// `ok`, `paused` (it goes on by itself, or a person holds it) or `stopped` (until a person does something).
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// What it waits for, or why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Files that this process has delivered.
    pub delivered: u64,
    /// When it delivered the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Moment>,
    /// Deliveries that are held for a person.
    pub held: u64,
}

impl Health {
    /// A rendering is configured.
    pub fn declare_rendering(&self, rendering: &str, department: &str, outbox: &str) {
        self.metrics.deliveries.declare(rendering);
        let since = self.clock.now();
        let mut state = self.state();
        let facts = state.renderings.entry(rendering.to_owned()).or_insert_with(|| RenderingFacts {
            rendering: rendering.to_owned(),
            department: department.to_owned(),
            outbox: String::new(),
            state: FeedState::Ok.as_str().to_owned(),
            since,
            reason: None,
            delivered: 0,
            last_at: None,
            held: 0,
        });
        outbox.clone_into(&mut facts.outbox);
    }

    /// A rendering is not configured any more.
    pub fn forget_rendering(&self, rendering: &str) {
        self.metrics.deliveries.forget(rendering);
        self.state().renderings.remove(rendering);
    }

    /// A rendering delivers, waits, or needs a person; `reason` says for what, or why.
    pub fn set_rendering(&self, rendering: &str, standing: FeedState, reason: Option<&str>) {
        let now = self.clock.now();
        if let Some(known) = self.state().renderings.get_mut(rendering) {
            if known.state != standing.as_str() {
                known.since = now;
            }
            standing.as_str().clone_into(&mut known.state);
            known.reason = reason.map(str::to_owned);
        }
        self.metrics.deliveries.set_state(rendering, standing);
    }

    /// A file was delivered.
    pub fn delivered(&self, rendering: &str) {
        self.metrics.deliveries.count(rendering);
        let now = self.clock.now();
        if let Some(known) = self.state().renderings.get_mut(rendering) {
            known.delivered += 1;
            known.last_at = Some(now);
        }
    }

    /// How many deliveries of a rendering are held for a person.
    pub fn set_held_deliveries(&self, rendering: &str, held: usize) {
        self.metrics.deliveries.set_held(rendering, held);
        if let Some(known) = self.state().renderings.get_mut(rendering) {
            known.held = held as u64;
        }
    }
}
