//! Raw records out of a stream, in bounded memory.
//!
//! A record ends at the first terminator outside quotes. What is a quote is exactly what `csv-core` takes for one: it
//! opens only as the first byte of a field, a doubled one within quotes stands for itself, and any other one in quotes
//! closes them. Nothing is decoded here.

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::Terminator;

/// How much is asked of the source at once, at least.
const READ_BYTES: usize = 64 * 1024;

/// What tells records apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct FramingRules {
    /// The last byte of a terminator.
    pub(super) end: u8,
    /// Quote and delimiter, where terminators may stand in quotes.
    pub(super) quoting: Option<(u8, u8)>,
    /// Longest record, terminator included.
    pub(super) max_record_bytes: usize,
}

/// One raw record.
#[derive(Debug)]
pub(super) struct Frame<'b> {
    /// Its bytes, with its terminator if it has one.
    pub(super) raw: &'b [u8],
    /// Whether it ends with the last byte of a terminator; only the last record of a file may not.
    pub(super) terminated: bool,
    /// Whether it holds a quote byte at all.
    pub(super) has_quotes: bool,
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

/// Cuts a stream into raw records. Holds at most the longest record and one read.
pub(super) struct Framer<R> {
    source: R,
    rules: FramingRules,
    buffer: Vec<u8>,
    /// What was read and not yet handed out is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset of `buffer[start]` in the file.
    offset: u64,
    exhausted: bool,
}

impl<R: Read> Framer<R> {
    pub(super) fn new(source: R, rules: FramingRules) -> Self {
        Self { source, rules, buffer: Vec::new(), start: 0, end: 0, offset: 0, exhausted: false }
    }

    /// Offset of the next record; after the last one, the size of the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Passes over `prefix` if the stream goes on with it.
    pub(super) fn skip(&mut self, prefix: &[u8]) -> io::Result<bool> {
        while self.end - self.start < prefix.len() && self.fill()? {}
        let found = self.buffer[self.start..self.end].starts_with(prefix);
        if found {
            self.take(prefix.len());
        }
        Ok(found)
    }

    /// The next raw record, or `None` at the end of the stream.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let mut scan = Scan::default();
        loop {
            let longest = self.start.saturating_add(self.rules.max_record_bytes);
            // Never look beyond the longest record: the verdict must not depend on how much happened to be read.
            let window = &self.buffer[self.start..self.end.min(longest)];
            if let Some(length) = scan.find_end(window, self.rules) {
                return Ok(Some(self.frame(length, true, scan.has_quotes)));
            }
            if window.len() == self.rules.max_record_bytes {
                return Err(scan.unclosed(window).map_or(FrameError::TooLong, FrameError::UnterminatedQuote));
            }
            if !self.fill().map_err(FrameError::Io)? {
                let window = &self.buffer[self.start..self.end];
                return match scan.unclosed(window) {
                    Some(opened) => Err(FrameError::UnterminatedQuote(opened)),
                    None if window.is_empty() => Ok(None),
                    None => Ok(Some(self.frame(self.end - self.start, false, scan.has_quotes))),
                };
            }
        }
    }

    fn frame(&mut self, length: usize, terminated: bool, has_quotes: bool) -> Frame<'_> {
        let from = self.start;
        self.take(length);
        Frame { raw: &self.buffer[from..from + length], terminated, has_quotes }
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
        if self.end == self.buffer.len() {
            // Less than the longest record is held here, so this always makes room.
            let largest = self.rules.max_record_bytes.saturating_add(READ_BYTES);
            self.buffer.resize((self.buffer.len() * 2).clamp(READ_BYTES, largest), 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.exhausted = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How far the search for the end of a record has come. It goes on where it stopped when more has been read, so that
/// a source that gives a byte at a time costs no more than another.
#[derive(Default)]
struct Scan {
    position: usize,
    /// Offset of the quote that is open.
    opened: Option<usize>,
    has_quotes: bool,
}

impl Scan {
    /// The length of the record at the start of `window`, terminator included, if its end is there.
    fn find_end(&mut self, window: &[u8], rules: FramingRules) -> Option<usize> {
        let Some((quote, delimiter)) = rules.quoting else {
            let found = memchr(rules.end, &window[self.position..]);
            let from = std::mem::replace(&mut self.position, window.len());
            return found.map(|at| from + at + 1);
        };
        loop {
            let rest = &window[self.position..];
            let within_quotes = self.opened.is_some();
            let found = if within_quotes { memchr(quote, rest) } else { memchr2(rules.end, quote, rest) };
            let Some(at) = found.map(|at| self.position + at) else {
                self.position = window.len();
                return None;
            };
            if within_quotes {
                match window.get(at + 1) {
                    // It closes or is doubled: the next byte will tell.
                    None => {
                        self.position = at;
                        return None;
                    }
                    Some(next) if *next == quote => self.position = at + 2,
                    Some(_) => {
                        self.opened = None;
                        self.position = at + 1;
                    }
                }
                continue;
            }
            if window[at] == rules.end {
                return Some(at + 1);
            }
            self.has_quotes = true;
            if at == 0 || window[at - 1] == delimiter {
                self.opened = Some(at);
            }
            self.position = at + 1;
        }
    }

    /// Offset of the quote that is open, given that nothing follows `window`.
    fn unclosed(&self, window: &[u8]) -> Option<usize> {
        // A search that stopped before the end stopped at a quote that closes.
        self.opened.filter(|_| self.position >= window.len())
    }
}

impl Terminator {
    /// Its bytes.
    pub(super) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }

    /// The byte at which a record is cut.
    pub(super) const fn end(self) -> u8 {
        match self {
            Self::Lf | Self::CrLf => b'\n',
            Self::Cr => b'\r',
        }
    }

    /// A terminated record without its terminator.
    ///
    /// # Errors
    /// Where it ends as another system's records do.
    pub(super) fn strip(self, raw: &[u8]) -> Result<&[u8], &'static str> {
        let content = &raw[..raw.len().saturating_sub(1)];
        match self {
            Self::Lf if content.ends_with(b"\r") => {
                Err("ends with CR LF, the layout says LF (state terminator = \"crlf\" if the whole file is so)")
            }
            Self::Cr if content.starts_with(b"\n") => Err(
                "begins with the LF of a CR LF, the layout says CR (state terminator = \"crlf\" if the whole file is so)",
            ),
            Self::CrLf => content.strip_suffix(b"\r").ok_or("ends with a bare LF, the layout says CR LF"),
            Self::Lf | Self::Cr => Ok(content),
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

    const RULES: FramingRules = FramingRules { end: b'\n', quoting: Some((b'"', b',')), max_record_bytes: 16 };

    fn frames(source: impl Read) -> Vec<String> {
        let mut framer = Framer::new(source, RULES);
        let mut frames = Vec::new();
        loop {
            match framer.next() {
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
    fn a_line_of_a_gigabyte_takes_no_memory() {
        let rules = FramingRules { max_record_bytes: 1 << 20, ..RULES };
        for (first, quoted) in [("x", false), ("\"", true)] {
            let mut framer = Framer::new(first.as_bytes().chain(io::repeat(b'x').take(1 << 30)), rules);
            let error = framer.next().unwrap_err();
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
        let mut framer = Framer::new(b"a,".chain(FailOnce(true)).chain(&b"b\nc"[..]), RULES);
        assert!(matches!(framer.next(), Err(FrameError::Io(_))));
        assert_eq!(framer.next().unwrap().unwrap().raw, b"a,b\n");
        assert_eq!(framer.next().unwrap().unwrap().raw, b"c");
        assert_eq!(framer.offset(), 5);
    }
}
