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
    /// Why it is that, where the verdict alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The legacy file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_file: Option<String>,
    /// The candidate's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_file: Option<String>,
    /// What the candidate was made of, where it is no file that somebody named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_from: Option<CandidateFrom>,
    /// What came of comparing them, where both are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The first differences.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub findings_left_out: u64,
}

/// What a candidate was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum CandidateFrom {
    /// Events that new services wrote, and on which nobody acts.
    CandidateEvents {
        /// How many.
        events: u64,
    },
    /// Events on which consumers act.
    Events {
        /// How many.
        events: u64,
    },
    /// It was delivered; its bytes were made again.
    Delivery,
}

impl std::fmt::Display for CandidateFrom {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CandidateEvents { events: 1 } => out.write_str("1 candidate event"),
            Self::CandidateEvents { events } => write!(out, "{events} candidate events"),
            Self::Events { events: 1 } => out.write_str("1 event"),
            Self::Events { events } => write!(out, "{events} events"),
            Self::Delivery => out.write_str("delivered"),
        }
    }
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
    /// What is to be known beside the files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
        let (bridge, department) = (bridge.to_owned(), department.to_owned());
        Self { format: FORMAT, bridge, department, created_at, files, notes: Vec::new() }
    }

    /// Whether every file is parity, and there is at least one.
    #[must_use]
    pub fn is_parity(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(|file| file.verdict.is_parity())
    }

    /// With what is to be known beside the files.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes = notes;
        self
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
