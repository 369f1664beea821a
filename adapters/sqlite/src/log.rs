//! The log as the bridge sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dropbridge_port::{
    ErrorKind, EventLog, Isolation, PartitionOffset, Reader, Result, StartAt, TopicSpec, TopicState, Watermarks, Writer,
};
use rusqlite::OptionalExtension;

use crate::compaction::{self, When};
use crate::connection::{Handle, Sync};
use crate::reader::{SqliteReader, end_of};
use crate::topics;
use crate::transactions;
use crate::wake::Wake;
use crate::writer::SqliteWriter;

/// What can be set about a log. It is no part of the file: each process has its own.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size in bytes of the largest record: key, value and headers. 1 MiB unless told, as Kafka's brokers have it.
    pub max_record_bytes: usize,
    /// How many bytes of records a writer keeps in memory before it puts them into the file. 4 MiB unless told.
    pub buffer_bytes: usize,
    /// How long compaction keeps a record without value, so that readers which lag behind see it. A day unless told.
    pub tombstone_retention: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_record_bytes: 1 << 20,
            buffer_bytes: 4 << 20,
            tombstone_retention: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// An event log in a SQLite file, or in memory. A clone is the same log.
#[derive(Clone)]
pub struct SqliteLog {
    /// `None` in memory.
    path: Option<PathBuf>,
    address: Arc<str>,
    handle: Handle,
    wake: Arc<Wake>,
    options: Options,
}

impl SqliteLog {
    /// Opens the log in this file; makes the file if there is none. Its directory must exist, on a local file system.
    ///
    /// # Errors
    /// `Refused` when the file cannot be opened or made, `Configuration` when it is something else or of another
    /// version, `Corrupt`, `Transient`.
    pub fn open(path: &Path) -> Result<Self> {
        let handle = Handle::open(path)?;
        Ok(Self {
            path: Some(path.to_owned()),
            address: format!("sqlite:{}", path.display()).into(),
            handle,
            wake: Arc::default(),
            options: Options::default(),
        })
    }

    /// A log that is gone when its last clone, writer and reader is.
    ///
    /// # Errors
    /// `Transient` when there is no memory.
    pub fn in_memory() -> Result<Self> {
        Ok(Self {
            path: None,
            address: "sqlite::memory:".into(),
            handle: Handle::in_memory()?,
            wake: Arc::default(),
            options: Options::default(),
        })
    }

    /// The same log with other options, for the writers that are opened from now on.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Compacts every compacted topic now.
    ///
    /// # Errors
    /// `Transient`, `Corrupt`. What was done until then stays done.
    pub fn compact(&self) -> Result<()> {
        compaction::compact(&self.connect()?, When::Always, self.oldest_tombstone_ms())
    }

    fn oldest_tombstone_ms(&self) -> i64 {
        let oldest = SystemTime::now().checked_sub(self.options.tombstone_retention);
        let since = oldest.and_then(|oldest| oldest.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_millis() as i64)
    }

    /// A connection for one user.
    fn connect(&self) -> Result<Handle> {
        self.path.as_deref().map_or_else(|| Ok(self.handle.clone()), Handle::open)
    }
}

impl EventLog for SqliteLog {
    fn address(&self) -> &str {
        &self.address
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>> {
        self.handle.read("list topics", |transaction| {
            let mut states = Vec::new();
            for name in names {
                states.extend(topics::find(transaction, name)?.as_ref().map(topics::state));
            }
            Ok(states)
        })
    }

    /// Replication and further properties have no meaning here and are passed over.
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        self.handle.write("create topics", Sync::Durable, |transaction| {
            specs.iter().try_for_each(|spec| topics::create(transaction, spec))
        })
    }

    /// Nobody but us has to set anything up.
    fn plan(&self, _specs: &[TopicSpec], _transactional_ids: &[&str], _groups: &[&str]) -> Vec<String> {
        Vec::new()
    }

    fn writer(&self, transactional_id: &str) -> Result<Box<dyn Writer>> {
        const OPERATION: &str = "open writer";
        let handle = self.connect()?;
        let claim =
            handle.write(OPERATION, Sync::Durable, |transaction| transactions::claim(transaction, transactional_id))?;
        transactions::abort(&handle, OPERATION, &claim)?;
        self.wake.notify();
        match compaction::compact(&handle, When::MostlyNew, self.oldest_tombstone_ms()) {
            // It can wait: the next writer that is opened tries again.
            Err(error) if error.kind == ErrorKind::Transient => {}
            other => other?,
        }
        Ok(Box::new(SqliteWriter::new(handle, Arc::clone(&self.wake), self.options, claim)))
    }

    fn reader(&self, isolation: Isolation, topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>> {
        Ok(Box::new(SqliteReader::new(self.connect()?, Arc::clone(&self.wake), isolation, topics)?))
    }

    fn watermarks(&self, topic: &str) -> Result<Vec<Watermarks>> {
        self.handle.read("read watermarks", |transaction| {
            let topic = topics::require(transaction, "read watermarks", topic)?;
            let mut watermarks = Vec::new();
            for (partition, id) in (0..).zip(&topic.partition_ids) {
                let high = end_of(transaction, Isolation::ReadUncommitted, *id)?.unwrap_or(0);
                watermarks.push(Watermarks { partition, low: 0, high });
            }
            Ok(watermarks)
        })
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<PartitionOffset>> {
        self.handle.read("read group", |transaction| {
            let topic = topics::require(transaction, "read group", topic)?;
            let mut statement = transaction
                .prepare_cached("SELECT next_offset FROM group_offsets WHERE group_name = ?1 AND partition_id = ?2")?;
            let mut offsets = Vec::new();
            for (partition, id) in (0..).zip(&topic.partition_ids) {
                if let Some(offset) = statement.query_row((group, id), |row| row.get(0)).optional()? {
                    offsets.push(PartitionOffset { topic: topic.name.clone(), partition, offset });
                }
            }
            Ok(offsets)
        })
    }
}
