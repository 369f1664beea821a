//! The file: what is refused, what any SQLite tool sees, and who keeps whom out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{Place, contents, create, record};
use dropbridge_port::{Cleanup, ErrorKind, EventLog, PartitionOffset, PortError};
use dropbridge_sqlite::{Options, SqliteLog};

fn refusal(path: &std::path::Path) -> PortError {
    match SqliteLog::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

/// What any SQLite tool finds in a column of one row.
fn number(path: &std::path::Path, query: &str) -> i64 {
    rusqlite::Connection::open(path).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_file_of_another_version_is_refused() {
    let place = Place::new();
    drop(place.open());
    rusqlite::Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = refusal(&place.path());
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(error.to_string().contains("version 2, this program knows version 1"), "{error}");
}

#[test]
fn a_foreign_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    rusqlite::Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE records (a)").unwrap();
    let before = std::fs::read(place.path()).unwrap();
    let error = refusal(&place.path());
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(error.to_string().contains("no event log"), "{error}");
    assert!(std::fs::read(place.path()).unwrap() == before);
}

#[test]
fn a_file_that_is_no_database_is_corrupt_and_left_as_it_is() {
    let place = Place::new();
    let text = "not a database\n".repeat(1000);
    std::fs::write(place.path(), &text).unwrap();
    assert_eq!(refusal(&place.path()).kind, ErrorKind::Corrupt);
    assert!(std::fs::read(place.path()).unwrap() == text.as_bytes());
}

#[test]
fn a_directory_that_is_missing_is_refused_with_a_hint() {
    let place = Place::new();
    let error = refusal(&place.path().join("below"));
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.hint.unwrap().contains("the directory must exist"));
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || {
                let log = place.open();
                create(&log, &format!("topic {number}"), 1, Cleanup::Delete);
            });
        }
    });
    assert_eq!(number(&place.path(), "SELECT count(*) FROM topics"), 8);
}

#[test]
fn the_view_shows_what_a_committed_reader_sees() {
    let place = Place::new();
    let log = place.open();
    create(&log, "one", 1, Cleanup::Delete);
    create(&log, "two", 1, Cleanup::Delete);
    let mut writer = log.writer("a").unwrap();
    let mut other = log.writer("b").unwrap();
    for (key, commits) in [("1", true), ("2", false), ("3", true)] {
        writer.begin().unwrap();
        writer.send(record("one", key, Some("x"))).unwrap();
        writer.settle().unwrap();
        if commits { writer.commit().unwrap() } else { writer.abort().unwrap() }
    }
    writer.begin().unwrap();
    writer.send(record("one", "4", Some("open"))).unwrap();
    writer.settle().unwrap();
    other.begin().unwrap();
    other.send(record("one", "5", Some("behind"))).unwrap();
    other.send(record("two", "6", None)).unwrap();
    other.commit().unwrap();

    let tool = rusqlite::Connection::open(place.path()).unwrap();
    let mut statement = tool
        .prepare(
            "SELECT topic, partition, offset, CAST(key AS TEXT), value FROM committed_records ORDER BY topic, offset",
        )
        .unwrap();
    type Row = (String, u32, i64, String, Option<Vec<u8>>);
    let rows: Vec<Row> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let row = |topic: &str, offset, key: &str, value: Option<&[u8]>| {
        (topic.to_owned(), 0, offset, key.to_owned(), value.map(<[u8]>::to_vec))
    };
    assert_eq!(rows, [row("one", 0, "1", Some(b"x")), row("one", 2, "3", Some(b"x")), row("two", 0, "6", None)]);
    assert_eq!(contents(&log, "one"), ["1=x", "3=x"]);
    let ends = "SELECT stable_offset * 100 + next_offset FROM partition_ends WHERE topic = 'one'";
    assert_eq!(number(&place.path(), ends), 305);
}

#[test]
fn an_open_transaction_holds_no_lock() {
    let place = Place::new();
    let log = place.open();
    create(&log, "topic", 1, Cleanup::Delete);
    let mut writer = log.writer("a").unwrap();
    writer.begin().unwrap();
    writer.send(record("topic", "key", Some("value"))).unwrap();
    writer.settle().unwrap();
    writer.send(record("topic", "key", Some("value"))).unwrap();
    let tool = rusqlite::Connection::open(place.path()).unwrap();
    tool.busy_timeout(Duration::ZERO).unwrap();
    tool.execute_batch("BEGIN EXCLUSIVE; ROLLBACK").unwrap();
    writer.commit().unwrap();
}

#[test]
fn a_fenced_writer_is_told_by_the_first_call_that_asks_the_log() {
    type Call = fn(&mut dyn dropbridge_port::Writer) -> Result<(), PortError>;
    let calls: [(&str, Call); 4] = [
        ("settle", |writer| writer.settle().map(drop)),
        ("send_offsets", |writer| {
            writer.send_offsets("group", &[PartitionOffset { topic: "topic".to_owned(), partition: 0, offset: 1 }])
        }),
        ("commit", |writer| writer.commit()),
        ("abort", |writer| writer.abort()),
    ];
    let place = Place::new();
    let log = place.open();
    create(&log, "topic", 1, Cleanup::Delete);
    for (name, call) in calls {
        let mut first = log.writer("a").unwrap();
        first.begin().unwrap();
        let _second = log.writer("a").unwrap();
        let error = call(&mut *first).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fenced, "{name}: {error}");
    }
    let mut first = log.writer("a").unwrap();
    let _second = log.writer("a").unwrap();
    assert_eq!(first.begin().unwrap_err().kind, ErrorKind::Fenced);
}

#[test]
fn the_largest_record_can_be_set() {
    let place = Place::new();
    let log = place.open().with_options(Options { max_record_bytes: 10, ..Options::default() });
    create(&log, "topic", 1, Cleanup::Delete);
    let mut writer = log.writer("a").unwrap();
    writer.begin().unwrap();
    writer.send(record("topic", "12345", Some("67890"))).unwrap();
    let error = writer.send(record("topic", "12345", Some("678901"))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unacceptable);
    assert!(error.to_string().contains("11 bytes, the limit is 10"), "{error}");
    assert_eq!(writer.commit().unwrap_err().kind, ErrorKind::Bug, "a failed transaction must be aborted");
    writer.abort().unwrap();
    assert!(contents(&log, "topic").is_empty());
}
