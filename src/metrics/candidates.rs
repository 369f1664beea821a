//! Candidate events: what became of them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Count;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

/// Numbers about candidate events.
#[derive(Debug)]
pub struct CandidateMetrics {
    events: Family<OfOutcome, Count>,
}

impl CandidateMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { events: Family::default() };
        let events = "Candidate events by what became of them: forwarded, passed_over (the legacy files speak for their \
                      date), repeated, rejected";
        registry.register("candidate_events", events, metrics.events.clone());
        metrics
    }

    /// A pass over the candidate topics is committed.
    pub fn count(&self, forwarded: u64, passed_over: u64, repeated: u64, rejected: u64) {
        for (outcome, events) in
            [("forwarded", forwarded), ("passed_over", passed_over), ("repeated", repeated), ("rejected", rejected)]
        {
            self.events.get_or_create(&OfOutcome { outcome }).inc_by(events);
        }
    }
}
