//! Files that renderings deliver.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Count, FeedState};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRendering {
    rendering: String,
}

impl OfRendering {
    fn new(rendering: &str) -> Self {
        Self { rendering: rendering.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    rendering: String,
    state: String,
}

fn of_state(rendering: &str, state: FeedState) -> OfState {
    OfState { rendering: rendering.to_owned(), state: state.as_str().to_owned() }
}

/// Numbers about deliveries.
#[derive(Debug)]
pub struct DeliveryMetrics {
    delivered: Family<OfRendering, Count>,
    states: Family<OfState, Gauge>,
    held: Family<OfRendering, Gauge>,
}

impl DeliveryMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { delivered: Family::default(), states: Family::default(), held: Family::default() };
        registry.register("delivered_files", "Files delivered to an outbox", metrics.delivered.clone());
        let states = "1 for the state that the rendering is in: ok, paused (it goes on by itself, or a person holds it), \
                      stopped (needs a person)";
        registry.register("rendering_state", states, metrics.states.clone());
        let held = "Deliveries of which a person has to decide; what is behind them waits";
        registry.register("held_deliveries", held, metrics.held.clone());
        metrics
    }

    /// A rendering is there, with everything at zero.
    pub fn declare(&self, rendering: &str) {
        let labels = OfRendering::new(rendering);
        let _at_zero = self.delivered.get_or_create(&labels);
        let _at_zero = self.held.get_or_create(&labels);
        self.set_state(rendering, FeedState::Ok);
    }

    /// A file was delivered.
    pub fn count(&self, rendering: &str) {
        self.delivered.get_or_create(&OfRendering::new(rendering)).inc();
    }

    /// A rendering is in this state, and in no other.
    pub fn set_state(&self, rendering: &str, state: FeedState) {
        for other in FeedState::ALL {
            self.states.get_or_create(&of_state(rendering, other)).set(i64::from(other == state));
        }
    }

    /// How many deliveries are held.
    pub fn set_held(&self, rendering: &str, held: usize) {
        self.held.get_or_create(&OfRendering::new(rendering)).set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    /// A rendering is not configured any more.
    pub fn forget(&self, rendering: &str) {
        for state in FeedState::ALL {
            self.states.remove(&of_state(rendering, state));
        }
        self.held.remove(&OfRendering::new(rendering));
    }
}
