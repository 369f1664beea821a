//! Raw records out of a stream, in bounded memory.
//!
//! A record ends at the first terminator outside quotes, or after its length. What is a quote is exactly what
//! `csv-core` takes for one: it opens only as the first byte of a field, a doubled one within quotes stands for itself,
//! and any other one in quotes closes them. Nothing is decoded here.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3};

use super::delimited::Delimiter;
use super::{Escape, Terminator};

/// How much is asked of the source at once, once a file has proved long.
const READ_BYTES: usize = 64 * 1024;
/// How much is asked at first: many files are small.
const FIRST_READ_BYTES: usize = 8 * 1024;

/// What tells records apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct FramingRules {
    /// What ends a record.
    pub(super) end: End,
    /// Where terminators may stand in fields.
    pub(super) quoting: Option<QuotingRules>,
    /// Longest record, terminator included.
    pub(super) max_record_bytes: usize,
    /// How many lines are looked ahead.
    pub(super) lines_ahead: usize,
    /// Bytes that mark the end of a file.
    pub(super) end_padding: [Option<u8>; 2],
}

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// This byte.
    Byte(u8),
    /// LF, CR or both.
    AnyLineBreak,
    /// So many bytes.
    Length(usize),
}

/// Where terminators may stand in fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotingRules {
    /// Opens and closes quotes.
    pub(super) quote: Option<u8>,
    /// Before a quote that opens.
    pub(super) delimiter: Delimiter,
    /// How a quote stands in quotes.
    pub(super) escape: Escape,
}

/// One raw record.
#[derive(Debug)]
pub(super) struct Frame<'b> {
    /// Its bytes, with its terminator if it has one.
    pub(super) raw: &'b [u8],
    /// Whether it ends as records do; only the last record of a file may not.
    pub(super) terminated: bool,
    /// Whether neither quote nor escape is in it.
    pub(super) plain: bool,
}

/// Why there is no record.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The source failed; the next call tries again.
    Io(io::Error),
    /// No terminator within the longest record.
    TooLong,
    /// The quote at this offset in the record is not closed before the longest record, or the file, ends.
    UnterminatedQuote(usize),
}

/// Cuts a stream into raw records. Holds at most the longest record, the lines looked ahead, and one read.
pub(super) struct Framer<R> {
    source: R,
    rules: FramingRules,
    buffer: Vec<u8>,
    /// What was read and not yet handed out is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset of `buffer[start]` in the file.
    offset: u64,
    /// The source gave as much as was asked.
    gave_all: bool,
    exhausted: bool,
}

impl<R: Read> Framer<R> {
    pub(super) fn new(source: R, rules: FramingRules) -> Self {
        Self { source, rules, buffer: Vec::new(), start: 0, end: 0, offset: 0, gave_all: false, exhausted: false }
    }

    /// How much memory is held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Offset of the next record; after the last one, the size of the file.
    #[cfg(test)]
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the stream goes on with `prefix`.
    pub(super) fn starts_with(&mut self, prefix: &[u8]) -> io::Result<bool> {
        while self.end - self.start < prefix.len() && self.fill()? {}
        Ok(self.buffer[self.start..self.end].starts_with(prefix))
    }

    /// Passes over `prefix` if the stream goes on with it.
    pub(super) fn skip(&mut self, prefix: &[u8]) -> io::Result<bool> {
        let found = self.starts_with(prefix)?;
        if found {
            self.take(prefix.len());
        }
        Ok(found)
    }

    /// The next bytes, which were read already.
    pub(super) fn ahead(&self, count: usize) -> &[u8] {
        let held = &self.buffer[self.start..self.end];
        &held[..count.min(held.len())]
    }

    /// The next byte, if there is one.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        while self.start == self.end && self.fill()? {}
        Ok(self.buffer[self.start..self.end].first().copied())
    }

    /// Passes over the next byte.
    pub(super) fn skip_byte(&mut self) {
        if self.start < self.end {
            self.take(1);
        }
    }

    /// Whether at most `count` lines are left; lines longer than a record count for as many as they could hold.
    pub(super) fn has_at_most(&mut self, count: usize) -> io::Result<bool> {
        loop {
            let held = &self.buffer[self.start..self.end];
            let rest = without_end_mark(held, |byte| self.rules.end_padding.contains(&Some(byte)));
            // No more than have to be: this is asked before every record.
            let ends = match self.rules.end {
                End::Byte(end) => memchr_iter(end, rest).take(count + 1).count(),
                End::AnyLineBreak => line_breaks(rest).take(count + 1).count(),
                End::Length(length) => rest.len() / length,
            };
            // A line without terminator may follow the last end.
            if ends > count || held.len() >= self.rules.max_record_bytes.saturating_mul(count + 1) {
                return Ok(false);
            }
            let open = usize::from(!ends_with_end(rest, self.rules.end));
            if !self.fill()? {
                return Ok(ends + open <= count);
            }
        }
    }

    /// The next raw record, or `None` at the end of the stream. A line is a record in which quotes mean nothing.
    #[inline]
    pub(super) fn next(&mut self, as_line: bool) -> Result<Option<Frame<'_>>, FrameError> {
        let mut scan = Scan::default();
        let rules = if as_line { FramingRules { quoting: None, ..self.rules } } else { self.rules };
        loop {
            let longest = self.start.saturating_add(rules.max_record_bytes);
            // Never look beyond the longest record: the verdict must not depend on how much happened to be read.
            let window = &self.buffer[self.start..self.end.min(longest)];
            let whole = self.exhausted || window.len() == rules.max_record_bytes;
            if let Some(length) = scan.find_end(window, rules, whole) {
                return Ok(Some(self.frame(length, true, !scan.has_specials)));
            }
            if window.len() == rules.max_record_bytes {
                return Err(scan.unclosed(window).map_or(FrameError::TooLong, FrameError::UnterminatedQuote));
            }
            if !self.fill().map_err(FrameError::Io)? {
                let window = &self.buffer[self.start..self.end];
                if let Some(length) = scan.find_end(window, rules, true) {
                    return Ok(Some(self.frame(length, true, !scan.has_specials)));
                }
                return match scan.unclosed(window) {
                    Some(opened) => Err(FrameError::UnterminatedQuote(opened)),
                    None if window.is_empty() => Ok(None),
                    None => Ok(Some(self.frame(self.end - self.start, false, !scan.has_specials))),
                };
            }
        }
    }

    fn frame(&mut self, length: usize, terminated: bool, plain: bool) -> Frame<'_> {
        let from = self.start;
        self.take(length);
        Frame { raw: &self.buffer[from..from + length], terminated, plain }
    }

    fn take(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    /// Reads more; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.exhausted {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() || (self.gave_all && self.buffer.len() < READ_BYTES) {
            // Less than this is ever held here, so this always makes room.
            let records = self.rules.lines_ahead.saturating_add(1);
            let largest = self.rules.max_record_bytes.saturating_mul(records).saturating_add(READ_BYTES);
            self.buffer.resize((self.buffer.len() * 2).clamp(FIRST_READ_BYTES, largest), 0);
        }
        assert!(self.end < self.buffer.len(), "more is held than any look ahead asks for");
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.exhausted = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    self.gave_all = self.end == self.buffer.len();
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The line breaks of any kind.
pub(super) fn line_breaks(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr2_iter(b'\n', b'\r', bytes).filter(|at| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'))
}

/// The end of a file without what marks that it is one: padding, and line breaks behind it.
pub(super) fn without_end_mark(bytes: &[u8], is_padding: impl Fn(u8) -> bool) -> &[u8] {
    let mark = |byte: &&u8| is_padding(**byte) || matches!(**byte, b'\r' | b'\n');
    let from = bytes.len() - bytes.iter().rev().take_while(mark).count();
    let first = bytes[from..].iter().position(|byte| is_padding(*byte));
    first.map_or(bytes, |at| &bytes[..from + at])
}

fn ends_with_end(bytes: &[u8], end: End) -> bool {
    match (bytes.last(), end) {
        (None, _) => true,
        (Some(last), End::Byte(end)) => *last == end,
        (Some(last), End::AnyLineBreak) => matches!(last, b'\n' | b'\r'),
        (Some(_), End::Length(length)) => bytes.len().is_multiple_of(length),
    }
}

/// How far the search for the end of a record has come. It goes on where it stopped when more has been read, so that
/// a source that gives a byte at a time costs no more than another.
#[derive(Default)]
struct Scan {
    position: usize,
    /// Offset of the quote that is open.
    opened: Option<usize>,
    has_specials: bool,
}

impl Scan {
    /// The length of the record at the start of `window`, terminator included, if its end is there. `whole` says that
    /// nothing will follow the window.
    #[inline]
    fn find_end(&mut self, window: &[u8], rules: FramingRules, whole: bool) -> Option<usize> {
        match (rules.quoting, rules.end) {
            (None, End::Length(length)) => (window.len() >= length).then_some(length),
            (None, End::Byte(end)) => {
                let found = memchr(end, &window[self.position..]);
                let from = std::mem::replace(&mut self.position, window.len());
                found.map(|at| from + at + 1)
            }
            (None, End::AnyLineBreak) => {
                let at = self.position + memchr2(b'\n', b'\r', &window[self.position..])?;
                self.close(window, at, whole)
            }
            (Some(quoting), end) => self.find_end_among_quotes(window, quoting, end, whole),
        }
    }

    /// The length of a record whose line break begins at `at`.
    fn close(&mut self, window: &[u8], at: usize, whole: bool) -> Option<usize> {
        self.position = at;
        match (window[at], window.get(at + 1)) {
            (b'\r', None) if !whole => None,
            (b'\r', Some(b'\n')) => Some(at + 2),
            _ => Some(at + 1),
        }
    }

    fn find_end_among_quotes(&mut self, window: &[u8], quoting: QuotingRules, end: End, whole: bool) -> Option<usize> {
        loop {
            let rest = &window[self.position..];
            let found = match self.opened {
                Some(_) => quoting.find_in_quotes(rest),
                None => quoting.find_outside(rest, end),
            };
            let Some(at) = found.map(|at| self.position + at) else {
                self.position = window.len();
                return None;
            };
            let byte = window[at];
            if self.opened.is_none() && is_end(byte, end) {
                return match end {
                    End::AnyLineBreak => self.close(window, at, whole),
                    End::Byte(_) | End::Length(_) => Some(at + 1),
                };
            }
            self.has_specials = true;
            if byte == b'\\' && quoting.escape == Escape::Backslash {
                // What it escapes is not there yet.
                if at + 1 >= window.len() && !whole {
                    self.position = at;
                    return None;
                }
                self.position = (at + 2).min(window.len());
            } else if self.opened.is_some() {
                match window.get(at + 1) {
                    // It closes or is doubled: the next byte will tell.
                    None if quoting.escape == Escape::Doubled => {
                        self.position = at;
                        return None;
                    }
                    Some(next) if *next == byte && quoting.escape == Escape::Doubled => self.position = at + 2,
                    _ => {
                        self.opened = None;
                        self.position = at + 1;
                    }
                }
            } else {
                if at == 0 || quoting.delimiter.ends_at(window, at) {
                    self.opened = Some(at);
                }
                self.position = at + 1;
            }
        }
    }

    /// Offset of the quote that is open, given that nothing follows `window`.
    fn unclosed(&self, window: &[u8]) -> Option<usize> {
        // A search that stopped before the end stopped at a quote that closes.
        self.opened.filter(|_| self.position >= window.len())
    }
}

impl QuotingRules {
    fn find_in_quotes(&self, rest: &[u8]) -> Option<usize> {
        let quote = self.quote?;
        if self.escape == Escape::Backslash { memchr2(quote, b'\\', rest) } else { memchr(quote, rest) }
    }

    #[inline]
    fn find_outside(&self, rest: &[u8], end: End) -> Option<usize> {
        let escape = (self.escape == Escape::Backslash).then_some(b'\\');
        match (end, self.quote, escape) {
            (End::Byte(end), Some(quote), None) => memchr2(end, quote, rest),
            (End::Byte(end), Some(quote), Some(escape)) => memchr3(end, quote, escape, rest),
            (End::Byte(end), None, escape) => memchr2(end, escape.unwrap_or(end), rest),
            (_, quote, None) => memchr3(b'\n', b'\r', quote.unwrap_or(b'\n'), rest),
            (_, quote, Some(escape)) => {
                let quote = quote.unwrap_or(escape);
                rest.iter().position(|byte| [b'\n', b'\r', quote, escape].contains(byte))
            }
        }
    }
}

fn is_end(byte: u8, end: End) -> bool {
    match end {
        End::Byte(end) => byte == end,
        End::AnyLineBreak => matches!(byte, b'\n' | b'\r'),
        End::Length(_) => false,
    }
}

impl Terminator {
    /// Its bytes; those of `Mixed` are what a file begins with where nothing else is known.
    pub(super) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf | Self::Mixed => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
            Self::None => b"",
        }
    }

    /// Where records are cut; `length` is that of records without terminator.
    pub(super) const fn end(self, length: usize) -> End {
        match self {
            Self::Lf | Self::CrLf => End::Byte(b'\n'),
            Self::Cr => End::Byte(b'\r'),
            Self::Mixed => End::AnyLineBreak,
            Self::None => End::Length(length),
        }
    }

    /// A terminated record without its terminator, and which terminator that was.
    ///
    /// # Errors
    /// Where it ends as another system's records do.
    pub(super) fn strip(self, raw: &[u8]) -> Result<(&[u8], Self), &'static str> {
        let content = &raw[..raw.len().saturating_sub(1)];
        match self {
            Self::Lf if content.ends_with(b"\r") => {
                Err("ends with CR LF, the layout says LF (state terminator = \"crlf\" if the whole file is so)")
            }
            Self::Cr if content.starts_with(b"\n") => Err(
                "begins with the LF of a CR LF, the layout says CR (state terminator = \"crlf\" if the whole file is so)",
            ),
            Self::CrLf => {
                let content = content.strip_suffix(b"\r").ok_or("ends with a bare LF, the layout says CR LF")?;
                Ok((content, self))
            }
            Self::Lf | Self::Cr => Ok((content, self)),
            Self::Mixed => Ok(match (raw.strip_suffix(b"\r\n"), raw.last()) {
                (Some(content), _) => (content, Self::CrLf),
                (None, Some(b'\r')) => (content, Self::Cr),
                (None, _) => (content, Self::Lf),
            }),
            Self::None => Ok((raw, self)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Gives a byte at a time, with an interruption before each.
    struct Dribble<'a>(&'a [u8], bool);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = self.0.len().min(1).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn rules() -> FramingRules {
        let delimiter = Delimiter::new(",").unwrap();
        let quoting = Some(QuotingRules { quote: Some(b'"'), delimiter, escape: Escape::Doubled });
        FramingRules {
            end: End::Byte(b'\n'),
            quoting,
            max_record_bytes: 16,
            lines_ahead: 0,
            end_padding: [None, Some(0)],
        }
    }

    fn frames(source: impl Read) -> Vec<String> {
        frames_by(rules(), source)
    }

    fn frames_by(rules: FramingRules, source: impl Read) -> Vec<String> {
        let mut framer = Framer::new(source, rules);
        let mut frames = Vec::new();
        loop {
            match framer.next(false) {
                Ok(Some(frame)) => frames.push(String::from_utf8_lossy(frame.raw).into_owned()),
                Ok(None) => return frames,
                Err(error) => {
                    frames.push(format!("{error:?}"));
                    return frames;
                }
            }
        }
    }

    #[test]
    fn records_end_outside_quotes_however_they_are_read() {
        for (input, expected) in [
            ("", &[] as &[&str]),
            ("a\nb", &["a\n", "b"]),
            ("\n\n", &["\n", "\n"]),
            ("\"a\nb\",c\nd\n", &["\"a\nb\",c\n", "d\n"]),
            ("x,\"a\nb\"\nd\n", &["x,\"a\nb\"\n", "d\n"]),
            ("\"a\"\"\n\"\nd\n", &["\"a\"\"\n\"\n", "d\n"]),
            ("\"a\"", &["\"a\""]),
            ("a\"b\nc\n", &["a\"b\n", "c\n"]),
            ("\"a\"b\"\nc\n", &["\"a\"b\"\n", "c\n"]),
            ("\"\"\n\"\",\n", &["\"\"\n", "\"\",\n"]),
            ("a,\"b\nc", &["UnterminatedQuote(2)"]),
            ("a\n\"", &["a\n", "UnterminatedQuote(0)"]),
            ("a\n\"b\"\"", &["a\n", "UnterminatedQuote(0)"]),
            ("123456789012345\nb\n", &["123456789012345\n", "b\n"]),
            ("1234567890123456\nb\n", &["TooLong"]),
            ("\"23456789012345\n\"\nb\n", &["UnterminatedQuote(0)"]),
            ("\"2345678901234\"x\nb\n", &["TooLong"]),
        ] {
            assert_eq!(frames(input.as_bytes()), expected, "{input:?}");
            assert_eq!(frames(Dribble(input.as_bytes(), false)), expected, "{input:?} byte by byte");
        }
    }

    #[test]
    fn any_line_break_ends_a_record() {
        let mixed = FramingRules { end: End::AnyLineBreak, ..rules() };
        for (input, expected) in [
            ("a\rb\r\nc\nd", &["a\r", "b\r\n", "c\n", "d"] as &[&str]),
            ("a\r", &["a\r"]),
            ("\r\r\n", &["\r", "\r\n"]),
            ("\"a\r\nb\"\r\nc\r", &["\"a\r\nb\"\r\n", "c\r"]),
        ] {
            assert_eq!(frames_by(mixed, input.as_bytes()), expected, "{input:?}");
            assert_eq!(frames_by(mixed, Dribble(input.as_bytes(), false)), expected, "{input:?} byte by byte");
        }
    }

    #[test]
    fn backslashes_hide_line_breaks_and_quotes() {
        let quoting = rules().quoting.map(|quoting| QuotingRules { escape: Escape::Backslash, ..quoting });
        let escaped = FramingRules { quoting, ..rules() };
        for (input, expected) in [
            ("a\\\nb\nc", &["a\\\nb\n", "c"] as &[&str]),
            ("\"a\\\"\n\"\nc", &["\"a\\\"\n\"\n", "c"]),
            ("a\\", &["a\\"]),
            ("a\\\\\nb", &["a\\\\\n", "b"]),
        ] {
            assert_eq!(frames_by(escaped, input.as_bytes()), expected, "{input:?}");
            assert_eq!(frames_by(escaped, Dribble(input.as_bytes(), false)), expected, "{input:?} byte by byte");
        }
    }

    #[test]
    fn records_by_length_need_no_terminator() {
        let by_length = FramingRules { end: End::Length(3), quoting: None, ..rules() };
        assert_eq!(frames_by(by_length, &b"abc\ndefgh"[..]), ["abc", "\nde", "fgh"]);
        assert_eq!(frames_by(by_length, Dribble(b"abcde", false)), ["abc", "de"]);
    }

    #[test]
    fn the_last_lines_are_known_before_they_come() {
        for (input, left) in
            [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\nb\n", 2), ("a\nb\nc\n", 3), ("a\n\0\0\n", 1)]
        {
            for count in 0..4 {
                let rules = FramingRules { lines_ahead: count, ..rules() };
                let mut framer = Framer::new(Dribble(input.as_bytes(), false), rules);
                assert_eq!(framer.has_at_most(count).unwrap(), left <= count, "{input:?} {count}");
            }
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_takes_no_memory() {
        let rules = FramingRules { max_record_bytes: 1 << 20, ..rules() };
        for (first, quoted) in [("x", false), ("\"", true)] {
            let mut framer = Framer::new(first.as_bytes().chain(io::repeat(b'x').take(1 << 30)), rules);
            let error = framer.next(false).unwrap_err();
            assert_eq!(matches!(error, FrameError::UnterminatedQuote(0)), quoted, "{error:?}");
            assert!(framer.buffer.len() <= rules.max_record_bytes + READ_BYTES);
        }
    }

    #[test]
    fn a_failed_read_can_be_tried_again() {
        struct FailOnce(bool);
        impl Read for FailOnce {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, false) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(0) }
            }
        }
        let mut framer = Framer::new(b"a,".chain(FailOnce(true)).chain(&b"b\nc"[..]), rules());
        assert!(matches!(framer.next(false), Err(FrameError::Io(_))));
        assert_eq!(framer.next(false).unwrap().unwrap().raw, b"a,b\n");
        assert_eq!(framer.next(false).unwrap().unwrap().raw, b"c");
        assert_eq!(framer.offset(), 5);
    }
}
