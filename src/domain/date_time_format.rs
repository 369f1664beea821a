//! Formats of dates and times, as file names and batch jobs write them: `YYYYMMDD`, `CYYDDD`, `HHMMSSFF`.
//!
//! A format is tokens, and ASCII punctuation and blanks that stand for themselves. What is written in one has always
//! the same length.

use std::fmt;

use super::full_date::{FullDate, Piece};

/// What a format is about, and so which tokens it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A day of the calendar.
    Date,
    /// A time of day.
    Time,
    /// Both, and perhaps an offset from UTC.
    DateAndTime,
}

/// A date, a time of day, or both. What a format does not have is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateTime {
    /// From 1 to 9999.
    pub year: u32,
    /// From 1 to 12.
    pub month: u32,
    /// From 1 to 31.
    pub day: u32,
    /// From 0 to 23.
    pub hour: u32,
    /// From 0 to 59.
    pub minute: u32,
    /// From 0 to 59: leap seconds are in no batch file.
    pub second: u32,
    /// As many digits as the format has, as a number.
    pub fraction: u32,
    /// Minutes east of UTC, where they are written.
    pub offset_minutes: Option<i32>,
}

/// A format, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateTimeFormat {
    text: String,
    extent: Extent,
    parts: Vec<Part>,
    pivot: u32,
    width: usize,
    /// The same, where it is nothing but a date with all its digits.
    full_date: Option<FullDate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    /// 0 is 19xx, 1 is 20xx.
    Century,
    Month,
    MonthName(Letters),
    Day,
    DayOfYear,
    Hour,
    Minute,
    Second,
    /// Digits after the second.
    Fraction(usize),
    /// `+01:00`.
    OffsetWithColon,
    /// `+0100`.
    Offset,
    Literal(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Capital,
    FirstCapital,
    Small,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// Longer tokens first, so that `DDD` is not read as `DD` and a stray `D`.
const DATE_TOKENS: [(&str, Part); 9] = [
    ("YYYY", Part::Year),
    ("DDD", Part::DayOfYear),
    ("MON", Part::MonthName(Letters::Capital)),
    ("Mon", Part::MonthName(Letters::FirstCapital)),
    ("mon", Part::MonthName(Letters::Small)),
    ("YY", Part::ShortYear),
    ("MM", Part::Month),
    ("DD", Part::Day),
    ("C", Part::Century),
];

const TIME_TOKENS: [(&str, Part); 3] = [("HH", Part::Hour), ("MM", Part::Minute), ("SS", Part::Second)];

const OFFSET_TOKENS: [(&str, Part); 2] = [("±HH:MM", Part::OffsetWithColon), ("±HHMM", Part::Offset)];

/// The most digits of a fraction.
const MOST_FRACTION_DIGITS: usize = 9;

impl Part {
    const fn width(self) -> usize {
        match self {
            Self::OffsetWithColon => 6,
            Self::Offset => 5,
            Self::Year => 4,
            Self::DayOfYear | Self::MonthName(_) => 3,
            Self::ShortYear | Self::Month | Self::Day | Self::Hour | Self::Minute | Self::Second => 2,
            Self::Century | Self::Literal(_) => 1,
            Self::Fraction(digits) => digits,
        }
    }
}

impl DateTimeFormat {
    /// Reads a format. Two-digit years from `pivot` (0 to 100) on are in the 1900s, earlier ones in the 2000s, unless a
    /// century digit says it.
    ///
    /// Of a date, tokens are `YYYY`, `YY` or `CYY` (century 0 is 19xx, 1 is 20xx), then `MM` or `MON` (`JAN`; `Mon` for
    /// `Jan`, `mon` for `jan`) with `DD`, or `DDD` (day of the year, from 001). Of a time, `HH`, `MM`, perhaps `SS`, and
    /// `F` for each digit of a fraction. With both, `MM` next after `HH` is minutes, and months elsewhere; `T` and `Z`
    /// stand for themselves, `±HH:MM` and `±HHMM` for an offset from UTC.
    ///
    /// # Errors
    /// What is wrong with the format, for whoever wrote it.
    pub fn compile(format: &str, pivot: u32, extent: Extent) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = format;
        while !rest.is_empty() {
            let (part, after) = next_part(rest, extent, &parts)
                .ok_or_else(|| format!("`{rest}` in `{format}` is none of {} or a separator", extent.tokens()))?;
            parts.push(part);
            rest = after;
        }
        let width = parts.iter().map(|part| part.width()).sum();
        let full_date = if extent == Extent::Date { full_date(&parts) } else { None };
        let format = Self { text: format.to_owned(), extent, parts, pivot, width, full_date };
        format.check()?;
        Ok(format)
    }

    fn check(&self) -> Result<(), String> {
        let text = &self.text;
        let count = |wanted: fn(&Part) -> bool| self.parts.iter().filter(|part| wanted(part)).count();
        if self.extent != Extent::Time {
            let short = count(|part| *part == Part::ShortYear);
            if count(|part| *part == Part::Year) + short != 1 {
                return Err(format!("`{text}` needs exactly one of YYYY and YY"));
            }
            if count(|part| *part == Part::Century) > short {
                return Err(format!("`{text}` may have one C, with YY"));
            }
            let months = count(|part| matches!(part, Part::Month | Part::MonthName(_)));
            let days = (months, count(|part| *part == Part::Day), count(|part| *part == Part::DayOfYear));
            if days != (1, 1, 0) && days != (0, 0, 1) {
                return Err(format!("`{text}` needs MM and DD once each, or DDD once"));
            }
        }
        if self.extent != Extent::Date {
            let (hours, minutes) = (count(|part| *part == Part::Hour), count(|part| *part == Part::Minute));
            let seconds = count(|part| *part == Part::Second);
            let fractions = count(|part| matches!(part, Part::Fraction(_)));
            if (hours, minutes) != (1, 1) || seconds > 1 {
                return Err(format!("`{text}` needs HH and MM once each, and may have SS once"));
            }
            if fractions > seconds || self.fraction_digits() > MOST_FRACTION_DIGITS {
                return Err(format!("`{text}` may have one fraction, of up to nine F, with SS"));
            }
            if count(|part| matches!(part, Part::Offset | Part::OffsetWithColon | Part::Literal(b'Z'))) > 1 {
                return Err(format!("`{text}` may have one of Z, ±HH:MM and ±HHMM"));
            }
        }
        if self.pivot > 100 {
            return Err(format!("pivot {} is not between 0 and 100", self.pivot));
        }
        Ok(())
    }

    /// The length of everything written so, in bytes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The same format, where it is nothing but a date with all its digits.
    #[inline]
    pub(super) fn full_date(&self) -> Option<&FullDate> {
        self.full_date.as_ref()
    }

    /// How many digits of a second it has.
    #[must_use]
    pub fn fraction_digits(&self) -> usize {
        let digits = self.parts.iter().find_map(|part| match part {
            Part::Fraction(digits) => Some(*digits),
            _ => None,
        });
        digits.unwrap_or(0)
    }

    /// Whether what is written so says its offset from UTC, `Z` included.
    #[must_use]
    pub fn has_offset(&self) -> bool {
        let offset = |part: &Part| matches!(part, Part::Offset | Part::OffsetWithColon);
        self.parts.iter().any(offset) || self.says_utc()
    }

    fn says_utc(&self) -> bool {
        self.extent == Extent::DateAndTime && self.parts.contains(&Part::Literal(b'Z'))
    }

    /// What is written, if it is of this format, of the calendar and of the clock.
    ///
    /// # Errors
    /// Why it is not, as a predicate.
    pub fn read(&self, written: &str) -> Result<DateTime, String> {
        let bytes = written.as_bytes();
        if bytes.len() != self.width {
            let Self { text, width, extent, .. } = self;
            return Err(format!("is {} bytes long, a {} as {text} has {width}", bytes.len(), extent.noun()));
        }
        let mut read = DateTime::default();
        let (mut century, mut day_of_year) = (None, None);
        let mut at = 0;
        for part in &self.parts {
            let digits = &bytes[at..at + part.width()];
            at += part.width();
            let other = || format!("is not a {} as {}", self.extent.noun(), self.text);
            match part {
                Part::Literal(literal) if digits[0] != *literal => {
                    return Err(format!("{}: byte {at} is not `{}`", other(), char::from(*literal)));
                }
                Part::Literal(_) => {}
                Part::MonthName(_) => read.month = month_named(digits).ok_or_else(other)?,
                Part::Offset | Part::OffsetWithColon => {
                    read.offset_minutes = Some(offset(digits, *part == Part::OffsetWithColon).ok_or_else(other)?);
                }
                _ => {
                    let number = number(digits).ok_or_else(other)?;
                    match part {
                        Part::Year | Part::ShortYear => read.year = number,
                        Part::Century => century = Some(1900 + 100 * number),
                        Part::Month => read.month = number,
                        Part::Day => read.day = number,
                        Part::DayOfYear => day_of_year = Some(number),
                        Part::Hour => read.hour = number,
                        Part::Minute => read.minute = number,
                        Part::Second => read.second = number,
                        _ => read.fraction = number,
                    }
                }
            }
        }
        if self.extent != Extent::Time {
            if self.parts.contains(&Part::ShortYear) {
                read.year += century.unwrap_or(if read.year >= self.pivot { 1900 } else { 2000 });
            }
            read.settle_day(day_of_year)?;
        }
        read.check_clock()?;
        if self.says_utc() {
            read.offset_minutes = Some(0);
        }
        Ok(read)
    }

    /// Appends a date and time that are of calendar and clock.
    ///
    /// # Errors
    /// Why this format cannot write it, as a predicate.
    pub fn write(&self, value: &DateTime, out: &mut String) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Year => push_digits(out, value.year, 4),
                Part::ShortYear => {
                    self.check_century(value.year)?;
                    push_digits(out, value.year % 100, 2);
                }
                Part::Century => match value.year.checked_sub(1900).map(|years| years / 100) {
                    Some(century @ 0..=9) => push_digits(out, century, 1),
                    _ => return Err(format!("has a year outside the centuries of {}", self.text)),
                },
                Part::Month => push_digits(out, value.month, 2),
                Part::MonthName(letters) => push_month(out, value.month, *letters),
                Part::Day => push_digits(out, value.day, 2),
                Part::DayOfYear => push_digits(out, value.day_of_year(), 3),
                Part::Hour => push_digits(out, value.hour, 2),
                Part::Minute => push_digits(out, value.minute, 2),
                Part::Second => push_digits(out, value.second, 2),
                Part::Fraction(digits) => push_digits(out, value.fraction, *digits),
                Part::Offset => push_offset(out, value.offset_minutes.unwrap_or(0), false),
                Part::OffsetWithColon => push_offset(out, value.offset_minutes.unwrap_or(0), true),
                Part::Literal(literal) => out.push(char::from(*literal)),
            }
        }
        if value.second > 0 && self.extent != Extent::Date && !self.parts.contains(&Part::Second) {
            return Err(format!("has seconds, which {} does not have", self.text));
        }
        if self.says_utc() && value.offset_minutes != Some(0) {
            return Err("is not in UTC".to_owned());
        }
        Ok(())
    }

    fn check_century(&self, year: u32) -> Result<(), String> {
        let short = year % 100;
        let read = if short >= self.pivot { 1900 + short } else { 2000 + short };
        if year == read || self.parts.contains(&Part::Century) {
            return Ok(());
        }
        Err(format!("has a year outside the hundred years of {} with pivot {}", self.text, self.pivot))
    }
}

impl fmt::Display for DateTimeFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Extent {
    const fn noun(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::DateAndTime => "timestamp",
        }
    }

    const fn tokens(self) -> &'static str {
        match self {
            Self::Date => "YYYY, YY, CYY, MM, MON, DD, DDD",
            Self::Time => "HH, MM, SS, F",
            Self::DateAndTime => "YYYY, YY, CYY, MM, MON, DD, DDD, HH, MM, SS, F, T, Z, ±HH:MM, ±HHMM",
        }
    }
}

fn full_date(parts: &[Part]) -> Option<FullDate> {
    let pieces: Option<Vec<Piece>> = parts
        .iter()
        .map(|part| match part {
            Part::Year => Some(Piece::Year),
            Part::Month => Some(Piece::Month),
            Part::Day => Some(Piece::Day),
            Part::Literal(byte) => Some(Piece::Literal(*byte)),
            _ => None,
        })
        .collect();
    FullDate::compile(pieces?.into_iter())
}

fn next_part<'t>(rest: &'t str, extent: Extent, before: &[Part]) -> Option<(Part, &'t str)> {
    let among =
        |tokens: &[(&str, Part)]| tokens.iter().find_map(|(token, part)| Some((*part, rest.strip_prefix(*token)?)));
    let last_token = before.iter().rfind(|part| !matches!(part, Part::Literal(_)));
    let minutes_next = extent == Extent::Time || last_token == Some(&Part::Hour);
    let found = match extent {
        Extent::Date => among(&DATE_TOKENS),
        Extent::Time => among(&TIME_TOKENS),
        Extent::DateAndTime if minutes_next => among(&TIME_TOKENS).or_else(|| among(&DATE_TOKENS)),
        Extent::DateAndTime => among(&OFFSET_TOKENS).or_else(|| among(&DATE_TOKENS)).or_else(|| among(&TIME_TOKENS)),
    };
    let found = found.or_else(|| {
        let after = rest.trim_start_matches('F');
        let digits = rest.len() - after.len();
        (digits > 0 && extent != Extent::Date).then_some((Part::Fraction(digits), after))
    });
    found.or_else(|| {
        let first = rest.bytes().next()?;
        let itself = first == b' ' || first.is_ascii_punctuation();
        let letter = extent == Extent::DateAndTime && matches!(first, b'T' | b'Z');
        (itself || letter).then(|| (Part::Literal(first), &rest[1..]))
    })
}

impl DateTime {
    /// Reads `YYYY-MM-DD`, a day of the calendar.
    #[must_use]
    pub fn parse_date(canonical: &str) -> Option<Self> {
        let bytes = canonical.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
        let mut date = Self { year, month, day, ..Self::default() };
        date.settle_day(None).ok()?;
        Some(date)
    }

    /// Reads `HH:MM:SS`, with a point and so many digits behind it where there are some.
    #[must_use]
    pub fn parse_time(canonical: &str, fraction_digits: usize) -> Option<Self> {
        let bytes = canonical.as_bytes();
        let behind = if fraction_digits == 0 { 0 } else { fraction_digits + 1 };
        if bytes.len() != 8 + behind || bytes[2] != b':' || bytes[5] != b':' || (behind > 0 && bytes[8] != b'.') {
            return None;
        }
        let (hour, minute, second) = (number(&bytes[..2])?, number(&bytes[3..5])?, number(&bytes[6..8])?);
        let fraction = if behind == 0 { 0 } else { number(&bytes[9..])? };
        let time = Self { hour, minute, second, fraction, ..Self::default() };
        time.check_clock().ok()?;
        Some(time)
    }

    /// Reads `Z` or `±HH:MM` as minutes east of UTC.
    #[must_use]
    pub fn parse_offset(canonical: &str) -> Option<i32> {
        // UTC has one canonical spelling.
        if canonical == "Z" { Some(0) } else { offset(canonical.as_bytes(), true).filter(|minutes| *minutes != 0) }
    }

    /// Appends `YYYY-MM-DD`.
    pub fn push_date(&self, out: &mut String) {
        push_digits(out, self.year, 4);
        out.push('-');
        push_digits(out, self.month, 2);
        out.push('-');
        push_digits(out, self.day, 2);
    }

    /// Appends `HH:MM:SS`, with a point and so many digits where there are some.
    pub fn push_time(&self, fraction_digits: usize, out: &mut String) {
        push_digits(out, self.hour, 2);
        out.push(':');
        push_digits(out, self.minute, 2);
        out.push(':');
        push_digits(out, self.second, 2);
        if fraction_digits > 0 {
            out.push('.');
            push_digits(out, self.fraction, fraction_digits);
        }
    }

    /// Appends `Z` or `±HH:MM`; nothing where no offset is known.
    pub fn push_offset(&self, out: &mut String) {
        match self.offset_minutes {
            None => {}
            Some(0) => out.push('Z'),
            Some(minutes) => push_offset(out, minutes, true),
        }
    }

    fn settle_day(&mut self, day_of_year: Option<u32>) -> Result<(), String> {
        let year = self.year;
        if let Some(number) = day_of_year {
            let found = month_and_day(year, number).ok_or_else(|| format!("has no day {number} in {year:04}"))?;
            (self.month, self.day) = found;
        }
        let Self { month, day, .. } = *self;
        if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
            return Err(format!("is no day of the calendar ({year:04}-{month:02}-{day:02})"));
        }
        Ok(())
    }

    fn check_clock(&self) -> Result<(), String> {
        let Self { hour, minute, second, .. } = *self;
        if hour > 23 || minute > 59 || second > 59 {
            return Err(format!("is no time of the day ({hour:02}:{minute:02}:{second:02})"));
        }
        Ok(())
    }

    fn day_of_year(&self) -> u32 {
        self.day + (1..self.month).map(|month| days_in(self.year, month)).sum::<u32>()
    }
}

/// The value of up to nine digits; `None` where something else stands among them.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

/// Minutes east of UTC, of `±HH:MM` or `±HHMM`; up to 23:59.
fn offset(written: &[u8], with_colon: bool) -> Option<i32> {
    let (sign, rest) = written.split_first()?;
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = if with_colon { minutes.strip_prefix(b":")? } else { minutes };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|_| minutes.len() == 2)?);
    let east = i32::try_from(hours * 60 + minutes).ok()?;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

fn month_named(name: &[u8]) -> Option<u32> {
    let index = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month.as_bytes()))?;
    u32::try_from(index + 1).ok()
}

fn push_month(out: &mut String, month: u32, letters: Letters) {
    let name = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"");
    for (index, letter) in name.chars().enumerate() {
        let capital = letters == Letters::Capital || (letters == Letters::FirstCapital && index == 0);
        out.push(if capital { letter } else { letter.to_ascii_lowercase() });
    }
}

fn push_offset(out: &mut String, minutes: i32, with_colon: bool) {
    out.push(if minutes < 0 { '-' } else { '+' });
    let east = minutes.unsigned_abs();
    push_digits(out, east / 60, 2);
    if with_colon {
        out.push(':');
    }
    push_digits(out, east % 60, 2);
}

fn push_digits(out: &mut String, value: u32, width: usize) {
    const TENS: [u32; 10] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
    for tens in TENS[..width.min(TENS.len())].iter().rev() {
        out.push(char::from_digit(value / tens % 10, 10).unwrap_or('0'));
    }
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// How many days a month has.
pub(super) const fn days_in(year: u32, month: u32) -> u32 {
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

    #[test]
    fn months_and_minutes_are_told_apart_by_what_stands_before() {
        for (format, written) in [
            ("YYYYMMDDHHMMSS", "20260131235958"),
            ("HH:MM:SS DD.MM.YYYY", "23:59:58 31.01.2026"),
            ("MM/DD/YYYY HH:MM:SS", "01/31/2026 23:59:58"),
            ("DDMONYYYY:HH:MM:SS", "31JAN2026:23:59:58"),
            ("YYYYDDDHHMMSS", "2026031235958"),
        ] {
            let format = DateTimeFormat::compile(format, 70, Extent::DateAndTime).unwrap();
            let read = format.read(written).unwrap();
            assert_eq!((read.month, read.day, read.hour, read.minute, read.second), (1, 31, 23, 59, 58), "{written}");
            let mut back = String::new();
            format.write(&read, &mut back).unwrap();
            assert_eq!(back, written);
        }
    }

    #[test]
    fn formats_that_leave_something_open_are_refused() {
        for (format, extent) in [
            ("HH", Extent::Time),
            ("HHMMSSMM", Extent::Time),
            ("HHMMFF", Extent::Time),
            ("HH:MM:SS.FFFFFFFFFF", Extent::Time),
            ("HH:MM:SS.F.F", Extent::Time),
            ("HH:MMZ", Extent::Time),
            ("YYYYMMDD HH:MM", Extent::Date),
            ("CYYYYMMDD", Extent::Date),
            ("CCYYMMDD", Extent::Date),
            ("YYYYMMDD", Extent::DateAndTime),
            ("YYYYMMDDHHMMZ±HH:MM", Extent::DateAndTime),
            ("YYYYMMDDHHMM+HHMM", Extent::DateAndTime),
        ] {
            assert!(DateTimeFormat::compile(format, 70, extent).is_err(), "{format}");
        }
    }
}
