//! Topics and their partitions.

use dropbridge_port::{Cleanup, ErrorKind, PortError, TopicSpec, TopicState};
use rusqlite::{OptionalExtension, Transaction};

use crate::connection::Outcome;

/// A topic as writers and readers need it.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    /// Its name.
    pub(crate) name: String,
    /// Whether the newest record of each key stays for ever.
    pub(crate) compacted: bool,
    /// `partition_id` of each partition, in order. Never empty.
    pub(crate) partition_ids: Vec<i64>,
}

impl Topic {
    /// The `partition_id` of a partition.
    pub(crate) fn partition_id(&self, operation: &'static str, partition: u32) -> Outcome<i64> {
        self.partition_ids.get(partition as usize).copied().ok_or_else(|| {
            let message = format!("no partition {partition}, the topic has {}", self.partition_ids.len());
            PortError::new(ErrorKind::NotFound, operation, self.name.as_str(), message).into()
        })
    }
}

/// The topic of that name, if there is one.
pub(crate) fn find(transaction: &Transaction<'_>, name: &str) -> Outcome<Option<Topic>> {
    let mut statement = transaction.prepare_cached("SELECT topic_id, cleanup FROM topics WHERE name = ?1")?;
    let row = statement.query_row([name], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()?;
    let Some((topic_id, cleanup)) = row else { return Ok(None) };
    let mut statement =
        transaction.prepare_cached("SELECT partition_id FROM partitions WHERE topic_id = ?1 ORDER BY partition")?;
    let partition_ids = statement.query_map([topic_id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(Some(Topic { name: name.to_owned(), compacted: cleanup == Cleanup::Compact.as_str(), partition_ids }))
}

/// The topic of that name, or `NotFound`.
pub(crate) fn require(transaction: &Transaction<'_>, operation: &'static str, name: &str) -> Outcome<Topic> {
    find(transaction, name)?.ok_or_else(|| {
        PortError::new(ErrorKind::NotFound, operation, name, "no such topic")
            .with_hint("`dropbridge init` creates the topics of the configuration")
            .into()
    })
}

/// What the contract says of a topic.
pub(crate) fn state(topic: &Topic) -> TopicState {
    let cleanup = if topic.compacted { Cleanup::Compact } else { Cleanup::Delete };
    TopicState {
        name: topic.name.clone(),
        // Partitions are counted by `u32` when they are created.
        partitions: topic.partition_ids.len() as u32,
        cleanup: Some(cleanup.as_str().to_owned()),
        replication: None,
    }
}

/// Creates a topic, unless there is one of that name.
pub(crate) fn create(transaction: &Transaction<'_>, spec: &TopicSpec) -> Outcome<()> {
    if find(transaction, &spec.name)?.is_some() {
        return Ok(());
    }
    if spec.partitions == 0 || spec.name.is_empty() {
        let message = "a topic needs a name and at least one partition";
        return Err(PortError::new(ErrorKind::Configuration, "create topic", spec.name.as_str(), message).into());
    }
    let topic_id: i64 = transaction
        .prepare_cached("INSERT INTO topics (name, cleanup) VALUES (?1, ?2) RETURNING topic_id")?
        .query_row((&spec.name, spec.cleanup.as_str()), |row| row.get(0))?;
    let mut insert = transaction.prepare_cached("INSERT INTO partitions (topic_id, partition) VALUES (?1, ?2)")?;
    for partition in 0..spec.partitions {
        insert.execute((topic_id, partition))?;
    }
    Ok(())
}
