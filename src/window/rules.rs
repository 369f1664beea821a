//! What a rendering states about its windows.

use std::sync::Arc;

use crate::domain::calendar::TimeOfDay;
use crate::domain::policy::SequenceReset;
use crate::domain::{BusinessDate, Calendar, Moment};

use super::name::FileNameForm;

/// How far a search for a date goes that has a file.
const FARTHEST_DAYS: i32 = 3_660;

/// Which business dates have a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowDays {
    /// Business days of the calendar; what is dated between two of them is of the later one.
    Business,
    /// All.
    Every,
}

/// The day on which a business date is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseDay {
    /// The date itself.
    Same,
    /// The day after it.
    NextDay,
    /// The next business day.
    NextBusinessDay,
}

/// What becomes of a date without events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyDay {
    /// No file, and no sequence number.
    NoFile,
    /// A file without records: header, and a trailer that counts none.
    EmptyFile,
}

/// What becomes of an event of a date that is cut off already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateEvent {
    /// It is in the next file, whatever its date.
    NextFile,
    /// At the next cut-off its date gets another file, which has only what came late.
    Correction,
}

/// How files are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRules {
    /// How numbers go on.
    pub reset: SequenceReset,
    /// The first number of each run: 0 or 1, as a rule.
    pub first: u64,
    /// The number of the very first file, where it goes on from another producer's; `first` otherwise.
    pub next: Option<u64>,
}

/// The rules of one rendering.
#[derive(Clone, Debug)]
pub struct WindowRules {
    /// The calendar by which days are told.
    pub calendar: Arc<Calendar>,
    /// Which dates have a file.
    pub days: WindowDays,
    /// The time of day at which a date is cut off.
    pub closes: TimeOfDay,
    /// The day on which it is.
    pub close_day: CloseDay,
    /// A date without events.
    pub empty: EmptyDay,
    /// Events that come late.
    pub late: LateEvent,
    /// Sequence numbers.
    pub sequence: SequenceRules,
    /// Names of the files.
    pub name: FileNameForm,
}

impl WindowRules {
    /// What cannot work about them: two files would have one name.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let (dated, numbered) = (self.name.has_date(), self.name.has_sequence());
        if !dated && !numbered {
            return Some("every file would have the same name: {business_date} or {sequence} is needed".to_owned());
        }
        if !dated && self.sequence.reset == SequenceReset::Daily {
            return Some("numbers that begin again each date need a name with {business_date}".to_owned());
        }
        if !numbered && self.late == LateEvent::Correction {
            return Some(
                "a correction would have the name of the file that it corrects: {sequence} is needed".to_owned(),
            );
        }
        match self.sequence.reset {
            SequenceReset::Wrap { last } if last < self.sequence.first => {
                Some(format!("the last number, {last}, is below the first"))
            }
            SequenceReset::Wrap { last } => {
                let shown = self.name.render(BusinessDate::from(jiff::civil::date(2000, 1, 1)), last);
                shown.err().filter(|_| numbered && last > 0)
            }
            SequenceReset::Daily | SequenceReset::Never => None,
        }
    }

    /// The date whose file has what is of a date: itself, or the next that has a file.
    #[must_use]
    pub fn file_date(&self, date: BusinessDate) -> BusinessDate {
        if self.has_file(date) { date } else { self.next_date(date).unwrap_or(date) }
    }

    /// When a date is cut off.
    #[must_use]
    pub fn closes(&self, date: BusinessDate) -> Moment {
        let day = match self.close_day {
            CloseDay::Same => date,
            CloseDay::NextDay => date.days_later(1),
            CloseDay::NextBusinessDay => self.calendar.next_business_day(date).unwrap_or(date),
        };
        self.calendar.cut_off(day, self.closes)
    }

    /// The first date behind one that has a file.
    pub(super) fn next_date(&self, date: BusinessDate) -> Option<BusinessDate> {
        (1..=FARTHEST_DAYS).map(|days| date.days_later(days)).find(|date| self.has_file(*date))
    }

    /// The first date that is cut off behind a moment.
    pub(super) fn first_open(&self, since: Moment) -> Option<BusinessDate> {
        // A date is cut off on its own day or behind it; a search from ten days before finds the first over any holidays
        // but those that are longer, whose dates have no file anyway.
        let first = self.calendar.date_of(since).days_later(-10);
        (0..FARTHEST_DAYS)
            .map(|days| first.days_later(days))
            .find(|date| self.has_file(*date) && self.closes(*date) > since)
    }

    /// A date without events has a file without records.
    #[must_use]
    pub fn has_empty_files(&self) -> bool {
        self.empty == EmptyDay::EmptyFile
    }

    /// Whether a date has a file of its own.
    #[must_use]
    pub fn has_file(&self, date: BusinessDate) -> bool {
        self.days.contain(&self.calendar, date)
    }

    /// Which dates have a file.
    #[must_use]
    pub fn file_days(&self) -> FileDays {
        FileDays::new(Arc::clone(&self.calendar), self.days)
    }
}

impl WindowDays {
    fn contain(self, calendar: &Calendar, date: BusinessDate) -> bool {
        self == Self::Every || calendar.is_business_day(date)
    }
}

/// Which dates have a file of their own: what is dated between two of them is in that of the later one.
#[derive(Clone, Debug)]
pub struct FileDays {
    calendar: Arc<Calendar>,
    days: WindowDays,
}

impl FileDays {
    /// By a calendar.
    #[must_use]
    pub const fn new(calendar: Arc<Calendar>, days: WindowDays) -> Self {
        Self { calendar, days }
    }

    /// Whether no file has both a date and the one before it.
    #[must_use]
    pub fn begin_at(&self, date: BusinessDate) -> bool {
        self.days.contain(&self.calendar, date.days_later(-1))
    }
}

impl PartialEq for FileDays {
    /// By the same calendar, and not by another one with the same days.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.calendar, &other.calendar) && self.days == other.days
    }
}

impl Eq for FileDays {}
