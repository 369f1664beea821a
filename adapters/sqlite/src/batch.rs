//! Records on their way: collected in memory, then put into the table together.

use std::collections::BTreeMap;

use dropbridge_port::{ErrorKind, PortError};
use rusqlite::{Statement, Transaction};

use crate::connection::Outcome;
use crate::headers;
use crate::position::{OFFSET_LIMIT, position};

/// What a record costs beside its bytes.
const RECORD_COST: usize = size_of::<Waiting>();

/// Records that were sent and not yet put into the table, with their bytes in one piece.
#[derive(Default)]
pub(crate) struct Batch {
    records: Vec<Waiting>,
    bytes: Vec<u8>,
}

struct Waiting {
    partition_id: i64,
    timestamp_ms: i64,
    tag: u32,
    start: usize,
    key_length: Option<u32>,
    value_length: Option<u32>,
    headers_length: u32,
}

/// A record for a partition that was chosen.
pub(crate) struct Incoming<'a> {
    pub(crate) partition_id: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) tag: u32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
}

/// A run of offsets that one batch took in one partition.
pub(crate) struct Run {
    pub(crate) partition_id: i64,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// Where the records of one tag are in one partition: as `WrittenRange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) count: u64,
}

/// Spans by partition and tag.
pub(crate) type Spans = BTreeMap<(i64, u32), Span>;

/// Where a batch went.
#[derive(Default)]
pub(crate) struct Placed {
    pub(crate) runs: Vec<Run>,
    pub(crate) spans: Spans,
}

impl Batch {
    /// Adds a record. Its size was checked before.
    pub(crate) fn push(&mut self, record: &Incoming<'_>) {
        let start = self.bytes.len();
        let length = |part: Option<&[u8]>| part.map(|bytes| bytes.len() as u32);
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        let before_headers = self.bytes.len();
        headers::encode(record.headers, &mut self.bytes);
        self.records.push(Waiting {
            partition_id: record.partition_id,
            timestamp_ms: record.timestamp_ms,
            tag: record.tag,
            start,
            key_length: length(record.key),
            value_length: length(record.value),
            headers_length: (self.bytes.len() - before_headers) as u32,
        });
    }

    /// How much memory it holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.records.len() * RECORD_COST
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the records, and keeps the memory for the next ones.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
    }

    /// Puts the records at the ends of their partitions, each partition's in the order they were sent.
    pub(crate) fn insert(&self, transaction: &Transaction<'_>) -> Outcome<Placed> {
        let mut order: Vec<&Waiting> = self.records.iter().collect();
        order.sort_by_key(|record| record.partition_id);
        let mut placed = Placed::default();
        let mut insert = transaction.prepare_cached(
            "INSERT INTO records (position, timestamp_ms, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for records in order.chunk_by(|one, other| one.partition_id == other.partition_id) {
            self.insert_run(transaction, &mut insert, records, &mut placed)?;
        }
        Ok(placed)
    }

    fn insert_run(
        &self,
        transaction: &Transaction<'_>,
        insert: &mut Statement<'_>,
        records: &[&Waiting],
        placed: &mut Placed,
    ) -> Outcome<()> {
        let Some(partition_id) = records.first().map(|record| record.partition_id) else { return Ok(()) };
        let from: i64 = transaction
            .prepare_cached("SELECT next_offset FROM partitions WHERE partition_id = ?1")?
            .query_row([partition_id], |row| row.get(0))?;
        let to = from + records.len() as i64;
        if to >= OFFSET_LIMIT {
            let subject = format!("partition_id {partition_id}");
            return Err(PortError::new(ErrorKind::Refused, "send record", subject, "the partition is full").into());
        }
        for (record, offset) in records.iter().zip(from..) {
            let [key, value, headers] = self.parts(record);
            insert.execute((position(partition_id, offset), record.timestamp_ms, key, value, headers))?;
        }
        transaction
            .prepare_cached("UPDATE partitions SET next_offset = ?2 WHERE partition_id = ?1")?
            .execute([partition_id, to])?;
        placed.runs.push(Run { partition_id, from, to });
        add_spans(&mut placed.spans, partition_id, from, records);
        Ok(())
    }

    /// Key, value and headers as they are stored.
    fn parts(&self, record: &Waiting) -> [Option<&[u8]>; 3] {
        let key_end = record.start + record.key_length.unwrap_or(0) as usize;
        let value_end = key_end + record.value_length.unwrap_or(0) as usize;
        let headers_end = value_end + record.headers_length as usize;
        [
            record.key_length.map(|_| &self.bytes[record.start..key_end]),
            record.value_length.map(|_| &self.bytes[key_end..value_end]),
            (record.headers_length > 0).then(|| &self.bytes[value_end..headers_end]),
        ]
    }
}

fn add_spans(spans: &mut Spans, partition_id: i64, from: i64, records: &[&Waiting]) {
    let mut offset = from;
    for records in records.chunk_by(|one, other| one.tag == other.tag) {
        let to = offset + records.len() as i64;
        merge(spans, (partition_id, records[0].tag), Span { from: offset, to, count: records.len() as u64 });
        offset = to;
    }
}

/// Adds a span to what is known of its partition and tag.
pub(crate) fn merge(spans: &mut Spans, place: (i64, u32), more: Span) {
    let span = spans.entry(place).or_insert(Span { from: more.from, to: more.to, count: 0 });
    span.from = span.from.min(more.from);
    span.to = span.to.max(more.to);
    span.count += more.count;
}
