//! The writer under a transactional id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, OutgoingRecord, PartitionOffset, PortError, Result, Writer, WrittenRange};
use rusqlite::Transaction;

use crate::batch::{Batch, Incoming, Placed, Spans, merge};
use crate::connection::{Handle, Outcome, Sync};
use crate::log::Options;
use crate::placement::partition_of_key;
use crate::topics::{self, Topic};
use crate::transactions::{self, Claim};
use crate::wake::Wake;

/// How far a writer is.
enum State {
    /// No transaction is open.
    Idle,
    /// One is.
    Open(Open),
    /// One was, a call of it failed, and it waits to be aborted.
    Failed,
    /// Another writer took the id over.
    Fenced,
}

/// An open transaction. Positions of groups wait in memory until the commit.
#[derive(Default)]
struct Open {
    spans: Spans,
    /// Start and end of the newest run that is written down for a partition.
    ends: HashMap<i64, (i64, i64)>,
    groups: BTreeMap<(String, i64), i64>,
}

/// Writes to a log under one transactional id.
pub(crate) struct SqliteWriter {
    handle: Handle,
    wake: Arc<Wake>,
    options: Options,
    claim: Claim,
    /// Number of the open transaction, or of the last one.
    number: i64,
    state: State,
    batch: Batch,
    topics: HashMap<String, Topic>,
    names: HashMap<i64, (String, u32)>,
    keyless: usize,
}

impl SqliteWriter {
    /// A writer with the right to write; what the predecessor left open is gone.
    pub(crate) fn new(handle: Handle, wake: Arc<Wake>, options: Options, claim: Claim) -> Self {
        Self {
            handle,
            wake,
            options,
            number: claim.committed,
            claim,
            state: State::Idle,
            batch: Batch::default(),
            topics: HashMap::new(),
            names: HashMap::new(),
            keyless: 0,
        }
    }

    fn subject(&self) -> String {
        format!("writer `{}`", self.claim.transactional_id)
    }

    fn bug(&self, operation: &'static str, message: &str) -> PortError {
        PortError::new(ErrorKind::Bug, operation, self.subject(), message)
    }

    /// Fails unless a transaction is open and well.
    fn require_open(&self, operation: &'static str) -> Result<()> {
        match &self.state {
            State::Open(_) => Ok(()),
            State::Idle => Err(self.bug(operation, "no transaction is open")),
            State::Failed => Err(self.bug(operation, "the transaction failed before and must be aborted")),
            State::Fenced => Err(transactions::fenced(operation, &self.claim)),
        }
    }

    /// Keeps in mind what an error means for the calls to come.
    fn note<T>(&mut self, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer {
            if error.kind == ErrorKind::Fenced {
                self.batch = Batch::default();
                self.state = State::Fenced;
            } else if matches!(self.state, State::Open(_)) {
                self.state = State::Failed;
            }
        }
        answer
    }

    fn topic(&mut self, operation: &'static str, name: &str) -> Result<&Topic> {
        // Looked up twice when it is there: the borrow checker does not see that the first borrow ends.
        if !self.topics.contains_key(name) {
            let topic = self.handle.read(operation, |transaction| topics::require(transaction, operation, name))?;
            for (partition, id) in (0..).zip(&topic.partition_ids) {
                self.names.insert(*id, (name.to_owned(), partition));
            }
            self.topics.insert(name.to_owned(), topic);
        }
        self.topics.get(name).ok_or_else(|| PortError::new(ErrorKind::Bug, operation, name, "the topic is not known"))
    }

    fn choose_partition(&mut self, record: &OutgoingRecord<'_>) -> Result<i64> {
        self.keyless = self.keyless.wrapping_add(1);
        let turn = self.keyless;
        let topic = self.topic("send record", record.topic)?;
        if topic.compacted && record.key.is_none() {
            let message = "a compacted topic takes no record without a key";
            return Err(PortError::new(ErrorKind::Unacceptable, "send record", record.topic, message));
        }
        let count = topic.partition_ids.len();
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => partition as usize,
            (None, Some(key)) => partition_of_key(key, count as u32) as usize,
            (None, None) => turn % count,
        };
        topic.partition_ids.get(partition).copied().ok_or_else(|| {
            let message = format!("no partition {partition}, the topic has {count}");
            PortError::new(ErrorKind::NotFound, "send record", record.topic, message)
        })
    }

    fn check_size(&self, record: &OutgoingRecord<'_>) -> Result<()> {
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        let size = length(record.key) + length(record.value) + headers;
        if size <= self.options.max_record_bytes {
            return Ok(());
        }
        let message = format!("a record of {size} bytes, the limit is {}", self.options.max_record_bytes);
        Err(PortError::new(ErrorKind::Unacceptable, "send record", record.topic, message)
            .with_hint("raise the log's largest record, or let the layout make smaller ones"))
    }

    fn add(&mut self, record: &OutgoingRecord<'_>) -> Result<()> {
        self.check_size(record)?;
        let partition_id = self.choose_partition(record)?;
        self.batch.push(&Incoming {
            partition_id,
            timestamp_ms: now_ms(),
            tag: record.tag,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        if self.batch.size_bytes() >= self.options.buffer_bytes { self.flush("send record") } else { Ok(()) }
    }

    /// Puts what is in memory into the table, as part of the open transaction.
    fn flush(&mut self, operation: &'static str) -> Result<()> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        let (claim, batch) = (&self.claim, &self.batch);
        let placed = self.handle.write(operation, Sync::Later, |transaction| {
            transactions::check(transaction, operation, claim)?;
            let placed = batch.insert(transaction)?;
            transactions::extend(transaction, claim, &placed.runs, &open.ends)?;
            Ok(placed)
        })?;
        open.take(placed);
        self.batch.clear();
        self.wake.notify();
        Ok(())
    }

    fn settle_open(&mut self) -> Result<Vec<WrittenRange>> {
        if self.batch.is_empty() {
            let claim = &self.claim;
            self.handle.read("settle", |transaction| transactions::check(transaction, "settle", claim))?;
        } else {
            self.flush("settle")?;
        }
        let State::Open(open) = &self.state else { return Ok(Vec::new()) };
        let ranges = open.spans.iter().filter_map(|(&(partition_id, tag), span)| {
            let (topic, partition) = self.names.get(&partition_id)?;
            Some(WrittenRange {
                tag,
                topic: topic.clone(),
                partition: *partition,
                from: span.from,
                to: span.to,
                count: span.count,
            })
        });
        let mut ranges: Vec<WrittenRange> = ranges.collect();
        ranges.sort_by(|one, other| {
            (one.tag, &one.topic, one.partition).cmp(&(other.tag, &other.topic, other.partition))
        });
        Ok(ranges)
    }

    fn add_offsets(&mut self, group: &str, offsets: &[PartitionOffset]) -> Result<()> {
        const OPERATION: &str = "send offsets";
        let claim = &self.claim;
        self.handle.read(OPERATION, |transaction| transactions::check(transaction, OPERATION, claim))?;
        for offset in offsets {
            let topic = self.topic(OPERATION, &offset.topic)?;
            let Some(&partition_id) = topic.partition_ids.get(offset.partition as usize) else {
                let message = format!("no partition {}", offset.partition);
                return Err(PortError::new(ErrorKind::NotFound, OPERATION, offset.topic.as_str(), message));
            };
            if let State::Open(open) = &mut self.state {
                open.groups.insert((group.to_owned(), partition_id), offset.offset);
            }
        }
        Ok(())
    }

    /// The one SQLite transaction that makes everything true. Nothing in memory changes before it succeeded, so it can
    /// be asked for again.
    fn commit_open(&self, open: &Open) -> Result<()> {
        if reach(Failpoint::CommitBegun) {
            return Err(PortError::new(ErrorKind::Transient, "commit transaction", self.subject(), "failpoint"));
        }
        self.handle.write("commit transaction", Sync::Durable, |transaction| {
            if transactions::check(transaction, "commit transaction", &self.claim)? == self.number {
                return Ok(());
            }
            self.batch.insert(transaction)?;
            commit_groups(transaction, open)?;
            transactions::commit(transaction, &self.claim, self.number)?;
            if reach(Failpoint::CommitSent) {
                return Err(
                    PortError::new(ErrorKind::Transient, "commit transaction", self.subject(), "failpoint").into()
                );
            }
            Ok(())
        })
    }
}

impl Writer for SqliteWriter {
    fn begin(&mut self) -> Result<()> {
        match self.state {
            State::Idle => {}
            State::Open(_) => return Err(self.bug("begin transaction", "a transaction is open already")),
            State::Failed | State::Fenced => return self.require_open("begin transaction"),
        }
        let claim = &self.claim;
        let answer = self
            .handle
            .read("begin transaction", |transaction| transactions::check(transaction, "begin transaction", claim));
        self.note(answer)?;
        self.number += 1;
        self.state = State::Open(Open::default());
        Ok(())
    }

    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<()> {
        self.require_open("send record")?;
        let answer = self.add(&record);
        self.note(answer)
    }

    fn settle(&mut self) -> Result<Vec<WrittenRange>> {
        self.require_open("settle")?;
        let answer = self.settle_open();
        self.note(answer)
    }

    fn send_offsets(&mut self, group: &str, offsets: &[PartitionOffset]) -> Result<()> {
        self.require_open("send offsets")?;
        let answer = self.add_offsets(group, offsets);
        self.note(answer)
    }

    fn commit(&mut self) -> Result<()> {
        self.require_open("commit transaction")?;
        let State::Open(open) = &self.state else { return Ok(()) };
        match self.commit_open(open) {
            Ok(()) => {
                self.batch.clear();
                self.state = State::Idle;
                self.wake.notify();
                Ok(())
            }
            // Still open: the caller asks again.
            Err(error) if error.kind == ErrorKind::Transient => Err(error),
            Err(error) => self.note(Err(error)),
        }
    }

    fn abort(&mut self) -> Result<()> {
        match self.state {
            State::Idle => return Ok(()),
            State::Fenced => return Err(transactions::fenced("abort transaction", &self.claim)),
            State::Open(_) | State::Failed => {}
        }
        let answer = transactions::abort(&self.handle, "abort transaction", &self.claim);
        self.note(answer)?;
        self.batch.clear();
        self.state = State::Idle;
        self.wake.notify();
        Ok(())
    }
}

impl Open {
    /// Keeps in mind where a batch went.
    fn take(&mut self, placed: Placed) {
        for run in placed.runs {
            let end = self.ends.entry(run.partition_id).or_insert((run.from, run.from));
            if end.1 != run.from {
                end.0 = run.from;
            }
            end.1 = run.to;
        }
        for (place, span) in placed.spans {
            merge(&mut self.spans, place, span);
        }
    }
}

fn commit_groups(transaction: &Transaction<'_>, open: &Open) -> Outcome<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO group_offsets (group_name, partition_id, next_offset) VALUES (?1, ?2, ?3)
         ON CONFLICT (group_name, partition_id) DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for ((group, partition_id), offset) in &open.groups {
        statement.execute((group, partition_id, offset))?;
    }
    Ok(())
}

fn now_ms() -> i64 {
    // A clock before 1970 is a broken clock; records still have to be kept in order, which offsets do.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
