//! Expected days: which they are, when their files are due, and which business date these have.

use crate::domain::{BusinessDate, Moment};

use super::expectation::{Deadline, ExpectedDays};

/// How far a search for an expected day goes: where there is none in ten years, there is none.
const FARTHEST_DAYS: i32 = 3_660;

impl Deadline {
    /// Whether files come on this day.
    pub(super) fn is_expected(&self, day: BusinessDate) -> bool {
        self.days == ExpectedDays::Every || self.calendar.is_business_day(day)
    }

    /// The first expected day behind a date.
    pub(super) fn next_day(&self, date: BusinessDate) -> Option<BusinessDate> {
        self.shifted(date, 1)
    }

    /// The business date of the files that come on an expected day.
    pub(super) fn business_date(&self, day: BusinessDate) -> Option<BusinessDate> {
        self.shifted(day, self.date_offset_days)
    }

    /// The day on which the files of a business date come; `None` where the date is none of an expected day.
    pub(super) fn day_of(&self, business_date: BusinessDate) -> Option<BusinessDate> {
        if self.is_expected(business_date) { self.shifted(business_date, -self.date_offset_days) } else { None }
    }

    /// From when on files that did not come on a day are missing.
    pub(super) fn due(&self, day: BusinessDate) -> Moment {
        self.calendar.cut_off(day, self.by).after(self.grace)
    }

    /// When the files of a business date are due; `None` where the date is none of an expected day.
    #[must_use]
    pub fn due_for(&self, business_date: BusinessDate) -> Option<Moment> {
        self.day_of(business_date).map(|day| self.due(day))
    }

    /// The last day before the first one whose files are not due yet.
    pub(super) fn day_before_open(&self, now: Moment) -> BusinessDate {
        // A cut-off lies within the day or at its end, its due time so much later.
        let grace_days = i32::try_from(self.grace.as_secs() / 86_400).unwrap_or(FARTHEST_DAYS);
        let first = self.calendar.date_of(now).days_later(-2 - grace_days);
        let due = |day: &BusinessDate| self.due(*day) > now;
        let open = (0..FARTHEST_DAYS).map(|days| first.days_later(days)).find(due);
        open.unwrap_or(first).days_later(-1)
    }

    fn shifted(&self, date: BusinessDate, count: i32) -> Option<BusinessDate> {
        let step = |date: BusinessDate| {
            let days = (1..=FARTHEST_DAYS).map(|days| date.days_later(days * count.signum()));
            days.into_iter().find(|day| self.is_expected(*day))
        };
        (0..count.unsigned_abs()).try_fold(date, |date, _| step(date))
    }
}
