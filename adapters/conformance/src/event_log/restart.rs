//! Restart: what a process that comes later finds.

use dropbridge_port::{Cleanup, Isolation, PartitionOffset, StartAt};

use super::bench::{Bench, begin_with, commit, read, read_on, record, spec, texts, topic, wait_until, writer};

/// Topics, records, offsets and positions of groups.
pub fn everything_committed_is_there_after_a_restart(bench: &dyn Bench) {
    let log = bench.open();
    let (name, group, id) = (bench.unique("topic"), bench.unique("group"), bench.unique("id"));
    log.create_topics(&[spec(bench, &name, 2, Cleanup::Delete)]).unwrap();
    let mut writer = log.writer(&id).unwrap();
    begin_with(&mut *writer, &[record(&name, 0, "a"), record(&name, 1, "b")]);
    let position = PartitionOffset { topic: name.clone(), partition: 1, offset: 1 };
    writer.send_offsets(&group, std::slice::from_ref(&position)).unwrap();
    writer.commit().unwrap();
    let before = read(&*log, Isolation::ReadCommitted, &[&name], 2);
    drop((writer, log));

    let log = bench.open();
    assert_eq!(log.topics(&[&name]).unwrap()[0].partitions, 2);
    let mut after = read(&*log, Isolation::ReadCommitted, &[&name], 2);
    after.sort_by_key(|record| record.partition);
    let mut sorted = before;
    sorted.sort_by_key(|record| record.partition);
    assert_eq!(after, sorted);
    wait_until("the group's position is there", || log.committed(&group, &name).unwrap() == [position.clone()]);
    let mut writer = log.writer(&id).unwrap();
    commit(&mut *writer, &[record(&name, 0, "c")]);
    read(&*log, Isolation::ReadCommitted, &[&name], 3);
}

/// A process goes away with a transaction open: nobody sees it, and the next writer with the id ends it.
pub fn an_open_transaction_is_invisible_after_a_restart_and_aborted_by_the_next_writer(bench: &dyn Bench) {
    let log = bench.open();
    let (topic, id) = (topic(bench, &*log, 1), bench.unique("id"));
    let mut first = log.writer(&id).unwrap();
    commit(&mut *first, &[record(&topic, 0, "before")]);
    begin_with(&mut *first, &[record(&topic, 0, "left open")]);
    drop((first, log));

    let log = bench.open();
    let mut other = writer(bench, &*log);
    commit(&mut *other, &[record(&topic, 0, "behind")]);
    let mut reader = log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::Beginning)]).unwrap();
    assert_eq!(texts(&read_on(&mut *reader, 1, 1)), ["before"]);
    let mut next = log.writer(&id).unwrap();
    commit(&mut *next, &[record(&topic, 0, "next")]);
    assert_eq!(texts(&read_on(&mut *reader, 1, 2)), ["behind", "next"]);
}
