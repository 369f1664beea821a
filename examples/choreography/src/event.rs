//! The events that come and go: CloudEvents 1.0, structured mode, with the bridge's extension attributes.
//!
//! `docs/consumers.md` of the bridge has the attributes, and what an event of a service's own must carry.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The value of the one header that every event carries.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// An event that came. Attributes that no service here needs are not kept.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    specversion: String,
    /// The same event has the same id however often it comes.
    pub id: String,
    /// What happened: `BidProcessed`, for one.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The department that it happened in.
    pub department: String,
    /// The day that it belongs to. It decides who speaks, legacy or the services.
    #[serde(rename = "businessdate")]
    pub business_date: Date,
    /// When it was said, where it says so.
    pub time: Option<Timestamp>,
    /// More than 1 for a correction of something that was said before.
    #[serde(default = "first_revision")]
    pub revision: u32,
    /// What its schema describes.
    pub data: Value,
}

const fn first_revision() -> u32 {
    1
}

impl Event {
    /// Reads a record's value.
    ///
    /// # Errors
    /// Why it is not an event of this type, for the operator.
    pub fn parse(value: &[u8], event_type: &str) -> Result<Self, String> {
        let event: Self = serde_json::from_slice(value).map_err(|error| format!("not an event: {error}"))?;
        if event.specversion != "1.0" {
            return Err(format!("specversion is `{}`; CloudEvents 1.0 is read", event.specversion));
        }
        if event.event_type != event_type {
            return Err(format!("type is `{}`; here `{event_type}` is read", event.event_type));
        }
        if event.id.is_empty() {
            return Err("id is empty".to_owned());
        }
        Ok(event)
    }

    /// The data as a type.
    ///
    /// # Errors
    /// What is missing or wrong in it, for the operator.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, String> {
        T::deserialize(&self.data).map_err(|error| format!("data of event {}: {error}", self.id))
    }
}

/// An event that follows from another, before it is put in its envelope.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its type.
    pub event_type: &'static str,
    /// Its business key: subject of the event, and key of the record.
    pub key: String,
    /// What its schema describes.
    pub data: Value,
}

impl Draft {
    /// The event as it goes on the wire. Department and business date are those of its cause.
    ///
    /// No `time`: whichever process makes it, and however often, the same event is the same bytes. A repeated id with
    /// other content would be refused by the bridge.
    #[must_use]
    pub fn envelope(&self, cause: &Event, service: &str, schema_id: &str) -> Vec<u8> {
        let envelope = json!({
            "specversion": "1.0",
            "id": derived_id(&cause.id, self.event_type),
            "type": self.event_type,
            "source": format!("/choreography/{service}"),
            "subject": self.key,
            "datacontenttype": "application/json",
            "dataschema": schema_id,
            "department": cause.department,
            "businessdate": cause.business_date.to_string(),
            "provenance": "native",
            "data": self.data,
        });
        envelope.to_string().into_bytes()
    }
}

/// The id of the event of this type that follows from the event with that id: 32 hexadecimal digits of a SHA-256. A
/// function, so that an event that comes twice never makes a second fact.
#[must_use]
pub fn derived_id(cause_id: &str, event_type: &str) -> String {
    // The zero byte keeps ("a", "bc") and ("ab", "c") apart.
    let digest = Sha256::new().chain_update(cause_id).chain_update([0]).chain_update(event_type).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A business number that follows from an event: the prefix and 16 digits of the event's derived id.
#[must_use]
pub fn derived_number(prefix: &str, cause_id: &str, event_type: &str) -> String {
    let id = derived_id(cause_id, event_type).to_uppercase();
    format!("{prefix}-{}", &id[..16])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TEXT: &str = r#"{"specversion":"1.0","id":"a","type":"BidProcessed","source":"/x","department":"parks",
        "businessdate":"2026-01-31","time":"2026-01-31T05:06:41Z","revision":2,"unheard-of":true,"data":{"n":"1.50"}}"#;

    #[test]
    fn an_event_is_read_and_unknown_attributes_are_ignored() {
        let event = Event::parse(TEXT.as_bytes(), "BidProcessed").unwrap();
        assert_eq!((event.id.as_str(), event.department.as_str(), event.revision), ("a", "parks", 2));
        assert_eq!(event.business_date.to_string(), "2026-01-31");
        let without = TEXT.replace(r#""revision":2,"#, "");
        assert_eq!(Event::parse(without.as_bytes(), "BidProcessed").unwrap().revision, 1);
    }

    #[test]
    fn what_is_no_event_is_refused_with_a_reason() {
        for (changed, to, reason) in [
            ("1.0", "0.3", "specversion"),
            (r#""id":"a""#, r#""id":"""#, "id is empty"),
            (r#""id":"a","#, "", "id"),
            ("2026-01-31\",\"time", "2026-02-30\",\"time", "not an event"),
            ("BidProcessed", "BidLost", "type is `BidLost`"),
            ("{\"specversion", "[{\"specversion", "not an event"),
        ] {
            let error = Event::parse(TEXT.replace(changed, to).as_bytes(), "BidProcessed").unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_id_follows_from_the_cause_and_the_type_alone() {
        // printf 'a\0BidProcessed' | sha256sum
        assert_eq!(derived_id("a", "BidProcessed"), "9e800a7668312f16f3c7c5b7e0951197");
        assert_ne!(derived_id("a", "bc"), derived_id("ab", "c"));
        assert_ne!(derived_id("a", "BidProcessed"), derived_id("b", "BidProcessed"));
        assert!(derived_number("WO", "a", "WorkOrderCreated").len() <= 32);
    }

    #[test]
    fn an_envelope_carries_what_the_bridge_asks_of_events_of_services() {
        let cause = Event::parse(TEXT.as_bytes(), "BidProcessed").unwrap();
        let draft = Draft { event_type: "WorkOrderCreated", key: "WO-1".to_owned(), data: json!({"total": "12.50"}) };
        let value: Value = serde_json::from_slice(&draft.envelope(&cause, "work-order-service", "urn:x")).unwrap();
        assert_eq!(
            value,
            json!({
                "specversion": "1.0", "id": derived_id("a", "WorkOrderCreated"), "type": "WorkOrderCreated",
                "source": "/choreography/work-order-service", "subject": "WO-1",
                "datacontenttype": "application/json", "dataschema": "urn:x", "department": "parks",
                "businessdate": "2026-01-31", "provenance": "native", "data": {"total": "12.50"},
            })
        );
    }
}
