//! A mapping as it was stated: which records make which event, and where each value goes.

use serde_json::Value;

/// One event made from one lead record and the member records that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSpec {
    /// The event's type.
    pub event_type: String,
    /// The record type that leads it.
    pub record: String,
    /// Only lead records for which this holds.
    pub when: Option<WhenSpec>,
    /// The business key: a field of the lead record.
    pub key: FieldRef,
    /// Where the business date comes from; the file's name unless stated.
    pub business_date: FieldRef,
    /// The payload.
    pub data: Vec<(String, ValueSpec)>,
}

/// A condition on the lead record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhenSpec {
    /// A field of the lead record.
    pub field: FieldRef,
    /// Its canonical text is one of these.
    pub is: Vec<String>,
}

/// `record.field`, or `file.business_date`, `file.sequence`, `file.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// Record type, or `file`.
    pub record: String,
    /// Field.
    pub field: String,
}

/// Where a value of the payload comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueSpec {
    /// A field.
    Field(FieldRef),
    /// A field whose text is translated, one to one.
    Codes {
        /// The field.
        field: FieldRef,
        /// Text in the file, text in the event.
        codes: Vec<(String, String)>,
    },
    /// Always this.
    Constant(Value),
    /// A nested object.
    Object(Vec<(String, ValueSpec)>),
    /// An array with these elements.
    Array(Vec<ValueSpec>),
    /// An array with one element for each member record of this type.
    Each {
        /// The member record type.
        record: String,
        /// The element.
        data: Vec<(String, ValueSpec)>,
    },
}
