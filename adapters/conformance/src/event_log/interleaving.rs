//! Random transactions of several writers at once, against what a reader finds.
//!
//! The seed is printed; `DROPBRIDGE_TEST_SEED` sets it. The threads' own order is not part of it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use dropbridge_port::{EventLog, FetchedRecord, Isolation, StartAt, Writer};

use super::bench::{Bench, next_record, read, record, topic, writer};

const PARTITIONS: u32 = 3;
const TRANSACTIONS: u32 = 40;

/// Values a writer committed to each partition, in order.
type Committed = BTreeMap<u32, Vec<String>>;

/// Two writers with ids of their own commit and abort at random in the same partitions, settle at random, and let
/// transactions overlap; a reader that follows them and one that comes later both find every committed record once,
/// each writer's in order, and nothing else.
pub fn every_committed_record_is_read_once_and_in_order(bench: &dyn Bench) {
    let seed = seed();
    println!("DROPBRIDGE_TEST_SEED={seed}");
    let log = bench.open();
    let topic = topic(bench, &*log, PARTITIONS);
    let (one, two) = (writer(bench, &*log), writer(bench, &*bench.open()));
    let last = "the end";
    let (followed, committed) = std::thread::scope(|scope| {
        let following = scope.spawn(|| follow(&*log, &topic, last));
        let (topic, writers) = (&topic, [("one", one, seed), ("two", two, !seed)]);
        let writing: Vec<_> = writers
            .into_iter()
            .map(|(name, writer, seed)| scope.spawn(move || write(writer, name, topic, seed)))
            .collect();
        let committed: Vec<(&str, Committed)> = writing.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut closing = writer(bench, &*log);
        closing.begin().unwrap();
        for partition in 0..PARTITIONS {
            closing.send(record(topic, partition, last)).unwrap();
        }
        closing.commit().unwrap();
        (following.join().unwrap(), committed)
    });
    compare(&followed, &committed);
    let later = read(&*log, Isolation::ReadCommitted, &[&topic], followed.len());
    compare(&later, &committed);
}

fn compare(found: &[FetchedRecord], committed: &[(&str, Committed)]) {
    let total: usize = committed.iter().flat_map(|(_, partitions)| partitions.values()).map(Vec::len).sum();
    assert_eq!(found.len(), total + PARTITIONS as usize);
    for partition in 0..PARTITIONS {
        let here: Vec<_> = found.iter().filter(|record| record.partition == partition).collect();
        assert!(here.is_sorted_by(|one, other| one.offset < other.offset), "offsets of partition {partition}");
        let values: Vec<_> =
            here.iter().map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap())).collect();
        for (name, partitions) in committed {
            let of_writer: Vec<_> = values.iter().filter(|value| value.starts_with(name)).collect();
            let expected = partitions.get(&partition).map(Vec::as_slice).unwrap_or_default();
            assert_eq!(of_writer, expected.iter().collect::<Vec<_>>(), "writer {name}, partition {partition}");
        }
    }
}

/// Reads until each partition brought its last record.
fn follow(log: &dyn EventLog, topic: &str, last: &str) -> Vec<FetchedRecord> {
    let mut reader = log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Beginning)]).unwrap();
    let mut records = Vec::new();
    let mut closed = 0;
    while closed < PARTITIONS {
        let record = next_record(&mut *reader);
        closed += u32::from(record.value.as_deref() == Some(last.as_bytes()));
        records.push(record);
    }
    records
}

fn write<'a>(mut writer: Box<dyn Writer>, name: &'a str, topic: &str, seed: u64) -> (&'a str, Committed) {
    let mut random = Random(seed | 1);
    let mut committed = Committed::new();
    for transaction in 0..TRANSACTIONS {
        writer.begin().unwrap();
        let mut sent = Committed::new();
        for number in 0..random.below(30) {
            let (partition, value) = (random.below(PARTITIONS), format!("{name} {transaction} {number}"));
            writer.send(record(topic, partition, &value)).unwrap();
            sent.entry(partition).or_default().push(value);
            if random.below(8) == 0 {
                writer.settle().unwrap();
            }
        }
        if random.below(3) == 0 {
            writer.abort().unwrap();
        } else {
            writer.commit().unwrap();
            for (partition, values) in sent {
                committed.entry(partition).or_default().extend(values);
            }
        }
    }
    (name, committed)
}

fn seed() -> u64 {
    if let Ok(given) = std::env::var("DROPBRIDGE_TEST_SEED") {
        return given.parse().expect("DROPBRIDGE_TEST_SEED must be a number");
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// A small generator of random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(limit)) as u32
    }
}
