//! What is found: one difference, its kind, its place in both files and both values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Values are shown up to so many characters.
const LONGEST_SHOWN: usize = 200;

/// What stands for a value that is shown nowhere.
pub(super) const MASKED: &str = "(masked)";

/// One of two files that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the batch job wrote.
    Legacy,
    /// What was made of the new service's events.
    Candidate,
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Legacy => "legacy",
            Self::Candidate => "candidate",
        })
    }
}

/// The kind of a difference, as a word that reports and tests rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A record that the legacy file alone has.
    Missing,
    /// A record that the candidate alone has.
    Extra,
    /// A field with another value.
    Different,
    /// A field with the same value, written otherwise: `+5` and `5`.
    Written,
    /// Something in a record that is in no field of it: filler, a delimiter, a terminator.
    BetweenFields,
    /// A record that stands elsewhere among those that both files have.
    OutOfOrder,
    /// Something beside the records: a byte order mark, column names, comments, padding at the end.
    BesideRecords,
    /// A record that the layout would not take. In a legacy file the feed may expect such records.
    BadRecord,
    /// The bytes differ, and nothing of the above is the cause: a defect of the comparison.
    Unexplained,
}

impl Kind {
    /// All of them, in the order in which reports show them.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::Extra,
        Self::Different,
        Self::Written,
        Self::BetweenFields,
        Self::OutOfOrder,
        Self::BesideRecords,
        Self::BadRecord,
        Self::Unexplained,
    ];

    /// The word itself: `out_of_order`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Different => "different",
            Self::Written => "written",
            Self::BetweenFields => "between_fields",
            Self::OutOfOrder => "out_of_order",
            Self::BesideRecords => "beside_records",
            Self::BadRecord => "bad_record",
            Self::Unexplained => "unexplained",
        }
    }

    /// For people: `out of order`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Different => "different value",
            Self::Written => "written differently",
            Self::BetweenFields => "different between fields",
            Self::OutOfOrder => "out of order",
            Self::BesideRecords => "different beside records",
            Self::BadRecord => "bad record",
            Self::Unexplained => "unexplained",
        }
    }
}

/// Where something stands in one of the files, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Offset in the file, from 0.
    pub byte: u64,
    /// Line, from 1; nothing beside records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Number of the record, from 1; nothing beside records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// What stands there, shortened; nothing where a whole record is meant, or the value is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Seen {
    /// A place without a value.
    #[must_use]
    pub const fn at(byte: u64) -> Self {
        Self { byte, line: None, record: None, value: None }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// The record type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// The business key, with that of the record it belongs to: `B26-00117 / 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The field; what it is about where that is no field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the legacy file has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Seen>,
    /// What the candidate has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Seen>,
}

impl Finding {
    /// A difference without places.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, record_type: None, key: None, field: None, legacy: None, candidate: None }
    }

    /// What it is about, for people: `bid.amount`.
    #[must_use]
    pub fn subject(&self) -> String {
        match (&self.record_type, &self.field) {
            (Some(record), Some(field)) => format!("{record}.{field}"),
            (Some(name), None) | (None, Some(name)) => name.clone(),
            (None, None) => "file".to_owned(),
        }
    }
}

/// A value as reports have it: not too long, on one line.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST_SHOWN {
            shown.push('…');
            break;
        }
        if character.is_control() { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}
