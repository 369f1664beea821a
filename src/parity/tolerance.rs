//! How far two values may lie apart.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use crate::domain::quantity::parse_time;
use crate::layout::ValueType;

/// How far two values may lie apart and still be the same for who compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// Of numbers.
    Number(Decimal),
    /// Of dates, times of day and timestamps.
    Time(Duration),
}

/// A decimal number: `mantissa` of 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// More digits behind the point than any number that is compared has.
const MOST_SCALE: u32 = 30;

impl Tolerance {
    /// Reads what is stated of a field: `0.01` of a number, `1 day` or `2 s` of a date or time.
    ///
    /// # Errors
    /// Why it is none for values of this type.
    pub fn parse(text: &str, of: ValueType) -> Result<Self, String> {
        match of {
            ValueType::Integer | ValueType::Decimal(_) => {
                let number = Decimal::parse(text).filter(|number| number.mantissa >= 0);
                number.map(Self::Number).ok_or_else(|| {
                    format!("`{text}` is no tolerance of numbers: how far two may lie apart, as in \"0.01\"")
                })
            }
            ValueType::Date | ValueType::Time | ValueType::Timestamp => parse_time(text).map(Self::Time),
            ValueType::Text | ValueType::Boolean => Err("a tolerance is for numbers, dates and times".to_owned()),
        }
    }

    /// Whether two canonical values lie no further apart.
    #[must_use]
    pub fn allows(self, one: &str, other: &str) -> bool {
        match self {
            Self::Number(most) => Decimal::parse(one)
                .zip(Decimal::parse(other))
                .and_then(|(one, other)| one.is_within(other, most))
                .unwrap_or(false),
            Self::Time(most) => time_between(one, other).is_some_and(|time| time <= most),
        }
    }
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= MOST_SCALE)?;
        let mantissa = format!("{whole}{fraction}").parse::<i128>().ok()?;
        Some(Self { mantissa: sign * mantissa, scale })
    }

    fn at_scale(self, scale: u32) -> Option<i128> {
        self.mantissa.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// `None` where the numbers are too long to be held against each other.
    fn is_within(self, other: Self, most: Self) -> Option<bool> {
        let scale = self.scale.max(other.scale).max(most.scale);
        let apart = self.at_scale(scale)?.checked_sub(other.at_scale(scale)?)?.checked_abs()?;
        Some(apart <= most.at_scale(scale)?)
    }
}

/// The time between two dates, times of day or timestamps; `None` where they are not of one kind.
fn time_between(one: &str, other: &str) -> Option<Duration> {
    if let (Ok(one), Ok(other)) = (one.parse::<Timestamp>(), other.parse::<Timestamp>()) {
        return Some(one.duration_since(other).unsigned_abs());
    }
    let has_time = |text: &str| text.contains('T');
    if has_time(one) || has_time(other) {
        let (one, other) = (local(one)?, local(other)?);
        return Some(one.duration_since(other).unsigned_abs());
    }
    if let (Ok(one), Ok(other)) = (one.parse::<Date>(), other.parse::<Date>()) {
        return Some(one.duration_since(other).unsigned_abs());
    }
    let (one, other) = (one.parse::<Time>().ok()?, other.parse::<Time>().ok()?);
    Some(one.duration_since(other).unsigned_abs())
}

/// A timestamp that says nothing of its zone.
fn local(text: &str) -> Option<DateTime> {
    let says_zone = text.split_once('T').is_some_and(|(_, time)| time.contains(['+', '-', 'Z']));
    if says_zone { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn numbers() {
        let cent = Tolerance::parse("0.01", ValueType::Decimal(Some(2))).unwrap();
        for (one, other, within) in [
            ("1.00", "1.01", true),
            ("1.01", "1.00", true),
            ("1.00", "1.02", false),
            ("-0.005", "0.005", true),
            ("-0.005", "0.0051", false),
            ("7", "7.01", true),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999", false),
            ("1.00", "x", false),
        ] {
            assert_eq!(cent.allows(one, other), within, "{one} {other}");
        }
        let two = Tolerance::parse("2", ValueType::Integer).unwrap();
        assert!(two.allows("-1", "1") && !two.allows("-1", "2"));
        for text in ["", "-1", "1 cent", "1,5", ".", "+1", "0x1"] {
            assert!(Tolerance::parse(text, ValueType::Integer).is_err_and(|said| said.contains("0.01")), "{text}");
        }
    }

    #[test]
    fn dates_and_times() {
        let day = Tolerance::parse("1 day", ValueType::Date).unwrap();
        assert!(day.allows("2026-02-28", "2026-03-01") && !day.allows("2026-02-27", "2026-03-01"));
        let seconds = Tolerance::parse("2s", ValueType::Timestamp).unwrap();
        for (one, other, within) in [
            ("2026-01-31T23:59:59+01:00", "2026-01-31T23:00:01Z", true),
            ("2026-01-31T23:59:59+01:00", "2026-01-31T23:59:59Z", false),
            ("2026-01-31T23:59:59", "2026-02-01T00:00:01", true),
            ("2026-01-31T23:59:59", "2026-02-01T00:00:01Z", false),
            ("23:59:58", "23:59:59.5", true),
            ("23:59:58", "2026-01-31", false),
        ] {
            assert_eq!(seconds.allows(one, other), within, "{one} {other}");
        }
        assert!(Tolerance::parse("soon", ValueType::Date).is_err());
        assert!(Tolerance::parse("1", ValueType::Text).is_err());
    }
}
