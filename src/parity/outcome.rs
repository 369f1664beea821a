//! What comes of a comparison.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ContentHash;
use crate::layout::Reject;

use super::finding::{Finding, Kind};

/// The verdict over two files. It says nothing about whether a file can be written again from its events: that is proven
/// when it is taken, over one file alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are the same bytes.
    Identical,
    /// They differ as the feed's rules expect, and not otherwise.
    Expected,
    /// They differ.
    Different,
    /// One of them is not what the layout says, so that its records cannot be compared.
    Unreadable,
    /// The same, or as expected, but the candidate came after it was due.
    Late,
    /// The legacy file is there, and no candidate when it was due.
    Missing,
    /// The candidate is there, and no legacy file when it was due.
    Extra,
    /// Not both are there yet, or not all of the candidate, and none is overdue.
    Pending,
    /// Nobody can say what belongs to the legacy file: it is one of several of its date, say.
    Undecided,
}

impl Verdict {
    /// All of them, in the order in which reports count them.
    pub const ALL: [Self; 9] = [
        Self::Identical,
        Self::Expected,
        Self::Different,
        Self::Unreadable,
        Self::Late,
        Self::Missing,
        Self::Extra,
        Self::Pending,
        Self::Undecided,
    ];

    /// The word itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Expected => "expected",
            Self::Different => "different",
            Self::Unreadable => "unreadable",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Pending => "pending",
            Self::Undecided => "undecided",
        }
    }

    /// Whether a legacy consumer could not tell the two apart, or was said not to mind.
    #[must_use]
    pub const fn is_parity(self) -> bool {
        matches!(self, Self::Identical | Self::Expected)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What one file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Its size.
    pub bytes: u64,
    /// Its hash.
    pub sha256: ContentHash,
    /// How many records it has; nothing where it cannot be read as records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Why it cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<Reject>,
    /// How many bad records it has that were passed over, since the feed takes files with bad records.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bad_records: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_bad: Vec<Reject>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Differences of one place that a rule expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The rule: `ignore`, `padding`, `case`, `tolerance`, `order`, `beside_records`, `rejects`.
    pub rule: String,
    /// Record type, and field where one is meant: `bid.amount`.
    pub subject: String,
    /// How often.
    pub count: u64,
    /// The first of them.
    pub example: Finding,
}

/// How much of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records of one key that both files have.
    pub compared: u64,
    /// Those of them that have the same bytes.
    pub equal: u64,
    /// Differences by kind.
    pub findings: BTreeMap<Kind, u64>,
    /// Records whose key another one before has too, in either file: they are compared in their order.
    pub repeated_keys: u64,
}

impl Tally {
    /// All differences that no rule expects.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.findings.values().sum()
    }
}

/// What comes of comparing two files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The legacy file.
    pub legacy: Compared,
    /// The candidate.
    pub candidate: Compared,
    /// Offset of the first byte that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<u64>,
    /// How much was found.
    pub tally: Tally,
    /// What differs as expected, by rule and place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Expected>,
}

impl Outcome {
    /// All differences that rules expect.
    #[must_use]
    pub fn expected_differences(&self) -> u64 {
        self.expected.iter().map(|expected| expected.count).sum()
    }
}
