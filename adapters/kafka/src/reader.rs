//! Reads records of some partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, FetchedRecord, Polled, PortError, Reader, Result};

use crate::native::{Consumed, Consumer};
use crate::waiting::within;

/// How long one wait for records is before the client's complaints are looked at.
const SLICE: Duration = Duration::from_millis(250);

const OPERATION: &str = "read topic";

/// A reader of partitions that were started.
pub(crate) struct KafkaReader {
    consumer: Consumer,
    /// One name for all records of a topic.
    names: Vec<Arc<str>>,
    address: String,
}

impl KafkaReader {
    pub(crate) fn new(consumer: Consumer, address: &str) -> Self {
        Self { consumer, names: Vec::new(), address: address.to_owned() }
    }

    /// Asks the cluster how many partitions a topic has.
    pub(crate) fn partitions(&mut self, topic: &str, timeout: Duration) -> Result<u32> {
        let client = self.consumer.client();
        within(timeout, &client, OPERATION, topic, |slice| self.consumer.metadata(topic, slice))
            .map(|metadata| metadata.partitions)
    }

    pub(crate) fn start(&mut self, topic: &str, partition: u32, offset: i64) -> Result<()> {
        self.consumer.start(topic, partition, offset).map_err(|failure| failure.into_port(OPERATION, topic))
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, timeout: Duration) -> Result<Polled> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left.min(SLICE)) {
                Some(Consumed::Record(record)) => {
                    return Ok(Polled::Record(FetchedRecord {
                        topic: shared_name(&mut self.names, record.topic()),
                        partition: record.partition().unsigned_abs(),
                        offset: record.offset(),
                        timestamp_ms: record.timestamp_ms(),
                        key: record.key(),
                        value: record.value(),
                        headers: record.headers(),
                    }));
                }
                Some(Consumed::End { topic, partition, offset }) => {
                    let topic = shared_name(&mut self.names, &topic);
                    return Ok(Polled::End { topic, partition: partition.unsigned_abs(), offset });
                }
                Some(Consumed::Failed { topic, failure }) => {
                    let subject = if topic.is_empty() { self.address.clone() } else { topic };
                    return Err(failure.into_port(OPERATION, subject));
                }
                None => {}
            }
            self.look_at_complaints()?;
            if left.is_zero() {
                return Ok(Polled::Idle);
            }
        }
    }
}

impl KafkaReader {
    fn look_at_complaints(&self) -> Result<()> {
        let client = self.consumer.client();
        client.serve(Duration::ZERO);
        let Some(trouble) = client.take_trouble() else { return Ok(()) };
        let error: PortError = trouble.into_port("read topics", &self.address);
        // One broken connection of several is librdkafka's to mend.
        let is_away = error.kind != ErrorKind::Transient || error.hint.is_some();
        if is_away { Err(error) } else { Ok(()) }
    }
}

/// The name as it is shared by all records of the topic. There are few topics, and mostly it is the latest one.
fn shared_name(names: &mut Vec<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.iter().rfind(|known| known.as_ref() == name) {
        return Arc::clone(known);
    }
    let new: Arc<str> = Arc::from(name);
    names.push(Arc::clone(&new));
    new
}
