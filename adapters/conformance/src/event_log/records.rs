//! Records: what is sent is what is read.

use std::time::{SystemTime, UNIX_EPOCH};

use dropbridge_port::{ErrorKind, FetchedRecord, Isolation, OutgoingRecord};

use super::bench::{Bench, commit, compacted_topic, expect_error, keyed, read, record, texts, topic, writer};

/// As large as Kafka's default limits let a record be, headers and all.
const LARGE_BYTES: usize = 999_000;
/// Larger than any default limit.
const TOO_LARGE_BYTES: usize = 3 << 20;

/// Bytes that do not compress, the same ones each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// None, empty, text, bytes that are no text, and headers in their order, repeated and empty ones too.
pub fn keys_values_and_headers_come_back_as_they_were_sent(bench: &dyn Bench) {
    type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [(&'a str, &'a [u8])]);
    let cases: [Parts<'_>; 7] = [
        (None, None, &[]),
        (None, Some(b""), &[]),
        (Some(b""), Some(b"value"), &[]),
        (Some(b"key"), None, &[]),
        (Some(b"key"), Some(b"value"), &[("content-type", b"application/json")]),
        (Some(&[0, 255, 10]), Some(&[0, 0, 255]), &[("b", b"1"), ("a", b""), ("b", &[0, 255])]),
        (None, None, &[("only", b"a header")]),
    ];
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    let records: Vec<_> = cases
        .iter()
        .map(|(key, value, headers)| OutgoingRecord {
            topic: &topic,
            partition: Some(0),
            key: *key,
            value: *value,
            headers,
            tag: 0,
        })
        .collect();
    commit(&mut *writer, &records);
    let fetched = read(&*log, Isolation::ReadCommitted, &[&topic], cases.len());
    for (FetchedRecord { key, value, headers, .. }, case) in fetched.iter().zip(cases) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        assert_eq!((key.as_deref(), value.as_deref(), headers.as_slice()), case);
    }
}

/// A value of almost a megabyte.
pub fn a_large_value_comes_back_whole(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    let value = noise(LARGE_BYTES);
    let large = OutgoingRecord { value: Some(&value), ..record(&topic, 0, "") };
    commit(&mut *writer, &[record(&topic, 0, "before"), large, large, record(&topic, 0, "after")]);
    let records = read(&*log, Isolation::ReadCommitted, &[&topic], 4);
    assert_eq!(texts(&records), ["before", "999000 bytes", "999000 bytes", "after"]);
    assert!(records[1].value.as_deref() == Some(&*value) && records[2].value.as_deref() == Some(&*value));
}

/// A record beyond the limit is told of by the time the transaction is settled; the writer aborts and goes on.
pub fn a_record_that_is_too_large_is_unacceptable(bench: &dyn Bench) {
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    let value = noise(TOO_LARGE_BYTES);
    writer.begin().unwrap();
    writer.send(record(&topic, 0, "aborted")).unwrap();
    let large = OutgoingRecord { value: Some(&value), ..record(&topic, 0, "") };
    let sent = writer.send(large).and_then(|()| writer.settle());
    expect_error(sent, ErrorKind::Unacceptable, "send and settle");
    writer.abort().unwrap();
    commit(&mut *writer, &[record(&topic, 0, "next")]);
    assert_eq!(texts(&read(&*log, Isolation::ReadCommitted, &[&topic], 1)), ["next"]);
}

/// Compaction could never remove such a record.
pub fn a_compacted_topic_takes_no_record_without_a_key(bench: &dyn Bench) {
    let log = bench.open();
    let topic = compacted_topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    writer.begin().unwrap();
    let sent = writer.send(record(&topic, 0, "no key")).and_then(|()| writer.settle());
    expect_error(sent, ErrorKind::Unacceptable, "send and settle");
    writer.abort().unwrap();
    commit(&mut *writer, &[keyed(&topic, "key", Some("next"))]);
    assert_eq!(texts(&read(&*log, Isolation::ReadCommitted, &[&topic], 1)), ["next"]);
}

/// Records carry the time at which they were sent.
pub fn timestamps_are_those_of_the_clock(bench: &dyn Bench) {
    let now_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let log = bench.open();
    let topic = topic(bench, &*log, 1);
    let mut writer = writer(bench, &*log);
    let before = now_ms();
    commit(&mut *writer, &[record(&topic, 0, "a")]);
    let after = now_ms();
    let stamp = read(&*log, Isolation::ReadCommitted, &[&topic], 1)[0].timestamp_ms;
    assert!((before..=after).contains(&stamp), "{before} {stamp} {after}");
}
