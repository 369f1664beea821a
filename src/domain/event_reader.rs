//! Reading the events of one drop among others: which they are, their number, and where their payload stands.
//!
//! The general way reads the envelope as JSON. Envelopes of one drop and type are alike in all but four places (id,
//! subject, business date and number: see [`event`](super::event)), and so there is a short way: what stands between
//! the subject and the business date of an event that the general way has read is remembered, and an event that has
//! the same bytes there has the same attributes. Whatever does not fit is left to the general way. Whether a payload is
//! whole shows when it is read.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What every envelope of ours begins with.
const BEFORE_ID: &[u8] = b"{\"specversion\":\"1.0\",\"id\":\"";
/// Digits of an id.
const ID_BYTES: usize = 32;
const BEFORE_DATE: &[u8] = b",\"businessdate\":\"";
/// `2026-01-31`.
const DATE_BYTES: usize = 10;
const BEFORE_ORDINAL: &[u8] = b"\",\"ordinal\":";
const BEFORE_RANGE: &[u8] = b",\"byterange\":\"";
const BEFORE_DATA: &[u8] = b"\",\"data\":";

/// By what the events of one drop are known among those of others.
#[derive(Clone, Debug)]
pub struct DropIdentity {
    /// `source` of their envelopes.
    pub source: String,
    /// The logical key.
    pub key: String,
    /// The hash of the file's bytes.
    pub hash: String,
    /// 1, or more for a correction.
    pub revision: u32,
}

/// An event of the drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEvent {
    /// Its number in the file, from 1.
    pub ordinal: u64,
    /// Its type.
    pub event_type: Arc<str>,
    /// Where its payload stands in the event.
    pub data: Range<usize>,
}

/// Reads events, and remembers how those of the drop look.
pub struct EventReader {
    identity: DropIdentity,
    known: Vec<Known>,
}

/// What the envelopes of one type have in common.
struct Known {
    event_type: Arc<str>,
    /// From the end of the id to the subject.
    before_subject: Vec<u8>,
    /// From the end of the subject to the business date.
    before_date: Vec<u8>,
}

#[derive(Deserialize)]
struct Envelope<'e> {
    #[serde(borrow)]
    source: Cow<'e, str>,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'e, str>,
    #[serde(borrow)]
    logicalkey: Cow<'e, str>,
    #[serde(borrow)]
    capturehash: Cow<'e, str>,
    revision: u32,
    ordinal: u64,
    #[serde(borrow)]
    data: &'e RawValue,
}

impl EventReader {
    /// For the events of this drop.
    #[must_use]
    pub fn new(identity: DropIdentity) -> Self {
        Self { identity, known: Vec::new() }
    }

    /// The event, where it is one of the drop; `None` for any other record.
    pub fn read(&mut self, event: &[u8]) -> Option<OwnEvent> {
        self.known.iter().find_map(|known| known.read(event)).or_else(|| self.read_at_length(event))
    }

    fn read_at_length(&mut self, event: &[u8]) -> Option<OwnEvent> {
        // What is no envelope of ours is another producer's.
        let envelope: Envelope<'_> = serde_json::from_slice(event).ok()?;
        let Self { identity, known } = self;
        let is_own = envelope.logicalkey == identity.key.as_str()
            && envelope.capturehash == identity.hash.as_str()
            && envelope.source == identity.source.as_str()
            && envelope.revision == identity.revision;
        if !is_own {
            return None;
        }
        let payload = envelope.data.get();
        let from = payload.as_ptr().addr() - event.as_ptr().addr();
        let event_type: Arc<str> = Arc::from(&*envelope.event_type);
        let is_known = known.iter().any(|known| known.event_type == event_type);
        if !is_known && let Some(new) = Known::learn(event, &event_type) {
            known.push(new);
        }
        Some(OwnEvent { ordinal: envelope.ordinal, event_type, data: from..from + payload.len() })
    }
}

impl Known {
    /// From an event of the drop that was read; `None` where it is not written as the bridge writes.
    fn learn(event: &[u8], event_type: &Arc<str>) -> Option<Self> {
        let mut before_subject = b"\",\"type\":".to_vec();
        super::event::json_string(&mut before_subject, event_type);
        before_subject.extend_from_slice(b",\"subject\":\"");
        let behind_subject = behind_subject(event, &before_subject)?;
        // No text in JSON holds this: its quotes would have a backslash.
        let date = behind_subject.windows(BEFORE_DATE.len()).position(|bytes| bytes == BEFORE_DATE)?;
        let before_date = behind_subject.get(..date + BEFORE_DATE.len())?.to_vec();
        Some(Self { event_type: Arc::clone(event_type), before_subject, before_date })
    }

    fn read(&self, event: &[u8]) -> Option<OwnEvent> {
        let rest = behind_subject(event, &self.before_subject)?.strip_prefix(&self.before_date[..])?;
        let (ordinal, rest) = number(rest.get(DATE_BYTES..)?.strip_prefix(BEFORE_ORDINAL)?)?;
        let (_, rest) = number(rest.strip_prefix(BEFORE_RANGE)?)?;
        let (_, rest) = number(rest.strip_prefix(b"-")?)?;
        let data = rest.strip_prefix(BEFORE_DATA)?.strip_suffix(b"}")?;
        let from = event.len() - 1 - data.len();
        Some(OwnEvent { ordinal, event_type: Arc::clone(&self.event_type), data: from..from + data.len() })
    }
}

/// What stands behind a subject without escapes, from its closing quote on.
fn behind_subject<'e>(event: &'e [u8], before_subject: &[u8]) -> Option<&'e [u8]> {
    let rest = event.strip_prefix(BEFORE_ID)?.get(ID_BYTES..)?.strip_prefix(before_subject)?;
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let behind = rest.get(end..)?;
    behind.starts_with(b"\"").then_some(behind)
}

/// A number, and what stands behind it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(length);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::event::{EnvelopeWriter, Origin, Particulars};
    use super::super::{BusinessDate, ContentHash, LogicalKey, Moment};
    use super::*;

    const DATA: &str = r#"{"a":"x","b":[1,{"c":"}"}]}"#;

    fn written(event_type: &str, subject: &str, ordinal: u64, key: &str, revision: u32) -> Vec<u8> {
        let key = LogicalKey::from_text(key);
        let origin = Origin {
            bridge: "example",
            feed: "parks.bids",
            department: "parks, \"businessdate\":\"",
            key: &key,
            hash: ContentHash::of(b"bytes"),
            revision,
            supersedes: None,
            modified: Moment::from_unix_ns(0),
        };
        let particulars = Particulars {
            event_type,
            schema: "https://example.org/1",
            subject,
            business_date: BusinessDate::parse("2026-01-31").unwrap(),
            ordinal,
            bytes: (10, 20),
        };
        let mut out = Vec::new();
        EnvelopeWriter::new(origin).write(&particulars, DATA.as_bytes(), &mut out);
        out
    }

    fn reader() -> EventReader {
        EventReader::new(DropIdentity {
            source: "/dropbridge/example/parks.bids".to_owned(),
            key: "2026-01-31/0042".to_owned(),
            hash: ContentHash::of(b"bytes").to_string(),
            revision: 1,
        })
    }

    /// Both ways read the same; the short one is gone where `shortly` says so.
    fn check(reader: &mut EventReader, event: &[u8], shortly: bool, expected: Option<(u64, &str)>) {
        let text = String::from_utf8_lossy(event);
        let short = reader.known.iter().find_map(|known| known.read(event));
        assert_eq!(short.is_some(), shortly, "{text}");
        let read = reader.read(event);
        if shortly {
            assert_eq!(read, self::reader().read_at_length(event), "{text}");
        }
        assert_eq!(read.as_ref().map(|own| (own.ordinal, &*own.event_type)), expected, "{text}");
        if let Some(own) = read {
            assert_eq!(event.get(own.data).unwrap(), DATA.as_bytes(), "{text}");
        }
    }

    #[test]
    fn events_of_the_drop_are_read_shortly_once_one_was_read_at_length() {
        let mut reader = reader();
        let own = |event_type, subject, ordinal| written(event_type, subject, ordinal, "2026-01-31/0042", 1);
        check(&mut reader, &own("Bid", "B-1", 1), false, Some((1, "Bid")));
        check(&mut reader, &own("Bid", "B-2", 2), true, Some((2, "Bid")));
        check(&mut reader, &own("Bid", "", 18_446_744_073_709_551_615), true, Some((u64::MAX, "Bid")));
        check(&mut reader, &own("Offer", "B-3", 4), false, Some((4, "Offer")));
        check(&mut reader, &own("Offer", "B-3", 5), true, Some((5, "Offer")));
        check(&mut reader, &own("Bid", "B-4", 6), true, Some((6, "Bid")));
        check(&mut reader, &own("Bid", "B \"5\"", 7), false, Some((7, "Bid")));
    }

    #[test]
    fn events_of_others_are_no_event_of_the_drop() {
        let mut reader = reader();
        check(&mut reader, &written("Bid", "B-1", 1, "2026-01-31/0042", 1), false, Some((1, "Bid")));
        check(&mut reader, &written("Bid", "B-1", 1, "2026-01-31/0043", 1), false, None);
        check(&mut reader, &written("Bid", "B-1", 1, "2026-01-31/0042", 2), false, None);
        check(&mut reader, b"{\"specversion\":\"1.0\",\"id\":\"", false, None);
        check(&mut reader, b"", false, None);
    }

    #[test]
    fn an_event_that_was_written_otherwise_is_read_at_length() {
        let mut reader = reader();
        let own = String::from_utf8(written("Bid", "B-1", 1, "2026-01-31/0042", 1)).unwrap();
        check(&mut reader, own.as_bytes(), false, Some((1, "Bid")));
        check(&mut reader, own.replace("\"1.0\",", "\"1.0\", ").as_bytes(), false, Some((1, "Bid")));
        check(&mut reader, (own.clone() + " ").as_bytes(), false, Some((1, "Bid")));
        check(&mut reader, own.replace("\"ordinal\":1,", "\"ordinal\":-1,").as_bytes(), false, None);
    }
}
