//! What a feed states about the files it is to get.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Calendar;
use crate::domain::calendar::TimeOfDay;
use crate::domain::policy::SequenceReset;

/// What a feed expects. Each part that is absent expects nothing.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// Files by a time of day.
    pub deadline: Option<Deadline>,
    /// Sequence numbers without holes.
    pub gapless: Option<Gapless>,
    /// Usual sizes.
    pub sizes: Sizes,
    /// A file without records is as it should be.
    pub empty_is_fine: bool,
}

/// The days on which files are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedDays {
    /// Business days of the calendar.
    Business,
    /// All.
    Every,
}

/// So many files of a business date by a time of day.
#[derive(Clone, Debug)]
pub struct Deadline {
    /// The calendar by which days are told.
    pub calendar: Arc<Calendar>,
    /// The time of day by which they are to be there.
    pub by: TimeOfDay,
    /// The days on which they are to come.
    pub days: ExpectedDays,
    /// From the day on which they come to their business date, in expected days: -1 is the expected day before.
    pub date_offset_days: i32,
    /// How many, at least.
    pub files: u32,
    /// How long after the time of day nothing is said yet.
    pub grace: Duration,
}

/// Sequence numbers without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gapless {
    /// How numbers go on.
    pub reset: SequenceReset,
    /// How long a hole may be open: files may come out of order.
    pub grace: Duration,
}

/// Sizes outside of which a file is unusual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Fewest records.
    pub min_records: Option<u64>,
    /// Most records.
    pub max_records: Option<u64>,
    /// Fewest bytes.
    pub min_bytes: Option<u64>,
    /// Most bytes.
    pub max_bytes: Option<u64>,
    /// So many of a hundred away from the median of the latest files' records, either way.
    pub usual_percent: Option<u64>,
}
