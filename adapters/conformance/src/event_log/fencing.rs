//! Fencing: one writer under a transactional id.
//!
//! `begin` and `send` may be answered without asking the log, so a fenced writer may get through them. It may not get
//! through `settle` with something to settle, through `commit`, or through any call after one that said `Fenced`.

use dropbridge_port::{ErrorKind, EventLog, Isolation, PartitionOffset, StartAt, Writer};

use super::bench::{Bench, begin_with, commit, expect_error, read, read_on, record, texts, topic, writer};

/// Every call of a writer that was told so fails with `Fenced`.
fn stays_fenced(bench: &dyn Bench, writer: &mut dyn Writer, topic: &str) {
    let offset = PartitionOffset { topic: topic.to_owned(), partition: 0, offset: 7 };
    for _ in 0..2 {
        expect_error(writer.begin(), ErrorKind::Fenced, "begin");
        expect_error(writer.send(record(topic, 0, "fenced")), ErrorKind::Fenced, "send");
        expect_error(writer.settle(), ErrorKind::Fenced, "settle");
        expect_error(
            writer.send_offsets(&bench.unique("group"), std::slice::from_ref(&offset)),
            ErrorKind::Fenced,
            "send_offsets",
        );
        expect_error(writer.commit(), ErrorKind::Fenced, "commit");
        expect_error(writer.abort(), ErrorKind::Fenced, "abort");
    }
}

/// Only this is in the topic.
fn only(log: &dyn EventLog, topic: &str, expected: &[&str]) {
    assert_eq!(texts(&read(log, Isolation::ReadCommitted, &[topic], expected.len())), expected);
}

/// The first has nothing open when the second comes: its next transaction does not get through.
pub fn a_second_writer_fences_the_first_between_transactions(bench: &dyn Bench) {
    let (log, id) = (bench.open(), bench.unique("id"));
    let topic = topic(bench, &*log, 1);
    let mut first = log.writer(&id).unwrap();
    commit(&mut *first, &[record(&topic, 0, "one")]);
    let mut second = bench.open().writer(&id).unwrap();
    let tried = first.begin().and_then(|()| first.send(record(&topic, 0, "fenced"))).and_then(|()| first.settle());
    expect_error(tried, ErrorKind::Fenced, "begin, send and settle");
    stays_fenced(bench, &mut *first, &topic);
    commit(&mut *second, &[record(&topic, 0, "two")]);
    only(&*log, &topic, &["one", "two"]);
}

/// The first has settled records when the second comes: it can add nothing to them.
pub fn a_second_writer_fences_the_first_in_mid_transaction(bench: &dyn Bench) {
    let (log, id) = (bench.open(), bench.unique("id"));
    let topic = topic(bench, &*log, 1);
    let mut first = log.writer(&id).unwrap();
    begin_with(&mut *first, &[record(&topic, 0, "fenced")]);
    let mut second = bench.open().writer(&id).unwrap();
    let tried = first.send(record(&topic, 0, "fenced")).and_then(|()| first.settle());
    expect_error(tried, ErrorKind::Fenced, "send and settle");
    stays_fenced(bench, &mut *first, &topic);
    commit(&mut *second, &[record(&topic, 0, "two")]);
    only(&*log, &topic, &["two"]);
}

/// The first has only its commit left when the second comes, and has already something of its own committed when the
/// first wakes up.
pub fn a_second_writer_fences_the_first_before_its_commit(bench: &dyn Bench) {
    let (log, id) = (bench.open(), bench.unique("id"));
    let topic = topic(bench, &*log, 1);
    let group = bench.unique("group");
    let mut first = log.writer(&id).unwrap();
    begin_with(&mut *first, &[record(&topic, 0, "fenced")]);
    first.send_offsets(&group, &[PartitionOffset { topic: topic.clone(), partition: 0, offset: 1 }]).unwrap();
    let mut second = bench.open().writer(&id).unwrap();
    commit(&mut *second, &[record(&topic, 0, "two")]);
    expect_error(first.commit(), ErrorKind::Fenced, "commit");
    stays_fenced(bench, &mut *first, &topic);
    commit(&mut *second, &[record(&topic, 0, "three")]);
    only(&*log, &topic, &["two", "three"]);
    assert_eq!(log.committed(&group, &topic).unwrap(), []);
}

/// When the second has the id, what the first left open stalls nobody any more.
pub fn what_the_first_left_open_is_aborted_before_the_second_has_the_id(bench: &dyn Bench) {
    let (log, id) = (bench.open(), bench.unique("id"));
    let (topic, aside) = (topic(bench, &*log, 1), topic(bench, &*log, 1));
    let mut first = log.writer(&id).unwrap();
    begin_with(&mut *first, &[record(&topic, 0, "left open")]);
    let mut other = writer(bench, &*log);
    commit(&mut *other, &[record(&topic, 0, "behind")]);
    // A second commit tells that the first is complete everywhere, though nobody can see it yet.
    commit(&mut *other, &[record(&aside, 0, "aside")]);
    let second = bench.open().writer(&id).unwrap();
    let mut reader = log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::Beginning)]).unwrap();
    assert_eq!(texts(&read_on(&mut *reader, 1, 0)), ["behind"]);
    drop((first, second));
}

/// A writer with another id is left alone.
pub fn other_transactional_ids_are_not_fenced(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut one = writer(bench, &*log);
    begin_with(&mut *one, &[record(&topic, 0, "one")]);
    let mut two = writer(bench, &*bench.open());
    commit(&mut *two, &[record(&topic, 0, "two")]);
    one.commit().unwrap();
    only(&*log, &topic, &["one", "two"]);
}
