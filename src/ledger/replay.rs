//! Reading the ledger and the control topic to their end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, Isolation, Polled, PortError, Result, StartAt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::arrivals::Journal;

use super::control::{Baseline, Claim, FORMAT, FeedSwitch, GENESIS_KEY, Genesis, Request};
use super::entry::LedgerEntry;
use super::index::LedgerIndex;
use super::topics::{REQUEST_PARTITION, Topics};

/// How long one poll waits. The whole read ends at the end of the partition, not by the clock.
const POLL: Duration = Duration::from_millis(500);

/// How many polls in a row may bring nothing before the log is called away.
const IDLE_POLLS: u32 = 120;

/// Everything the control topic says.
#[derive(Debug, Default)]
pub struct ControlState {
    /// The bridge's birth, if `init` has been run.
    pub genesis: Option<Genesis>,
    /// Feeds that have their baseline.
    pub baselines: BTreeMap<String, Baseline>,
    /// The newest switch of each feed that was ever paused.
    pub switches: BTreeMap<String, FeedSwitch>,
    /// The newest claim of each slot.
    pub claims: BTreeMap<u32, Claim>,
    /// Journals of feeds that expect files.
    pub arrivals: BTreeMap<String, Journal>,
    /// Requests not yet done, by id.
    pub requests: BTreeMap<String, Request>,
}

/// Reads one partition from its beginning to the end it has now, committed records only.
///
/// # Errors
/// As for [`read_partitions`].
pub fn read_partition(
    log: &dyn EventLog,
    topic: &str,
    partition: u32,
    each: impl FnMut(FetchedRecord) -> Result<()>,
) -> Result<()> {
    read_partitions(log, topic, &[partition], each)
}

/// Reads partitions from their beginning to the end that each has now, committed records only. One reader reads them
/// all: to open one costs more than to read a few records.
///
/// # Errors
/// `Transient` when the log is away, and whatever `each` answers.
pub fn read_partitions(
    log: &dyn EventLog,
    topic: &str,
    partitions: &[u32],
    mut each: impl FnMut(FetchedRecord) -> Result<()>,
) -> Result<()> {
    let starts: Vec<_> = partitions.iter().map(|partition| (topic, StartAt::Partition(*partition))).collect();
    let mut reader = log.reader(Isolation::ReadCommitted, &starts)?;
    let mut unfinished: BTreeSet<u32> = partitions.iter().copied().collect();
    let mut idle = 0;
    while !unfinished.is_empty() {
        match reader.poll(POLL)? {
            Polled::Record(record) => {
                idle = 0;
                each(record)?;
            }
            Polled::End { partition, .. } => {
                unfinished.remove(&partition);
            }
            Polled::Idle => {
                idle += 1;
                if idle >= IDLE_POLLS {
                    return Err(PortError::new(ErrorKind::Transient, "read", topic, "no answer for a minute"));
                }
            }
        }
    }
    Ok(())
}

/// Reads a slot's ledger partition. The genesis id at its head has to be the bridge's.
///
/// # Errors
/// `Transient`; `Corrupt` when a record cannot be read or the genesis is missing: the ledger was emptied or is another's.
pub fn read_ledger(log: &dyn EventLog, topics: &Topics, slot: u32, genesis: &Genesis) -> Result<LedgerIndex> {
    let mut index = LedgerIndex::default();
    let mut found: Option<Genesis> = None;
    read_partition(log, &topics.ledger, slot, |record| {
        let Some(value) = &record.value else { return Ok(()) };
        if record.key.as_deref() == Some(GENESIS_KEY.as_bytes()) {
            found = Some(decode(&topics.ledger, &record, value)?);
        } else {
            let entry = LedgerEntry::from_json(value).map_err(|message| corrupt(&topics.ledger, &record, message))?;
            index.apply(entry);
        }
        Ok(())
    })?;
    match found {
        Some(found) if found.id == genesis.id => Ok(index),
        Some(found) => Err(PortError::new(
            ErrorKind::Corrupt,
            "read ledger",
            &topics.ledger,
            format!("it belongs to bridge `{}` (genesis {}), not to ours ({})", found.bridge, found.id, genesis.id),
        )),
        None => Err(PortError::new(
            ErrorKind::Corrupt,
            "read ledger",
            &topics.ledger,
            "its genesis record is missing, though the bridge has a past: the topic was emptied, made anew, or is not compacted",
        )
        .with_hint("restore the topic before anything is published, or everything in the inboxes would be published again")),
    }
}

/// Reads the control topic.
///
/// # Errors
/// `Transient`, `Corrupt`.
pub fn read_control(log: &dyn EventLog, topics: &Topics) -> Result<ControlState> {
    let mut state = ControlState::default();
    let partitions: Vec<u32> = (0..=REQUEST_PARTITION).collect();
    read_partitions(log, &topics.control, &partitions, |record| apply_control(&mut state, &topics.control, &record))?;
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
        (Some(value), Some(("baseline", feed))) => {
            state.baselines.insert(feed.to_owned(), decode(topic, record, value)?);
        }
        (Some(value), Some(("arrivals", feed))) => {
            state.arrivals.insert(feed.to_owned(), decode(topic, record, value)?);
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

fn decode<T: DeserializeOwned>(topic: &str, record: &FetchedRecord, value: &[u8]) -> Result<T> {
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

fn corrupt(topic: &str, record: &FetchedRecord, message: String) -> PortError {
    let subject = format!("{topic}, partition {}, offset {}", record.partition, record.offset);
    PortError::new(ErrorKind::Corrupt, "read", subject, message)
}
