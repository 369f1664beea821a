//! Compaction, where it goes beyond what every log does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{Place, contents, create, record};
use dropbridge_port::{Cleanup, EventLog, OutgoingRecord};
use dropbridge_sqlite::{Options, SqliteLog};

fn commit(log: &SqliteLog, id: &str, records: &[OutgoingRecord<'_>]) {
    let mut writer = log.writer(id).unwrap();
    writer.begin().unwrap();
    for record in records {
        writer.send(*record).unwrap();
    }
    writer.commit().unwrap();
}

/// What any SQLite tool finds in a column of one row.
fn number(path: &std::path::Path, query: &str) -> i64 {
    rusqlite::Connection::open(path).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_record_without_value_goes_when_it_is_old_enough() {
    let place = Place::new();
    let log = place.open();
    create(&log, "ledger", 1, Cleanup::Compact);
    commit(
        &log,
        "a",
        &[record("ledger", "k", Some("1")), record("ledger", "k", None), record("ledger", "l", Some("2"))],
    );
    log.compact().unwrap();
    assert_eq!(contents(&log, "ledger"), ["k=-", "l=2"]);
    std::thread::sleep(Duration::from_millis(2));
    log.with_options(Options { tombstone_retention: Duration::ZERO, ..Options::default() }).compact().unwrap();
    assert_eq!(contents(&place.open(), "ledger"), ["l=2"]);
}

#[test]
fn what_is_behind_an_open_transaction_is_not_compacted_yet() {
    let place = Place::new();
    let log = place.open();
    create(&log, "ledger", 1, Cleanup::Compact);
    commit(&log, "a", &[record("ledger", "k", Some("1"))]);
    let mut open = log.writer("b").unwrap();
    open.begin().unwrap();
    open.send(record("ledger", "other", Some("open"))).unwrap();
    open.settle().unwrap();
    commit(&log, "a", &[record("ledger", "k", Some("2"))]);
    log.compact().unwrap();
    assert_eq!(contents(&log, "ledger"), ["k=1"]);
    open.commit().unwrap();
    log.compact().unwrap();
    assert_eq!(contents(&log, "ledger"), ["other=open", "k=2"]);
}

#[test]
fn opening_a_writer_compacts_what_is_mostly_new() {
    let place = Place::new();
    let log = place.open();
    create(&log, "ledger", 1, Cleanup::Compact);
    let values: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let records: Vec<_> = values.iter().map(|value| record("ledger", "k", Some(value))).collect();
    commit(&log, "a", &records);
    let count = "SELECT count(*) FROM records";
    assert_eq!(number(&place.path(), count), 20_000);
    drop(log.writer("a").unwrap());
    assert_eq!(number(&place.path(), count), 1);
    // One new record beside one old is half: compacted. Then one beside two is not.
    commit(&log, "a", &[record("ledger", "l", Some("1"))]);
    drop(log.writer("a").unwrap());
    commit(&log, "a", &[record("ledger", "l", Some("2"))]);
    drop(log.writer("a").unwrap());
    assert_eq!(contents(&log, "ledger"), ["k=19999", "l=1", "l=2"]);
}
