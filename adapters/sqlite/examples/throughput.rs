//! Measures the log: `cargo run --release -p dropbridge-sqlite --example throughput -- [DIRECTORY]`.
//!
//! Large transactions (records a second, written and read), and small ones (milliseconds a commit). The file is made
//! in a temporary directory below DIRECTORY, the current one unless told, and removed at the end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use dropbridge_port::{Cleanup, EventLog, Isolation, OutgoingRecord, Polled, StartAt, TopicSpec};
use dropbridge_sqlite::SqliteLog;

const RECORDS: u32 = 1_000_000;
const RECORDS_A_TRANSACTION: u32 = 100_000;
const VALUE_BYTES: usize = 500;
const PARTITIONS: u32 = 4;
const SMALL_TRANSACTIONS: u32 = 200;

fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let directory = tempfile::tempdir_in(parent).unwrap();
    let log = SqliteLog::open(&directory.path().join("log.db")).unwrap();
    let spec = |name: &str| TopicSpec {
        name: name.to_owned(),
        partitions: PARTITIONS,
        cleanup: Cleanup::Delete,
        replication: None,
        properties: std::collections::BTreeMap::new(),
    };
    log.create_topics(&[spec("large"), spec("small")]).unwrap();
    let value = vec![b'x'; VALUE_BYTES];

    let begun = Instant::now();
    write(&log, "large", RECORDS / RECORDS_A_TRANSACTION, RECORDS_A_TRANSACTION, &value);
    report("written", RECORDS, begun.elapsed());

    let begun = Instant::now();
    let mut reader = log.reader(Isolation::ReadCommitted, &[("large", StartAt::Beginning)]).unwrap();
    let mut read = 0;
    while read < RECORDS {
        read += u32::from(matches!(reader.poll(Duration::from_secs(1)).unwrap(), Polled::Record(_)));
    }
    report("read", RECORDS, begun.elapsed());

    let begun = Instant::now();
    write(&log, "small", SMALL_TRANSACTIONS, 10, &value);
    let each = begun.elapsed() / SMALL_TRANSACTIONS;
    println!("transactions of 10 records: {:.2} ms each", each.as_secs_f64() * 1000.0);
}

fn write(log: &SqliteLog, topic: &str, transactions: u32, records: u32, value: &[u8]) {
    let mut writer = log.writer("throughput").unwrap();
    for transaction in 0..transactions {
        writer.begin().unwrap();
        for number in 0..records {
            let key = (transaction * records + number).to_le_bytes();
            let record =
                OutgoingRecord { topic, partition: None, key: Some(&key), value: Some(value), headers: &[], tag: 0 };
            writer.send(record).unwrap();
        }
        writer.settle().unwrap();
        writer.commit().unwrap();
    }
}

fn report(what: &str, records: u32, took: Duration) {
    println!("{what}: {:.0} records a second", f64::from(records) / took.as_secs_f64());
}
