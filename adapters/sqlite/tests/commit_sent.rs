//! A commit that was sent and not answered. Each case runs again in a process of its own with the failpoint armed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use common::{Place, contents, create, record};
use dropbridge_port::{Cleanup, ErrorKind, EventLog, PartitionOffset, Writer};
use dropbridge_sqlite::SqliteLog;

/// Where the process with the failpoint finds the log.
const LOG: &str = "DROPBRIDGE_TEST_LOG";

fn run_again(case: &str, failpoint: &str, path: &Path) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args([case, "--exact", "--nocapture"])
        .env(LOG, path)
        .env("DROPBRIDGE_FAILPOINT", failpoint)
        .status()
        .unwrap()
}

/// The log of the process with the failpoint; `None` in the one that starts it.
fn log_of_case() -> Option<SqliteLog> {
    std::env::var_os(LOG).map(|path| SqliteLog::open(Path::new(&path)).unwrap())
}

fn prepare(log: &SqliteLog) -> Box<dyn Writer> {
    let mut writer = log.writer("a").unwrap();
    writer.begin().unwrap();
    writer.send(record("topic", "k", Some("settled"))).unwrap();
    writer.settle().unwrap();
    writer.send(record("topic", "k", Some("in memory"))).unwrap();
    let position = PartitionOffset { topic: "topic".to_owned(), partition: 0, offset: 9 };
    writer.send_offsets("group", &[position]).unwrap();
    writer
}

fn new_log() -> Place {
    let place = Place::new();
    create(&place.open(), "topic", 1, Cleanup::Delete);
    place
}

#[test]
fn asked_again_it_commits_once() {
    let Some(log) = log_of_case() else {
        let place = new_log();
        assert!(run_again("asked_again_it_commits_once", "commit_sent=error", &place.path()).success());
        assert_eq!(contents(&place.open(), "topic"), ["k=settled", "k=in memory"]);
        assert_eq!(place.open().committed("group", "topic").unwrap()[0].offset, 9);
        return;
    };
    let mut writer = prepare(&log);
    assert_eq!(writer.commit().unwrap_err().kind, ErrorKind::Transient);
    assert!(contents(&log, "topic").is_empty());
    writer.commit().unwrap();
}

#[test]
fn it_can_be_aborted_instead() {
    let Some(log) = log_of_case() else {
        let place = new_log();
        assert!(run_again("it_can_be_aborted_instead", "commit_sent=error", &place.path()).success());
        assert_eq!(contents(&place.open(), "topic"), ["k=next"]);
        assert!(place.open().committed("group", "topic").unwrap().is_empty());
        return;
    };
    let mut writer = prepare(&log);
    assert_eq!(writer.commit().unwrap_err().kind, ErrorKind::Transient);
    writer.abort().unwrap();
    writer.begin().unwrap();
    writer.send(record("topic", "k", Some("next"))).unwrap();
    writer.commit().unwrap();
}

#[test]
fn a_process_killed_there_leaves_nothing_visible() {
    let Some(log) = log_of_case() else {
        let place = new_log();
        let status = run_again("a_process_killed_there_leaves_nothing_visible", "commit_sent=kill", &place.path());
        assert_eq!(status.signal(), Some(9), "{status}");
        let log = place.open();
        assert!(contents(&log, "topic").is_empty());
        let mut writer = log.writer("a").unwrap();
        writer.begin().unwrap();
        writer.send(record("topic", "k", Some("next"))).unwrap();
        writer.commit().unwrap();
        assert_eq!(contents(&log, "topic"), ["k=next"]);
        assert!(log.committed("group", "topic").unwrap().is_empty());
        return;
    };
    prepare(&log).commit().unwrap();
}
