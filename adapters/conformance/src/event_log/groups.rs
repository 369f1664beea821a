//! Positions of consumer groups, committed with transactions.

use dropbridge_port::{EventLog, PartitionOffset};

use super::bench::{Bench, begin_with, record, topic, wait_until, writer};

fn offset(topic: &str, partition: u32, offset: i64) -> PartitionOffset {
    PartitionOffset { topic: topic.to_owned(), partition, offset }
}

fn wait_for(log: &dyn EventLog, group: &str, topic: &str, expected: &[PartitionOffset]) {
    wait_until("the committed positions are as expected", || {
        let mut found = log.committed(group, topic).unwrap();
        found.sort();
        found == expected
    });
}

/// Positions appear with the commit, not before; partitions without one are absent; the newest counts.
pub fn offsets_are_committed_with_the_transaction(bench: &dyn Bench) {
    let log = bench.open();
    let (topic, group) = (topic(bench, &*log, 3), bench.unique("group"));
    let mut writer = writer(bench, &*log);
    begin_with(&mut *writer, &[record(&topic, 0, "a")]);
    writer.send_offsets(&group, &[offset(&topic, 0, 5), offset(&topic, 2, 1)]).unwrap();
    assert_eq!(log.committed(&group, &topic).unwrap(), []);
    writer.commit().unwrap();
    wait_for(&*log, &group, &topic, &[offset(&topic, 0, 5), offset(&topic, 2, 1)]);
    // No record at all beside them, and the second word for one partition counts.
    writer.begin().unwrap();
    writer.send_offsets(&group, &[offset(&topic, 0, 6)]).unwrap();
    writer.send_offsets(&group, &[offset(&topic, 0, 8)]).unwrap();
    writer.commit().unwrap();
    wait_for(&*bench.open(), &group, &topic, &[offset(&topic, 0, 8), offset(&topic, 2, 1)]);
}

/// Positions sent in an aborted transaction are as if never sent.
pub fn offsets_of_an_aborted_transaction_are_forgotten(bench: &dyn Bench) {
    let log = bench.open();
    let (topic, group) = (topic(bench, &*log, 2), bench.unique("group"));
    let mut writer = writer(bench, &*log);
    begin_with(&mut *writer, &[record(&topic, 0, "a")]);
    writer.send_offsets(&group, &[offset(&topic, 0, 5)]).unwrap();
    writer.abort().unwrap();
    // Only what is committed afterwards is there.
    writer.begin().unwrap();
    writer.send_offsets(&group, &[offset(&topic, 1, 9)]).unwrap();
    writer.commit().unwrap();
    wait_for(&*log, &group, &topic, &[offset(&topic, 1, 9)]);
}

/// Two groups in one topic, two topics in one group.
pub fn groups_do_not_see_each_other(bench: &dyn Bench) {
    let log = bench.open();
    let (one, two) = (topic(bench, &*log, 1), topic(bench, &*log, 1));
    let (group, other) = (bench.unique("group"), bench.unique("group"));
    let mut writer = writer(bench, &*log);
    writer.begin().unwrap();
    writer.send_offsets(&group, &[offset(&one, 0, 1), offset(&two, 0, 2)]).unwrap();
    writer.send_offsets(&other, &[offset(&one, 0, 3)]).unwrap();
    writer.commit().unwrap();
    wait_for(&*log, &group, &one, &[offset(&one, 0, 1)]);
    wait_for(&*log, &group, &two, &[offset(&two, 0, 2)]);
    wait_for(&*log, &other, &one, &[offset(&one, 0, 3)]);
    assert_eq!(log.committed(&other, &two).unwrap(), []);
}
