//! A clock whose days are over when the journey says so.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::clock::{Clock, SystemClock};
use crate::domain::{BusinessDate, Moment};

/// The day before the first one.
const DAY_0: Date = date(2026, 2, 1);

/// The calendar's time stands still until it is set; the other clock is the machine's.
#[derive(Debug)]
pub(super) struct DayClock {
    now: Mutex<Moment>,
    real: SystemClock,
}

impl DayClock {
    pub(super) fn new() -> Self {
        Self { now: Mutex::new(moment(1, 0)), real: SystemClock::new() }
    }

    /// It is this hour of a day.
    pub(super) fn set(&self, day: u32, hour: i8) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = moment(day, hour);
    }
}

impl Clock for DayClock {
    fn now(&self) -> Moment {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        self.real.elapsed()
    }
}

/// The business date of a day, from 1.
pub(super) fn date_of(day: u32) -> BusinessDate {
    BusinessDate::from(civil(day))
}

fn civil(day: u32) -> Date {
    DAY_0.saturating_add(i64::from(day).days())
}

fn moment(day: u32, hour: i8) -> Moment {
    let zoned = civil(day).at(hour, 0, 0, 0).to_zoned(TimeZone::UTC);
    // UTC has every hour of every day.
    Moment::from(zoned.map_or(jiff::Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp()))
}
