//! Calls in the wrong order.

use dropbridge_port::{ErrorKind, Isolation};

use super::bench::{Bench, begin_with, commit, expect_error, read, record, texts, topic, writer};

/// A second begin is refused; after an abort the writer works.
pub fn beginning_twice_is_a_bug(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    begin_with(&mut *writer, &[record(&topic, 0, "aborted")]);
    expect_error(writer.begin(), ErrorKind::Bug, "second begin");
    writer.abort().unwrap();
    commit(&mut *writer, &[record(&topic, 0, "next")]);
    assert_eq!(texts(&read(&*log, Isolation::ReadCommitted, &[&topic], 1)), ["next"]);
}

/// An abort with nothing to abort succeeds, at first and after a commit.
pub fn aborting_without_a_transaction_is_fine(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    writer.abort().unwrap();
    commit(&mut *writer, &[record(&topic, 0, "kept")]);
    writer.abort().unwrap();
    assert_eq!(texts(&read(&*log, Isolation::ReadCommitted, &[&topic], 1)), ["kept"]);
}
