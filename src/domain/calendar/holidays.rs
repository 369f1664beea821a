//! Holidays: dates, ranges of dates, and days that come back every year.

use crate::domain::BusinessDate;

/// What one statement of holidays covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    /// From the first to the last date, both included.
    Range {
        /// The first.
        first: BusinessDate,
        /// The last.
        last: BusinessDate,
    },
    /// This day of every year.
    Yearly {
        /// 1 to 12.
        month: i8,
        /// 1 to 31; the 29th of February is one in leap years only.
        day: i8,
    },
}

impl Holiday {
    /// Reads `2026-12-24`, `2026-12-24..2026-12-31`, or `12-25` for every year.
    ///
    /// # Errors
    /// What is wrong with it, for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (date(first)?, date(last)?);
            if last < first {
                return Err(format!("`{text}` ends before it begins"));
            }
            return Ok(Self::Range { first, last });
        }
        if text.len() == 5 {
            // A leap year has every day there is.
            let day = date(&format!("2024-{text}")).map_err(|_| no_holiday(text))?;
            let (month, day) = day.month_and_day();
            return Ok(Self::Yearly { month, day });
        }
        let day = date(text)?;
        Ok(Self::Range { first: day, last: day })
    }
}

fn date(text: &str) -> Result<BusinessDate, String> {
    BusinessDate::parse(text.trim()).ok_or_else(|| no_holiday(text))
}

fn no_holiday(text: &str) -> String {
    format!("`{text}` is no holiday: 2026-12-24, 2026-12-24..2026-12-31, or 12-25 for every year would be one")
}

/// All holidays of a calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    /// By their first date; none of them overlap or touch.
    ranges: Vec<(BusinessDate, BusinessDate)>,
    yearly: Vec<(i8, i8)>,
}

impl Holidays {
    /// Those of a list, in any order, overlapping or not.
    #[must_use]
    pub fn of(stated: &[Holiday]) -> Self {
        let (mut given, mut yearly) = (Vec::new(), Vec::new());
        for holiday in stated {
            match *holiday {
                Holiday::Range { first, last } => given.push((first, last)),
                Holiday::Yearly { month, day } => yearly.push((month, day)),
            }
        }
        given.sort_unstable();
        let mut ranges: Vec<(BusinessDate, BusinessDate)> = Vec::new();
        for (first, last) in given {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.days_later(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        yearly.sort_unstable();
        yearly.dedup();
        Self { ranges, yearly }
    }

    /// Whether a date is one of them.
    #[must_use]
    pub fn contain(&self, date: BusinessDate) -> bool {
        let behind = self.ranges.partition_point(|(first, _)| *first <= date);
        let in_range = behind.checked_sub(1).is_some_and(|index| date <= self.ranges[index].1);
        in_range || self.yearly.binary_search(&date.month_and_day()).is_ok()
    }

    /// The last date of them that is stated with its year.
    #[must_use]
    pub fn last(&self) -> Option<BusinessDate> {
        self.ranges.last().map(|(_, last)| *last)
    }
}
