//! The envelope of an event: CloudEvents 1.0, structured mode, JSON format.
//!
//! Sources: CloudEvents 1.0.2 and its JSON event format. Attribute names are lower-case letters and digits; integers
//! are 32 bits there, so byte ranges are text.

use sha2::{Digest, Sha256};

use super::date::BusinessDate;
use super::hash::{ContentHash, hex};
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
    let mut hasher = Sha256::new();
    for part in [origin.feed, origin.key.as_str(), &origin.hash.to_string(), event_type] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.update(ordinal.to_be_bytes());
    hex(&hasher.finalize()[..16])
}

/// Writes envelopes around payloads; what is common to a drop is made once.
pub struct EnvelopeWriter<'a> {
    origin: Origin<'a>,
    common: Vec<u8>,
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
        Self { origin, common }
    }

    /// Appends a whole event whose payload is the given JSON text.
    pub fn write(&self, particulars: &Particulars<'_>, data: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"specversion\":\"1.0\"");
        attribute(out, "id", &event_id(&self.origin, particulars.event_type, particulars.ordinal));
        attribute(out, "type", particulars.event_type);
        attribute(out, "subject", particulars.subject);
        attribute(out, "dataschema", particulars.schema);
        out.extend_from_slice(&self.common);
        attribute(out, "businessdate", &particulars.business_date.to_string());
        let (from, to) = particulars.bytes;
        let tail = format!(",\"ordinal\":{},\"byterange\":\"{from}-{to}\",\"data\":", particulars.ordinal);
        out.extend_from_slice(tail.as_bytes());
        out.extend_from_slice(data);
        out.push(b'}');
    }
}

/// Appends a JSON string.
pub fn json_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to a vector has no error to report.
    let _infallible = serde_json::to_writer(out, text);
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
        EnvelopeWriter::new(origin.clone()).write(&particulars, br#"{"a":1}"#, &mut out);
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
