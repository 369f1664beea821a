//! A log in a temporary directory, and the shortest way to write to it and read from it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dropbridge_port::{Cleanup, EventLog, Isolation, OutgoingRecord, Polled, StartAt, TopicSpec};
use dropbridge_sqlite::SqliteLog;
use tempfile::TempDir;

/// A directory with a log file, removed at the end.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("log.db")
    }

    pub(crate) fn open(&self) -> SqliteLog {
        SqliteLog::open(&self.path()).unwrap()
    }
}

pub(crate) fn create(log: &SqliteLog, name: &str, partitions: u32, cleanup: Cleanup) {
    let properties = BTreeMap::new();
    log.create_topics(&[TopicSpec { name: name.to_owned(), partitions, cleanup, replication: None, properties }])
        .unwrap();
}

pub(crate) fn record<'a>(topic: &'a str, key: &'a str, value: Option<&'a str>) -> OutgoingRecord<'a> {
    let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
    OutgoingRecord { topic, partition: Some(0), key, value, headers: &[], tag: 0 }
}

/// What a reader of committed records finds in a topic of one partition, as `key=value`.
pub(crate) fn contents(log: &SqliteLog, topic: &str) -> Vec<String> {
    let mut reader = log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Beginning)]).unwrap();
    let mut contents = Vec::new();
    while let Polled::Record(record) = reader.poll(Duration::from_secs(60)).unwrap() {
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap_or_else(|| b"-".to_vec())).unwrap();
        contents.push(format!("{}={}", text(record.key), text(record.value)));
    }
    contents
}
