//! Reads all partitions of a topic from where its caller wants, without a consumer group.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::NAME;
use crate::kafka::{self, Notes};

/// A record that was read.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The partition that it is in.
    pub(super) partition: i32,
    /// Where in the partition.
    pub(super) offset: i64,
    /// When it was written, milliseconds of the Unix epoch.
    pub(super) written_ms: i64,
    /// The record's value.
    pub(super) value: Option<Vec<u8>>,
}

/// A consumer of one topic.
pub(super) struct TopicReader {
    consumer: BaseConsumer<DefaultConsumerContext>,
    topic: String,
    notes: Notes,
    partitions: i32,
    /// Partitions that were read to their end.
    at_end: BTreeSet<i32>,
}

impl TopicReader {
    /// Reads on from the offset that `next_offset` gives for a partition, or from its beginning. `None` when there is no
    /// such topic.
    pub(super) fn open(
        config: ClientConfig,
        topic: &str,
        next_offset: impl Fn(i32) -> Result<Option<i64>>,
    ) -> Result<Option<Self>> {
        // No group is joined under this name: librdkafka wants one.
        let config = kafka::consumer(config, NAME);
        let consumer: BaseConsumer<_> = config.create().context("set up the Kafka consumer")?;
        let Some(partitions) = kafka::find_topic(consumer.client(), topic)? else {
            return Ok(None);
        };
        let mut places = TopicPartitionList::new();
        for partition in 0..partitions {
            let offset = next_offset(partition)?.map_or(Offset::Beginning, Offset::Offset);
            places.add_partition_offset(topic, partition, offset)?;
        }
        consumer.assign(&places).with_context(|| format!("read `{topic}`"))?;
        let notes = Notes::of(NAME);
        Ok(Some(Self { consumer, topic: topic.to_owned(), notes, partitions, at_end: BTreeSet::new() }))
    }

    /// The topic's name.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, most: usize) -> Result<Vec<Seen>> {
        let mut batch = Vec::new();
        while batch.len() < most {
            match self.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    self.at_end.remove(&partition);
                    let written_ms = message.timestamp().to_millis().unwrap_or_default();
                    batch.push(Seen { partition, offset, written_ms, value: message.payload().map(<[u8]>::to_vec) });
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.at_end.insert(partition);
                }
                Some(Err(KafkaError::MessageConsumption(code))) if !is_final(code) => {
                    self.notes.say(format!("Kafka: {code}"));
                }
                Some(Err(error)) => return Err(anyhow!("read `{}`: {error}", self.topic)),
            }
        }
        Ok(batch)
    }

    /// Whether every partition was read to its end.
    pub(super) fn is_at_end(&self) -> bool {
        (0..self.partitions).all(|partition| self.at_end.contains(&partition))
    }
}

const fn is_final(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::UnknownTopicOrPartition)
}
