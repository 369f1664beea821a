//! Reads a topic as a member of a consumer group.
//!
//! The group gives each partition to one member. Offsets are committed after what was read has had its effect and before
//! the next read, so that a partition that moves to another member is read on from exactly there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::kafka::{self, Notes};

/// How long a read waits for the first record.
const WAIT: Duration = Duration::from_millis(100);

/// After so long without a sign of life, a member's partitions are given to others.
const SESSION_TIMEOUT_MS: &str = "10000";

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Received {
    /// The partition that it is in, and where in it; `None` when it comes from a file.
    pub offset: Option<(i32, i64)>,
    /// The same for people, with the topic or the file.
    pub place: String,
    /// The record's value.
    pub value: Option<Vec<u8>>,
}

/// A member of a group.
pub struct GroupReader {
    consumer: BaseConsumer<Member>,
    topic: String,
    /// Partitions that were read to their end.
    at_end: BTreeSet<i32>,
}

impl GroupReader {
    /// Joins the group. `instance` is this member's name for ever: restarted under it, it gets its partitions back at
    /// once (Kafka calls that static membership).
    ///
    /// # Errors
    /// When no broker answers, or the topic is not there.
    pub fn join(config: ClientConfig, program: &'static str, group: &str, instance: &str, topic: &str) -> Result<Self> {
        let mut config = kafka::consumer(config, group);
        config
            .set("group.instance.id", instance)
            .set("session.timeout.ms", SESSION_TIMEOUT_MS)
            .set("heartbeat.interval.ms", "1000");
        let member = Member { notes: Notes::of(program), assignment: Mutex::default() };
        let consumer: BaseConsumer<Member> = config.create_with_context(member).context("set up the Kafka consumer")?;
        kafka::partitions(consumer.client(), topic)?;
        consumer.subscribe(&[topic]).with_context(|| format!("subscribe to `{topic}`"))?;
        Ok(Self { consumer, topic: topic.to_owned(), at_end: BTreeSet::new() })
    }

    /// Reads what is there, or waits a moment.
    ///
    /// # Errors
    /// What cannot pass by itself.
    pub fn read(&mut self, most: usize) -> Result<Vec<Received>> {
        let mut batch = Vec::new();
        let mut generation = self.assignment().generation;
        while batch.len() < most {
            let wait = if batch.is_empty() { WAIT } else { Duration::ZERO };
            let polled = self.consumer.poll(wait);
            let now = self.consumer.context().assignment().generation;
            if now != generation {
                // The partitions may be another's now. Nothing of this batch was committed: whoever has them reads it.
                batch.clear();
                self.at_end.clear();
                generation = now;
            }
            match polled {
                None => break,
                Some(Ok(message)) => {
                    self.at_end.remove(&message.partition());
                    batch.push(received(&self.topic, &message));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.at_end.insert(partition);
                }
                Some(Err(error)) => self.judge(&error)?,
            }
        }
        Ok(batch)
    }

    /// Says that the batch has had its effect: it is not read again.
    ///
    /// # Errors
    /// What cannot pass by itself. A commit that comes too late is no error: the batch is read again by somebody, who
    /// finds its ids or makes the same events of it.
    pub fn commit(&self, batch: &[Received]) -> Result<()> {
        let next: BTreeMap<i32, i64> = batch
            .iter()
            .filter_map(|received| received.offset)
            .map(|(partition, offset)| (partition, offset + 1))
            .collect();
        if next.is_empty() {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            offsets.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        match self.consumer.commit(&offsets, CommitMode::Sync) {
            Ok(()) => Ok(()),
            Err(KafkaError::ConsumerCommit(code)) if !is_final(code) => {
                self.consumer.context().notes.say(format!("offsets were not committed, events may come again: {code}"));
                Ok(())
            }
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// Whether the group has given this member its partitions, perhaps none, and they were read to their ends.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.assignment().partitions.as_ref().is_some_and(|partitions| partitions.is_subset(&self.at_end))
    }

    fn assignment(&self) -> MutexGuard<'_, Assignment> {
        self.consumer.context().assignment()
    }

    fn judge(&self, error: &KafkaError) -> Result<()> {
        match error {
            KafkaError::MessageConsumption(code) if !is_final(*code) => {
                self.consumer.context().notes.say(format!("Kafka: {code}"));
                Ok(())
            }
            _ => Err(self.explain(error)),
        }
    }

    fn explain(&self, error: &KafkaError) -> anyhow::Error {
        let hint = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::FencedInstanceId) => {
                ". Another process runs on a copy of this state: each needs one of its own, not a copy"
            }
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => ". The user needs the right to read the group",
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => ". The user needs the right to read the topic",
            _ => "",
        };
        anyhow!("read `{}`: {error}{hint}", self.topic)
    }
}

fn received(topic: &str, message: &impl Message) -> Received {
    let (partition, offset) = (message.partition(), message.offset());
    Received {
        offset: Some((partition, offset)),
        place: format!("{topic} partition {partition} offset {offset}"),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

/// Errors that stay until a person does something.
const fn is_final(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::Fatal
    )
}

/// What the group has given to this member.
#[derive(Debug, Default)]
struct Assignment {
    /// Counts the changes.
    generation: u64,
    /// `None` before the group has decided.
    partitions: Option<BTreeSet<i32>>,
}

/// Notes what the group decides, while the consumer is polled.
struct Member {
    notes: Notes,
    assignment: Mutex<Assignment>,
}

impl Member {
    fn assignment(&self) -> MutexGuard<'_, Assignment> {
        self.assignment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Member {}

impl ConsumerContext for Member {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut assignment = self.assignment();
        assignment.generation += 1;
        assignment.partitions = match rebalance {
            Rebalance::Assign(list) => Some(list.elements().iter().map(TopicPartitionListElem::partition).collect()),
            Rebalance::Revoke(_) | Rebalance::Error(_) => None,
        };
    }
}
