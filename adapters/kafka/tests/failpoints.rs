//! The point between the request to commit and its answer, reached in a process that dies there.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use broker::{KafkaBench, unique};
use dropbridge_conformance::event_log::Bench;
use dropbridge_conformance::event_log::bench::{begin_with, record, topic, wait_until};
use dropbridge_port::{EventLog, Isolation, Polled, StartAt};

/// Set for the process that dies: the topics and the transactional id, separated by spaces.
const VICTIM: &str = "DROPBRIDGE_TEST_COMMIT_SENT_VICTIM";
const PAST_THE_ABORT: &str = "past the abort";
const SIGKILL: i32 = 9;

#[test]
fn a_process_killed_after_it_sent_the_commit_leaves_all_or_nothing() {
    let Some(bench) = KafkaBench::find() else { return };
    if let Ok(names) = std::env::var(VICTIM) {
        die_committing(&bench, &names.split(' ').collect::<Vec<_>>());
    }
    let log = bench.open();
    let (one, two, id) = (topic(&bench, &*log, 1), topic(&bench, &*log, 1), unique("victim"));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact", "a_process_killed_after_it_sent_the_commit_leaves_all_or_nothing"])
        .env(VICTIM, [&*one, &*two, &*id].join(" "))
        .env("DROPBRIDGE_FAILPOINT", "commit_sent=kill")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains(PAST_THE_ABORT), "the point is a commit's, not an abort's: {told}");
    assert_eq!(output.status.signal(), Some(SIGKILL), "the point was not reached: {told}");
    // The next writer has the id when the outcome is decided.
    drop(log.writer(&id).unwrap());
    assert_eq!(count(&*log, &one), count(&*log, &two));
}

fn die_committing(bench: &KafkaBench, names: &[&str]) -> ! {
    let mut writer = bench.open().writer(names[2]).unwrap();
    begin_with(&mut *writer, &[record(names[0], 0, "one"), record(names[1], 0, "two")]);
    writer.abort().unwrap();
    println!("{PAST_THE_ABORT}");
    begin_with(&mut *writer, &[record(names[0], 0, "one"), record(names[1], 0, "two")]);
    let answer = writer.commit();
    panic!("alive after the commit: {answer:?}");
}

fn count(log: &dyn EventLog, topic: &str) -> usize {
    let mut reader = log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Beginning)]).unwrap();
    let mut count = 0;
    wait_until("the topic is read to its end", || match reader.poll(Duration::from_secs(1)).unwrap() {
        Polled::Record(_) => {
            count += 1;
            false
        }
        Polled::End { .. } => true,
        Polled::Idle => false,
    });
    count
}
