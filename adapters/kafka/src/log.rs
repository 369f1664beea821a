//! The event log over one cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge_port::{
    ErrorKind, EventLog, Isolation, PartitionOffset, PortError, Reader, Result, StartAt, TopicSpec, TopicState,
    Watermarks, Writer,
};
use rdkafka_sys::bindings::RD_KAFKA_OFFSET_BEGINNING;
use rdkafka_sys::types::RDKafkaErrorCode as Code;

use crate::errors::Failure;
use crate::native::{Client, Consumer, Topic, TopicMetadata, committed_offsets};
use crate::reader::KafkaReader;
use crate::settings::{Checked, KafkaSettings, Stay};
use crate::waiting::within;
use crate::writer::KafkaWriter;
use crate::{plan, topics};

/// How long a position that is being committed is waited for. A decided transaction is written out in far less.
const STABLE_WAIT: Duration = Duration::from_secs(5);
/// How long the first answer of a cluster is waited for. Whoever serves asks again; a person wants to know.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How often created topics are looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An event log on a Kafka cluster.
pub struct KafkaLog {
    checked: Arc<Checked>,
    address: String,
    timeout: Duration,
    /// Asks about topics.
    inquiry: Arc<Client>,
}

impl KafkaLog {
    /// Checks the settings, and waits until a broker answers.
    ///
    /// # Errors
    /// `Configuration` for a property that cannot be set or used, `Refused` when the login or the broker's certificate
    /// is not accepted, `Transient` when no broker answers in ten seconds (or the time of one call, if that is less). No text contains a secret.
    pub fn connect(settings: KafkaSettings) -> Result<Self> {
        const OPERATION: &str = "connect";
        let checked = Arc::new(Checked::new(settings)?);
        let address = format!("kafka://{}", checked.settings.brokers);
        let timeout = Duration::from_millis(u64::from(checked.settings.call_timeout_ms));
        let inquiry = Client::consumer(&checked.inquiry_properties(), checked.secrets.clone())
            .map_err(|failure| failure.into_port(OPERATION, &address))?;
        within(timeout.min(FIRST_ANSWER), &inquiry, OPERATION, &address, |slice| {
            if inquiry.knows_cluster(slice) {
                return Ok(());
            }
            Err(Failure::new(Code::OperationTimedOut as i32, "no broker has answered"))
        })?;
        Ok(Self { checked, address, timeout, inquiry: Arc::new(inquiry) })
    }

    /// What the cluster says of a topic.
    fn metadata(&self, operation: &'static str, name: &str) -> Result<(Topic, TopicMetadata)> {
        self.inquiry.serve(Duration::ZERO);
        drop(self.inquiry.take_trouble());
        let topic =
            Topic::new(Arc::clone(&self.inquiry), name, 0).map_err(|failure| failure.into_port(operation, name))?;
        let metadata = within(self.timeout, &self.inquiry, operation, name, |slice| topic.metadata(slice))?;
        Ok((topic, metadata))
    }

    fn exists(&self, operation: &'static str, name: &str) -> Result<Option<TopicMetadata>> {
        match self.metadata(operation, name) {
            Ok((_, metadata)) => Ok(Some(metadata)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A broker that has not heard of a new topic yet would deny it to the next call.
    fn await_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        const OPERATION: &str = "create topic";
        let deadline = Instant::now() + self.timeout;
        for spec in specs {
            while self.exists(OPERATION, &spec.name)?.is_none() {
                if Instant::now() > deadline {
                    let message = "it was created, but the cluster does not show it";
                    return Err(PortError::new(ErrorKind::Transient, OPERATION, &spec.name, message));
                }
                self.inquiry.serve(LOOK_AGAIN);
            }
        }
        Ok(())
    }

    /// Partitions and offsets. The end is asked for here and now: librdkafka would find it some time after the reader
    /// is given out, and what is written in between would be passed over.
    fn starts(&self, topic: &str, start: StartAt, partitions: u32) -> Result<Vec<(u32, i64)>> {
        let beginning = i64::from(RD_KAFKA_OFFSET_BEGINNING);
        Ok(match start {
            StartAt::Beginning => (0..partitions).map(|partition| (partition, beginning)).collect(),
            StartAt::End => self.watermarks(topic)?.iter().map(|ends| (ends.partition, ends.high)).collect(),
            StartAt::Offset { partition, offset } => vec![(partition, offset)],
            StartAt::Partition(partition) => vec![(partition, beginning)],
        })
    }

    fn open_reader(&self, isolation: Isolation, stay: Stay, topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>> {
        const OPERATION: &str = "read topic";
        let level = match isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        let consumer = Client::consumer(&self.checked.reader_properties(level, stay), self.checked.secrets.clone())
            .and_then(Consumer::new)
            .map_err(|failure| failure.into_port(OPERATION, &self.address))?;
        let mut reader = KafkaReader::new(consumer, &self.address);
        for (topic, start) in topics {
            let partitions = reader.partitions(topic, self.timeout)?;
            for (partition, offset) in self.starts(topic, *start, partitions)? {
                if partition >= partitions {
                    let message = format!("it has {partitions} partitions, no partition {partition}");
                    return Err(PortError::new(ErrorKind::NotFound, OPERATION, *topic, message));
                }
                reader.start(topic, partition, offset)?;
            }
        }
        Ok(Box::new(reader))
    }

    fn committed_under(
        &self,
        isolation_level: &str,
        timeout: Duration,
        group: &str,
        topic: &str,
        partitions: u32,
    ) -> Result<Vec<PartitionOffset>> {
        const OPERATION: &str = "read committed positions";
        let properties = self.checked.group_properties(group, isolation_level);
        let client = Client::consumer(&properties, self.checked.secrets.clone())
            .map_err(|failure| failure.into_port(OPERATION, group))?;
        within(timeout, &client, OPERATION, group, |slice| committed_offsets(&client, topic, partitions, slice))
    }
}

impl EventLog for KafkaLog {
    fn address(&self) -> &str {
        &self.address
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>> {
        const OPERATION: &str = "look for topics";
        let mut found = Vec::new();
        for name in names {
            if let Some(metadata) = self.exists(OPERATION, name)? {
                found.push((*name, metadata));
            }
        }
        let existing: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        let policies = topics::cleanup_policies(&self.checked, &existing, self.timeout)?;
        let state = |((name, metadata), cleanup): ((&str, TopicMetadata), _)| TopicState {
            name: name.to_owned(),
            partitions: metadata.partitions,
            cleanup,
            replication: Some(metadata.replication),
        };
        Ok(found.into_iter().zip(policies).map(state).collect())
    }

    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        let mut missing = Vec::new();
        for spec in specs {
            if self.exists("create topic", &spec.name)?.is_none() {
                missing.push(spec.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        topics::create(&self.checked, &missing, self.timeout)?;
        self.await_topics(&missing)
    }

    fn plan(&self, specs: &[TopicSpec], transactional_ids: &[&str], groups: &[&str]) -> Vec<String> {
        plan::command_lines(&self.checked.settings, specs, transactional_ids, groups)
    }

    fn writer(&self, transactional_id: &str) -> Result<Box<dyn Writer>> {
        Ok(Box::new(KafkaWriter::take(&self.checked, transactional_id, self.timeout)?))
    }

    fn reader(&self, isolation: Isolation, topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>> {
        self.open_reader(isolation, Stay::Follow, topics)
    }

    fn reader_to_end(&self, isolation: Isolation, topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>> {
        self.open_reader(isolation, Stay::ToEnd, topics)
    }

    fn watermarks(&self, topic: &str) -> Result<Vec<Watermarks>> {
        const OPERATION: &str = "read watermarks";
        let (handle, metadata) = self.metadata(OPERATION, topic)?;
        let of_partition = |partition| {
            within(self.timeout, &self.inquiry, OPERATION, topic, |slice| handle.watermarks(partition, slice))
                .map(|(low, high)| Watermarks { partition, low, high })
        };
        (0..metadata.partitions).map(of_partition).collect()
    }

    /// Waits a moment for positions whose transaction is decided but not written out; a transaction that stays open
    /// longer does not count.
    fn committed(&self, group: &str, topic: &str) -> Result<Vec<PartitionOffset>> {
        let (_, metadata) = self.metadata("read committed positions", topic)?;
        let wait = STABLE_WAIT.min(self.timeout);
        match self.committed_under("read_committed", wait, group, topic, metadata.partitions) {
            Err(error) if error.kind == ErrorKind::Transient => {
                self.committed_under("read_uncommitted", self.timeout, group, topic, metadata.partitions)
            }
            answer => answer,
        }
    }
}
