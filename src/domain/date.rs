//! Business dates, and the forms in which file names and batch jobs write dates; canonical form ISO 8601 (`2026-01-31`).

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The day a file or an event belongs to, whenever it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BusinessDate(Date);

impl BusinessDate {
    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month, day) = calendar_day(text)?;
        Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().map(Self)
    }
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// A date format, ready for use: `YYYYMMDD`, `DD.MM.YY`, `YYYYDDD` and the like.
///
/// Tokens are `YYYY` or `YY`, then `MM` and `DD`, or `DDD` (day of the year, from 001). Everything else that is
/// ASCII punctuation or a blank stands for itself. The length of a written date is that of its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    text: String,
    parts: Vec<Part>,
    pivot: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    Day,
    DayOfYear,
    Literal(u8),
}

/// Longer tokens first, so that `DDD` is not read as `DD` and a stray `D`.
const TOKENS: [(&str, Part); 5] =
    [("YYYY", Part::Year), ("DDD", Part::DayOfYear), ("YY", Part::ShortYear), ("MM", Part::Month), ("DD", Part::Day)];

impl Part {
    const fn width(self) -> usize {
        match self {
            Self::Year => 4,
            Self::DayOfYear => 3,
            Self::ShortYear | Self::Month | Self::Day => 2,
            Self::Literal(_) => 1,
        }
    }
}

impl DateFormat {
    /// Reads a format. Two-digit years from `pivot` (0 to 100) on are in the 1900s, earlier ones in the 2000s.
    ///
    /// # Errors
    /// What is wrong with the format, for whoever wrote it.
    pub fn compile(format: &str, pivot: u32) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some(first) = rest.bytes().next() {
            let (part, after) = match TOKENS.iter().find_map(|(token, part)| Some((*part, rest.strip_prefix(token)?))) {
                Some(found) => found,
                None if first == b' ' || first.is_ascii_punctuation() => (Part::Literal(first), &rest[1..]),
                None => return Err(format!("`{rest}` in `{format}` is none of YYYY, YY, MM, DD, DDD or a separator")),
            };
            parts.push(part);
            rest = after;
        }
        let count = |wanted: &[Part]| parts.iter().filter(|part| wanted.contains(part)).count();
        if count(&[Part::Year, Part::ShortYear]) != 1 {
            return Err(format!("`{format}` needs exactly one of YYYY and YY"));
        }
        if (count(&[Part::Month]), count(&[Part::Day]), count(&[Part::DayOfYear])) != (1, 1, 0)
            && (count(&[Part::Month]), count(&[Part::Day]), count(&[Part::DayOfYear])) != (0, 0, 1)
        {
            return Err(format!("`{format}` needs MM and DD once each, or DDD once"));
        }
        if pivot > 100 {
            return Err(format!("pivot {pivot} is not between 0 and 100"));
        }
        Ok(Self { text: format.to_owned(), parts, pivot })
    }

    /// The length of every date written so, in bytes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.text.len()
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
    pub fn parse(&self, written: &str, out: &mut String) -> Result<(), String> {
        let bytes = written.as_bytes();
        if bytes.len() != self.width() {
            return Err(format!("is {} bytes long, a date as {} has {}", bytes.len(), self.text, self.width()));
        }
        let (mut year, mut month, mut day, mut day_of_year) = (0, 0, 0, None);
        let mut at = 0;
        for part in &self.parts {
            let digits = &bytes[at..at + part.width()];
            at += part.width();
            if let Part::Literal(literal) = part {
                if digits[0] != *literal {
                    return Err(format!("is not a date as {}: byte {at} is not `{}`", self.text, char::from(*literal)));
                }
                continue;
            }
            let number = number(digits).ok_or_else(|| format!("is not a date as {}", self.text))?;
            match part {
                Part::Year => year = number,
                Part::ShortYear => year = if number >= self.pivot { 1900 + number } else { 2000 + number },
                Part::Month => month = number,
                Part::Day => day = number,
                Part::DayOfYear => day_of_year = Some(number),
                Part::Literal(_) => {}
            }
        }
        if let Some(number) = day_of_year {
            (month, day) = month_and_day(year, number).ok_or_else(|| format!("has no day {number} in {year:04}"))?;
        }
        if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
            return Err(format!("is no day of the calendar ({year:04}-{month:02}-{day:02})"));
        }
        push_digits(out, year, 4);
        out.push('-');
        push_digits(out, month, 2);
        out.push('-');
        push_digits(out, day, 2);
        Ok(())
    }

    /// Appends a date, given as ISO 8601, as this format writes it.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn render(&self, canonical: &str, out: &mut String) -> Result<(), String> {
        let (year, month, day) = calendar_day(canonical).ok_or("is not a date as YYYY-MM-DD")?;
        for part in &self.parts {
            match part {
                Part::Year => push_digits(out, year, 4),
                Part::ShortYear => {
                    let short = year % 100;
                    if year != if short >= self.pivot { 1900 + short } else { 2000 + short } {
                        return Err(format!(
                            "has a year outside the hundred years of {} with pivot {}",
                            self.text, self.pivot
                        ));
                    }
                    push_digits(out, short, 2);
                }
                Part::Month => push_digits(out, month, 2),
                Part::Day => push_digits(out, day, 2),
                Part::DayOfYear => push_digits(out, day + (1..month).map(|month| days_in(year, month)).sum::<u32>(), 3),
                Part::Literal(literal) => out.push(char::from(*literal)),
            }
        }
        Ok(())
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Year, month and day of an ISO 8601 date, if it is one and a day of the calendar.
fn calendar_day(canonical: &str) -> Option<(u32, u32, u32)> {
    let bytes = canonical.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    (year > 0 && (1..=12).contains(&month) && day > 0 && day <= days_in(year, month)).then_some((year, month, day))
}

/// The value of up to four digits; `None` where something else stands among them.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

fn push_digits(out: &mut String, value: u32, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_u32.pow(place) % 10;
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn month_and_day(year: u32, mut day_of_year: u32) -> Option<(u32, u32)> {
    for month in 1..=12 {
        let days = days_in(year, month);
        if day_of_year <= days {
            return (day_of_year > 0).then_some((month, day_of_year));
        }
        day_of_year -= days;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

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
        ] {
            assert!(parsed(format, 70, written).is_err(), "{format} {written}");
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
        for format in ["", "YYYY", "YYYYMM", "MMDD", "YYYYMMDDD", "YYYYYYMMDD", "YYYYMMDDhh", "YYYYMMDDDDD", "JJJJMMTT"]
        {
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
