//! Files that are expected.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Count, Level, OfFeed};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFinding {
    feed: String,
    finding: String,
}

/// Numbers about files that are expected; a feed that expects none has none.
#[derive(Debug)]
pub struct ArrivalMetrics {
    findings: Family<OfFinding, Count>,
    overdue: Family<OfFeed, Gauge>,
    gaps: Family<OfFeed, Gauge>,
    next_due: Family<OfFeed, Level>,
}

impl ArrivalMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            findings: Family::default(),
            overdue: Family::default(),
            gaps: Family::default(),
            next_due: Family::default(),
        };
        let findings = "What was said in the topic arrivals: missing, late, gap, gap_filled, back, repeated, empty, \
                        vanished, small, large";
        registry.register("arrival_findings", findings, metrics.findings.clone());
        let overdue = "Business dates whose files have not come though they are due";
        registry.register("overdue_dates", overdue, metrics.overdue.clone());
        let gaps = "Gaps of sequence numbers that are open for longer than their grace";
        registry.register("sequence_gaps", gaps, metrics.gaps.clone());
        let next = "When the next files are due, as Unix time; 0 where none are awaited";
        registry.register_with_unit("next_due_timestamp", next, Unit::Seconds, metrics.next_due.clone());
        metrics
    }

    /// Something was said of a feed.
    pub fn count(&self, feed: &str, finding: &str) {
        let labels = OfFinding { feed: feed.to_owned(), finding: finding.to_owned() };
        self.findings.get_or_create(&labels).inc();
    }

    /// How a feed stands: dates that are overdue, open gaps, and when the next files are due (milliseconds of Unix time).
    pub fn set(&self, feed: &str, overdue: usize, gaps: usize, next_due_ms: Option<i64>) {
        let labels = OfFeed::new(feed);
        self.overdue.get_or_create(&labels).set(i64::try_from(overdue).unwrap_or(i64::MAX));
        self.gaps.get_or_create(&labels).set(i64::try_from(gaps).unwrap_or(i64::MAX));
        self.next_due.get_or_create(&labels).set(next_due_ms.map_or(0.0, |ms| ms as f64 / 1000.0));
    }
}
