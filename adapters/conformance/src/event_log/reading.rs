//! Reading: ends, starting places, waiting.

use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, EventLog, Isolation, Polled, Reader, StartAt};

use super::bench::{
    Bench, PATIENCE, begin_with, commit, expect_error, next_record, read, read_on, record, texts, topic, wait_until,
    writer,
};

const SHORT: Duration = Duration::from_millis(200);

fn committed_reader(log: &dyn EventLog, topic: &str) -> Box<dyn Reader> {
    log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Beginning)]).unwrap()
}

/// Both partitions of an empty topic tell their end, each once.
pub fn the_end_of_an_empty_partition_is_told_once(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 2);
    let mut reader = committed_reader(&*log, &topic);
    assert!(read_on(&mut *reader, 2, 0).is_empty());
    assert_eq!(reader.poll(SHORT).unwrap(), Polled::Idle);
}

/// New records behind an end that was told are read, and their end is told.
pub fn the_end_is_told_again_after_new_records(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    let mut reader = committed_reader(&*log, &topic);
    read_on(&mut *reader, 1, 0);
    for value in ["a", "b"] {
        commit(&mut *writer, &[record(&topic, 0, value)]);
        assert_eq!(texts(&read_on(&mut *reader, 1, 1)), [value]);
    }
}

/// A partition that holds nothing but aborted records has an end.
pub fn the_end_is_told_behind_aborted_records(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    begin_with(&mut *writer, &[record(&topic, 0, "aborted"), record(&topic, 0, "aborted")]);
    writer.abort().unwrap();
    let mut reader = committed_reader(&*log, &topic);
    assert!(read_on(&mut *reader, 1, 0).is_empty());
    commit(&mut *writer, &[record(&topic, 0, "kept")]);
    assert_eq!(texts(&read_on(&mut *reader, 1, 1)), ["kept"]);
}

/// An end stands before a transaction that is open, and behind all that there is once it is decided, either way.
pub fn an_end_says_how_far_all_is_decided(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let (mut first, mut second) = (writer(bench, &*log), writer(bench, &*log));
    let end = || {
        let mut reader = committed_reader(&*log, &topic);
        loop {
            match reader.poll(PATIENCE).unwrap() {
                Polled::Record(_) => {}
                Polled::End { offset, .. } => return offset,
                Polled::Idle => panic!("no end was told"),
            }
        }
    };
    let high = || log.watermarks(&topic).unwrap()[0].high;
    assert_eq!(end(), 0);
    commit(&mut *first, &[record(&topic, 0, "a")]);
    assert_eq!(end(), high(), "behind what else a commit leaves in the partition");
    for is_committed in [false, true] {
        begin_with(&mut *second, &[record(&topic, 0, "b")]);
        let open_from = second.settle().unwrap()[0].from;
        commit(&mut *first, &[record(&topic, 0, "c")]);
        assert!(end() <= open_from && open_from < high(), "{} {open_from} {}", end(), high());
        if is_committed {
            second.commit().unwrap();
        } else {
            second.abort().unwrap();
        }
        wait_until("the transaction to be decided", || end() == high());
    }
}

/// At the beginning, at the end, at an offset, at one partition.
pub fn readers_start_where_they_are_told_to(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 2);
    let mut writer = writer(bench, &*log);
    commit(
        &mut *writer,
        &[record(&topic, 0, "a"), record(&topic, 0, "b"), record(&topic, 0, "c"), record(&topic, 1, "d")],
    );
    let all = read(&*log, Isolation::ReadCommitted, &[&topic], 4);
    let second = all.iter().find(|record| record.value.as_deref() == Some(b"b")).unwrap().offset;

    let from = |start, partitions, count| {
        let mut reader = log.reader(Isolation::ReadCommitted, &[(&topic, start)]).unwrap();
        let read = texts(&read_on(&mut *reader, partitions, count));
        let mut to_end = log.reader_to_end(Isolation::ReadCommitted, &[(&topic, start)]).unwrap();
        assert_eq!(texts(&read_on(&mut *to_end, partitions, count)), read);
        read
    };
    assert_eq!(from(StartAt::Offset { partition: 0, offset: second }, 1, 2), ["b", "c"]);
    assert_eq!(from(StartAt::Partition(0), 1, 3), ["a", "b", "c"]);
    assert_eq!(from(StartAt::Partition(1), 1, 1), ["d"]);
    let unknown = log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::Partition(2))]);
    expect_error(unknown.map(drop), ErrorKind::NotFound, "reader of partition 2 of 2");

    let mut late = log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::End)]).unwrap();
    assert!(read_on(&mut *late, 2, 0).is_empty());
    commit(&mut *writer, &[record(&topic, 0, "e"), record(&topic, 1, "f")]);
    let mut seen = texts(&read_on(&mut *late, 2, 2));
    seen.sort();
    assert_eq!(seen, ["e", "f"]);
}

/// A poll waits as long as it may, then says that nothing came; a record that comes ends a long wait.
pub fn a_poll_without_news_is_idle(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut reader = committed_reader(&*log, &topic);
    read_on(&mut *reader, 1, 0);
    let begun = Instant::now();
    assert_eq!(reader.poll(SHORT).unwrap(), Polled::Idle);
    assert!(begun.elapsed() >= SHORT, "returned after {:?}", begun.elapsed());

    let mut writer = writer(bench, &*log);
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let waiting = scope.spawn(move || {
            let polled = reader.poll(PATIENCE * 10).unwrap();
            if let Polled::Record(record) = polled { record } else { next_record(&mut *reader) }
        });
        commit(&mut *writer, &[record(&topic, 0, "news")]);
        assert_eq!(waiting.join().unwrap().value.as_deref(), Some(&b"news"[..]));
        assert!(begun.elapsed() < PATIENCE, "the reader slept through the news");
    });
}
