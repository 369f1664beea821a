//! Dates that have all their digits: `YYYYMMDD`, `DD.MM.YYYY`, `YYYY-MM-DD` and the like.
//!
//! Most dates in files are such, and a file has millions of them. Between these forms and ISO 8601 the same eight digits
//! only stand elsewhere, so that they are copied, not counted. [`super::date_time_format`] knows every form, these
//! included, and says what is wrong with a date.

use super::date_time_format::days_in;
use super::digits::are_digits;

/// Where the digits of a date stand, and what stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FullDate {
    /// Where each digit of `YYYYMMDD` is written.
    digits: [u8; DIGITS],
    /// What is written elsewhere; nothing (0) where a digit is.
    literals: [u8; LONGEST],
    width: usize,
}

const DIGITS: usize = 8;
/// Longer ones are left to the general way.
const LONGEST: usize = 16;
/// Where the digits of `YYYYMMDD` stand in `YYYY-MM-DD`.
const CANONICAL: FullDate = FullDate {
    digits: [0, 1, 2, 3, 5, 6, 8, 9],
    literals: [0, 0, 0, 0, b'-', 0, 0, b'-', 0, 0, 0, 0, 0, 0, 0, 0],
    width: 10,
};

/// What one byte after the other of a format is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The four digits of the year.
    Year,
    /// The two of the month.
    Month,
    /// The two of the day.
    Day,
    /// This byte.
    Literal(u8),
}

impl FullDate {
    /// For a format of these pieces; `None` where it is longer than dates mostly are, or lacks a piece.
    pub(super) fn compile(pieces: impl Iterator<Item = Piece>) -> Option<Self> {
        let mut found = Self { digits: [u8::MAX; DIGITS], literals: [0; LONGEST], width: 0 };
        for piece in pieces {
            let places = match piece {
                Piece::Year => 0..4,
                Piece::Month => 4..6,
                Piece::Day => 6..8,
                Piece::Literal(byte) => {
                    *found.literals.get_mut(found.width)? = byte;
                    found.width += 1;
                    continue;
                }
            };
            for place in places {
                found.digits[place] = u8::try_from(found.width).ok()?;
                found.width += 1;
            }
        }
        let complete = found.digits.iter().all(|at| *at != u8::MAX);
        (complete && found.width <= LONGEST).then_some(found)
    }

    /// The digits `YYYYMMDD` of a day of the calendar that is written so.
    #[inline]
    fn take(&self, written: &[u8]) -> Option<[u8; DIGITS]> {
        if written.len() != self.width {
            return None;
        }
        let mut bytes = [0; LONGEST];
        bytes[..written.len()].copy_from_slice(written);
        let mut digits = [0; DIGITS];
        for (digit, at) in digits.iter_mut().zip(self.digits) {
            // Without its digits, what is left has to be the literals.
            *digit = std::mem::take(&mut bytes[usize::from(at) % LONGEST]);
        }
        if bytes != self.literals || !are_digits(&digits) {
            return None;
        }
        let two = |at: usize| u32::from(digits[at] & 0x0F) * 10 + u32::from(digits[at + 1] & 0x0F);
        let (year, month, day) = (two(0) * 100 + two(2), two(4), two(6));
        let is_day = year > 0 && (1..=12).contains(&month) && day > 0 && (day <= 28 || day <= days_in(year, month));
        is_day.then_some(digits)
    }

    /// Appends the digits `YYYYMMDD` as they are written.
    #[inline]
    fn put(&self, digits: [u8; DIGITS], out: &mut String) {
        let mut written = self.literals;
        for (digit, at) in digits.into_iter().zip(self.digits) {
            written[usize::from(at) % LONGEST] = digit;
        }
        // Digits and the ASCII punctuation of formats.
        out.push_str(std::str::from_utf8(&written[..self.width]).unwrap_or_default());
    }

    /// Appends the ISO 8601 form of a written date; `false` where it is none of this form.
    #[inline]
    pub(super) fn read(&self, written: &str, out: &mut String) -> bool {
        self.take(written.as_bytes()).map(|digits| CANONICAL.put(digits, out)).is_some()
    }

    /// Appends a date, given as ISO 8601, as it is written; `false` where it is none.
    #[inline]
    pub(super) fn write(&self, canonical: &str, out: &mut String) -> bool {
        CANONICAL.take(canonical.as_bytes()).map(|digits| self.put(digits, out)).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::date_time_format::{DateTime, DateTimeFormat, Extent};

    #[test]
    fn it_decides_as_the_general_way_does() {
        for text in ["YYYYMMDD", "DD.MM.YYYY", "MM/DD/YYYY", "YYYY-MM-DD", "[YYYY]MM DD"] {
            let format = DateTimeFormat::compile(text, 0, Extent::Date).unwrap();
            let full = format.full_date().unwrap();
            for (year, month, day) in dates() {
                let canonical = format!("{year:04}-{month:02}-{day:02}");
                let (mut ours, mut theirs) = (String::new(), String::new());
                let date = DateTime { year, month, day, ..DateTime::default() };
                format.write(&date, &mut theirs).unwrap();
                let known = DateTime::parse_date(&canonical);
                assert_eq!(full.write(&canonical, &mut ours), known.is_some(), "{canonical}");
                assert_eq!(ours, if known.is_some() { &theirs[..] } else { "" });
                let mut back = String::new();
                assert_eq!(full.read(&theirs, &mut back), format.read(&theirs).is_ok(), "{theirs} {text}");
                assert_eq!(back, if known.is_some() { &canonical[..] } else { "" });
            }
            for at in 0..format.width() {
                for stranger in [b'x', b'/', b':', b' ', b'.', b'-', 0, b'1'] {
                    let mut written = String::new();
                    assert!(full.write("2026-01-31", &mut written));
                    let mut bytes = written.into_bytes();
                    bytes[at] = stranger;
                    let written = String::from_utf8(bytes).unwrap();
                    let found = full.read(&written, &mut String::new());
                    assert_eq!(found, format.read(&written).is_ok(), "{written:?} as {text}");
                }
            }
        }
    }

    fn dates() -> impl Iterator<Item = (u32, u32, u32)> {
        [0, 1, 1899, 1900, 2000, 2023, 2024, 9999]
            .into_iter()
            .flat_map(|year| (0..=13).flat_map(move |month| (0..=32).map(move |day| (year, month, day))))
    }

    #[test]
    fn other_forms_are_left_alone() {
        for text in ["YYMMDD", "YYYYDDD", "DD-MON-YYYY", "CYYMMDD", "YYYY  -  MM  -  DD"] {
            assert!(DateTimeFormat::compile(text, 70, Extent::Date).unwrap().full_date().is_none(), "{text}");
        }
    }
}
