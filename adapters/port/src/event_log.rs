//! An event log: topics, partitions, offsets, transactions, groups, with Kafka's meaning of each.
//!
//! Source of the semantics: KIP-98 (exactly-once delivery and transactional messaging), KIP-447 (offsets in a
//! transaction) and the Apache Kafka manual, section "Design". The conformance suite is the executable form.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::Result;

/// What becomes of old records of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Removed by age or size.
    Delete,
    /// The newest record of each key stays for ever; a record without value removes its key.
    Compact,
}

impl Cleanup {
    /// Kafka's `cleanup.policy` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
        }
    }
}

/// A topic as the bridge wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Copies of each partition; `None` takes the cluster's default.
    pub replication: Option<u16>,
    /// Further topic settings by Kafka's names.
    pub properties: BTreeMap<String, String>,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Its cleanup policy as the log names it (`compact,delete` is possible in Kafka); `None` where it may not be read.
    pub cleanup: Option<String>,
    /// The smallest number of copies of any of its partitions; `None` where that has no meaning.
    pub replication: Option<u16>,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRecord<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Which partition; `None` lets the key decide (`murmur2`, as Java clients do; a record without a key may go
    /// anywhere).
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` removes the key from a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Groups records of one transaction for [`Writer::settle`]: the ranges that it returns are kept apart by tag.
    pub tag: u32,
}

/// Where the records of one tag went in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRange {
    /// The tag they were sent with.
    pub tag: u32,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset of the first of them.
    pub from: i64,
    /// Offset after the last of them: half-open `[from, to)`; other writers' records may stand in between.
    pub to: i64,
    /// How many records of this tag are within.
    pub count: u64,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedRecord {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
    /// When it was written, milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value; `None` removes the key.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Only committed ones, and none behind an open transaction.
    ReadCommitted,
    /// All, those of open transactions too, and of aborted ones where the log still has them. For diagnosis only.
    ReadUncommitted,
}

/// A position of a group in one partition: the offset of the next record to process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionOffset {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset of the next record.
    pub offset: i64,
}

/// The ends of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Partition.
    pub partition: u32,
    /// Offset of the oldest record still there.
    pub low: i64,
    /// Offset that the next record will get (open and aborted transactions included).
    pub high: i64,
}

/// Where a reader begins in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record of every partition.
    Beginning,
    /// After the newest record of every partition.
    End,
    /// At an offset of one partition; that partition alone is read.
    Offset {
        /// Partition.
        partition: u32,
        /// Offset of the first record to be read.
        offset: i64,
    },
    /// One partition from its oldest record.
    Partition(u32),
}

/// What a poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A record.
    Record(FetchedRecord),
    /// This partition was read to its end: under `ReadCommitted` to the last stable offset. Said once each time the
    /// end is reached.
    End {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: u32,
        /// Where that end is: what lies below is decided, and all of it that is committed was handed over.
        offset: i64,
    },
    /// Nothing came in the given time.
    Idle,
}

/// Reads records of some partitions, in order within each.
pub trait Reader: Send {
    /// Waits for the next record.
    ///
    /// # Errors
    /// `Transient` when the log is away (call again), `NotFound` when a topic is gone.
    fn poll(&mut self, timeout: Duration) -> Result<Polled>;
}

/// The one writer under a transactional id. Creating another with the same id fences this one: from then on each of
/// its calls fails with `Fenced`, and nothing of it becomes visible.
///
/// After any error but `Fenced` in a transaction the caller must call [`Writer::abort`] before it begins again.
pub trait Writer: Send {
    /// Begins a transaction.
    ///
    /// # Errors
    /// `Fenced`, `Transient`; `Bug` when one is open.
    fn begin(&mut self) -> Result<()>;

    /// Adds a record. It may be sent at any time from now on; errors may surface in a later call.
    ///
    /// # Errors
    /// `Fenced`, `Transient`, `Unacceptable` (too large), `NotFound` (no such topic), `Refused`.
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<()>;

    /// Waits until the log has taken every record sent so far in this transaction, and says where each tag's went since
    /// `begin`: asked twice, the second answer holds the first.
    ///
    /// # Errors
    /// As for [`Writer::send`].
    fn settle(&mut self) -> Result<Vec<WrittenRange>>;

    /// Adds positions of a consumer group: committed if and only if the transaction is.
    ///
    /// # Errors
    /// As for [`Writer::send`].
    fn send_offsets(&mut self, group: &str, offsets: &[PartitionOffset]) -> Result<()>;

    /// Commits. After `Transient` the outcome is not known: call again, the answer is then the true one.
    ///
    /// # Errors
    /// `Fenced`; `Transient`; anything else means that the transaction was or must be aborted.
    fn commit(&mut self) -> Result<()>;

    /// Aborts the open transaction, if there is one.
    ///
    /// # Errors
    /// `Fenced`, `Transient` (call again).
    fn abort(&mut self) -> Result<()>;
}

/// A place where events go.
pub trait EventLog: Send + Sync {
    /// What it is called in logs and errors: an address without secrets.
    fn address(&self) -> &str;

    /// Those of the named topics that exist.
    ///
    /// # Errors
    /// `Transient`, `Refused`.
    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>>;

    /// Creates the topics that do not exist, leaves the others as they are. All can be used when this returns.
    ///
    /// # Errors
    /// `Refused` where the cluster forbids it: [`EventLog::plan`] says what to ask for.
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()>;

    /// What an administrator has to set up where we may not: commands or settings, one a line. A transactional id that
    /// ends with `*` stands for all that begin so.
    fn plan(&self, specs: &[TopicSpec], transactional_ids: &[&str], groups: &[&str]) -> Vec<String>;

    /// Takes a transactional id: fences its predecessor, aborts what that left open, and waits until this is done.
    ///
    /// # Errors
    /// `Transient`, `Refused`.
    fn writer(&self, transactional_id: &str) -> Result<Box<dyn Writer>>;

    /// A reader over topics, each from its own place.
    ///
    /// # Errors
    /// `NotFound` for a topic that does not exist, `Transient`.
    fn reader(&self, isolation: Isolation, topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>>;

    /// The same for reading what is there now, and no more: ends are told at once. A log whose broker holds an answer
    /// back until there is something to tell asks it not to, which would be too many questions for a reader that stays.
    ///
    /// # Errors
    /// As for [`EventLog::reader`].
    fn reader_to_end(&self, isolation: Isolation, topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>> {
        self.reader(isolation, topics)
    }

    /// The ends of a topic's partitions.
    ///
    /// # Errors
    /// `NotFound`, `Transient`.
    fn watermarks(&self, topic: &str) -> Result<Vec<Watermarks>>;

    /// The committed positions of a group in a topic; partitions without one are absent.
    ///
    /// # Errors
    /// `NotFound`, `Transient`.
    fn committed(&self, group: &str, topic: &str) -> Result<Vec<PartitionOffset>>;
}
