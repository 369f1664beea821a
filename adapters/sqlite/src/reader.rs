//! Reads partitions in order, and waits for more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, FetchedRecord, Isolation, Polled, PortError, Reader, Result, StartAt};
use rusqlite::{OptionalExtension, Row, Transaction};

use crate::connection::{Handle, Outcome};
use crate::headers;
use crate::position::{offset_of, position};
use crate::topics::{self, Topic};
use crate::wake::Wake;

/// How much one look at a partition brings at most.
const FETCH_RECORDS: usize = 512;
/// As above, in bytes; the last record may go beyond.
const FETCH_BYTES: usize = 1 << 20;
/// How long a change made by another process may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where the reader is in one partition.
struct Place {
    topic: Arc<str>,
    partition: u32,
    partition_id: i64,
    /// The next offset to look at.
    next: i64,
    /// The end that was last told of.
    told_end: Option<i64>,
}

/// What was known of the log's changes when it was last looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    elsewhere: i64,
    here: u64,
}

/// A reader of some partitions.
pub(crate) struct SqliteReader {
    handle: Handle,
    wake: Arc<Wake>,
    isolation: Isolation,
    places: Vec<Place>,
    /// Whose turn it is.
    turn: usize,
    /// How many partitions in a row had nothing to say.
    silent: usize,
    seen: Option<Seen>,
    ready: VecDeque<Polled>,
}

impl SqliteReader {
    /// A reader that begins where it is told to.
    pub(crate) fn new(
        handle: Handle,
        wake: Arc<Wake>,
        isolation: Isolation,
        starts: &[(&str, StartAt)],
    ) -> Result<Self> {
        let places = handle.read("open reader", |transaction| {
            let mut places = Vec::new();
            for (name, start) in starts {
                let topic = topics::require(transaction, "open reader", name)?;
                add_places(transaction, isolation, &topic, *start, &mut places)?;
            }
            Ok(places)
        })?;
        Ok(Self { handle, wake, isolation, places, turn: 0, silent: 0, seen: None, ready: VecDeque::new() })
    }

    fn look(&self) -> Result<Seen> {
        Ok(Seen { here: self.wake.changes(), elsewhere: self.handle.data_version()? })
    }

    /// Looks at each partition in turn until one has something, or none has.
    fn fetch(&mut self) -> Result<()> {
        while self.ready.is_empty() && self.silent < self.places.len() {
            let Some(place) = self.places.get_mut(self.turn) else { return Ok(()) };
            let (isolation, ready) = (self.isolation, &mut self.ready);
            self.handle.read("read log", |transaction| place.fetch(transaction, isolation, ready))?;
            self.turn = (self.turn + 1) % self.places.len();
            self.silent = if self.ready.is_empty() { self.silent + 1 } else { 0 };
        }
        Ok(())
    }
}

impl Reader for SqliteReader {
    fn poll(&mut self, timeout: Duration) -> Result<Polled> {
        if let Some(polled) = self.ready.pop_front() {
            return Ok(polled);
        }
        let deadline = Instant::now() + timeout;
        loop {
            // Asked before the look at the partitions, so that a change in between is not missed.
            let seen = self.look()?;
            if self.seen != Some(seen) {
                self.silent = 0;
                self.seen = Some(seen);
            }
            self.fetch()?;
            if let Some(polled) = self.ready.pop_front() {
                return Ok(polled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Polled::Idle);
            }
            self.wake.wait(seen.here, left.min(LOOK_EVERY));
        }
    }
}

impl Place {
    /// Takes the next records; tells of the end when it is reached anew.
    fn fetch(
        &mut self,
        transaction: &Transaction<'_>,
        isolation: Isolation,
        ready: &mut VecDeque<Polled>,
    ) -> Outcome<()> {
        let end = end_of(transaction, isolation, self.partition_id)?
            .ok_or_else(|| PortError::new(ErrorKind::NotFound, "read log", self.topic.as_ref(), "the topic is gone"))?;
        if self.told_end == Some(end) {
            return Ok(());
        }
        let mut statement = transaction.prepare_cached(
            "SELECT position, timestamp_ms, key, value, headers FROM records
             WHERE position >= ?1 AND position < ?2 ORDER BY position",
        )?;
        let mut rows = statement.query([position(self.partition_id, self.next), position(self.partition_id, end)])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let record = self.record(row)?;
            self.next = record.offset + 1;
            bytes += record.value.as_ref().map_or(0, Vec::len) + record.key.as_ref().map_or(0, Vec::len);
            ready.push_back(Polled::Record(record));
            if ready.len() >= FETCH_RECORDS || bytes >= FETCH_BYTES {
                return Ok(());
            }
        }
        self.next = self.next.max(end);
        self.told_end = Some(end);
        ready.push_back(Polled::End { topic: Arc::clone(&self.topic), partition: self.partition, offset: end });
        Ok(())
    }

    fn record(&self, row: &Row<'_>) -> Outcome<FetchedRecord> {
        let offset = offset_of(row.get(0)?);
        let headers = match row.get_ref(4)?.as_blob_or_null().map_err(rusqlite::Error::from)? {
            None => Vec::new(),
            Some(stored) => headers::decode(stored).ok_or_else(|| {
                let subject = format!("{} {}:{offset}", self.topic, self.partition);
                PortError::new(ErrorKind::Corrupt, "read log", subject, "the stored headers are broken")
            })?,
        };
        Ok(FetchedRecord {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            offset,
            timestamp_ms: row.get(1)?,
            key: row.get(2)?,
            value: row.get(3)?,
            headers,
        })
    }
}

fn add_places(
    transaction: &Transaction<'_>,
    isolation: Isolation,
    topic: &Topic,
    start: StartAt,
    places: &mut Vec<Place>,
) -> Outcome<()> {
    let name: Arc<str> = topic.name.as_str().into();
    let place = |partition: u32, partition_id: i64, next: i64| Place {
        topic: Arc::clone(&name),
        partition,
        partition_id,
        next,
        told_end: None,
    };
    match start {
        StartAt::Offset { partition, offset } => {
            places.push(place(partition, topic.partition_id("open reader", partition)?, offset.max(0)));
        }
        StartAt::Partition(partition) => {
            places.push(place(partition, topic.partition_id("open reader", partition)?, 0));
        }
        StartAt::Beginning => {
            places.extend((0..).zip(&topic.partition_ids).map(|(partition, id)| place(partition, *id, 0)));
        }
        StartAt::End => {
            for (partition, id) in (0..).zip(&topic.partition_ids) {
                places.push(place(partition, *id, end_of(transaction, isolation, *id)?.unwrap_or(0)));
            }
        }
    }
    Ok(())
}

/// Up to where a partition may be read, or `None` when it does not exist.
pub(crate) fn end_of(transaction: &Transaction<'_>, isolation: Isolation, partition_id: i64) -> Outcome<Option<i64>> {
    let mut statement =
        transaction.prepare_cached("SELECT stable_offset, next_offset FROM partition_ends WHERE partition_id = ?1")?;
    let column = if isolation == Isolation::ReadCommitted { 0 } else { 1 };
    Ok(statement.query_row([partition_id], |row| row.get(column)).optional()?)
}
