//! Settling: where the records of a transaction went.

use std::collections::BTreeMap;

use dropbridge_port::{FetchedRecord, Isolation, OutgoingRecord, WrittenRange};

use super::bench::{Bench, begin_with, commit, read, record, topic, writer};

/// What the ranges must be, from what a reader found. Values begin with their tag.
fn ranges_of(records: &[FetchedRecord]) -> Vec<WrittenRange> {
    let mut ranges = BTreeMap::new();
    for record in records {
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap());
        let tag: u32 = value.split(' ').next().unwrap().parse().unwrap();
        let range = ranges.entry((tag, record.topic.to_string(), record.partition)).or_insert_with(|| WrittenRange {
            tag,
            topic: record.topic.to_string(),
            partition: record.partition,
            from: record.offset,
            to: record.offset,
            count: 0,
        });
        range.to = record.offset + 1;
        range.count += 1;
    }
    ranges.into_values().collect()
}

fn sorted(mut ranges: Vec<WrittenRange>) -> Vec<WrittenRange> {
    ranges.sort_by(|one, other| (one.tag, &one.topic, one.partition).cmp(&(other.tag, &other.topic, other.partition)));
    ranges
}

/// Three tags, interleaved over two topics and their partitions, with another writer's records in between.
pub fn ranges_are_exact_for_each_tag_topic_and_partition(bench: &dyn Bench) {
    let log = bench.open();
    let (one, two) = (topic(bench, &*log, 3), topic(bench, &*log, 2));
    let (mut other, mut writer) = (writer(bench, &*log), writer(bench, &*log));
    commit(&mut *other, &[record(&one, 0, "9"), record(&one, 1, "9"), record(&two, 0, "9")]);
    writer.begin().unwrap();
    for number in 0..60_u32 {
        let tag = [1, 2, 1, 7][number as usize % 4];
        let (topic, partition) = if number % 5 < 3 { (&one, number % 3) } else { (&two, number % 2) };
        writer.send(OutgoingRecord { tag, ..record(topic, partition, &format!("{tag} {number}")) }).unwrap();
        if number == 30 {
            writer.settle().unwrap();
            commit(&mut *other, &[record(&one, 2, "9"), record(&two, 1, "9")]);
        }
    }
    let ranges = sorted(writer.settle().unwrap());
    writer.commit().unwrap();
    let records = read(&*log, Isolation::ReadCommitted, &[&one, &two], 65);
    let ours: Vec<_> = records.into_iter().filter(|record| record.value.as_deref() != Some(b"9")).collect();
    assert_eq!(ranges, ranges_of(&ours));
}

/// Each answer covers everything sent since the transaction began, and settling with nothing new says the same again.
pub fn ranges_grow_with_the_transaction(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    begin_with(&mut *writer, &[record(&topic, 0, "0 a"), record(&topic, 0, "0 b")]);
    let first = writer.settle().unwrap();
    assert_eq!(first.iter().map(|range| (range.to - range.from, range.count)).collect::<Vec<_>>(), [(2, 2)]);
    writer.send(record(&topic, 0, "0 c")).unwrap();
    let second = writer.settle().unwrap();
    assert_eq!(second, [WrittenRange { to: first[0].to + 1, count: 3, ..first[0].clone() }]);
    assert_eq!(writer.settle().unwrap(), second);
    writer.commit().unwrap();
    assert_eq!(ranges_of(&read(&*log, Isolation::ReadCommitted, &[&topic], 3)), second);
}

/// Ranges of an earlier transaction, committed or aborted, are not told of again.
pub fn ranges_start_anew_with_each_transaction(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    commit(&mut *writer, &[OutgoingRecord { tag: 1, ..record(&topic, 0, "1 a") }]);
    begin_with(&mut *writer, &[OutgoingRecord { tag: 2, ..record(&topic, 0, "2 aborted") }]);
    writer.abort().unwrap();
    writer.begin().unwrap();
    writer.send(OutgoingRecord { tag: 3, ..record(&topic, 0, "3 a") }).unwrap();
    let ranges = writer.settle().unwrap();
    writer.commit().unwrap();
    let records = read(&*log, Isolation::ReadCommitted, &[&topic], 2);
    assert_eq!(ranges, ranges_of(&records[1..]));
}

/// The high watermark is behind what is settled, of open and of aborted transactions too; an untouched partition's
/// watermarks are both zero.
pub fn watermarks_hold_what_is_settled(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 2);
    let mut writer = writer(bench, &*log);
    let high = || {
        let marks = log.watermarks(&topic).unwrap();
        assert_eq!(marks.iter().map(|mark| mark.partition).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((marks[0].low, marks[1].low, marks[1].high), (0, 0, 0));
        marks[0].high
    };
    assert_eq!(high(), 0);
    begin_with(&mut *writer, &[record(&topic, 0, "aborted"), record(&topic, 0, "aborted")]);
    assert_eq!(high(), writer.settle().unwrap()[0].to);
    writer.abort().unwrap();
    let after_abort = high();
    assert!(after_abort >= 2, "{after_abort}");
    begin_with(&mut *writer, &[record(&topic, 0, "kept")]);
    let range = writer.settle().unwrap().remove(0);
    assert!(range.from >= after_abort, "an offset of an aborted record was used again: {range:?}");
    assert_eq!(high(), range.to);
    writer.commit().unwrap();
    assert!(high() >= range.to);
}
