//! Business calendars: which days are worked, where they are lived, and when a time of day is over on one of them.
//!
//! A calendar has a time zone of the IANA database, the weekdays that are business days, and holidays. Everything about
//! it is a function of its arguments: nothing here knows what time it is.

mod cut_off;
mod holidays;

use std::fmt;

use jiff::Zoned;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::{BusinessDate, Moment};

pub use cut_off::TimeOfDay;
pub use holidays::{Holiday, Holidays};

/// How far a search for a business day goes: a calendar without one in ten years has none.
const FARTHEST_DAYS: i32 = 3_660;

/// The weekdays that are business days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Monday to Friday.
    pub const WORKING: Self = Self(0b0001_1111);
    /// Every day.
    pub const ALL: Self = Self(0b0111_1111);

    /// Short names, as configuration spells them.
    pub const NAMES: [(&'static str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];

    /// Those of a list.
    #[must_use]
    pub fn of(days: &[Weekday]) -> Self {
        Self(days.iter().fold(0, |bits, day| bits | Self::bit(*day)))
    }

    /// Whether a day is among them.
    #[must_use]
    pub fn contain(self, day: Weekday) -> bool {
        self.0 & Self::bit(day) != 0
    }

    fn bit(day: Weekday) -> u8 {
        1 << day.to_monday_zero_offset()
    }
}

/// A business calendar.
#[derive(Clone)]
pub struct Calendar {
    zone: TimeZone,
    weekdays: Weekdays,
    holidays: Holidays,
}

impl Calendar {
    /// From its parts.
    #[must_use]
    pub const fn new(zone: TimeZone, weekdays: Weekdays, holidays: Holidays) -> Self {
        Self { zone, weekdays, holidays }
    }

    /// Whether a date is worked: its weekday is, and it is no holiday.
    #[must_use]
    pub fn is_business_day(&self, date: BusinessDate) -> bool {
        self.weekdays.contain(date.weekday()) && !self.holidays.contain(date)
    }

    /// The first business day behind a date; `None` where the calendar has none within ten years.
    #[must_use]
    pub fn next_business_day(&self, date: BusinessDate) -> Option<BusinessDate> {
        self.search(date, 1)
    }

    /// The last business day before a date; `None` where the calendar has none within ten years.
    #[must_use]
    pub fn previous_business_day(&self, date: BusinessDate) -> Option<BusinessDate> {
        self.search(date, -1)
    }

    /// So many business days behind a date, or before it where `count` is negative. Zero is the date itself, business
    /// day or not.
    #[must_use]
    pub fn business_days_later(&self, date: BusinessDate, count: i32) -> Option<BusinessDate> {
        (0..count.unsigned_abs()).try_fold(date, |date, _| self.search(date, count.signum()))
    }

    fn search(&self, date: BusinessDate, step: i32) -> Option<BusinessDate> {
        (1..=FARTHEST_DAYS).map(|days| date.days_later(days * step)).find(|date| self.is_business_day(*date))
    }

    /// The date that a calendar on the wall shows at a moment.
    #[must_use]
    pub fn date_of(&self, moment: Moment) -> BusinessDate {
        BusinessDate::from(self.zone.to_datetime(moment.timestamp()).date())
    }

    /// When a time of day is over on a date: from this moment on, the clock on the wall never shows an earlier time of
    /// that date again.
    ///
    /// Where clocks are set forward over it (02:30 does not exist), that is the moment of the change. Where they are set
    /// back over it (02:30 exists twice), it is the second time: nobody is late by a clock that said otherwise.
    #[must_use]
    pub fn cut_off(&self, date: BusinessDate, time: TimeOfDay) -> Moment {
        cut_off::moment(&self.zone, date, time)
    }

    /// A moment as this calendar's clock shows it.
    #[must_use]
    pub fn local(&self, moment: Moment) -> Zoned {
        moment.timestamp().to_zoned(self.zone.clone())
    }

    /// A moment as this calendar's clock shows it, with offset, to the second.
    #[must_use]
    pub fn show(&self, moment: Moment) -> String {
        self.local(moment).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// The zone's name.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("a zone without a name")
    }

    /// The last holiday that is stated with its year: behind it a calendar may have run out.
    #[must_use]
    pub fn last_holiday(&self) -> Option<BusinessDate> {
        self.holidays.last()
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Calendar({}, {:?}, {:?})", self.zone_name(), self.weekdays, self.holidays)
    }
}

#[cfg(test)]
mod tests;
