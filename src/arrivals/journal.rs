//! What was made of a feed's arrivals so far: enough to go on after a restart without saying anything twice.
//!
//! It is bounded: dates that were dealt with leave it, and so do the oldest of what nobody ever answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::sequence::SequencePoint;
use crate::domain::{BusinessDate, Moment};

/// The version of this format that this build writes, and the newest it reads.
const JOURNAL_FORMAT: u32 = 1;

/// Dates and holes beyond this are forgotten, the oldest first.
pub(super) const MOST_OPEN: usize = 400;

/// How many latest files say what is usual.
pub(super) const USUAL_FILES: usize = 20;

/// One feed's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Version of this format.
    pub format: u32,
    /// The feed's id.
    pub feed: String,
    /// The last day whose files were counted when they were due; absent as long as no deadline is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_through: Option<BusinessDate>,
    /// Business dates whose files were said to be missing, and have not come.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: BTreeSet<BusinessDate>,
    /// Files that came of business dates that are not dealt with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arrived: BTreeMap<BusinessDate, u32>,
    /// The highest sequence number so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<SequencePoint>,
    /// The business date and the mtime of the file with the highest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_file: Option<(Option<BusinessDate>, Moment)>,
    /// Numbers that went back and go on from there: the last of them, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_run: Option<(SequencePoint, u32)>,
    /// Sequence numbers that did not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Hole>,
    /// Records of the latest files, the newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub records: VecDeque<u64>,
}

/// Numbers between two that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The business date, where numbers begin again each date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// How often a wrapping sequence had begun again since it is watched.
    pub generation: u64,
    /// The first number.
    pub from: u64,
    /// The last number.
    pub to: u64,
    /// When the number behind it came.
    pub since: Moment,
    /// It was said.
    pub said: bool,
}

impl Journal {
    /// Of a feed of which nothing is known.
    #[must_use]
    pub fn new(feed: &str) -> Self {
        Self { format: JOURNAL_FORMAT, feed: feed.to_owned(), ..Self::default() }
    }

    /// The key of its record.
    #[must_use]
    pub fn record_key(feed: &str) -> String {
        format!("arrivals/{feed}")
    }

    /// Forgets the oldest of what is beyond the bounds.
    pub(super) fn keep_bounds(&mut self) {
        while self.missing.len() > MOST_OPEN {
            self.missing.pop_first();
        }
        while self.arrived.len() > 2 * MOST_OPEN {
            self.arrived.pop_first();
        }
        if self.holes.len() > MOST_OPEN {
            self.holes.drain(..self.holes.len() - MOST_OPEN);
        }
        while self.records.len() > USUAL_FILES {
            self.records.pop_front();
        }
    }
}
