//! What an adapter provides to be tested, and the steps that the cases are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dropbridge_port::{
    Cleanup, ErrorKind, EventLog, FetchedRecord, Isolation, OutgoingRecord, Polled, PortError, Reader, StartAt,
    TopicSpec, Writer,
};

/// How long a case waits for what must come. Nothing depends on its length but how soon a broken log is told of.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An event log under test.
pub trait Bench {
    /// Opens the log as a process that starts does. Called several times, it is several processes on one log.
    fn open(&self) -> Box<dyn EventLog>;

    /// A name made from `stem` that nothing else on this log has, for topics, transactional ids and groups.
    fn unique(&self, stem: &str) -> String;

    /// Topic settings that make compaction come soon.
    fn compaction_properties(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Makes the log compact a topic, or moves it nearer to doing so; the case calls it until the topic is compacted.
    /// It may add records whose keys begin with `filler`.
    fn compact(&self, topic: &str);
}

/// Creates a topic of its own for a case.
pub fn topic(bench: &dyn Bench, log: &dyn EventLog, partitions: u32) -> String {
    create(bench, log, "topic", partitions, Cleanup::Delete)
}

/// Creates a compacted topic of its own for a case.
pub fn compacted_topic(bench: &dyn Bench, log: &dyn EventLog, partitions: u32) -> String {
    create(bench, log, "compacted", partitions, Cleanup::Compact)
}

fn create(bench: &dyn Bench, log: &dyn EventLog, stem: &str, partitions: u32, cleanup: Cleanup) -> String {
    let name = bench.unique(stem);
    log.create_topics(&[spec(bench, &name, partitions, cleanup)]).unwrap();
    name
}

/// A topic as a case wants it.
pub fn spec(bench: &dyn Bench, name: &str, partitions: u32, cleanup: Cleanup) -> TopicSpec {
    let properties = if cleanup == Cleanup::Compact { bench.compaction_properties() } else { BTreeMap::new() };
    TopicSpec { name: name.to_owned(), partitions, cleanup, replication: None, properties }
}

/// Opens a writer with an id of its own.
pub fn writer(bench: &dyn Bench, log: &dyn EventLog) -> Box<dyn Writer> {
    log.writer(&bench.unique("writer")).unwrap()
}

/// A record for a partition, with tag 0, without key and headers.
pub fn record<'a>(topic: &'a str, partition: u32, value: &'a str) -> OutgoingRecord<'a> {
    let value = Some(value.as_bytes());
    OutgoingRecord { topic, partition: Some(partition), key: None, value, headers: &[], tag: 0 }
}

/// A record that goes where its key does.
pub fn keyed<'a>(topic: &'a str, key: &'a str, value: Option<&'a str>) -> OutgoingRecord<'a> {
    let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
    OutgoingRecord { topic, partition: None, key, value, headers: &[], tag: 0 }
}

/// Commits records in a transaction of their own.
pub fn commit(writer: &mut dyn Writer, records: &[OutgoingRecord<'_>]) {
    begin_with(writer, records);
    writer.commit().unwrap();
}

/// Begins a transaction and has the log take records in it.
pub fn begin_with(writer: &mut dyn Writer, records: &[OutgoingRecord<'_>]) {
    writer.begin().unwrap();
    for record in records {
        writer.send(*record).unwrap();
    }
    writer.settle().unwrap();
}

/// Reads whole topics from their beginning until `count` records came and every partition was read to its end.
/// Panics when more come, or not enough.
pub fn read(log: &dyn EventLog, isolation: Isolation, topics: &[&str], count: usize) -> Vec<FetchedRecord> {
    let starts: Vec<_> = topics.iter().map(|topic| (*topic, StartAt::Beginning)).collect();
    let partitions = log.topics(topics).unwrap().iter().map(|state| state.partitions as usize).sum();
    let mut reader = log.reader(isolation, &starts).unwrap();
    let records = read_on(&mut *reader, partitions, count);
    assert_eq!(records.len(), count, "records of {topics:?}: {:?}", texts(&records));
    records
}

/// Reads on until at least `count` records came and each of `partitions` partitions told its end after its last one.
pub fn read_on(reader: &mut dyn Reader, partitions: usize, count: usize) -> Vec<FetchedRecord> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    let mut ended = BTreeSet::new();
    while records.len() < count || ended.len() < partitions {
        match reader.poll(Duration::from_secs(1)).unwrap() {
            Polled::Record(record) => {
                ended.remove(&(record.topic.to_string(), record.partition));
                records.push(record);
            }
            Polled::End { topic, partition, .. } => {
                ended.insert((topic.to_string(), partition));
            }
            Polled::Idle => {}
        }
        assert!(
            Instant::now() < deadline,
            "{} of {count} records and {} of {partitions} ends came: {:?}",
            records.len(),
            ended.len(),
            texts(&records)
        );
    }
    records
}

/// Polls once more and more until a record comes.
pub fn next_record(reader: &mut dyn Reader) -> FetchedRecord {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Polled::Record(record) = reader.poll(Duration::from_secs(1)).unwrap() {
            return record;
        }
        assert!(Instant::now() < deadline, "no record came");
    }
}

/// Asks again until the answer is as wanted.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The values of records as text; `-` for none.
pub fn texts(records: &[FetchedRecord]) -> Vec<String> {
    let text = |record: &FetchedRecord| match &record.value {
        Some(value) if value.len() > 64 => format!("{} bytes", value.len()),
        Some(value) => String::from_utf8_lossy(value).into_owned(),
        None => "-".to_owned(),
    };
    records.iter().map(text).collect()
}

/// The values of one partition's records, in the order they were read.
pub fn texts_of(records: &[FetchedRecord], topic: &str, partition: u32) -> Vec<String> {
    let here = |record: &&FetchedRecord| &*record.topic == topic && record.partition == partition;
    texts(&records.iter().filter(here).cloned().collect::<Vec<_>>())
}

/// Fails unless the answer is an error of that kind.
#[track_caller]
pub fn expect_error<T>(answer: Result<T, PortError>, kind: ErrorKind, call: &str) {
    match answer {
        Ok(_) => panic!("{call} succeeded, it should be {kind:?}"),
        Err(error) => assert_eq!(error.kind, kind, "{call}: {error}"),
    }
}
