//! Topics: what is created and what is told of it.

use dropbridge_port::{Cleanup, ErrorKind, Isolation, PartitionOffset, StartAt};

use super::bench::{Bench, expect_error, record, spec, topic, writer};

/// Creating a topic again changes nothing, whatever is asked for, and the others of the call are still created.
pub fn creating_topics_again_changes_nothing(bench: &dyn Bench) {
    let log = bench.open();
    let (events, ledger, later) = (bench.unique("events"), bench.unique("ledger"), bench.unique("later"));
    let first = [spec(bench, &events, 3, Cleanup::Delete), spec(bench, &ledger, 1, Cleanup::Compact)];
    log.create_topics(&first).unwrap();
    let again = [spec(bench, &events, 5, Cleanup::Delete), spec(bench, &later, 2, Cleanup::Delete)];
    log.create_topics(&again).unwrap();
    log.create_topics(&first).unwrap();
    let mut states = log.topics(&[&events, &ledger, &later]).unwrap();
    states.sort_by_key(|state| [&events, &ledger, &later].iter().position(|name| **name == state.name));
    let told: Vec<_> =
        states.iter().map(|state| (state.name.as_str(), state.partitions, state.cleanup.as_deref().unwrap())).collect();
    assert_eq!(told, [(&*events, 3, "delete"), (&*ledger, 1, "compact"), (&*later, 2, "delete")]);
}

/// Asking for topics that do not exist is no error: they are left out of the answer.
pub fn topics_that_are_missing_are_left_out(bench: &dyn Bench) {
    let log = bench.open();
    let here = topic(bench, &*log, 1);
    let states = log.topics(&[&bench.unique("missing"), &here]).unwrap();
    assert_eq!(states.iter().map(|state| state.name.as_str()).collect::<Vec<_>>(), [here]);
}

/// Writing to, reading from and asking about a topic that does not exist fails with `NotFound`, and does not create it.
pub fn a_topic_that_does_not_exist_is_not_found(bench: &dyn Bench) {
    let log = bench.open();
    let missing = bench.unique("missing");
    let opened = log.reader(Isolation::ReadCommitted, &[(&missing, StartAt::Beginning)]);
    expect_error(opened.map(drop), ErrorKind::NotFound, "reader");
    expect_error(log.watermarks(&missing), ErrorKind::NotFound, "watermarks");
    expect_error(log.committed(&bench.unique("group"), &missing), ErrorKind::NotFound, "committed");

    let mut writer = writer(bench, &*log);
    writer.begin().unwrap();
    let sent = writer.send(record(&missing, 0, "lost")).and_then(|()| writer.settle().map(drop));
    expect_error(sent, ErrorKind::NotFound, "send and settle");
    writer.abort().unwrap();
    writer.begin().unwrap();
    let offset = PartitionOffset { topic: missing.clone(), partition: 0, offset: 1 };
    expect_error(writer.send_offsets(&bench.unique("group"), &[offset]), ErrorKind::NotFound, "send_offsets");
    writer.abort().unwrap();
    assert!(log.topics(&[&missing]).unwrap().is_empty());
}
