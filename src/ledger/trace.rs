//! From the bytes of a file to its events as they stand in the log, and back.

use std::borrow::Cow;

use dropbridge_port::{EventLog, FetchedRecord, Polled, Result, StartAt};
use serde::{Deserialize, Serialize};

use super::entry::{DropState, EventRange, LedgerEntry};
use super::replay::Partition;
use crate::domain::{ContentHash, LogicalKey};

/// An event and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracedEvent {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
    /// Its id.
    pub id: String,
    /// Its number in the file, from 1.
    pub ordinal: u64,
    /// The first byte of the file that it was made from.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its business key.
    pub subject: String,
    /// The file's feed.
    pub feed: String,
    /// The file's logical key.
    pub key: LogicalKey,
    /// The hash of the file's bytes.
    pub sha256: ContentHash,
}

/// What an envelope says of where its event comes from: see `domain/event.rs`.
#[derive(Deserialize)]
struct Envelope<'e> {
    #[serde(borrow)]
    id: Cow<'e, str>,
    #[serde(borrow)]
    source: Cow<'e, str>,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'e, str>,
    #[serde(borrow)]
    subject: Cow<'e, str>,
    #[serde(borrow)]
    logicalkey: Cow<'e, str>,
    #[serde(borrow)]
    capturehash: Cow<'e, str>,
    ordinal: u64,
    #[serde(borrow)]
    byterange: Cow<'e, str>,
}

impl TracedEvent {
    /// Reads an event of ours; `None` for any other record.
    fn read(record: &FetchedRecord) -> Option<Self> {
        let envelope: Envelope<'_> = serde_json::from_slice(record.value.as_deref()?).ok()?;
        let (from, to) = envelope.byterange.split_once('-')?;
        Some(Self {
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            id: envelope.id.into_owned(),
            ordinal: envelope.ordinal,
            from: from.parse().ok()?,
            to: to.parse().ok()?,
            event_type: envelope.event_type.into_owned(),
            subject: envelope.subject.into_owned(),
            feed: envelope.source.rsplit('/').next()?.to_owned(),
            key: LogicalKey::from_text(&envelope.logicalkey),
            sha256: envelope.capturehash.parse().ok()?,
        })
    }

    fn is_of(&self, entry: &LedgerEntry) -> bool {
        self.feed == entry.feed && self.key == entry.key && Some(self.sha256) == entry.sha256
    }
}

/// The events of a drop that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// Those that were made from the bytes that were asked for, by ordinal.
    pub events: Vec<TracedEvent>,
    /// How many of the drop's events the log does not have any more, whatever bytes they were made from.
    pub lost: u64,
    /// How many stand in the log that the ledger was imported from.
    pub elsewhere: u64,
}

/// The events that were made from bytes of a drop, half-open; from all of it where no bytes are named.
///
/// # Errors
/// Of the log.
pub fn events_of(log: &dyn EventLog, entry: &LedgerEntry, bytes: Option<(u64, u64)>) -> Result<Traced> {
    let mut traced = Traced::default();
    for range in ranges_of(&entry.state) {
        if range.log.is_some() {
            traced.elsewhere += range.count;
            continue;
        }
        let mut found = 0;
        read_range(log, range, &mut |record| {
            let Some(event) = TracedEvent::read(record).filter(|event| event.is_of(entry)) else { return };
            found += 1;
            if bytes.is_none_or(|(from, to)| event.from < to && event.to > from) {
                traced.events.push(event);
            }
        })?;
        traced.lost += range.count.saturating_sub(found);
    }
    traced.events.sort_by_key(|event| event.ordinal);
    Ok(traced)
}

/// Where the events of a drop are.
fn ranges_of(state: &DropState) -> &[EventRange] {
    match state {
        DropState::Publishing { ranges, .. }
        | DropState::Published { ranges, .. }
        | DropState::Abandoned { ranges, .. } => ranges,
        _ => &[],
    }
}

fn read_range(log: &dyn EventLog, range: &EventRange, each: &mut dyn FnMut(&FetchedRecord)) -> Result<()> {
    let partition = Partition { log, topic: &range.topic, partition: range.partition };
    let mut reader = partition.reader(StartAt::Offset { partition: range.partition, offset: range.from })?;
    while let Polled::Record(record) = partition.next(&mut *reader)? {
        if record.offset >= range.to {
            break;
        }
        each(&record);
    }
    Ok(())
}

/// The event that stands at an offset; `None` where nothing does, or no event of ours.
///
/// # Errors
/// Of the log: `NotFound` where there is no such topic or partition.
pub fn event_at(log: &dyn EventLog, topic: &str, partition: u32, offset: i64) -> Result<Option<TracedEvent>> {
    let place = Partition { log, topic, partition };
    let mut reader = place.reader(StartAt::Offset { partition, offset })?;
    match place.next(&mut *reader)? {
        Polled::Record(record) if record.offset == offset => Ok(TracedEvent::read(&record)),
        _ => Ok(None),
    }
}

/// The event with an id, wherever in these topics it stands: they are read until it is found.
///
/// # Errors
/// Of the log.
pub fn event_with_id<'t>(
    log: &dyn EventLog,
    topics: impl IntoIterator<Item = &'t str>,
    id: &str,
) -> Result<Option<TracedEvent>> {
    for topic in topics {
        for ends in log.watermarks(topic)? {
            let place = Partition { log, topic, partition: ends.partition };
            let mut reader = place.reader(StartAt::Partition(ends.partition))?;
            while let Polled::Record(record) = place.next(&mut *reader)? {
                // Most are others, and need not be understood for that.
                let value = record.value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
                if value.is_some_and(|value| value.contains(id))
                    && let Some(event) = TracedEvent::read(&record).filter(|event| event.id == id)
                {
                    return Ok(Some(event));
                }
            }
        }
    }
    Ok(None)
}
