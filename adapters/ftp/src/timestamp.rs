//! Times as servers write them, as nanoseconds since the Unix epoch.

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

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
        let fits = (1..=12).contains(&self.month)
            && (1..=days_of_month(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            // A leap second is the next minute's first.
            && (0..=60).contains(&self.second);
        fits.then(|| {
            let days = days_since_epoch(self.year, self.month, self.day);
            days * DAY_S + self.hour * 3600 + self.minute * 60 + self.second
        })
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
    Some(time.seconds()? * SECOND_NS + nanoseconds)
}

/// A number of digits and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    let all = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// The year of these seconds since the Unix epoch.
pub(crate) fn year_of(seconds: i64) -> i64 {
    let mut year = 1970 + seconds / (365 * DAY_S);
    while days_since_epoch(year, 1, 1) * DAY_S > seconds {
        year -= 1;
    }
    year
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Of the proleptic Gregorian calendar.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    years + months + day - 1
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
    fn years_are_told() {
        for (text, year) in [(&b"20251231235959"[..], 2025), (b"20260101000000", 2026), (b"19700101000000", 1970)] {
            assert_eq!(time_val(text).map(|ns| year_of(ns / SECOND_NS)), Some(year));
        }
    }
}
