//! Transactions, errors and ends of the event log.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Count, Level, short_times};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartition {
    topic: String,
    partition: u32,
}

/// Numbers about the event log.
#[derive(Debug)]
pub struct LogMetrics {
    transactions: Histogram,
    errors: Family<OfKind, Count>,
    retries: Count,
    high_watermarks: Family<OfPartition, Gauge>,
    silence: Level,
}

impl LogMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            transactions: short_times(),
            errors: Family::default(),
            retries: Count::default(),
            high_watermarks: Family::default(),
            silence: Level::default(),
        };
        let transactions = "Time from the begin of a transaction to the answer that it is committed";
        registry.register_with_unit("transaction", transactions, Unit::Seconds, metrics.transactions.clone());
        registry.register("log_errors", "Errors of the event log by kind", metrics.errors.clone());
        let retries = "Attempts at the event log that were made again after an error";
        registry.register("log_retries", retries, metrics.retries.clone());
        let ends = "Offset that the next record of a partition will get";
        registry.register("log_high_watermark", ends, metrics.high_watermarks.clone());
        let silence = "Time since the event log answered last";
        registry.register_with_unit("log_silence", silence, Unit::Seconds, metrics.silence.clone());
        metrics
    }

    /// A transaction was committed.
    pub fn committed(&self, time: Duration) {
        self.transactions.observe(time.as_secs_f64());
    }

    /// The log answered with an error.
    pub fn error(&self, kind: &'static str) {
        self.errors.get_or_create(&OfKind { kind: kind.to_owned() }).inc();
    }

    /// Something is tried again.
    pub fn retry(&self) {
        self.retries.inc();
    }

    /// The end of a partition.
    pub fn set_high_watermark(&self, topic: &str, partition: u32, offset: i64) {
        self.high_watermarks.get_or_create(&OfPartition { topic: topic.to_owned(), partition }).set(offset);
    }

    /// How long ago the log answered.
    pub fn set_silence(&self, time: Duration) {
        self.silence.set(time.as_secs_f64());
    }
}
