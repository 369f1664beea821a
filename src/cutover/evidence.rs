//! What a decision rests on, and what a company demands of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::BusinessDate;
use crate::window::FileDays;

/// What is known of a department when a command is decided. It is journaled with the transition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Feeds of the department.
    pub feeds: Vec<String>,
    /// Feeds whose inbox is where the legacy consumer polls too: nobody could keep the old producer's files from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taps: Vec<String>,
    /// Feeds of which some published file cannot be written again from its events, or none was published yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<String>,
    /// Feeds whose file names carry no business date: nobody could tell whether a file may be passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undated: Vec<String>,
    /// Drops that wait for a person.
    pub open_drops: u64,
    /// The last business days in a row on which all files were in parity.
    pub parity_days: u32,
    /// How far the candidate events are behind, in milliseconds; nothing where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_lag_ms: Option<u64>,
    /// The newest business date of which something was published or delivered, by either side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_date: Option<BusinessDate>,
    /// The legacy producer's files still come, for all dates up to the newest.
    pub legacy_runs: bool,
    /// Candidate events of the department are forwarded: it states `[cutover]`, and the candidate topics are there.
    pub forwards: bool,
    /// Which dates have files, by its windows and by the feeds whose kind of file they make. Not journaled: it is stated.
    #[serde(skip)]
    pub file_days: Vec<FileDays>,
}

/// What a department demands before it advances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    /// So many business days of parity in a row.
    pub parity_days: u32,
    /// Drops of the department that wait for a person, at most.
    pub most_open_drops: u64,
    /// How far the candidate events may be behind.
    pub most_candidate_lag: Option<Duration>,
    /// Who may approve; anybody who is named where this is empty.
    pub approvers: Vec<String>,
}

impl Default for Gates {
    /// Ten business days of parity: two weeks, with their ends. Nothing that waits for a person.
    fn default() -> Self {
        Self { parity_days: 10, most_open_drops: 0, most_candidate_lag: None, approvers: Vec::new() }
    }
}
