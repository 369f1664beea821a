//! What is said of the files of a department: to an operator, to a program, and to the owner who signs.

use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, ContentHash, Moment};

use super::finding::Finding;
use super::outcome::{Outcome, Verdict};

/// The version of this format that this build writes.
const FORMAT: u32 = 1;

/// One file of both producers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// The feed.
    pub feed: String,
    /// The business date, where the name says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// The sequence number, where the name says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The legacy file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_file: Option<String>,
    /// The candidate's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_file: Option<String>,
    /// What came of comparing them, where both are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The first differences.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub findings_left_out: u64,
}

/// The files of a department.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this format.
    pub format: u32,
    /// The bridge's name.
    pub bridge: String,
    /// The department.
    pub department: String,
    /// When it was made.
    pub created_at: Moment,
    /// Its files.
    pub files: Vec<FileReport>,
}

/// How much a report is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Files, or pairs of them.
    pub files: u64,
    /// Those of them that are parity.
    pub files_in_parity: u64,
    /// Records of the legacy files.
    pub legacy_records: u64,
    /// Records of the candidates.
    pub candidate_records: u64,
    /// Records that both have.
    pub compared: u64,
    /// Differences that no rule expects.
    pub differences: u64,
    /// Differences that rules expect.
    pub expected: u64,
}

impl Report {
    /// Of files of one department.
    #[must_use]
    pub fn new(bridge: &str, department: &str, created_at: Moment, files: Vec<FileReport>) -> Self {
        Self { format: FORMAT, bridge: bridge.to_owned(), department: department.to_owned(), created_at, files }
    }

    /// Whether every file is parity, and there is at least one.
    #[must_use]
    pub fn is_parity(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(|file| file.verdict.is_parity())
    }

    /// The first and the last business date.
    #[must_use]
    pub fn dates(&self) -> Option<(BusinessDate, BusinessDate)> {
        let dates = || self.files.iter().filter_map(|file| file.business_date);
        dates().min().zip(dates().max())
    }

    /// How much it is about.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for file in &self.files {
            totals.files += 1;
            totals.files_in_parity += u64::from(file.verdict.is_parity());
            let Some(outcome) = &file.outcome else { continue };
            totals.legacy_records += outcome.legacy.records.unwrap_or(0);
            totals.candidate_records += outcome.candidate.records.unwrap_or(0);
            totals.compared += outcome.tally.compared;
            totals.differences += outcome.tally.differences();
            totals.expected += outcome.expected_differences();
        }
        totals
    }

    /// By which a signed page can be told from any other: the hash of the report itself.
    #[must_use]
    pub fn id(&self) -> ContentHash {
        // Writing to memory has no error to report.
        ContentHash::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}
