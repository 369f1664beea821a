//! Reading partitions to their end, and what the control topic says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, Isolation, Polled, PortError, Reader, Result, StartAt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::arrivals::Journal;
use crate::cutover::{ComparedDay, ComparedDays, CutoverJournal, Forwarding, Spoken};
use crate::domain::BusinessDate;

use super::control::{Baseline, Claim, FORMAT, FeedSwitch, GENESIS_KEY, Genesis, Import, Request};
use super::topics::{REQUEST_PARTITION, Topics};

/// How long one poll waits. The whole read ends at the end of the partition, not by the clock.
const POLL: Duration = Duration::from_millis(500);

/// How many polls in a row may bring nothing before the log is called away.
const IDLE_POLLS: u32 = 120;

/// The same where a transaction that somebody left open is waited for: such a one ends by its timeout, of a minute.
const SETTLING_POLLS: u32 = 240;

/// Everything the control topic says.
#[derive(Debug, Default)]
pub struct ControlState {
    /// The bridge's birth, if `init` has been run.
    pub genesis: Option<Genesis>,
    /// The import that the ledger came from, if it did.
    pub import: Option<Import>,
    /// Feeds that have their baseline.
    pub baselines: BTreeMap<String, Baseline>,
    /// The newest switch of each feed that was ever paused.
    pub switches: BTreeMap<String, FeedSwitch>,
    /// The newest claim of each slot.
    pub claims: BTreeMap<u32, Claim>,
    /// Journals of feeds that expect files.
    pub arrivals: BTreeMap<String, Journal>,
    /// Journals of departments that were moved to another stage.
    pub cutovers: BTreeMap<String, CutoverJournal>,
    /// Business dates of departments whose files were compared.
    pub compared_days: BTreeMap<String, ComparedDays>,
    /// The newest business date of which events of a department were published, by either side.
    pub spoken: BTreeMap<String, BusinessDate>,
    /// How far the candidate topics were gone through.
    pub forwarding: Option<Forwarding>,
    /// Requests not yet done, by id.
    pub requests: BTreeMap<String, Request>,
}

/// One partition of the log, of which committed records alone are read.
#[derive(Clone, Copy)]
pub(super) struct Partition<'p> {
    pub(super) log: &'p dyn EventLog,
    pub(super) topic: &'p str,
    pub(super) partition: u32,
}

impl Partition<'_> {
    /// Reads it from its beginning to the end it has now.
    pub(super) fn read(self, mut each: impl FnMut(FetchedRecord) -> Result<()>) -> Result<()> {
        let mut reader = self.reader(StartAt::Partition(self.partition))?;
        while let Polled::Record(record) = self.next(&mut *reader)? {
            each(record)?;
        }
        Ok(())
    }

    /// A reader that begins there, for what is there now.
    pub(super) fn reader(self, start: StartAt) -> Result<Box<dyn Reader>> {
        self.log.reader_to_end(Isolation::ReadCommitted, &[(self.topic, start)])
    }

    /// The next record, or the end.
    pub(super) fn next(self, reader: &mut dyn Reader) -> Result<Polled> {
        next(reader, self.topic, IDLE_POLLS)
    }
}

/// Reads one partition from its beginning to the end it has now, committed records only.
///
/// # Errors
/// `Transient` when the log is away, and whatever `each` answers.
pub fn read_partition(
    log: &dyn EventLog,
    topic: &str,
    partition: u32,
    each: impl FnMut(FetchedRecord) -> Result<()>,
) -> Result<()> {
    Partition { log, topic, partition }.read(each)
}

/// Reads partitions from their beginning, committed records only, each to the end that it has now; where `ends` names
/// one, to that. One reader reads them all: to open one costs more than to read a few records.
///
/// # Errors
/// `Transient` when the log is away, and whatever `each` answers.
fn read_partitions(
    log: &dyn EventLog,
    topic: &str,
    partitions: &[u32],
    ends: &BTreeMap<u32, i64>,
    mut each: impl FnMut(FetchedRecord) -> Result<()>,
) -> Result<()> {
    let starts: Vec<_> = partitions.iter().map(|partition| (topic, StartAt::Partition(*partition))).collect();
    let mut reader = log.reader_to_end(Isolation::ReadCommitted, &starts)?;
    let mut unfinished: BTreeSet<u32> = partitions.iter().copied().collect();
    let polls = if ends.is_empty() { IDLE_POLLS } else { SETTLING_POLLS };
    while !unfinished.is_empty() {
        match next(&mut *reader, topic, polls)? {
            Polled::Record(record) => each(record)?,
            Polled::End { partition, offset, .. } if ends.get(&partition).is_none_or(|end| offset >= *end) => {
                unfinished.remove(&partition);
            }
            Polled::End { .. } | Polled::Idle => {}
        }
    }
    Ok(())
}

/// The next record, or the end.
fn next(reader: &mut dyn Reader, topic: &str, polls: u32) -> Result<Polled> {
    for _ in 0..polls {
        match reader.poll(POLL)? {
            Polled::Idle => {}
            polled => return Ok(polled),
        }
    }
    let message = format!("no answer for {} s", (POLL * polls).as_secs());
    Err(PortError::new(ErrorKind::Transient, "read", topic, message))
}

/// Reads the control topic, as far as it shows.
///
/// # Errors
/// `Transient`, `Corrupt`.
pub fn read_control(log: &dyn EventLog, topics: &Topics) -> Result<ControlState> {
    read_control_to(log, topics, &BTreeMap::new())
}

/// Reads the control topic with everything that was committed before this was asked for, for whoever goes on from what
/// it says. A broker answers a commit before readers see it; and several write there, so that a transaction which
/// somebody else left open hides what we have committed behind it. Both are waited for.
///
/// # Errors
/// As for [`read_control`]; `Transient` also where a transaction stays open for longer than any may.
pub fn read_settled_control(log: &dyn EventLog, topics: &Topics) -> Result<ControlState> {
    let ends = log.watermarks(&topics.control)?.iter().map(|ends| (ends.partition, ends.high)).collect();
    read_control_to(log, topics, &ends)
}

fn read_control_to(log: &dyn EventLog, topics: &Topics, ends: &BTreeMap<u32, i64>) -> Result<ControlState> {
    let (topic, mut state) = (&topics.control, ControlState::default());
    let partitions: Vec<u32> = (0..=REQUEST_PARTITION).collect();
    read_partitions(log, topic, &partitions, ends, |record| apply_control(&mut state, topic, &record))?;
    Ok(state)
}

/// Takes a record of the control topic in.
///
/// # Errors
/// `Corrupt` when it cannot be read.
pub fn apply_control(state: &mut ControlState, topic: &str, record: &FetchedRecord) -> Result<()> {
    let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
    match (&record.value, key.split_once('/')) {
        (Some(value), None) if key == GENESIS_KEY => state.genesis = Some(decode(topic, record, value)?),
        (Some(value), None) if key == Import::RECORD_KEY => state.import = Some(decode(topic, record, value)?),
        (Some(value), Some(("baseline", feed))) => {
            state.baselines.insert(feed.to_owned(), decode(topic, record, value)?);
        }
        (Some(value), Some(("arrivals", feed))) => {
            state.arrivals.insert(feed.to_owned(), decode(topic, record, value)?);
        }
        (Some(value), Some(("cutover", department))) => {
            let journal: CutoverJournal = decode(topic, record, value)?;
            // It only grows: a record that is read again is no news.
            let known = state.cutovers.get(department).map_or(0, |known| known.transitions.len());
            if journal.transitions.len() >= known {
                state.cutovers.insert(department.to_owned(), journal);
            }
        }
        (Some(value), Some(("parity", _))) => {
            let day: ComparedDay = decode(topic, record, value)?;
            state.compared_days.entry(day.department.clone()).or_default().insert(day.date, day);
        }
        (Some(value), None) if key == Forwarding::RECORD_KEY => {
            state.forwarding = Some(decode(topic, record, value)?);
        }
        (Some(value), Some(("spoken", department))) => {
            let spoken: Spoken = decode(topic, record, value)?;
            state.spoken.insert(department.to_owned(), spoken.newest_date);
        }
        (Some(value), Some(("feed", feed))) => {
            state.switches.insert(feed.to_owned(), decode(topic, record, value)?);
        }
        (Some(value), Some(("slot", _))) => {
            let claim: Claim = decode(topic, record, value)?;
            state.claims.insert(claim.slot, claim);
        }
        (Some(value), Some(("request", id))) => {
            state.requests.insert(id.to_owned(), decode(topic, record, value)?);
        }
        (None, Some(("request", id))) => {
            state.requests.remove(id);
        }
        // Records of a newer build that this one has no use for.
        _ => {}
    }
    Ok(())
}

pub(super) fn decode<T: DeserializeOwned>(topic: &str, record: &FetchedRecord, value: &[u8]) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version = serde_json::from_slice(value).map_err(|error| corrupt(topic, record, error.to_string()))?;
    if version.format > FORMAT {
        let message =
            format!("format {} is newer than this build ({FORMAT}): use the newer dropbridge", version.format);
        return Err(corrupt(topic, record, message));
    }
    serde_json::from_slice(value).map_err(|error| corrupt(topic, record, error.to_string()))
}

pub(super) fn corrupt(topic: &str, record: &FetchedRecord, message: String) -> PortError {
    let subject = format!("{topic}, partition {}, offset {}", record.partition, record.offset);
    PortError::new(ErrorKind::Corrupt, "read", subject, message)
}
