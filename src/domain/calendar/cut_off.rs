//! Times of day, and the moments at which they are over.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::domain::{BusinessDate, Moment};

/// Seconds of a day of 24 hours.
const DAY_SECONDS: u32 = 86_400;

/// A time of day, to the second, from `00:00` to `24:00`, which is the next day's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    seconds: u32,
}

impl TimeOfDay {
    /// `24:00`: the end of the day.
    pub const END_OF_DAY: Self = Self { seconds: DAY_SECONDS };

    /// Reads `HH:MM` or `HH:MM:SS`.
    ///
    /// # Errors
    /// What a time of day looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time of day: HH:MM or HH:MM:SS is wanted, from 00:00 to 24:00");
        let two_digits = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u32>().ok()).flatten().ok_or_else(wrong)
        };
        let parts = text.split(':').map(two_digits).collect::<Result<Vec<u32>, String>>()?;
        let (hour, minute, second) = match parts.as_slice() {
            [hour, minute] => (*hour, *minute, 0),
            [hour, minute, second] => (*hour, *minute, *second),
            _ => return Err(wrong()),
        };
        let seconds = hour * 3600 + minute * 60 + second;
        if minute > 59 || second > 59 || seconds > DAY_SECONDS { Err(wrong()) } else { Ok(Self { seconds }) }
    }

    /// The time on a clock; `None` at the end of the day.
    fn on_a_clock(self) -> Option<Time> {
        let part = |seconds: u32| i8::try_from(seconds).ok();
        Time::new(part(self.seconds / 3600)?, part(self.seconds / 60 % 60)?, part(self.seconds % 60)?, 0).ok()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        write!(out, "{hour:02}:{minute:02}")?;
        if second > 0 { write!(out, ":{second:02}") } else { Ok(()) }
    }
}

/// When a time of day is over on a date, in a zone: see [`super::Calendar::cut_off`].
pub(super) fn moment(zone: &TimeZone, date: BusinessDate, time: TimeOfDay) -> Moment {
    let shown = match time.on_a_clock() {
        Some(time) => date.civil().to_datetime(time),
        None => date.days_later(1).civil().to_datetime(Time::midnight()),
    };
    let timestamp = match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown),
        AmbiguousOffset::Fold { after, .. } => after.to_timestamp(shown),
        // With the offset of after the change, the skipped time is a moment before it: the next change is the one.
        AmbiguousOffset::Gap { after, .. } => after
            .to_timestamp(shown)
            .map(|before| zone.following(before).next().map_or(before, |change| change.timestamp())),
    };
    // Only times at the two ends of the calendar, thousands of years away, have no moment.
    Moment::from(timestamp.unwrap_or(Timestamp::MAX))
}
