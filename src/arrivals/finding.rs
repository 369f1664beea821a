//! What is said of a feed's arrivals, and the event that says it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::hash::hex;
use crate::domain::{BusinessDate, LogicalKey, Moment};

/// The version of the payload that this build writes.
const FORMAT: u32 = 1;

/// What their types begin with.
const TYPE: &str = "dev.dropbridge.arrival.";

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FindingKind {
    /// Files of a business date have not come in time.
    Missing {
        /// From when on they are missing.
        due: Moment,
        /// How many are expected.
        expected: u32,
        /// How many have come.
        arrived: u32,
    },
    /// A file came after its time.
    Late {
        /// By when it should have come.
        due: Moment,
        /// When it came: its mtime, or when it was seen where that is earlier.
        came: Moment,
        /// How many files of the date are expected.
        expected: u32,
        /// How many have come, with this one.
        arrived: u32,
        /// It was said to be missing.
        was_missing: bool,
    },
    /// Sequence numbers between two that came have not come.
    Gap {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A number came that was said to be missing.
    GapFilled {
        /// The number.
        number: u64,
        /// How many of the gap are still open.
        open: u64,
    },
    /// A number came that is lower than one before, and not one of a gap.
    Back {
        /// The number.
        number: u64,
        /// The highest one so far.
        highest: u64,
    },
    /// The same bytes came again under the same key.
    Repeated {
        /// How often by now, beside the first time.
        times: u64,
    },
    /// A file has no records.
    Empty,
    /// A file went away before its bytes could be read.
    Vanished {
        /// When it was last written.
        modified: Moment,
    },
    /// A file is smaller than usual.
    Small {
        /// Its records.
        records: u64,
        /// Its bytes.
        bytes: u64,
        /// What is usual.
        usual: String,
    },
    /// A file is larger than usual.
    Large {
        /// Its records.
        records: u64,
        /// Its bytes.
        bytes: u64,
        /// What is usual.
        usual: String,
    },
}

impl FindingKind {
    /// Every word of [`FindingKind::as_str`].
    pub const WORDS: [&'static str; 10] =
        ["missing", "late", "gap", "gap_filled", "back", "repeated", "empty", "vanished", "small", "large"];

    /// The word used in types, tables and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Late { .. } => "late",
            Self::Gap { .. } => "gap",
            Self::GapFilled { .. } => "gap_filled",
            Self::Back { .. } => "back",
            Self::Repeated { .. } => "repeated",
            Self::Empty => "empty",
            Self::Vanished { .. } => "vanished",
            Self::Small { .. } => "small",
            Self::Large { .. } => "large",
        }
    }

    /// What tells two findings of one kind, date and key apart.
    fn particular(&self) -> String {
        match self {
            Self::Gap { from, to } => format!("{from}-{to}"),
            Self::GapFilled { number, .. } | Self::Back { number, .. } => number.to_string(),
            Self::Repeated { times } => times.to_string(),
            Self::Vanished { modified } => modified.rfc3339(),
            _ => String::new(),
        }
    }
}

/// One thing that is to be said of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    #[serde(flatten)]
    pub kind: FindingKind,
    /// The business date that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// The drop that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<LogicalKey>,
    /// The hash of that drop's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How often a wrapping sequence had begun again since it is watched: tells namesakes apart.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// When it became true.
    pub since: Moment,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whose finding it is.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The bridge's name.
    pub bridge: &'a str,
    /// The feed.
    pub feed: &'a str,
    /// The department.
    pub department: &'a str,
}

/// A finding as it stands in the topic: a CloudEvent 1.0 in structured mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingEvent {
    specversion: String,
    /// A function of what it says: whoever sees it twice can tell.
    pub id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    /// When it became true.
    pub time: Moment,
    datacontenttype: String,
    /// The department.
    pub department: String,
    /// The business date, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    businessdate: Option<BusinessDate>,
    /// What it says.
    pub data: FindingData,
}

/// The payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingData {
    /// Version of this format.
    pub format: u32,
    /// The feed.
    pub feed: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The same for people.
    pub message: String,
}

impl Finding {
    /// The id of its event.
    #[must_use]
    pub fn id(&self, feed: &str) -> String {
        let date = self.business_date.map(|date| date.to_string()).unwrap_or_default();
        let key = self.key.as_ref().map(LogicalKey::as_str).unwrap_or_default();
        let mut hasher = Sha256::new();
        for part in [
            feed,
            self.kind.as_str(),
            &date,
            key,
            self.sha256.as_deref().unwrap_or_default(),
            &self.generation.to_string(),
            &self.kind.particular(),
        ] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        hex(&hasher.finalize()[..16])
    }

    /// The event that says it.
    #[must_use]
    pub fn event(&self, origin: Origin<'_>) -> FindingEvent {
        let date = self.business_date.map(|date| date.to_string());
        let subject = self.key.as_ref().map(LogicalKey::to_string).or(date).unwrap_or_else(|| origin.feed.to_owned());
        FindingEvent {
            specversion: "1.0".to_owned(),
            id: self.id(origin.feed),
            source: format!("/dropbridge/{}/{}", origin.bridge, origin.feed),
            event_type: format!("{TYPE}{}", self.kind.as_str()),
            subject,
            time: self.since,
            datacontenttype: "application/json".to_owned(),
            department: origin.department.to_owned(),
            businessdate: self.business_date,
            data: FindingData {
                format: FORMAT,
                feed: origin.feed.to_owned(),
                finding: self.clone(),
                message: self.message(),
            },
        }
    }

    /// What it says, for people; times in the local zone.
    #[must_use]
    pub fn message(&self) -> String {
        let file = self.path.as_deref().unwrap_or("a file");
        let mut text = match &self.kind {
            FindingKind::Missing { due, expected: 1, .. } => format!("no file came until {}", due.local()),
            FindingKind::Missing { due, expected, arrived } => {
                format!("{arrived} of {expected} files came until {}", due.local())
            }
            FindingKind::Late { due, came, was_missing, .. } => {
                let said = if *was_missing { ", after it was said to be missing" } else { "" };
                format!("{file} came at {}, it was due at {}{said}", came.local(), due.local())
            }
            FindingKind::Gap { from, to } if from == to => format!("number {from} did not come, a later one did"),
            FindingKind::Gap { from, to } => format!("numbers {from} to {to} did not come, a later one did"),
            FindingKind::GapFilled { number, open: 0 } => format!("number {number} came after all: {file}"),
            FindingKind::GapFilled { number, open } => {
                format!("number {number} came after all: {file}; {open} of the gap did not")
            }
            FindingKind::Back { number, highest } => {
                format!("{file} has number {number}, though {highest} was there before")
            }
            FindingKind::Repeated { times } => format!("{file} came again with the same bytes, {times} times by now"),
            FindingKind::Empty => format!("{file} has no records"),
            FindingKind::Vanished { .. } => format!("{file} went away before its bytes could be read"),
            FindingKind::Small { records, bytes, usual } => {
                format!("{file} is small: {records} records, {bytes} bytes; {usual}")
            }
            FindingKind::Large { records, bytes, usual } => {
                format!("{file} is large: {records} records, {bytes} bytes; {usual}")
            }
        };
        if let Some(date) = self.business_date {
            // Writing to a string has no error to report.
            let _infallible = write!(text, " (business date {date})");
        }
        text
    }
}
