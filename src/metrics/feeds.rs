//! How feeds stand.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Level, OfFeed};

/// Whether a feed is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedState {
    /// It is.
    Ok,
    /// Not now: it is tried again by itself, or an operator has paused it.
    Paused,
    /// Not until a person does something.
    Stopped,
}

impl FeedState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Paused, Self::Stopped];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfState {
    feed: String,
    state: String,
}

/// The labels of a feed in a state.
pub(super) fn of_state(feed: &str, state: &str) -> OfState {
    OfState { feed: feed.to_owned(), state: state.to_owned() }
}

/// Numbers about feeds.
#[derive(Debug)]
pub struct FeedMetrics {
    states: Family<OfState, Gauge>,
    waiting: Family<OfFeed, Gauge>,
    in_flight: Family<OfFeed, Gauge>,
    oldest: Family<OfFeed, Level>,
    open: Family<OfState, Gauge>,
}

impl FeedMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            states: Family::default(),
            waiting: Family::default(),
            in_flight: Family::default(),
            oldest: Family::default(),
            open: Family::default(),
        };
        let states =
            "1 for the state that the feed is in: ok, paused (tried again by itself), stopped (needs a person)";
        registry.register("feed_state", states, metrics.states.clone());
        let waiting = "Files in the inbox that are not known to be complete";
        registry.register("waiting_files", waiting, metrics.waiting.clone());
        let in_flight = "Files whose bytes are taken and whose outcome is not committed yet";
        registry.register("in_flight_files", in_flight, metrics.in_flight.clone());
        let oldest = "How long ago the file was first seen that is longest on its way; 0 when none is";
        registry.register_with_unit("oldest_waiting", oldest, Unit::Seconds, metrics.oldest.clone());
        let open = "Drops that are not at their end: quarantined, held, vanished and abandoned ones need a person";
        registry.register("open_drops", open, metrics.open.clone());
        metrics
    }

    pub(super) fn declare(&self, feed: &str) {
        let labels = OfFeed::new(feed);
        self.set_state(feed, FeedState::Ok);
        let _at_zero = self.waiting.get_or_create(&labels);
        let _at_zero = self.in_flight.get_or_create(&labels);
        let _at_zero = self.oldest.get_or_create(&labels);
    }

    /// A feed is in this state, and in no other.
    pub fn set_state(&self, feed: &str, state: FeedState) {
        for other in FeedState::ALL {
            self.states.get_or_create(&of_state(feed, other.as_str())).set(i64::from(other == state));
        }
    }

    /// How many files wait in a feed's inbox, and how many are on their way.
    pub fn set_files(&self, feed: &str, waiting: usize, in_flight: usize) {
        let labels = OfFeed::new(feed);
        self.waiting.get_or_create(&labels).set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.in_flight.get_or_create(&labels).set(i64::try_from(in_flight).unwrap_or(i64::MAX));
    }

    /// How long the file waits that waits longest.
    pub fn set_oldest(&self, feed: &str, age: Duration) {
        self.oldest.get_or_create(&OfFeed::new(feed)).set(age.as_secs_f64());
    }

    /// How many drops of a feed are in a state that is not their end.
    pub fn set_open(&self, feed: &str, state: &'static str, drops: u64) {
        self.open.get_or_create(&of_state(feed, state)).set(i64::try_from(drops).unwrap_or(i64::MAX));
    }

    /// A feed is not configured any more.
    pub fn forget(&self, feed: &str) {
        let labels = OfFeed::new(feed);
        for state in FeedState::ALL {
            self.states.remove(&of_state(feed, state.as_str()));
        }
        self.waiting.remove(&labels);
        self.in_flight.remove(&labels);
        self.oldest.remove(&labels);
    }
}
