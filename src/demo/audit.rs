//! Holds the log against what the jobs dropped: by file and hash, by id, and in sum.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use dropbridge_port::{Isolation, Polled, StartAt};
use serde_json::Value;

use super::estate::old_files_of;
use super::jobs::Dropped;
use super::script::{Fate, JOBS};
use crate::domain::ContentHash;
use crate::ledger::{DropState, LedgerEntry};
use crate::wiring::Bridge;

/// What one event says of itself, as far as it is counted by.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) capture_hash: String,
}

/// How the log compares with what was dropped.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Files that the jobs dropped.
    pub(super) dropped: u64,
    /// Events that they have to make, by the jobs' own count.
    pub(super) expected: u64,
    /// Events in the log.
    pub(super) found: u64,
    /// What does not agree.
    pub(super) problems: Vec<String>,
}

/// Every committed event, read from the log as any consumer would.
///
/// # Errors
/// Of the log.
pub(super) fn read_events(bridge: &Bridge) -> anyhow::Result<Vec<Seen>> {
    let topics: Vec<(&str, StartAt)> =
        bridge.context.topics.events().map(|(_, topic)| (topic, StartAt::Beginning)).collect();
    let mut open = 0;
    for (topic, _) in &topics {
        open += bridge.context.log.watermarks(topic)?.len();
    }
    let mut reader = bridge.context.log.reader_to_end(Isolation::ReadCommitted, &topics)?;
    let mut events = Vec::new();
    while open > 0 {
        match reader.poll(Duration::from_millis(200))? {
            Polled::Record(record) => {
                let event: Value = serde_json::from_slice(&record.value.unwrap_or_default())?;
                let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                events.push(Seen { id: text("id"), source: text("source"), capture_hash: text("capturehash") });
            }
            Polled::End { .. } => open -= 1,
            Polled::Idle => {}
        }
    }
    Ok(events)
}

/// Compares.
pub(super) fn audit(dropped: &[Dropped], ledger: &[LedgerEntry], events: &[Seen]) -> Findings {
    let mut findings = Findings { dropped: dropped.len() as u64, found: events.len() as u64, ..Findings::default() };
    let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    if ids.len() != events.len() {
        findings.problems.push(format!("{} events are there twice", events.len() - ids.len()));
    }
    let mut by_file: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for event in events {
        let feed = event.source.rsplit('/').next().unwrap_or_default();
        *by_file.entry((feed, event.capture_hash.clone())).or_default() += 1;
    }
    for file in dropped {
        let found = by_file.remove(&(file.feed, file.hash.to_string())).unwrap_or_default();
        let first =
            dropped.iter().find(|other| (other.feed, other.path, other.hash) == (file.feed, file.path, file.hash));
        let expected = if file.fate == Fate::Published { file.events } else { 0 };
        findings.expected += expected;
        // What is dropped twice was counted with the first.
        if found != expected && first.is_some_and(|first| std::ptr::eq(first, file)) {
            findings.problems.push(format!("{} {}: {found} events, {expected} were dropped", file.feed, file.path));
        }
        findings.problems.extend(wrong_in_ledger(file, ledger));
    }
    for ((feed, hash), found) in by_file {
        findings.problems.push(format!("{feed}: {found} events of a file that no job dropped ({hash})"));
    }
    findings.problems.extend(wrong_baselines(ledger));
    findings
}

fn wrong_in_ledger(file: &Dropped, ledger: &[LedgerEntry]) -> Option<String> {
    if file.was_taken_early {
        return Some(format!("{} {}: it was taken before it was whole", file.feed, file.path));
    }
    let entry = entry_of(file.feed, file.path, file.hash, ledger);
    let is_as_expected = entry.is_some_and(|entry| match file.fate {
        Fate::Published => matches!(entry.state, DropState::Published { events, .. } if events == file.events),
        Fate::Quarantined => matches!(entry.state, DropState::Quarantined { .. }),
        Fate::Repeat => entry.repeats == 1,
    });
    let expected = match file.fate {
        Fate::Published => format!("published with {} events", file.events),
        Fate::Quarantined => "quarantined".to_owned(),
        Fate::Repeat => "dropped again once".to_owned(),
    };
    let says = entry.map_or("nothing".to_owned(), |entry| match &entry.state {
        DropState::Published { events, .. } => format!("published with {events} events, repeats {}", entry.repeats),
        state => state.as_str().to_owned(),
    });
    (!is_as_expected).then(|| format!("{} {}: the ledger says {says}; it should be {expected}", file.feed, file.path))
}

fn entry_of<'a>(feed: &str, path: &str, hash: ContentHash, ledger: &'a [LedgerEntry]) -> Option<&'a LedgerEntry> {
    ledger.iter().find(|entry| entry.feed == feed && entry.entry.path == path && entry.sha256 == Some(hash))
}

fn wrong_baselines(ledger: &[LedgerEntry]) -> Vec<String> {
    let wrong = JOBS.iter().filter_map(|job| {
        let is_old = |entry: &&LedgerEntry| entry.feed == job.feed && entry.state == DropState::Baseline;
        let (found, expected) = (ledger.iter().filter(is_old).count() as u64, old_files_of(job.inbox));
        (found != expected).then(|| format!("{}: {found} old files in the baseline, {expected} were there", job.feed))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::domain::{EntryFacts, LogicalKey, Moment};

    const FEED: &str = "parks.bids";

    fn file(fate: Fate) -> Dropped {
        Dropped { feed: FEED, path: "a", hash: ContentHash::of(b"a"), events: 2, fate, was_taken_early: false }
    }

    fn events(count: usize) -> Vec<Seen> {
        let event = |number| Seen {
            id: format!("id {number}"),
            source: format!("/dropbridge/example/{FEED}"),
            capture_hash: ContentHash::of(b"a").to_string(),
        };
        (0..count).map(event).collect()
    }

    fn ledger() -> Vec<LedgerEntry> {
        let entry = |feed: &str, path: &str, sha256, state| LedgerEntry {
            format: 1,
            feed: feed.to_owned(),
            department: "d".to_owned(),
            key: LogicalKey::from_text(path),
            sha256,
            entry: EntryFacts { path: path.to_owned(), size: 1, modified_ns: 1, version: 1 },
            business_date: None,
            sequence: None,
            generation: 0,
            state,
            repeats: 1,
            recorded_at: Moment::from_unix_ns(0),
        };
        let state = DropState::Published {
            records: 2,
            events: 2,
            withheld: 0,
            verdict: None,
            rejects: 0,
            revision: 1,
            supersedes: None,
            ranges: Vec::new(),
        };
        let mut all = vec![entry(FEED, "a", Some(ContentHash::of(b"a")), state)];
        for job in &JOBS {
            for old in 0..old_files_of(job.inbox) {
                all.push(entry(job.feed, &format!("old {old}"), None, DropState::Baseline));
            }
        }
        all
    }

    #[test]
    fn what_agrees_has_no_problem() {
        let findings = audit(&[file(Fate::Published), file(Fate::Repeat)], &ledger(), &events(2));
        assert_eq!((findings.dropped, findings.expected, findings.found), (2, 2, 2));
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
    }

    #[test]
    fn every_difference_is_said() {
        let twice = [events(1), events(1)].concat();
        let early = Dropped { was_taken_early: true, ..file(Fate::Published) };
        type Case = (&'static str, Vec<Dropped>, Vec<LedgerEntry>, Vec<Seen>);
        let cases: [Case; 7] = [
            ("an event is missing", vec![file(Fate::Published)], ledger(), events(1)),
            ("an event too many", vec![file(Fate::Published)], ledger(), events(3)),
            ("an event twice", vec![file(Fate::Published)], ledger(), twice),
            ("events of a stranger", vec![], ledger(), events(2)),
            ("a bad file was published", vec![file(Fate::Quarantined)], ledger(), events(2)),
            ("a half file was taken", vec![early], ledger(), events(2)),
            ("old files are not in the baseline", vec![file(Fate::Published)], ledger()[..1].to_vec(), events(2)),
        ];
        for (name, dropped, ledger, events) in cases {
            assert!(!audit(&dropped, &ledger, &events).problems.is_empty(), "{name}");
        }
    }
}
