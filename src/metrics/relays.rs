//! Files of interposed feeds on their way to the outbox.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::feeds::{OfState, of_state};
use super::{Count, FeedState, Level, OfFeed};

/// Numbers about relays; a feed that is not interposed has none.
#[derive(Debug)]
pub struct RelayMetrics {
    relayed: Family<OfFeed, Count>,
    states: Family<OfState, Gauge>,
    waiting: Family<OfFeed, Gauge>,
    held: Family<OfFeed, Gauge>,
    stuck: Family<OfFeed, Level>,
}

impl RelayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            relayed: Family::default(),
            states: Family::default(),
            waiting: Family::default(),
            held: Family::default(),
            stuck: Family::default(),
        };
        registry.register("relayed_files", "Files passed on to the outbox", metrics.relayed.clone());
        let states =
            "1 for the state that the relay is in: ok, paused (tried again by itself), stopped (needs a person)";
        registry.register("relay_state", states, metrics.states.clone());
        let waiting = "Files that are not relayed yet: not complete, in the way of another, or held";
        registry.register("relay_waiting_files", waiting, metrics.waiting.clone());
        let held = "Files of which a person has to say whether the consumer has them";
        registry.register("relay_held_files", held, metrics.held.clone());
        let stuck = "How long something has kept the relay from going on: its outbox, its inbox, or a file that the \
                     consumer has not collected; 0 when nothing does";
        registry.register_with_unit("relay_stuck", stuck, Unit::Seconds, metrics.stuck.clone());
        metrics
    }

    /// A file was passed on.
    pub fn count(&self, feed: &str) {
        self.relayed.get_or_create(&OfFeed::new(feed)).inc();
    }

    /// How a relay stands, and how many files wait for it and for a person.
    pub fn set(&self, feed: &str, state: FeedState, waiting: usize, held: usize) {
        let labels = OfFeed::new(feed);
        for other in FeedState::ALL {
            self.states.get_or_create(&of_state(feed, other.as_str())).set(i64::from(other == state));
        }
        let _at_zero = self.relayed.get_or_create(&labels);
        self.waiting.get_or_create(&labels).set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.held.get_or_create(&labels).set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    /// How long a relay cannot go on.
    pub fn set_stuck(&self, feed: &str, time: Duration) {
        self.stuck.get_or_create(&OfFeed::new(feed)).set(time.as_secs_f64());
    }

    /// A feed is not interposed any more.
    pub fn forget(&self, feed: &str) {
        let labels = OfFeed::new(feed);
        for state in FeedState::ALL {
            self.states.remove(&of_state(feed, state.as_str()));
        }
        self.waiting.remove(&labels);
        self.held.remove(&labels);
        self.stuck.remove(&labels);
    }
}
