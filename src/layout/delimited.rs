//! Fields between delimiters: finding them in a raw record, and writing them.
//!
//! `csv-core` would split records too, but it tells neither where a field stood nor whether it was quoted, and takes
//! misplaced quotes without a word. It serves as the judge of this module in the tests.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use super::Quoting;

/// How fields are separated and quoted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delimited {
    /// Stands between fields.
    pub(super) delimiter: u8,
    /// Encloses fields, where there is such a thing.
    pub(super) quote: Option<u8>,
    /// When a rendered field is quoted.
    pub(super) quoting: Quoting,
}

/// Where a field stands in its raw record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// Its bytes, without the quotes around it.
    pub(super) bytes: Range<usize>,
    /// Quotes stand around it.
    pub(super) quoted: bool,
    /// How many doubled quotes are within.
    pub(super) doubled: usize,
}

/// A quote where none may stand: what would be the columns behind it is anybody's guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MisplacedQuote {
    /// The column, from 0.
    pub(super) column: usize,
    /// Offset in the record of the quote, or of what follows the closing one.
    pub(super) offset: usize,
}

impl Column {
    /// Where its raw text begins: the opening quote, if there is one.
    pub(super) fn offset(&self) -> usize {
        self.bytes.start - usize::from(self.quoted)
    }
}

impl Delimited {
    /// Finds the columns of a record without its terminator. `has_quotes` says whether a quote is in it at all.
    pub(super) fn split(
        &self,
        content: &[u8],
        has_quotes: bool,
        columns: &mut Vec<Column>,
    ) -> Result<(), MisplacedQuote> {
        columns.clear();
        let Some(quote) = self.quote.filter(|_| has_quotes) else {
            let mut from = 0;
            for at in memchr_iter(self.delimiter, content).chain([content.len()]) {
                columns.push(Column { bytes: from..at, ..Column::default() });
                from = at + 1;
            }
            return Ok(());
        };
        let mut position = 0;
        loop {
            let misplaced = |offset| MisplacedQuote { column: columns.len(), offset };
            let (column, end) = self.column(content, position, quote).map_err(misplaced)?;
            columns.push(column);
            if end == content.len() {
                return Ok(());
            }
            position = end + 1;
        }
    }

    /// The column that begins at `from`, and where the delimiter after it stands; the error is the offset of what
    /// should not be there.
    fn column(&self, content: &[u8], from: usize, quote: u8) -> Result<(Column, usize), usize> {
        if content.get(from) != Some(&quote) {
            let end = memchr2(self.delimiter, quote, &content[from..]).map_or(content.len(), |at| from + at);
            if content.get(end) == Some(&quote) {
                return Err(end);
            }
            return Ok((Column { bytes: from..end, ..Column::default() }, end));
        }
        let (mut position, mut doubled) = (from + 1, 0);
        loop {
            // The framer lets no open quote through, but the tail of a file may have one.
            let at = position + memchr(quote, &content[position..]).ok_or(from)?;
            match content.get(at + 1) {
                Some(next) if *next == quote => {
                    doubled += 1;
                    position = at + 2;
                }
                Some(next) if *next != self.delimiter => return Err(at + 1),
                _ => return Ok((Column { bytes: from + 1..at, quoted: true, doubled }, at + 1)),
            }
        }
    }

    /// Appends the bytes of a column to `out`, each doubled quote as one.
    pub(super) fn unquote(&self, content: &[u8], column: &Column, out: &mut Vec<u8>) {
        let mut rest = &content[column.bytes.clone()];
        if let (Some(quote), true) = (self.quote, column.doubled > 0) {
            while let Some(at) = memchr(quote, rest) {
                out.extend_from_slice(&rest[..=at]);
                rest = rest.get(at + 2..).unwrap_or_default();
            }
        }
        out.extend_from_slice(rest);
    }

    /// Appends a field as the layout writes it. `alone` says that it is the only one of its record: an empty record
    /// would be a blank line.
    ///
    /// # Errors
    /// Where it would have to be quoted, and may not be.
    pub(super) fn write(&self, value: &[u8], alone: bool, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let quote = self.quote.unwrap_or(self.delimiter);
        let special = |byte: u8| {
            (byte == self.delimiter) | (byte == quote) | (byte == b'\n') | (byte == b'\r') | (byte == b'\t')
        };
        // No short cut at the first of them: this vectorises.
        let needed = value.iter().fold(alone && value.is_empty(), |needed, byte| needed | special(*byte));
        match (self.quote, self.quoting) {
            (Some(quote), Quoting::All) => enclose(value, quote, out),
            (Some(quote), Quoting::Minimal) if needed => enclose(value, quote, out),
            _ if needed => return Err("would have to be quoted, and the layout does not quote"),
            _ => out.extend_from_slice(value),
        }
        Ok(())
    }
}

fn enclose(value: &[u8], quote: u8, out: &mut Vec<u8>) {
    out.push(quote);
    for byte in value {
        if *byte == quote {
            out.push(quote);
        }
        out.push(*byte);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const COMMA: Delimited = Delimited { delimiter: b',', quote: Some(b'"'), quoting: Quoting::Minimal };

    fn columns(content: &str) -> Result<(Vec<Column>, Vec<String>), MisplacedQuote> {
        let mut columns = Vec::new();
        COMMA.split(content.as_bytes(), content.contains('"'), &mut columns)?;
        let texts = columns.iter().map(|column| {
            let mut text = Vec::new();
            COMMA.unquote(content.as_bytes(), column, &mut text);
            String::from_utf8(text).unwrap()
        });
        let texts = texts.collect();
        Ok((columns, texts))
    }

    #[test]
    fn columns_are_found_with_their_quotes() {
        for (content, expected) in [
            ("", &[""] as &[&str]),
            ("a,b", &["a", "b"]),
            (",", &["", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\",", &["a\"b", ""]),
            ("\"\"\"\"", &["\""]),
            ("\"\",\"\"", &["", ""]),
        ] {
            assert_eq!(columns(content).unwrap().1, expected, "{content}");
        }
    }

    #[test]
    fn a_misplaced_quote_is_found() {
        for (content, column, offset) in
            [("x,a\"b,c", 1, 3), ("x,\"a\"b,c", 1, 5), ("x,\"a\" ,c", 1, 5), ("x,\"a", 1, 2), (" \"a\"", 0, 1)]
        {
            assert_eq!(columns(content).unwrap_err(), MisplacedQuote { column, offset }, "{content}");
        }
    }

    #[test]
    fn the_offset_of_a_column_is_that_of_its_opening_quote() {
        let (columns, _) = columns("ab,\"c,d\",e").unwrap();
        assert_eq!(columns.iter().map(Column::offset).collect::<Vec<_>>(), [0, 3, 9]);
        assert_eq!(columns[1].bytes, 4..7);
    }

    #[test]
    fn a_field_is_quoted_as_the_layout_says() {
        let written = |quoting, quote, value: &str, alone| {
            let mut out = Vec::new();
            let written = Delimited { quoting, quote, ..COMMA }.write(value.as_bytes(), alone, &mut out);
            written.map(|()| String::from_utf8(out).unwrap())
        };
        let quote = Some(b'"');
        for (quoting, quote, value, alone, expected) in [
            (Quoting::Minimal, quote, "a", false, Some("a")),
            (Quoting::Minimal, quote, "", false, Some("")),
            (Quoting::Minimal, quote, "", true, Some("\"\"")),
            (Quoting::Minimal, quote, "a,b", false, Some("\"a,b\"")),
            (Quoting::Minimal, quote, "5\"", false, Some("\"5\"\"\"")),
            (Quoting::Minimal, quote, "a\nb", false, Some("\"a\nb\"")),
            (Quoting::All, quote, "", false, Some("\"\"")),
            (Quoting::None, quote, "a b", false, Some("a b")),
            (Quoting::None, quote, "5\"", false, None),
            (Quoting::Minimal, None, "5\"", false, Some("5\"")),
            (Quoting::Minimal, None, "a,b", false, None),
            (Quoting::None, None, "", true, None),
        ] {
            assert_eq!(written(quoting, quote, value, alone).ok().as_deref(), expected, "{quoting:?} {value:?}");
        }
    }
}
