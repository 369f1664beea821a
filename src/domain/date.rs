//! Business dates, and the forms in which file names and batch jobs write dates; canonical form ISO 8601 (`2026-01-31`).

use std::fmt;

use jiff::Span;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use super::date_time_format::{DateTime, DateTimeFormat, Extent};

/// The day a file or an event belongs to, whenever it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BusinessDate(Date);

impl BusinessDate {
    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let DateTime { year, month, day, .. } = DateTime::parse_date(text)?;
        Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().map(Self)
    }

    /// Appends `YYYY-MM-DD`: what [`fmt::Display`] writes of a year from 0 to 9999.
    pub(super) fn push_to(self, out: &mut Vec<u8>) {
        let digit = |value: i16| b'0' + u8::try_from(value % 10).unwrap_or_default();
        let two = |value: i16| [digit(value / 10), digit(value)];
        let (year, month, day) = (self.0.year(), two(self.0.month().into()), two(self.0.day().into()));
        let [[y0, y1], [y2, y3]] = [two(year / 100), two(year)];
        out.extend_from_slice(&[y0, y1, y2, y3, b'-', month[0], month[1], b'-', day[0], day[1]]);
    }

    /// The date so many days later, or earlier where `days` is negative; the calendar's first or last date where there
    /// is none.
    #[must_use]
    pub fn days_later(self, days: i32) -> Self {
        // Beyond a span's own limits lies no date either.
        Self(self.0.saturating_add(Span::new().days(days.clamp(-7_000_000, 7_000_000))))
    }

    /// How many days later another date is; negative where it is earlier.
    #[must_use]
    pub fn days_until(self, other: Self) -> i64 {
        other.0.duration_since(self.0).as_hours() / 24
    }

    /// Its day of the week.
    #[must_use]
    pub fn weekday(self) -> Weekday {
        self.0.weekday()
    }

    /// Its month (from 1) and day of the month.
    #[must_use]
    pub fn month_and_day(self) -> (i8, i8) {
        (self.0.month(), self.0.day())
    }

    /// As a date of the Gregorian calendar.
    #[must_use]
    pub const fn civil(self) -> Date {
        self.0
    }
}

impl From<Date> for BusinessDate {
    fn from(date: Date) -> Self {
        Self(date)
    }
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// A date format, ready for use: `YYYYMMDD`, `DD.MM.YY`, `CYYDDD`, `DD-MON-YYYY` and the like.
///
/// Its tokens are those of [`DateTimeFormat::compile`] for dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat(DateTimeFormat);

impl DateFormat {
    /// Reads a format. Two-digit years from `pivot` (0 to 100) on are in the 1900s, earlier ones in the 2000s.
    ///
    /// # Errors
    /// What is wrong with the format, for whoever wrote it.
    pub fn compile(format: &str, pivot: u32) -> Result<Self, String> {
        DateTimeFormat::compile(format, pivot, Extent::Date).map(Self)
    }

    /// The length of every date written so, in bytes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.width()
    }

    /// The date that is written so, if it is one.
    #[must_use]
    pub fn read(&self, written: &str) -> Option<BusinessDate> {
        let mut canonical = String::new();
        self.parse(written, &mut canonical).ok()?;
        BusinessDate::parse(&canonical)
    }

    /// Appends the ISO 8601 form of a written date to `out`.
    ///
    /// # Errors
    /// Why it is no date of this format.
    #[inline]
    pub fn parse(&self, written: &str, out: &mut String) -> Result<(), String> {
        if self.0.full_date().is_some_and(|full| full.read(written, out)) {
            return Ok(());
        }
        self.0.read(written)?.push_date(out);
        Ok(())
    }

    /// Appends a date, given as ISO 8601, as this format writes it.
    ///
    /// # Errors
    /// Why it cannot be written.
    #[inline]
    pub fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        if self.0.full_date().is_some_and(|full| full.write(canonical, out)) {
            return Ok(());
        }
        let date = DateTime::parse_date(canonical).ok_or("is not a date as YYYY-MM-DD")?;
        self.0.write(&date, out)
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::date_time_format::days_in;
    use super::*;

    fn parsed(format: &str, pivot: u32, written: &str) -> Result<String, String> {
        let format = DateFormat::compile(format, pivot).unwrap();
        let mut canonical = String::new();
        format.parse(written, &mut canonical)?;
        let mut back = String::new();
        format.render(&canonical, &mut back).unwrap();
        assert_eq!(back, written, "{canonical} does not come back");
        Ok(canonical)
    }

    #[test]
    fn dates_are_read_and_written_back() {
        for (format, written, canonical) in [
            ("YYYYMMDD", "20260131", "2026-01-31"),
            ("YYYY-MM-DD", "2026-01-31", "2026-01-31"),
            ("DD.MM.YYYY", "31.01.2026", "2026-01-31"),
            ("MMDDYY", "013126", "2026-01-31"),
            ("YYMMDD", "690101", "2069-01-01"),
            ("YYMMDD", "700101", "1970-01-01"),
            ("YYDDD", "24366", "2024-12-31"),
            ("YYYYDDD", "2024060", "2024-02-29"),
            ("YYYYDDD", "2025060", "2025-03-01"),
            ("YYYYMMDD", "20000229", "2000-02-29"),
            ("YYYYMMDD", "99991231", "9999-12-31"),
            ("DDMMYY", "310126", "2026-01-31"),
            ("CYYMMDD", "0991231", "1999-12-31"),
            ("CYYMMDD", "1260131", "2026-01-31"),
            ("CYYDDD", "126031", "2026-01-31"),
            ("CYYDDD", "099365", "1999-12-31"),
            ("DD-MON-YYYY", "31-JAN-2026", "2026-01-31"),
            ("DD Mon YY", "01 May 26", "2026-05-01"),
            ("monDDYYYY", "dec312026", "2026-12-31"),
        ] {
            assert_eq!(parsed(format, 70, written).as_deref(), Ok(canonical), "{format} {written}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for (format, written) in [
            ("YYYYMMDD", "20260229"),
            ("YYYYMMDD", "19000229"),
            ("YYYYMMDD", "20261301"),
            ("YYYYMMDD", "20260100"),
            ("YYYYMMDD", "00000000"),
            ("YYYYMMDD", "2026013"),
            ("YYYYMMDD", "2026 131"),
            ("YYYYMMDD", "2026013\u{e9}"),
            ("YYYYDDD", "2025366"),
            ("YYYYDDD", "2025000"),
            ("YYYY-MM-DD", "2026/01/31"),
            ("CYYMMDD", "X260131"),
            ("CYYDDD", "126366"),
            ("DD-MON-YYYY", "31-FEB-2026"),
            ("DD-MON-YYYY", "31-M\u{e4}-2026"),
        ] {
            assert!(parsed(format, 70, written).is_err(), "{format} {written}");
        }
    }

    #[test]
    fn both_ways_of_writing_a_date_are_one() {
        for text in ["2026-01-31", "0001-01-01", "9999-12-31", "1900-10-09"] {
            let date = BusinessDate::parse(text).unwrap();
            let mut written = Vec::new();
            date.push_to(&mut written);
            assert_eq!((date.to_string().as_str(), &written[..]), (text, text.as_bytes()));
        }
    }

    #[test]
    fn every_day_of_thirty_years_comes_back() {
        for year in 1995..2025 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    let canonical = format!("{year:04}-{month:02}-{day:02}");
                    for format in ["YYDDD", "YYYYDDD", "MM/DD/YY"] {
                        let format = DateFormat::compile(format, 70).unwrap();
                        let (mut written, mut back) = (String::new(), String::new());
                        format.render(&canonical, &mut written).unwrap();
                        format.parse(&written, &mut back).unwrap();
                        assert_eq!(back, canonical, "{written}");
                    }
                }
            }
        }
    }

    #[test]
    fn formats_that_name_no_day_are_refused() {
        for format in [
            "",
            "YYYY",
            "YYYYMM",
            "MMDD",
            "YYYYMMDDD",
            "YYYYYYMMDD",
            "YYYYMMDDhh",
            "YYYYMMDDDDD",
            "JJJJMMTT",
            "CYYYYMMDD",
            "MMMONDDYY",
        ] {
            assert!(DateFormat::compile(format, 70).is_err(), "{format}");
        }
        assert!(DateFormat::compile("YYMMDD", 101).is_err());
    }

    #[test]
    fn a_year_outside_the_pivot_is_not_written() {
        let format = DateFormat::compile("YYMMDD", 70).unwrap();
        for canonical in ["1969-12-31", "2070-01-01", "1870-01-01"] {
            assert!(format.render(canonical, &mut String::new()).is_err(), "{canonical}");
        }
    }

    #[test]
    fn forms() {
        for (form, pivot, text, expected) in [
            ("YYYYMMDD", 0, "20260131", Some("2026-01-31")),
            ("YYMMDD", 70, "690228", Some("2069-02-28")),
            ("YYMMDD", 70, "700228", Some("1970-02-28")),
            ("YYYYDDD", 0, "2024366", Some("2024-12-31")),
            ("YYYYDDD", 0, "2026366", None),
            ("YYYYDDD", 0, "2026000", None),
            ("DD.MM.YYYY", 0, "31.01.2026", Some("2026-01-31")),
            ("YYYYMMDD", 0, "20260230", None),
            ("YYYYMMDD", 0, "2026013", None),
            ("YYYYMMDD", 0, "+2260131", None),
        ] {
            let read = DateFormat::compile(form, pivot).unwrap().read(text).map(|date| date.to_string());
            assert_eq!(read.as_deref(), expected, "{form} {text}");
        }
        assert!(DateFormat::compile("YYYYMM", 0).is_err());
        assert!(DateFormat::compile("YYYYMMDDD", 0).is_err());
        assert!(DateFormat::compile("yyyymmdd", 0).is_err());
    }
}
