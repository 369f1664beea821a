//! What the bridge is measured against: the same log, and nothing of the bridge.
//!
//! `cargo xtask bench` runs it. Files of records are lines of `key`, a tab, and the value, as
//! `kcat -C -f '%k\t%s\n'` writes them.
//!
//! ```text
//! bare create BROKERS TOPIC PARTITIONS
//! bare delete BROKERS TOPIC…                  those that are not there are passed over
//! bare ends BROKERS TOPIC                     how many offsets the topic has used
//! bare transactions BROKERS TOPIC FILE N      sends a file, N records to a transaction, one after another
//! bare serve BROKERS TOPIC FILE N             the same, each when a line comes on standard input; answers with the
//!                                             time before it began, nanoseconds of the Unix epoch
//! bare watch BROKERS TOPIC…                   reads committed records from now on: a line of the time and the topic
//!                                             for each, after a line `ready`
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dropbridge_kafka::{KafkaLog, KafkaSettings};
use dropbridge_port::{Cleanup, EventLog, OutgoingRecord, TopicSpec, Writer};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["create", brokers, topic, partitions] => create(brokers, topic, partitions.parse()?),
        ["delete", brokers, ref topics @ ..] => delete(brokers, topics),
        ["ends", brokers, topic] => ends(brokers, topic),
        ["transactions", brokers, topic, file, together] => transactions(brokers, topic, file, together.parse()?),
        ["serve", brokers, topic, file, together] => serve(brokers, topic, file, together.parse()?),
        ["watch", brokers, ref topics @ ..] => watch(brokers, topics),
        _ => Err("see the head of bare.rs for what it takes".into()),
    }
}

fn connect(brokers: &str) -> Result<KafkaLog> {
    Ok(KafkaLog::connect(KafkaSettings::new(brokers))?)
}

fn create(brokers: &str, topic: &str, partitions: u32) -> Result<()> {
    let (name, cleanup) = (topic.to_owned(), Cleanup::Delete);
    let spec = TopicSpec { name, partitions, cleanup, replication: None, properties: BTreeMap::new() };
    Ok(connect(brokers)?.create_topics(&[spec])?)
}

fn delete(brokers: &str, topics: &[&str]) -> Result<()> {
    let mut config = ClientConfig::new();
    let client: AdminClient<DefaultClientContext> = config.set("bootstrap.servers", brokers).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for answer in runtime.block_on(client.delete_topics(topics, &AdminOptions::new()))? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => return Err(format!("delete {topic}: {code}").into()),
        }
    }
    Ok(())
}

fn ends(brokers: &str, topic: &str) -> Result<()> {
    let total: i64 = connect(brokers)?.watermarks(topic)?.iter().map(|ends| ends.high).sum();
    println!("{total}");
    Ok(())
}

/// The transactions of a file, one after another.
struct Transactions {
    writer: Box<dyn Writer>,
    topic: String,
    bytes: Vec<u8>,
    at: usize,
    together: usize,
}

impl Transactions {
    fn open(brokers: &str, topic: &str, file: &str, together: usize) -> Result<Self> {
        let bytes = std::fs::read(file)?;
        let writer = connect(brokers)?.writer(&format!("bare-{}", std::process::id()))?;
        Ok(Self { writer, topic: topic.to_owned(), bytes, at: 0, together })
    }

    /// Does the next one; `false` when the file is at its end.
    fn next(&mut self) -> Result<bool> {
        if self.at == self.bytes.len() {
            return Ok(false);
        }
        self.writer.begin()?;
        let lines = self.bytes[self.at..].split_inclusive(|byte| *byte == b'\n').take(self.together);
        for line in lines {
            self.at += line.len();
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let tab = line.iter().position(|byte| *byte == b'\t').ok_or("a line without a tab")?;
            let (key, value) = (Some(&line[..tab]), Some(&line[tab + 1..]));
            let topic = &self.topic;
            self.writer.send(OutgoingRecord { topic, partition: None, key, value, headers: &[], tag: 0 })?;
        }
        self.writer.commit()?;
        Ok(true)
    }
}

fn transactions(brokers: &str, topic: &str, file: &str, together: usize) -> Result<()> {
    let mut transactions = Transactions::open(brokers, topic, file, together)?;
    while transactions.next()? {}
    Ok(())
}

fn serve(brokers: &str, topic: &str, file: &str, together: usize) -> Result<()> {
    let mut transactions = Transactions::open(brokers, topic, file, together)?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let begun = now_ns()?;
        if !transactions.next()? {
            return Err("there are no more records".into());
        }
        println!("{begun}");
    }
    Ok(())
}

fn watch(brokers: &str, topics: &[&str]) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("isolation.level", "read_committed");
    config.set("group.id", "bare").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut places = TopicPartitionList::new();
    for topic in topics {
        for ends in connect(brokers)?.watermarks(topic)? {
            places.add_partition_offset(topic, i32::try_from(ends.partition)?, Offset::Offset(ends.high))?;
        }
    }
    consumer.assign(&places)?;
    println!("ready");
    let mut output = std::io::stdout().lock();
    loop {
        if let Some(record) = consumer.poll(Duration::from_secs(1)) {
            let now = now_ns()?;
            writeln!(output, "{now} {}", record?.topic())?;
            output.flush()?;
        }
    }
}

fn now_ns() -> Result<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}
