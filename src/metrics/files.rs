//! Files by what became of them, what was in them, and how long they took.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::{Count, Histograms, OfFeed, long_times, short_times};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its events are in the log.
    Published,
    /// Nothing of it is: the new service speaks for its dates.
    Withheld,
    /// The same bytes again.
    Repeated,
    /// It is not what its layout says.
    Quarantined,
    /// A person has to decide.
    Held,
    /// It disappeared unread.
    Vanished,
    /// It could not be finished.
    Abandoned,
    /// A person said that it is not to be published.
    Discarded,
    /// It is a delivery of ours that came back.
    Echo,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Published,
        Self::Withheld,
        Self::Repeated,
        Self::Quarantined,
        Self::Held,
        Self::Vanished,
        Self::Abandoned,
        Self::Discarded,
        Self::Echo,
    ];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Withheld => "withheld",
            Self::Repeated => "repeated",
            Self::Quarantined => "quarantined",
            Self::Held => "held",
            Self::Vanished => "vanished",
            Self::Abandoned => "abandoned",
            Self::Discarded => "discarded",
            Self::Echo => "echo",
        }
    }
}

/// What a reject is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A whole file, which was quarantined.
    File,
    /// Records that were left out of a published file.
    Record,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    feed: String,
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVerdict {
    feed: String,
    verdict: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReject {
    feed: String,
    code: String,
    scope: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStage {
    stage: Word,
}

/// A value out of a fixed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

/// Numbers about files.
#[derive(Debug)]
pub struct FileMetrics {
    files: Family<OfOutcome, Count>,
    records: Family<OfFeed, Count>,
    events: Family<OfFeed, Count>,
    bytes: Family<OfFeed, Count>,
    verdicts: Family<OfVerdict, Count>,
    rejects: Family<OfReject, Count>,
    took: Histograms<OfFeed>,
    stages: Histograms<OfStage>,
}

impl FileMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            files: Family::default(),
            records: Family::default(),
            events: Family::default(),
            bytes: Family::default(),
            verdicts: Family::default(),
            rejects: Family::default(),
            took: Histograms::new_with_constructor(long_times),
            stages: Histograms::new_with_constructor(short_times),
        };
        registry.register("files", "Files by what became of them", metrics.files.clone());
        registry.register("records", "Records of published files", metrics.records.clone());
        registry.register("events", "Events of published files", metrics.events.clone());
        registry.register("published_bytes", "Bytes of published files", metrics.bytes.clone());
        registry.register(
            "verdicts",
            "Published files by how far their events give them again",
            metrics.verdicts.clone(),
        );
        registry.register(
            "rejects",
            "What was not what the layout says, by code: whole files, or records left out of published files",
            metrics.rejects.clone(),
        );
        registry.register_with_unit(
            "seen_to_committed",
            "Time from the first sight of a file to the commit of what became of it",
            Unit::Seconds,
            metrics.took.clone(),
        );
        registry.register_with_unit(
            "stage",
            "Time that a file spent in each stage on its way",
            Unit::Seconds,
            metrics.stages.clone(),
        );
        metrics
    }

    pub(super) fn declare(&self, feed: &str) {
        for outcome in Outcome::ALL {
            let _at_zero = self.files.get_or_create(&of_outcome(feed, outcome));
        }
        for family in [&self.records, &self.events, &self.bytes] {
            let _at_zero = family.get_or_create(&OfFeed::new(feed));
        }
        let _at_zero = self.took.get_or_create(&OfFeed::new(feed));
    }

    /// What became of a file is committed.
    pub fn count(&self, feed: &str, outcome: Outcome) {
        self.files.get_or_create(&of_outcome(feed, outcome)).inc();
    }

    /// What a published file had.
    pub fn published(&self, feed: &str, records: u64, events: u64, bytes: u64) {
        let feed = OfFeed::new(feed);
        self.records.get_or_create(&feed).inc_by(records);
        self.events.get_or_create(&feed).inc_by(events);
        self.bytes.get_or_create(&feed).inc_by(bytes);
    }

    /// How far a published file's events give it again.
    pub fn proven(&self, feed: &str, verdict: &'static str) {
        self.verdicts.get_or_create(&OfVerdict { feed: feed.to_owned(), verdict: Word(verdict) }).inc();
    }

    /// Something was not what the layout says.
    pub fn rejected(&self, feed: &str, code: &str, scope: Scope, count: u64) {
        let scope = Word(match scope {
            Scope::File => "file",
            Scope::Record => "record",
        });
        self.rejects.get_or_create(&OfReject { feed: feed.to_owned(), code: code.to_owned(), scope }).inc_by(count);
    }

    /// How long a file took from its first sight to its commit.
    pub fn took(&self, feed: &str, time: Duration) {
        self.took.get_or_create(&OfFeed::new(feed)).observe(time.as_secs_f64());
    }

    /// How long a file was in one stage.
    pub fn stage(&self, stage: &'static str, time: Duration) {
        self.stages.get_or_create(&OfStage { stage: Word(stage) }).observe(time.as_secs_f64());
    }
}

fn of_outcome(feed: &str, outcome: Outcome) -> OfOutcome {
    OfOutcome { feed: feed.to_owned(), outcome: Word(outcome.as_str()) }
}
