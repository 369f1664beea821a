//! Transactions: all or nothing, and what readers see meanwhile.

use dropbridge_port::{Isolation, OutgoingRecord, StartAt};

use super::bench::{Bench, begin_with, commit, read, read_on, record, texts, texts_of, topic, writer};

/// Records of three topics in one transaction: none is seen before the commit, all are after it.
pub fn a_transaction_over_several_topics_appears_at_once(bench: &dyn Bench) {
    let log = bench.open();
    let topics = [topic(bench, &*log, 1), topic(bench, &*log, 2), topic(bench, &*log, 1)];
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut writer = writer(bench, &*log);
    let records =
        [record(names[0], 0, "a"), record(names[1], 0, "b"), record(names[1], 1, "c"), record(names[2], 0, "d")];
    begin_with(&mut *writer, &records);
    read(&*log, Isolation::ReadCommitted, &names, 0);
    writer.commit().unwrap();
    let mut seen = texts(&read(&*log, Isolation::ReadCommitted, &names, 4));
    seen.sort();
    assert_eq!(seen, ["a", "b", "c", "d"]);
}

/// Nothing of an aborted transaction is seen, settled or not, and the writer goes on.
pub fn an_aborted_transaction_is_never_seen(bench: &dyn Bench) {
    let log = bench.open();
    let (one, two) = (topic(bench, &*log, 1), topic(bench, &*log, 1));
    let mut writer = writer(bench, &*log);
    commit(&mut *writer, &[record(&one, 0, "first")]);
    begin_with(&mut *writer, &[record(&one, 0, "settled"), record(&two, 0, "settled")]);
    writer.send(record(&one, 0, "sent only")).unwrap();
    writer.abort().unwrap();
    writer.begin().unwrap();
    writer.send(record(&one, 0, "sent only")).unwrap();
    writer.abort().unwrap();
    commit(&mut *writer, &[record(&one, 0, "last"), record(&two, 0, "last")]);
    let records = read(&*log, Isolation::ReadCommitted, &[&one, &two], 3);
    assert_eq!(texts_of(&records, &one, 0), ["first", "last"]);
    assert_eq!(texts_of(&records, &two, 0), ["last"]);
}

/// What is committed behind an open transaction waits for it in the same partition, and flows in others.
pub fn an_open_transaction_stalls_committed_readers_of_its_partitions_only(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 2);
    let mut slow = writer(bench, &*log);
    let mut quick = writer(bench, &*log);
    commit(&mut *quick, &[record(&topic, 0, "before")]);
    begin_with(&mut *slow, &[record(&topic, 0, "slow")]);
    commit(&mut *quick, &[record(&topic, 0, "behind"), record(&topic, 1, "beside")]);
    let mut reader = log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::Beginning)]).unwrap();
    let mut seen = texts(&read_on(&mut *reader, 2, 2));
    seen.sort();
    assert_eq!(seen, ["before", "beside"]);
    // The same reader goes on when the transaction is over.
    slow.commit().unwrap();
    assert_eq!(texts(&read_on(&mut *reader, 1, 2)), ["slow", "behind"]);
    let again = read(&*log, Isolation::ReadCommitted, &[&topic], 4);
    assert_eq!(texts_of(&again, &topic, 0), ["before", "slow", "behind"]);
}

/// A reader of uncommitted data sees what the log took, before it is committed.
pub fn readers_of_uncommitted_data_see_open_transactions(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    begin_with(&mut *writer, &[record(&topic, 0, "open")]);
    assert_eq!(texts(&read(&*log, Isolation::ReadUncommitted, &[&topic], 1)), ["open"]);
    read(&*log, Isolation::ReadCommitted, &[&topic], 0);
    writer.abort().unwrap();
}

/// A transaction without records commits, and so does the next one.
pub fn an_empty_transaction_commits(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    writer.begin().unwrap();
    assert_eq!(writer.settle().unwrap(), []);
    writer.commit().unwrap();
    commit(&mut *writer, &[record(&topic, 0, "next")]);
    assert_eq!(texts(&read(&*log, Isolation::ReadCommitted, &[&topic], 1)), ["next"]);
}

/// 12 MB in one transaction, never settled: whole or not at all, and in order.
pub fn a_transaction_larger_than_any_buffer_appears_whole(bench: &dyn Bench) {
    const COUNT: u32 = 12_000;
    let log = bench.open();
    let topic = topic(bench, &*log, 2);
    let mut writer = writer(bench, &*log);
    let padding = "x".repeat(990);
    let mut send_all = |commits: bool| {
        writer.begin().unwrap();
        for number in 0..COUNT {
            let value = format!("{number} {padding}");
            writer.send(OutgoingRecord { tag: number % 3, ..record(&topic, number % 2, &value) }).unwrap();
        }
        if commits { writer.commit().unwrap() } else { writer.abort().unwrap() }
    };
    send_all(false);
    send_all(true);
    let records = read(&*log, Isolation::ReadCommitted, &[&topic], COUNT as usize);
    for partition in 0..2 {
        let numbers: Vec<u32> = records
            .iter()
            .filter(|record| record.partition == partition)
            .map(|record| {
                let value = String::from_utf8_lossy(record.value.as_deref().unwrap());
                value.split(' ').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(numbers, (partition..COUNT).step_by(2).collect::<Vec<_>>());
    }
}
