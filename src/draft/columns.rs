//! Byte boundaries of fixed-width records, from what stands in each column of bytes over all records.

use std::hash::{DefaultHasher, Hasher};

use super::notes::counted;
use crate::domain::date::DateFormat;

/// What a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Digit,
    /// Letters and everything beyond ASCII.
    Letter,
    Other,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b' ' => Self::Blank,
            b'0'..=b'9' => Self::Digit,
            b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => Self::Letter,
            _ => Self::Other,
        }
    }
}

/// Some bytes that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// From 0.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Blank in all records.
    pub(super) blank: bool,
    pub(super) why: String,
}

/// One byte of all records.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    blank: usize,
    digit: usize,
    zero: usize,
    other: usize,
    /// Records in which it does not begin a character.
    inner: usize,
    /// Records in which a blank stands before it, and none here.
    starts: usize,
    /// Which records are blank here.
    pattern: u64,
}

impl Place {
    fn is_digits(&self) -> bool {
        self.digit > 0 && self.other == 0
    }
}

/// Digits that go on for so many bytes are a date or a number, not part of a code.
const DIGITS_START: usize = 6;
/// A text begins behind so many.
const DIGITS_END: usize = 4;

/// Divides records from byte `from` (from 0) up to `length`; every byte is in one column.
pub(super) fn find(rows: &[&[u8]], from: usize, length: usize, utf8: bool) -> Vec<Column> {
    if from >= length {
        return Vec::new();
    }
    let places = places(rows, length, utf8);
    let mut starts: Vec<(usize, &str)> = vec![(from, "")];
    for at in from + 1..length {
        if places[at].inner == 0
            && let Some(why) = boundary(&places, rows.len(), from, at)
        {
            starts.push((at, why));
        }
    }
    let mut columns = Vec::new();
    for (index, (start, why)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(length, |(next, _)| *next);
        for (start, end, date) in dates(rows, &places, *start, end) {
            columns.push(describe(rows, &places, (start, end), if date { "A date begins" } else { why }));
        }
    }
    columns
}

fn places(rows: &[&[u8]], length: usize, utf8: bool) -> Vec<Place> {
    let mut places = vec![Place::default(); length];
    for (at, place) in places.iter_mut().enumerate() {
        let mut pattern = DefaultHasher::new();
        for row in rows {
            let byte = row.get(at).copied().unwrap_or(b' ');
            let before = at.checked_sub(1).map_or(b' ', |before| row.get(before).copied().unwrap_or(b' '));
            let kind = Kind::of(byte);
            match kind {
                Kind::Blank => place.blank += 1,
                Kind::Digit => place.digit += 1,
                Kind::Letter | Kind::Other => place.other += 1,
            }
            place.zero += usize::from(byte == b'0');
            place.inner += usize::from(utf8 && (0x80..0xC0).contains(&byte));
            place.starts += usize::from(before == b' ' && byte != b' ');
            pattern.write_u8(u8::from(kind == Kind::Blank));
        }
        place.pattern = pattern.finish();
    }
    places
}

/// Why a column begins here.
fn boundary(places: &[Place], records: usize, from: usize, at: usize) -> Option<&'static str> {
    let (here, before) = (&places[at], &places[at - 1]);
    let run = |at: usize| places[at..].iter().take_while(|place| place.is_digits()).count();
    let run_before = places[from..at].iter().rev().take_while(|place| place.is_digits()).count();
    let blank_run = places[from..at].iter().rev().take_while(|place| place.blank == records).count();
    if here.blank == records {
        return (run_before >= DIGITS_END && before.blank == 0).then_some("Digits end, blanks follow");
    }
    if blank_run > 1 || (blank_run == 1 && records > 2) {
        return Some("Blank before it in all records");
    }
    if !before.is_digits() && before.blank < records && run(at) >= DIGITS_START {
        return Some("Nothing but digits from here on");
    }
    if run_before >= DIGITS_END && here.digit == 0 && here.other > 0 {
        return Some("Digits end before it");
    }
    if !here.is_digits() || !before.is_digits() {
        return None;
    }
    let pattern_holds = places[at..].iter().take(DIGITS_END).filter(|place| place.pattern == here.pattern).count();
    if here.pattern != before.pattern && pattern_holds == DIGITS_END {
        return Some("Blank in other records than the digits before it");
    }
    let all_zero = |place: &Place| place.zero > 0 && place.zero + place.blank == records;
    let zeros = places[at..].iter().take_while(|place| all_zero(place)).count();
    (records > 1 && zeros > 1 && !all_zero(before)).then_some("Zeros in all records begin")
}

/// Cuts dates (`YYYYMMDD`) off both ends of a run of digits.
fn dates(rows: &[&[u8]], places: &[Place], start: usize, end: usize) -> Vec<(usize, usize, bool)> {
    const DATE: usize = 8;
    if end - start <= DATE || !places[start..end].iter().all(Place::is_digits) {
        return vec![(start, end, false)];
    }
    if is_date(rows, start, start + DATE) {
        let mut found = vec![(start, start + DATE, true)];
        found.extend(dates(rows, places, start + DATE, end));
        return found;
    }
    if is_date(rows, end - DATE, end) {
        return vec![(start, end - DATE, false), (end - DATE, end, true)];
    }
    vec![(start, end, false)]
}

fn is_date(rows: &[&[u8]], start: usize, end: usize) -> bool {
    let Ok(format) = DateFormat::compile("YYYYMMDD", 70) else { return false };
    let mut filled = 0;
    for row in rows {
        let Some(text) = row.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()) else { return false };
        if text.trim().is_empty() {
            continue;
        }
        filled += 1;
        if !(text.starts_with("19") || text.starts_with("20")) || format.read(text).is_none() {
            return false;
        }
    }
    filled > 0
}

fn describe(rows: &[&[u8]], places: &[Place], (start, end): (usize, usize), why: &str) -> Column {
    let is_blank =
        |row: &&&[u8]| row.get(start..end.min(row.len())).is_none_or(|bytes| bytes.iter().all(|b| *b == b' '));
    let blank = rows.iter().filter(is_blank).count();
    let of = counted(rows.len(), "record");
    let kind = if places[start..end].iter().all(|place| place.other == 0) { "digits" } else { "text" };
    let beginning = if why.is_empty() { "The first bytes: ".to_owned() } else { format!("{why}; ") };
    let why = if blank == rows.len() {
        format!("{beginning}blank in all {of}: filler, or a field that no sample fills.")
    } else {
        format!("{beginning}{kind} in {} of {of}.", rows.len() - blank)
    };
    Column { start, end, blank: blank == rows.len(), why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn boundaries_stand_where_all_records_have_them() {
        for (rows, expected) in [
            (&["Nut   12", "Bolt   3", "Pin  456"] as &[&str], vec![(0, 5), (5, 8)]),
            (&["A20260131x", "B20251224y"], vec![(0, 1), (1, 9), (9, 10)]),
            (&["2026013100000125", "2025122400000007"], vec![(0, 8), (8, 16)]),
            (&["0012000340", "0056000078"], vec![(0, 4), (4, 10)]),
            (&["12345     ", "67890     "], vec![(0, 5), (5, 10)]),
            (&["B26-00117", "B25-00931"], vec![(0, 9)]),
            (&["Müller 1", "Kö 2    ", "Weiß    "], vec![(0, 8), (8, 9)]),
        ] {
            let rows: Vec<&[u8]> = rows.iter().map(|row| row.as_bytes()).collect();
            let length = rows.iter().map(|row| row.len()).max().unwrap();
            let found: Vec<(usize, usize)> =
                find(&rows, 0, length, true).iter().map(|column| (column.start, column.end)).collect();
            assert_eq!(
                found,
                expected,
                "{:?}",
                rows.iter().map(|row| String::from_utf8_lossy(row)).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn what_is_blank_everywhere_says_so() {
        let rows: Vec<&[u8]> = vec![b"12345     ", b"67890     "];
        let found = find(&rows, 0, 10, false);
        assert!(!found[0].blank && found[1].blank);
        assert_eq!(
            found[1].why,
            "Digits end, blanks follow; blank in all 2 records: filler, or a field that no sample fills."
        );
    }
}
