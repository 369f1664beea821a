//! The envelope of an event: CloudEvents 1.0, structured mode, JSON format.
//!
//! Sources: CloudEvents 1.0.2 and its JSON event format. Attribute names are lower-case letters and digits; integers
//! are 32 bits there, so byte ranges are text.

use sha2::{Digest, Sha256};

use super::date::BusinessDate;
use super::hash::{ContentHash, push_hex};
use super::key::LogicalKey;
use super::moment::Moment;

/// The value of the one header that every event carries.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// What all events of one drop have in common.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// The bridge's name.
    pub bridge: &'a str,
    /// The feed.
    pub feed: &'a str,
    /// The department.
    pub department: &'a str,
    /// The drop's key.
    pub key: &'a LogicalKey,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// 1, or more for a correction.
    pub revision: u32,
    /// The hash of the drop that this one corrects.
    pub supersedes: Option<ContentHash>,
    /// When the legacy system last wrote the file.
    pub modified: Moment,
}

/// What one event has of its own.
#[derive(Clone, Copy, Debug)]
pub struct Particulars<'a> {
    /// Its type.
    pub event_type: &'a str,
    /// The `$id` of its schema.
    pub schema: &'a str,
    /// Its business key.
    pub subject: &'a str,
    /// Its business date.
    pub business_date: BusinessDate,
    /// Its number in the file, from 1.
    pub ordinal: u64,
    /// The bytes of the file that it was made from, half-open.
    pub bytes: (u64, u64),
}

/// The id of an event: a function of where it comes from, so that whoever sees it twice can tell.
#[must_use]
pub fn event_id(origin: &Origin<'_>, event_type: &str, ordinal: u64) -> String {
    let mut id = Vec::new();
    push_id(&id_hasher(origin, event_type), ordinal, &mut id);
    // Hexadecimal digits are ASCII.
    String::from_utf8(id).unwrap_or_default()
}

/// What the ids of a drop's events of one type have in common.
fn id_hasher(origin: &Origin<'_>, event_type: &str) -> Sha256 {
    let mut hasher = Sha256::new();
    for part in [origin.feed, origin.key.as_str(), &origin.hash.to_string(), event_type] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher
}

fn push_id(common: &Sha256, ordinal: u64, out: &mut Vec<u8>) {
    push_hex(out, &common.clone().chain_update(ordinal.to_be_bytes()).finalize()[..16]);
}

/// Writes envelopes around payloads; what is common to a drop is made once, and what is common to an event type in it.
pub struct EnvelopeWriter<'a> {
    origin: Origin<'a>,
    common: Vec<u8>,
    types: Vec<TypeParts>,
}

/// What all events of one type in a drop have in common.
struct TypeParts {
    event_type: String,
    schema: String,
    ids: Sha256,
    /// From the end of the id to the subject.
    before_subject: Vec<u8>,
    /// From the end of the subject to the business date.
    behind_subject: Vec<u8>,
}

impl<'a> EnvelopeWriter<'a> {
    /// For one drop.
    #[must_use]
    pub fn new(origin: Origin<'a>) -> Self {
        let mut common = Vec::new();
        attribute(&mut common, "source", &format!("/dropbridge/{}/{}", origin.bridge, origin.feed));
        attribute(&mut common, "time", &origin.modified.rfc3339());
        attribute(&mut common, "datacontenttype", "application/json");
        attribute(&mut common, "department", origin.department);
        attribute(&mut common, "logicalkey", origin.key.as_str());
        attribute(&mut common, "capturehash", &origin.hash.to_string());
        common.extend_from_slice(format!(",\"revision\":{}", origin.revision).as_bytes());
        if let Some(hash) = origin.supersedes {
            attribute(&mut common, "supersedes", &hash.to_string());
        }
        attribute(&mut common, "provenance", "legacy");
        Self { origin, common, types: Vec::new() }
    }

    /// Appends a whole event whose payload is the given JSON text. Answers where in `out` begins what the event has of its
    /// own: what stands before follows from its drop, type, key and number.
    pub fn write(&mut self, particulars: &Particulars<'_>, data: &[u8], out: &mut Vec<u8>) -> usize {
        let parts = self.parts(particulars.event_type, particulars.schema);
        out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
        push_id(&parts.ids, particulars.ordinal, out);
        out.extend_from_slice(&parts.before_subject);
        json_string(out, particulars.subject);
        out.extend_from_slice(&parts.behind_subject);
        let own = out.len();
        particulars.business_date.push_to(out);
        out.extend_from_slice(b"\",\"ordinal\":");
        push_number(out, particulars.ordinal);
        let (from, to) = particulars.bytes;
        out.extend_from_slice(b",\"byterange\":\"");
        push_number(out, from);
        out.push(b'-');
        push_number(out, to);
        out.extend_from_slice(b"\",\"data\":");
        out.extend_from_slice(data);
        out.push(b'}');
        own
    }

    fn parts(&mut self, event_type: &str, schema: &str) -> &TypeParts {
        let known = |parts: &TypeParts| parts.event_type == event_type && parts.schema == schema;
        let index = self.types.iter().position(known).unwrap_or_else(|| {
            let mut before_subject = b"\"".to_vec();
            attribute(&mut before_subject, "type", event_type);
            before_subject.extend_from_slice(b",\"subject\":");
            let mut behind_subject = Vec::new();
            attribute(&mut behind_subject, "dataschema", schema);
            behind_subject.extend_from_slice(&self.common);
            behind_subject.extend_from_slice(b",\"businessdate\":\"");
            self.types.push(TypeParts {
                event_type: event_type.to_owned(),
                schema: schema.to_owned(),
                ids: id_hasher(&self.origin, event_type),
                before_subject,
                behind_subject,
            });
            self.types.len() - 1
        });
        &self.types[index]
    }
}

/// Appends a JSON string.
#[inline]
pub fn json_string(out: &mut Vec<u8>, text: &str) {
    // Most texts stand for themselves. No short cut at the first byte that does not: this vectorises.
    let as_it_stands = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |all, byte| all & as_it_stands(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing a string to a vector has no error to report.
        let _infallible = serde_json::to_writer(out, text);
    }
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    // Nor has writing a number.
    let _infallible = serde_json::to_writer(out, &number);
}

fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json_string(out, value);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_envelope_is_json_and_its_id_depends_on_all_of_its_origin() {
        let key = LogicalKey::from_text("2026-01-31/0042");
        let origin = Origin {
            bridge: "example",
            feed: "parks.bids",
            department: "parks",
            key: &key,
            hash: ContentHash::of(b"bytes"),
            revision: 1,
            supersedes: None,
            modified: Moment::from_unix_ns(1_769_850_000_000_000_000),
        };
        let mut out = Vec::new();
        let particulars = Particulars {
            event_type: "BidProcessed",
            schema: "https://example.org/1",
            subject: "B-\"1\"",
            business_date: BusinessDate::parse("2026-01-31").unwrap(),
            ordinal: 7,
            bytes: (10, 20),
        };
        let own = EnvelopeWriter::new(origin.clone()).write(&particulars, br#"{"a":1}"#, &mut out);
        assert!(out[own..].starts_with(b"2026-01-31\","), "{}", String::from_utf8_lossy(&out[own..]));
        let event: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(event["subject"], "B-\"1\"");
        assert_eq!(event["time"], "2026-01-31T09:00:00Z");
        assert_eq!(event["byterange"], "10-20");
        assert_eq!(event["data"]["a"], 1);
        let other = Origin { feed: "parks.bid", ..origin.clone() };
        assert_eq!(event["id"].as_str().unwrap(), event_id(&origin, "BidProcessed", 7));
        assert_ne!(event_id(&origin, "BidProcessed", 7), event_id(&origin, "BidProcessed", 8));
        assert_ne!(event_id(&origin, "BidProcessed", 7), event_id(&other, "BidProcessed", 7));
    }
}
