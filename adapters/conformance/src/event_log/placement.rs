//! Placement: which partition a record goes to.

use std::collections::BTreeMap;

use dropbridge_port::{ErrorKind, Isolation};

use super::bench::{Bench, begin_with, commit, expect_error, keyed, read, record, topic, writer};

/// Keys and their `murmur2`, from Apache Kafka's `UtilsTest.testMurmur2`.
const HASHES: [(&str, i32); 6] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

/// A key goes to `toPositive(murmur2(key)) % partitions`, so that Java services and the bridge agree.
pub fn keys_go_where_java_puts_them(bench: &dyn Bench) {
    let log = bench.open();
    let mut writer = writer(bench, &*log);
    for partitions in [1, 7, 12] {
        let topic = topic(bench, &*log, partitions);
        let records: Vec<_> = HASHES.iter().map(|(key, _)| keyed(&topic, key, Some(key))).collect();
        commit(&mut *writer, &records);
        for record in read(&*log, Isolation::ReadCommitted, &[&topic], HASHES.len()) {
            let (key, hash) = HASHES.iter().find(|(key, _)| Some(key.as_bytes()) == record.key.as_deref()).unwrap();
            assert_eq!(record.partition, (hash & 0x7fff_ffff).cast_unsigned() % partitions, "{key} of {partitions}");
        }
    }
}

/// Records of one key stay in one partition, in the order they were sent, over several transactions.
pub fn a_key_stays_in_its_partition_and_in_order(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 4);
    let mut writer = writer(bench, &*log);
    for round in 0..5 {
        begin_with(&mut *writer, &[]);
        for number in 0..40 {
            let (key, value) = (format!("key {}", number % 10), format!("{:03}", round * 40 + number));
            writer.send(keyed(&topic, &key, Some(&value))).unwrap();
        }
        writer.commit().unwrap();
    }
    let mut places: BTreeMap<Vec<u8>, Vec<(u32, Vec<u8>)>> = BTreeMap::new();
    for record in read(&*log, Isolation::ReadCommitted, &[&topic], 200) {
        places.entry(record.key.unwrap()).or_default().push((record.partition, record.value.unwrap()));
    }
    assert_eq!(places.len(), 10);
    for (key, seen) in places {
        assert_eq!(seen.len(), 20, "{}", String::from_utf8_lossy(&key));
        assert!(seen.is_sorted(), "{}: {seen:?}", String::from_utf8_lossy(&key));
        assert!(seen.iter().all(|(partition, _)| *partition == seen[0].0));
    }
}

/// A partition that is named counts more than the key.
pub fn a_named_partition_is_honoured(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 5);
    let mut writer = writer(bench, &*log);
    let values = ["0", "1", "2", "3", "4"];
    let to = |partition: u32| {
        let mut record = keyed(&topic, "the same key", Some(values[partition as usize]));
        record.partition = Some(partition);
        record
    };
    commit(&mut *writer, &[to(4), to(2), to(0), to(1), to(3)]);
    for record in read(&*log, Isolation::ReadCommitted, &[&topic], 5) {
        assert_eq!(record.value.unwrap(), record.partition.to_string().as_bytes());
    }
}

/// There is no partition 3 of 3.
pub fn a_partition_that_does_not_exist_is_not_found(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 3);
    let mut writer = writer(bench, &*log);
    writer.begin().unwrap();
    let sent = writer.send(record(&topic, 3, "lost")).and_then(|()| writer.settle());
    expect_error(sent, ErrorKind::NotFound, "send and settle");
    writer.abort().unwrap();
    commit(&mut *writer, &[record(&topic, 2, "kept")]);
    read(&*log, Isolation::ReadCommitted, &[&topic], 1);
}
