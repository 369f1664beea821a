//! The events of one file, read from the ranges of partitions that its manifest names, and merged by their ordinal.
//!
//! Each partition has a reader of its own, so that one event of each is all that is held: a single reader over several
//! partitions may run ahead in any of them by any amount. Readers are kept between files, since the next file's events
//! stand behind those of this one, and opening one costs more than reading a small file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, Isolation, Polled, PortError, Reader, StartAt};

use super::mirror::AssemblyError;
use crate::domain::event_reader::{DropIdentity, EventReader, OwnEvent};
use crate::inbound::manifest::Manifest;
use crate::ledger::entry::EventRange;

/// Readers that are kept: each has a connection and a buffer.
const MOST_READERS: usize = 16;

/// How far behind a range a kept reader may be and still be read on: opening another one costs about as much.
const NEAR: i64 = 2000;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(200);

/// How long events that are committed may stay out of sight: another writer's open transaction before them hides them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Readers of partitions, kept from file to file.
pub(super) struct PartitionReaders {
    log: Arc<dyn EventLog>,
    kept: Vec<Place>,
}

/// A reader in one partition.
struct Place {
    topic: String,
    partition: u32,
    reader: Box<dyn Reader>,
    /// The offset below which it brings nothing any more.
    next: i64,
    /// A record that was read and belongs to no range yet.
    ahead: Option<FetchedRecord>,
}

impl PartitionReaders {
    /// Readers of a log.
    #[must_use]
    pub(super) fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log, kept: Vec::new() }
    }

    /// A reader that stands at or shortly before an offset: a kept one, or a new one.
    fn take(&mut self, range: &EventRange) -> Result<Place, AssemblyError> {
        let found = self.kept.iter().position(|place| {
            place.topic == range.topic
                && place.partition == range.partition
                && (range.from - NEAR..=range.from).contains(&place.next)
        });
        if let Some(found) = found {
            return Ok(self.kept.swap_remove(found));
        }
        // Said before it is read: what is gone is no error of the reader, and must not be passed over.
        self.check_is_there(range)?;
        let start = StartAt::Offset { partition: range.partition, offset: range.from };
        let reader = self.log.reader(Isolation::ReadCommitted, &[(&range.topic, start)])?;
        let (topic, partition) = (range.topic.clone(), range.partition);
        Ok(Place { topic, partition, reader, next: range.from, ahead: None })
    }

    fn give_back(&mut self, place: Place) {
        self.kept.push(place);
        if self.kept.len() > MOST_READERS {
            self.kept.remove(0);
        }
    }

    /// Whether the log still has everything from the range's beginning.
    fn check_is_there(&self, range: &EventRange) -> Result<(), AssemblyError> {
        let watermarks = self.log.watermarks(&range.topic)?;
        let low = watermarks.iter().find(|ends| ends.partition == range.partition).map(|ends| ends.low);
        match low {
            Some(low) if low <= range.from => Ok(()),
            Some(low) => Err(AssemblyError::Expired {
                topic: range.topic.clone(),
                partition: range.partition,
                from: range.from,
                low,
            }),
            None => Err(AssemblyError::Refused(format!("topic {} has no partition {}", range.topic, range.partition))),
        }
    }
}

/// An event of the file, and what was read of it.
struct Found {
    own: OwnEvent,
    value: Vec<u8>,
}

/// A range that is being read.
struct Cursor<'m> {
    range: &'m EventRange,
    place: Place,
    found: u64,
}

impl Cursor<'_> {
    /// The drop's next event in this range.
    fn advance(
        &mut self,
        events: &mut EventReader,
        readers: &PartitionReaders,
    ) -> Result<Option<Found>, AssemblyError> {
        let mut until = None;
        while self.found < self.range.count {
            let record = match self.place.ahead.take() {
                Some(record) => record,
                None => match self.place.reader.poll(POLL)? {
                    Polled::Record(record) => record,
                    // That of the file before; what is missing now comes, or is silent.
                    Polled::End { .. } => continue,
                    Polled::Idle => {
                        readers.check_is_there(self.range)?;
                        if Instant::now() >= *until.get_or_insert_with(|| Instant::now() + PATIENCE) {
                            return Err(out_of_sight(self.range).into());
                        }
                        continue;
                    }
                },
            };
            if record.offset >= self.range.to {
                self.place.next = record.offset;
                self.place.ahead = Some(record);
                // What is missing was removed, or was never there.
                readers.check_is_there(self.range)?;
                return Ok(None);
            }
            self.place.next = record.offset + 1;
            if record.offset < self.range.from {
                continue;
            }
            let Some(value) = record.value else { continue };
            if let Some(own) = events.read(&value) {
                self.found += 1;
                return Ok(Some(Found { own, value }));
            }
        }
        Ok(None)
    }
}

fn out_of_sight(range: &EventRange) -> PortError {
    let subject = format!("{}, partition {}, offsets {} to {}", range.topic, range.partition, range.from, range.to);
    PortError::new(ErrorKind::Transient, "read events", subject, "they are committed and do not show")
        .with_hint("a transaction that another producer left open before them hides them: it ends by its timeout")
}

/// Hands over type and payload of every event of a manifest by its ordinal, from 1.
///
/// # Errors
/// Where they are not all there, each once; of the log, and of `each`.
pub(super) fn merge(
    readers: &mut PartitionReaders,
    bridge: &str,
    manifest: &Manifest,
    mut each: impl FnMut(&str, &[u8]) -> Result<(), AssemblyError>,
) -> Result<(), AssemblyError> {
    let mut events = EventReader::new(DropIdentity {
        source: format!("/dropbridge/{bridge}/{}", manifest.feed),
        key: manifest.key.to_string(),
        hash: manifest.sha256.to_string(),
        revision: manifest.revision,
    });
    let mut cursors = Vec::with_capacity(manifest.ranges.len());
    for range in &manifest.ranges {
        cursors.push(Cursor { range, place: readers.take(range)?, found: 0 });
    }
    // By ordinal; what was found stands beside, one of each range.
    let mut heads = BinaryHeap::with_capacity(cursors.len());
    let mut found: Vec<Option<Found>> = Vec::with_capacity(cursors.len());
    for (index, cursor) in cursors.iter_mut().enumerate() {
        let head = cursor.advance(&mut events, readers)?;
        heads.extend(head.as_ref().map(|found| Reverse((found.own.ordinal, index))));
        found.push(head);
    }
    let mut written = 0;
    while let Some(Reverse((ordinal, index))) = heads.pop() {
        if ordinal != written + 1 {
            return Err(AssemblyError::Hole { expected: written + 1, found: Some(ordinal) });
        }
        let (Some(head), Some(cursor)) = (found.get_mut(index), cursors.get_mut(index)) else { continue };
        if let Some(Found { own, value }) = head.take() {
            each(&own.event_type, value.get(own.data).unwrap_or_default())?;
        }
        written += 1;
        *head = cursor.advance(&mut events, readers)?;
        heads.extend(head.as_ref().map(|found| Reverse((found.own.ordinal, index))));
    }
    if written != manifest.events {
        return Err(AssemblyError::Hole { expected: written + 1, found: None });
    }
    // Only readers that brought no trouble are worth keeping.
    cursors.into_iter().for_each(|cursor| readers.give_back(cursor.place));
    Ok(())
}
