//! The real Apache Kafka that the tests talk to: `cargo xtask test` starts it and says where it is.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(60);

/// The variable, or `None` when this test is skipped for want of it, said by name. Where nothing may be skipped, it
/// panics.
pub(crate) fn variable(name: &str) -> Option<String> {
    if let Ok(value) = std::env::var(name) {
        return Some(value);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let message = format!("skipped: {test}: {name} is not set; `cargo xtask test` starts Apache Kafka and sets it");
    let disallowed = std::env::var("CI").is_ok_and(|value| value == "true")
        || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
    assert!(!disallowed, "{message}");
    // Not by `eprintln!`: what a test prints by that is shown only when it fails.
    std::io::stderr().write_all(format!("{message}\n").as_bytes()).unwrap();
    None
}

/// A record as it is in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The broker, over its plain listener.
pub(crate) struct Broker {
    pub(crate) address: String,
}

impl Broker {
    pub(crate) fn find() -> Option<Self> {
        variable("DROPBRIDGE_TEST_KAFKA").map(|address| Self { address })
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    pub(crate) fn create_topic(&self, topic: &str, partitions: i32) {
        let client: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        for answer in runtime.block_on(client.create_topics([&topic], &options)).unwrap() {
            answer.unwrap();
        }
    }

    /// Writes records in order, each acknowledged before this returns.
    pub(crate) fn write(&self, topic: &str, records: &[Record]) {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("partitioner", "murmur2_random").set("linger.ms", "5");
        let producer: BaseProducer = config.create().unwrap();
        for record in records {
            producer.send(BaseRecord::to(topic).key(&record.key).payload(&record.value)).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
        assert_eq!(producer.in_flight_count(), 0);
    }

    /// All committed records of a topic; those of one key in their order.
    pub(crate) fn read(&self, topic: &str) -> Vec<Record> {
        let consumer = self.consumer("reader");
        let partitions = partitions(&consumer, topic);
        let mut places = TopicPartitionList::new();
        for partition in 0..partitions {
            places.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&places).unwrap();
        let (mut records, mut ends) = (Vec::new(), 0);
        while ends < partitions {
            match consumer.poll(TIMEOUT).expect("the topic is read to its end in time") {
                Err(KafkaError::PartitionEOF(_)) => ends += 1,
                message => records.push(record(&message.unwrap())),
            }
        }
        records
    }

    /// Looks at how much of a topic a group has done with.
    pub(crate) fn progress(&self, group: &str, topic: &str) -> Progress {
        let consumer = self.consumer(group);
        let mut places = TopicPartitionList::new();
        for partition in 0..partitions(&consumer, topic) {
            places.add_partition(topic, partition);
        }
        Progress { consumer, places }
    }

    /// The members of a group, once it has given its partitions to them; 0 while it is about to.
    pub(crate) fn stable_members(&self, group: &str) -> usize {
        let groups = self.consumer(group).fetch_group_list(Some(group), TIMEOUT).unwrap();
        let found = groups.groups().iter().find(|found| found.name() == group && found.state() == "Stable");
        found.map_or(0, |found| found.members().len())
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10");
        config.create().unwrap()
    }
}

/// How much of a topic a group has done with.
pub(crate) struct Progress {
    consumer: BaseConsumer,
    places: TopicPartitionList,
}

impl Progress {
    /// In records.
    pub(crate) fn records(&self) -> usize {
        let committed = self.consumer.committed_offsets(self.places.clone(), TIMEOUT).unwrap();
        let offsets = committed.elements().into_iter().filter_map(|element| element.offset().to_raw());
        offsets.filter(|offset| *offset > 0).map(|offset| usize::try_from(offset).unwrap()).sum()
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).unwrap();
    i32::try_from(metadata.topics()[0].partitions().len()).unwrap()
}

fn record(message: &impl Message) -> Record {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        key: text(message.key().unwrap()),
        value: message.payload().unwrap().to_vec(),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect(),
    }
}
