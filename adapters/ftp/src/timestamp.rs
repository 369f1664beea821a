//! Times as servers write them, as nanoseconds since the Unix epoch.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SECOND_NS: i64 = 1_000_000_000;

/// A time of the calendar, in UTC as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CalendarTime {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl CalendarTime {
    /// Seconds since the Unix epoch; `None` where there is no such time.
    pub(crate) fn seconds(&self) -> Option<i64> {
        // A leap second is the next minute's first.
        let leap = i64::from(self.second == 60);
        let small = |number: i64| i8::try_from(number).ok();
        let time = DateTime::new(
            i16::try_from(self.year).ok()?,
            small(self.month)?,
            small(self.day)?,
            small(self.hour)?,
            small(self.minute)?,
            small(self.second - leap)?,
            0,
        );
        let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        Some(time.ok()?.duration_since(epoch).as_secs() + leap)
    }
}

/// `YYYYMMDDhhmmss[.f]`, the time-val of RFC 3659, section 2.3, as nanoseconds.
pub(crate) fn time_val(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    // Some servers count the years from 1900: 19126 for 2026.
    if whole.len() != 14 {
        return None;
    }
    let part = |from: usize, to: usize| number(whole.get(from..to)?);
    let time = CalendarTime {
        year: part(0, 4)?,
        month: part(4, 6)?,
        day: part(6, 8)?,
        hour: part(8, 10)?,
        minute: part(10, 12)?,
        second: part(12, 14)?,
    };
    let mut nanoseconds = 0;
    let mut unit = SECOND_NS / 10;
    for digit in fraction.iter().take(9) {
        nanoseconds += i64::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
        unit /= 10;
    }
    Some(within_bounds(time.seconds()?, nanoseconds))
}

/// Nanoseconds since the Unix epoch; a time that no clock shows is the first or the last that there is.
pub(crate) fn within_bounds(seconds: i64, nanoseconds: i64) -> i64 {
    let exact = i128::from(seconds) * i128::from(SECOND_NS) + i128::from(nanoseconds);
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// A number of digits and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    let all = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// The year of these seconds since the Unix epoch.
pub(crate) fn year_of(seconds: i64) -> i64 {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    i64::from(TimeZone::UTC.to_datetime(time).year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_protocol_are_read() {
        // By `date -u -d … +%s`.
        assert_eq!(time_val(b"19700101000000"), Some(0));
        assert_eq!(time_val(b"20260131235959"), Some(1_769_903_999 * SECOND_NS));
        assert_eq!(time_val(b"20240229120000.25"), Some(1_709_208_000 * SECOND_NS + 250_000_000));
        assert_eq!(time_val(b"19691231235959"), Some(-SECOND_NS));
        assert_eq!(time_val(b"20161231235960"), Some(1_483_228_800 * SECOND_NS));
        assert_eq!(time_val(b"21000301000000"), Some(4_107_542_400 * SECOND_NS));
        for wrong in [
            "",
            "2026013123595",
            "19126013123595",
            "20260231000000",
            "20260132000000",
            "2026013a000000",
            "20260131240000",
        ] {
            assert_eq!(time_val(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn times_that_no_clock_shows_stay_within_bounds() {
        assert_eq!(time_val(b"16010101000000"), Some(i64::MIN));
        assert_eq!(time_val(b"16010101000000.5"), Some(i64::MIN));
        assert_eq!(time_val(b"99991231000000.999"), Some(i64::MAX));
        assert_eq!(within_bounds(i64::MAX, 0), i64::MAX);
    }

    #[test]
    fn years_are_told() {
        for (text, year) in [(&b"20251231235959"[..], 2025), (b"20260101000000", 2026), (b"19700101000000", 1970)] {
            assert_eq!(time_val(text).map(|ns| year_of(ns / SECOND_NS)), Some(year));
        }
    }
}
