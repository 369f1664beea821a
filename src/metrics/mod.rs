//! Numbers for Prometheus: what has happened since the process began, and how things stand.
//!
//! Names follow Prometheus' conventions (<https://prometheus.io/docs/practices/naming/>): base units at the end
//! (`_seconds`, `_bytes`), `_total` behind counters. The text is the exposition format 0.0.4. To add a number: a field
//! in the struct of its noun, registered in `register`, and a line in docs/operating.md.
//!
//! Whatever is counted is counted by the thread that did it, after it is committed; nothing here is asked for a
//! decision.

mod arrivals;
mod candidates;
mod deliveries;
mod feeds;
mod files;
mod log;
mod process;
mod relays;
mod slot;
mod store;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use arrivals::ArrivalMetrics;
pub use candidates::CandidateMetrics;
pub use deliveries::DeliveryMetrics;
pub use feeds::{FeedMetrics, FeedState};
pub use files::{FileMetrics, Outcome, Scope};
pub use log::LogMetrics;
pub use process::ProcessMetrics;
pub use relays::RelayMetrics;
pub use slot::SlotMetrics;
pub use store::StoreMetrics;

/// What the text of [`Metrics::text`] is, for HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Files, their records and events, and how long they took.
    pub files: FileMetrics,
    /// How feeds stand.
    pub feeds: FeedMetrics,
    /// Files that are expected.
    pub arrivals: ArrivalMetrics,
    /// Candidate events.
    pub candidates: CandidateMetrics,
    /// Files that are passed on to an outbox.
    pub relays: RelayMetrics,
    /// Files that are rendered and delivered.
    pub deliveries: DeliveryMetrics,
    /// Transactions, errors and ends of the log.
    pub log: LogMetrics,
    /// The slot.
    pub slot: SlotMetrics,
    /// The store, and the memory of files on their way.
    pub store: StoreMetrics,
    /// The process.
    pub process: ProcessMetrics,
}

impl Metrics {
    /// All numbers, at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("dropbridge");
        let files = FileMetrics::register(&mut registry);
        let feeds = FeedMetrics::register(&mut registry);
        let arrivals = ArrivalMetrics::register(&mut registry);
        let candidates = CandidateMetrics::register(&mut registry);
        let relays = RelayMetrics::register(&mut registry);
        let deliveries = DeliveryMetrics::register(&mut registry);
        let log = LogMetrics::register(&mut registry);
        let slot = SlotMetrics::register(&mut registry);
        let store = StoreMetrics::register(&mut registry);
        let process = ProcessMetrics::register(&mut registry);
        Arc::new(Self { registry, files, feeds, arrivals, candidates, relays, deliveries, log, slot, store, process })
    }

    /// A feed is there, with everything at zero: a rate can be told of its first file already.
    pub fn declare_feed(&self, feed: &str) {
        self.files.declare(feed);
        self.feeds.declare(feed);
    }

    /// All numbers in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        self.process.refresh();
        let mut text = String::new();
        // Writing to a string has no error to report.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

/// A counter of something that may be large.
type Count = Counter<u64, AtomicU64>;

/// A level that is no whole number.
type Level = Gauge<f64, AtomicU64>;

/// A histogram for each label set.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The feed that a number is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFeed {
    feed: String,
}

impl OfFeed {
    fn new(feed: &str) -> Self {
        Self { feed: feed.to_owned() }
    }
}

/// From a millisecond to some minutes: what one transaction, or one stage of a file, may take.
fn short_times() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0])
}

/// From a hundredth of a second to a day: what a file may take from first sight to its commit.
fn long_times() -> Histogram {
    Histogram::new([
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let metrics = Metrics::new();
        metrics.declare_feed("bids");
        let text = metrics.text();
        let mut names = BTreeSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(name.starts_with("dropbridge_"), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            let milli = ["_ms", "_milliseconds", "_kib", "_kb"].iter().any(|unit| name.ends_with(unit));
            assert!(!milli, "{name}: base units");
        }
        assert!(names.len() > 20, "{names:?}");
        for name in &names {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        }
    }

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new();
        metrics.declare_feed("bids");
        assert!(metrics.text().contains("dropbridge_files_total{feed=\"bids\",outcome=\"published\"} 0"));
        metrics.files.count("bids", Outcome::Published);
        metrics.files.published("bids", 3, 4, 500);
        metrics.files.took("bids", Duration::from_millis(20));
        let text = metrics.text();
        for line in [
            "dropbridge_files_total{feed=\"bids\",outcome=\"published\"} 1",
            "dropbridge_records_total{feed=\"bids\"} 3",
            "dropbridge_events_total{feed=\"bids\"} 4",
            "dropbridge_published_bytes_total{feed=\"bids\"} 500",
            "dropbridge_seen_to_committed_seconds_bucket{feed=\"bids\",le=\"0.01\"} 0",
            "dropbridge_seen_to_committed_seconds_bucket{feed=\"bids\",le=\"0.025\"} 1",
            "dropbridge_seen_to_committed_seconds_count{feed=\"bids\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
