//! Compaction by key.

use std::collections::BTreeMap;

use dropbridge_port::{EventLog, Isolation, StartAt};

use super::bench::{
    Bench, begin_with, commit, compacted_topic, keyed, read, read_on, record, texts, topic, wait_until, writer,
};

/// The values of each key that a reader finds, but those of the bench's filler.
fn contents(log: &dyn EventLog, topic: &str) -> BTreeMap<String, Vec<String>> {
    let mut reader = log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Beginning)]).unwrap();
    let mut contents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in read_on(&mut *reader, 1, 0) {
        let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
        let value = texts(&[record]).remove(0);
        // Whether the record that removes a key is still there is up to the log.
        if !key.starts_with("filler") && value != "-" {
            contents.entry(key).or_default().push(value);
        }
    }
    contents
}

/// Older values go, the newest stays, a record without value removes its key; what is aborted replaces nothing, and
/// what is open replaces nothing yet.
pub fn the_newest_record_of_each_key_stays(bench: &dyn Bench) {
    let log = bench.open();
    let topic = compacted_topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    for round in ["1", "2", "3"] {
        commit(
            &mut *writer,
            &[
                keyed(&topic, "kept", Some(round)),
                keyed(&topic, "removed", Some(round)),
                keyed(&topic, round, Some("only")),
            ],
        );
    }
    commit(&mut *writer, &[keyed(&topic, "removed", None), keyed(&topic, "back", None)]);
    begin_with(&mut *writer, &[keyed(&topic, "kept", Some("aborted")), keyed(&topic, "1", None)]);
    writer.abort().unwrap();
    commit(&mut *writer, &[keyed(&topic, "back", Some("again"))]);
    let expected = BTreeMap::from(
        [("kept", "3"), ("1", "only"), ("2", "only"), ("3", "only"), ("back", "again")]
            .map(|(key, value)| (key.to_owned(), vec![value.to_owned()])),
    );
    wait_until("the topic is compacted", || {
        bench.compact(&topic);
        contents(&*log, &topic) == expected
    });
    // The topic goes on where it was.
    commit(&mut *writer, &[keyed(&topic, "kept", Some("4"))]);
    wait_until("the new record is there", || {
        contents(&*log, &topic)["kept"] == ["3", "4"] || contents(&*log, &topic)["kept"] == ["4"]
    });
}

/// A topic that is not compacted keeps every record.
pub fn compaction_leaves_other_topics_alone(bench: &dyn Bench) {
    let log = bench.open();
    let (compacted, plain) = (compacted_topic(bench, &*log, 1), topic(bench, &*log, 1));
    let mut writer = writer(bench, &*log);
    for value in ["1", "2"] {
        let mut kept = record(&plain, 0, value);
        kept.key = Some(b"key");
        commit(&mut *writer, &[kept, keyed(&compacted, "key", Some(value))]);
    }
    wait_until("the topic is compacted", || {
        bench.compact(&compacted);
        contents(&*log, &compacted)["key"] == ["2"]
    });
    assert_eq!(texts(&read(&*log, Isolation::ReadCommitted, &[&plain], 2)), ["1", "2"]);
}
