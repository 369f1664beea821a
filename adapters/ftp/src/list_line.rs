//! Rows of `LIST`, which no standard describes: as Unix' `ls -l` writes them, and as DOS' `dir` does.
//!
//! The library has a reader too; it takes text and swallows blanks at the beginning of a name, so that not every name
//! would come back.

use crate::look::Kind;
use crate::timestamp::{CalendarTime, number, year_of};

const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'r> {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// In seconds since the Unix epoch, by the server's clock: to the minute, or to the day where the file is old.
    pub(crate) modified_s: i64,
    pub(crate) name: &'r [u8],
}

/// Reads a row; `now_s` tells the year where the row does not.
pub(crate) fn parse(row: &[u8], now_s: i64) -> Option<Row<'_>> {
    if row.first().is_some_and(u8::is_ascii_digit) { dos(row) } else { unix(row, now_s) }
}

/// Whether a row tells nothing of a file: `total 12`.
pub(crate) fn is_heading(row: &[u8]) -> bool {
    row.is_empty() || row.to_ascii_lowercase().starts_with(b"total ")
}

/// Fields between blanks, and where each begins.
fn fields(row: &[u8]) -> Vec<(usize, &[u8])> {
    let mut found = Vec::new();
    let mut at = 0;
    // As many as can stand before a name.
    while found.len() < 12 {
        let Some(blanks) = row[at..].iter().position(|byte| *byte != b' ') else { break };
        let begin = at + blanks;
        let end = row[begin..].iter().position(|byte| *byte == b' ').map_or(row.len(), |length| begin + length);
        found.push((begin, &row[begin..end]));
        at = end;
    }
    found
}

/// `-rw-r--r--   1 owner group   1234 Jan 31 23:59 name`. Owner, group or the number of links may be missing, and names
/// of owners may have blanks: what counts is a size before a date.
fn unix(row: &[u8], now_s: i64) -> Option<Row<'_>> {
    let kind = match row.first()? {
        b'-' => Kind::File,
        b'd' => Kind::Directory,
        b'l' => Kind::Link,
        b'b' | b'c' | b'p' | b's' => Kind::Other,
        _ => return None,
    };
    let fields = fields(row);
    for at in 2..fields.len() {
        let Some(size) = number(fields[at - 1].1) else { continue };
        let dated = |ends: usize, modified_s: Option<i64>| Some((fields.get(ends)?, modified_s?));
        let words = fields.get(at + 2).and_then(|(_, time)| by_month(fields[at].1, fields[at + 1].1, time, now_s));
        let digits = fields.get(at + 1).and_then(|(_, time)| by_number(fields[at].1, time));
        let Some(((begin, last), modified_s)) = dated(at + 2, words).or_else(|| dated(at + 1, digits)) else {
            continue;
        };
        // One blank ends the time; further ones belong to the name.
        let mut name = row.get(begin + last.len() + 1..).filter(|name| !name.is_empty())?;
        if kind == Kind::Link {
            name = name.windows(4).position(|four| four == b" -> ").map_or(name, |at| &name[..at]);
        }
        return Some(Row { kind, size: u64::try_from(size).ok()?, modified_s, name });
    }
    None
}

/// `Jan 31 23:59`, or `Jan 31 2025`.
fn by_month(month: &[u8], day: &[u8], last: &[u8], now_s: i64) -> Option<i64> {
    let month = month.to_ascii_lowercase();
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month).map(|(_, number)| number)?;
    let at = |year, hour, minute| CalendarTime { year, month, day: number(day).unwrap_or(0), hour, minute, second: 0 };
    let Some((hour, minute)) = clock(last) else {
        return at(number(last).filter(|_| last.len() == 4)?, 0, 0).seconds();
    };
    // Not from the future, as far as another zone allows: then it was last year.
    let this = year_of(now_s);
    let past = |year| at(year, hour, minute).seconds().filter(|seconds| *seconds <= now_s.saturating_add(86_400));
    past(this + 1).or_else(|| past(this)).or_else(|| past(this - 1)).or_else(|| past(this - 2))
}

/// `2026-01-31 23:59`.
fn by_number(date: &[u8], time: &[u8]) -> Option<i64> {
    let (hour, minute) = clock(time)?;
    let parts: Vec<&[u8]> = date.split(|byte| *byte == b'-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let year = number(year).filter(|_| year.len() == 4)?;
    CalendarTime { year, month: number(month)?, day: number(day)?, hour, minute, second: 0 }.seconds()
}

/// `23:59`, perhaps with seconds.
fn clock(text: &[u8]) -> Option<(i64, i64)> {
    let mut parts = text.split(|byte| *byte == b':');
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

/// `01-31-26  11:59PM       <DIR>          name`, or with a size; the year may have four digits.
fn dos(row: &[u8]) -> Option<Row<'_>> {
    let fields = fields(row);
    let [(_, date), (_, time), (begin, size), ..] = fields.as_slice() else { return None };
    let parts: Vec<i64> = date.split(|byte| *byte == b'-').map(number).collect::<Option<_>>()?;
    let [month, day, year] = parts.as_slice() else { return None };
    let year = match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        _ => *year,
    };
    let (hour, minute) = half_day_clock(time)?;
    let modified_s = CalendarTime { year, month: *month, day: *day, hour, minute, second: 0 }.seconds()?;
    let rest = &row[begin + size.len()..];
    if size.eq_ignore_ascii_case(b"<DIR>") {
        let blanks = rest.iter().position(|byte| *byte != b' ')?;
        return Some(Row { kind: Kind::Directory, size: 0, modified_s, name: &rest[blanks..] });
    }
    let digits: Vec<u8> = size.iter().copied().filter(|byte| *byte != b',').collect();
    let name = rest.get(1..).filter(|name| !name.is_empty())?;
    Some(Row { kind: Kind::File, size: u64::try_from(number(&digits)?).ok()?, modified_s, name })
}

/// `11:59PM`, or `23:59`.
fn half_day_clock(text: &[u8]) -> Option<(i64, i64)> {
    let upper = text.to_ascii_uppercase();
    let (bare, half) = match upper.as_slice() {
        [bare @ .., half @ (b'A' | b'P'), b'M'] => (bare, Some(*half)),
        bare => (bare, None),
    };
    let (hour, minute) = clock(bare)?;
    let hour = match half {
        None => hour,
        Some(b'P') => hour % 12 + 12,
        Some(_) => hour % 12,
    };
    Some((hour, minute))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::timestamp::time_val;

    fn seconds(text: &str) -> i64 {
        time_val(text.as_bytes()).unwrap() / 1_000_000_000
    }

    fn read(row: &[u8]) -> Option<(Kind, u64, i64, Vec<u8>)> {
        parse(row, seconds("20260201000000")).map(|row| (row.kind, row.size, row.modified_s, row.name.to_vec()))
    }

    #[test]
    fn rows_of_unix_are_read() {
        let at = |text: &str| seconds(text);
        for (row, kind, size, modified, name) in [
            (
                &b"-rw-r--r--    1 ftp      ftp          1234 Jan 31 23:59 a b#"[..],
                Kind::File,
                1234,
                "20260131235900",
                &b"a b#"[..],
            ),
            (
                b"-rw-r--r--    1 ftp      ftp             0 Jan 31  2020  blank \xe9 ",
                Kind::File,
                0,
                "20200131000000",
                b" blank \xe9 ",
            ),
            (
                b"-rw-r--r--    1 ftp      ftp             7 Mar 01 08:00 last year",
                Kind::File,
                7,
                "20250301080000",
                b"last year",
            ),
            (b"-rw-r--r--    1 ftp      ftp             7 Feb  1 13:00 zone", Kind::File, 7, "20260201130000", b"zone"),
            (b"drwxr-xr-x 2 Domain Users 4096 Jan 1 2024 in", Kind::Directory, 4096, "20240101000000", b"in"),
            (b"lrwxrwxrwx 1 a b 4 Jan 1 2024 link -> /etc/passwd", Kind::Link, 4, "20240101000000", b"link"),
            (b"-rw-r--r-- 1 a 12 2026-01-31 23:59 iso", Kind::File, 12, "20260131235900", b"iso"),
            (
                b"-r--r--r-- 1 23 23 1234567 Jan 1 2000 01 1234 foo",
                Kind::File,
                1_234_567,
                "20000101000000",
                b"01 1234 foo",
            ),
        ] {
            assert_eq!(read(row), Some((kind, size, at(modified), name.to_vec())), "{}", String::from_utf8_lossy(row));
        }
    }

    #[test]
    fn rows_of_dos_are_read() {
        let row = |text: &str| read(text.as_bytes());
        let at = seconds("20260131235900");
        assert_eq!(
            row("01-31-26  11:59PM                 1234 a  b "),
            Some((Kind::File, 1234, at, b"a  b ".to_vec()))
        );
        assert_eq!(row("01-31-2026  11:59PM            1,234 x"), Some((Kind::File, 1234, at, b"x".to_vec())));
        assert_eq!(row("01-31-26  11:59PM       <DIR>          in"), Some((Kind::Directory, 0, at, b"in".to_vec())));
        assert_eq!(row("01-31-26  23:59                   1 y").unwrap().2, at);
        assert_eq!(row("01-31-26  12:01AM                 1 y").unwrap().2, seconds("20260131000100"));
    }

    #[test]
    fn what_is_no_row_is_none() {
        for wrong in [
            "",
            "total 12",
            "line",
            "-rw-r--r-- 1 a b 3 Feb 31 00:00 x",
            "-rw-r--r-- 1 a b 3 Jan 1 00:00 ",
            "01-31-26 11:59PM",
        ] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(is_heading(b"total 12") && is_heading(b"") && !is_heading(b"totality"));
    }
}
