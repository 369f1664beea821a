//! What is said of a file once it is dealt with: counted for the summary, measured for Prometheus, and told in one line
//! of the log.

use std::time::Duration;

use super::manifest::FileSummary;
use super::publish::Publisher;
use super::way::{Stages, Way};
use crate::domain::ContentHash;
use crate::layout::Verdict;
use crate::ledger::{DropState, LedgerEntry};
use crate::metrics::{Metrics, Outcome, Scope};
use crate::traces::{FileSpan, Stage, TraceContext, Value};

/// One line for a file: what every such line has, then what is peculiar to its outcome.
macro_rules! tell {
    ($level:ident, $line:expr, $($rest:tt)+) => {
        tracing::$level!(
            feed = %$line.entry.feed,
            key = %$line.entry.key,
            path = %$line.entry.entry.path,
            sha256 = $line.entry.sha256.as_ref().map(ContentHash::to_string),
            bytes = $line.bytes,
            settle_s = seconds($line.stages.settle),
            take_s = seconds($line.stages.take),
            examine_s = seconds($line.stages.examine),
            queue_s = seconds($line.stages.queue),
            commit_s = seconds($line.stages.commit),
            total_s = seconds($line.stages.total),
            $($rest)+
        )
    };
}

struct Line<'a> {
    entry: &'a LedgerEntry,
    bytes: u64,
    stages: Stages,
}

impl Publisher {
    /// Counts, measures and tells what became of a file. `entry` was just committed.
    pub(super) fn account(&mut self, entry: &LedgerEntry, bytes: u64, way: &Way, summary: Option<&FileSummary>) {
        let context = self.context();
        let committed = context.clock.elapsed();
        let stages = way.stages(committed);
        self.tally.count(entry, bytes);
        measure(&context.metrics, entry, bytes, &stages, summary);
        if let (Some(traces), Some(outcome)) = (&context.traces, outcome(entry)) {
            let wall = Wall { now_ns: context.clock.now().timestamp().as_nanosecond(), committed };
            traces.record(span(entry, outcome, bytes, way, &wall));
        }
        tell(&Line { entry, bytes, stages });
    }
}

/// The calendar's time at the moment of the commit.
struct Wall {
    now_ns: i128,
    committed: Duration,
}

impl Wall {
    fn at(&self, then: Duration) -> i128 {
        let ago = self.committed.saturating_sub(then).as_nanos();
        self.now_ns - i128::try_from(ago).unwrap_or_default()
    }
}

/// The span of a file that was committed now.
fn span(entry: &LedgerEntry, outcome: Outcome, bytes: u64, way: &Way, wall: &Wall) -> FileSpan {
    let hash = entry.sha256.map(|hash| hash.to_string()).unwrap_or_default();
    let began = way.seen.unwrap_or(wall.committed);
    let mut attributes = vec![
        ("dropbridge.feed", Value::Text(entry.feed.clone())),
        ("dropbridge.department", Value::Text(entry.department.clone())),
        ("dropbridge.key", Value::Text(entry.key.to_string())),
        ("dropbridge.sha256", Value::Text(hash.clone())),
        ("dropbridge.outcome", Value::Text(outcome.as_str().to_owned())),
        ("file.path", Value::Text(entry.entry.path.clone())),
        ("file.size", Value::Number(bytes)),
    ];
    let mut error = None;
    match &entry.state {
        DropState::Published { records, events, verdict, .. } => {
            attributes.push(("dropbridge.records", Value::Number(*records)));
            attributes.push(("dropbridge.events", Value::Number(*events)));
            let verdict = verdict.map_or("not proven", Verdict::as_str);
            attributes.push(("dropbridge.verdict", Value::Text(verdict.to_owned())));
        }
        DropState::Withheld { records, withheld, .. } => {
            attributes.push(("dropbridge.records", Value::Number(*records)));
            attributes.push(("dropbridge.withheld", Value::Number(*withheld)));
        }
        DropState::Quarantined { reject, .. } => error = Some(reject.to_string()),
        DropState::Held { reason } | DropState::Abandoned { reason, .. } => error = Some(reason.clone()),
        DropState::Vanished => error = Some("it disappeared before it could be read".to_owned()),
        DropState::Discarded { .. } | DropState::Echo { .. } | DropState::Baseline | DropState::Publishing { .. } => {}
    }
    let stages = way.passed(wall.committed).into_iter().map(|(name, from, to)| Stage {
        name,
        start_ns: wall.at(from),
        end_ns: wall.at(to),
    });
    FileSpan {
        context: TraceContext::of_file(&entry.feed, entry.key.as_str(), &hash, began),
        start_ns: wall.at(began),
        end_ns: wall.now_ns,
        stages: stages.collect(),
        attributes,
        error,
    }
}

/// What became of a file; `None` while it is on its way.
fn outcome(entry: &LedgerEntry) -> Option<Outcome> {
    Some(match &entry.state {
        _ if entry.repeats > 0 => Outcome::Repeated,
        DropState::Published { .. } => Outcome::Published,
        DropState::Withheld { .. } => Outcome::Withheld,
        DropState::Quarantined { .. } => Outcome::Quarantined,
        DropState::Held { .. } => Outcome::Held,
        DropState::Vanished => Outcome::Vanished,
        DropState::Abandoned { closed: Some(_), .. } => Outcome::Discarded,
        DropState::Abandoned { .. } => Outcome::Abandoned,
        DropState::Discarded { .. } => Outcome::Discarded,
        DropState::Echo { .. } => Outcome::Echo,
        DropState::Baseline | DropState::Publishing { .. } => return None,
    })
}

fn measure(metrics: &Metrics, entry: &LedgerEntry, bytes: u64, stages: &Stages, summary: Option<&FileSummary>) {
    let (files, feed) = (&metrics.files, entry.feed.as_str());
    let Some(outcome) = outcome(entry) else { return };
    files.count(feed, outcome);
    match (&entry.state, outcome) {
        (DropState::Published { records, events, verdict, .. }, Outcome::Published) => {
            files.published(feed, *records, *events, bytes);
            files.proven(feed, verdict.map_or("not proven", Verdict::as_str));
            for reject in summary.map(|summary| summary.rejects.as_slice()).unwrap_or_default() {
                files.rejected(feed, reject.code.as_str(), Scope::Record, 1);
            }
        }
        (DropState::Quarantined { reject, .. }, Outcome::Quarantined) => {
            files.rejected(feed, reject.code.as_str(), Scope::File, 1);
        }
        _ => {}
    }
    for (stage, time) in stages.named() {
        if let Some(time) = time {
            files.stage(stage, time);
        }
    }
    if let Some(time) = stages.total {
        files.took(feed, time);
    }
}

fn tell(line: &Line<'_>) {
    let entry = line.entry;
    match &entry.state {
        _ if entry.repeats > 0 => {
            tell!(info, line, repeats = entry.repeats, "the same bytes again: recorded, not published");
        }
        DropState::Withheld { records, withheld, .. } => {
            tell!(info, line, records, withheld, "recorded, not published: the new service speaks for its dates");
        }
        DropState::Published { records, events, withheld, verdict, rejects, revision, .. } => {
            let verdict = verdict.map_or("not proven", Verdict::as_str);
            tell!(info, line, records, events, withheld, rejects, revision, verdict, "published");
        }
        DropState::Quarantined { reject, attempts } => {
            tell!(error, line, attempts, code = reject.code.as_str(), "quarantined: {reject}");
        }
        DropState::Held { reason } => tell!(error, line, "held for a person: {reason}"),
        DropState::Vanished => tell!(error, line, "the file disappeared before it could be read"),
        DropState::Abandoned { through, closed: Some(why), .. } => {
            tell!(info, line, through, "what was abandoned is seen to: {why}");
        }
        DropState::Abandoned { through, reason, .. } => tell!(error, line, through, "abandoned: {reason}"),
        DropState::Discarded { reason } => tell!(info, line, "discarded: {reason}"),
        DropState::Echo { delivery } => {
            tell!(info, line, delivery = delivery.as_str(), "a delivery of ours: recorded, not published");
        }
        DropState::Baseline | DropState::Publishing { .. } => {}
    }
}

/// Seconds with their thousandths.
fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| (time.as_secs_f64() * 1000.0).round() / 1000.0)
}
