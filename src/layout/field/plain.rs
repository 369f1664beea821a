//! A value as it is written, where nothing about it is special: for [`super::super::render`]'s plain way.

use std::ops::Range;

use super::super::types::Codec;
use super::super::{Align, Encoding};
use super::Field;
use crate::domain::digits::are_digits;
use crate::layout::delimited::Quotes;
use crate::layout::record::Record;

/// Takes what is written.
pub(in crate::layout) trait Output {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop>;

    /// Takes the same byte so many times.
    fn fill(&mut self, byte: u8, count: usize) -> Result<(), Stop>;

    /// What this record has so far.
    fn written(&self) -> &[u8];
}

/// Why a record was not written to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layout) enum Stop {
    /// It is for the general way.
    NotPlain,
    /// It is not what it was compared with.
    Different,
}

/// Bytes that no plain text has: those that mean something in records of a layout, and control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layout) struct Specials {
    /// The first byte of a delimiter, the quote, and the escape; what a layout does not have is 0.
    pub(in crate::layout) bytes: [u8; 3],
    /// One that may be there all the same; a blank may always.
    pub(in crate::layout) allowed: u8,
}

impl Specials {
    /// Whether a text has none of them.
    ///
    /// 0xC2 begins, among others, the control characters U+0080 to U+009F of UTF-8.
    #[inline]
    pub(in crate::layout) fn are_absent(self, text: &str) -> bool {
        let Self { bytes: [first, second, third], allowed } = self;
        let harmless = |byte: u8| {
            let special = (byte == 0x7F) | (byte == 0xC2) | (byte == first) | (byte == second) | (byte == third);
            (byte >= b' ') & !special | (byte == allowed)
        };
        // No short cut at the first of them: this vectorises.
        text.bytes().fold(true, |plain, byte| plain & harmless(byte))
    }
}

/// How text becomes bytes, for all values of one record.
#[derive(Clone, Copy, Debug)]
pub(in crate::layout) struct PlainText {
    /// What it may not have.
    pub(in crate::layout) specials: Specials,
    /// How bytes are text.
    pub(in crate::layout) encoding: Encoding,
    /// What quotes a value, where something does.
    pub(in crate::layout) quote: Option<u8>,
    /// All values of the record are the same in the file.
    pub(in crate::layout) is_same_in_file: bool,
}

/// For values that are written otherwise than they are in events.
#[derive(Debug, Default)]
pub(in crate::layout) struct SpellingScratch {
    text: String,
    bytes: Vec<u8>,
}

/// A value as it is written.
#[derive(Clone, Copy, Debug)]
struct Spelled<'s> {
    /// Its bytes, without padding and quotes.
    bytes: &'s [u8],
    /// What fills it up to its width.
    pad: u8,
    /// How many of these stand before it, and how many behind.
    padding: (usize, usize),
    /// Quotes stand around it.
    quoted: bool,
}

impl Spelled<'_> {
    #[inline]
    fn write(self, quote: Option<u8>, out: &mut impl Output) -> Result<(), Stop> {
        let quote = quote.filter(|_| self.quoted);
        let (before, behind) = self.padding;
        quote.map_or(Ok(()), |quote| out.put(&[quote]))?;
        out.fill(self.pad, before)?;
        out.put(self.bytes)?;
        out.fill(self.pad, behind)?;
        quote.map_or(Ok(()), |quote| out.put(&[quote]))
    }
}

impl Field {
    /// Where the value of a field stands in a record that is text throughout, without control characters, quotes and
    /// escapes, if it is the same in events; given where the field stands. `None` is for [`Field::parse`] to read.
    #[inline]
    pub(in crate::layout) fn find_same(&self, record: &str, field: Range<usize>) -> Option<Range<usize>> {
        let bytes = record.as_bytes().get(field.clone())?;
        if self.bare {
            let same = if self.bare_text { !bytes.is_empty() } else { self.codec.is_same(bytes) };
            return same.then_some(field);
        }
        // A text that is filled up to its width; blank ones may be absent.
        let padding = self.padding.filter(|_| self.is_padded_text && self.width == Some(bytes.len()))?;
        let pad = |byte: &&u8| **byte == padding.pad;
        let Range { start, end } = field;
        // A field of bytes may cut a character in two: that is no text.
        if !record.is_char_boundary(start) || !record.is_char_boundary(end) {
            return None;
        }
        Some(match padding.align {
            Align::Left => start..end - bytes.iter().rev().take_while(pad).count(),
            Align::Right => start + bytes.iter().take_while(pad).count()..end,
        })
    }

    /// Writes the value of a field, of a record whose text has no specials, with its quotes and padding.
    ///
    /// # Errors
    /// [`Stop::NotPlain`] where that is for [`Field::render`] to say; what the output answers.
    #[inline]
    pub(in crate::layout) fn write_plainly(
        &self,
        (record, index): (&Record, usize),
        text: PlainText,
        scratch: &mut SpellingScratch,
        out: &mut impl Output,
    ) -> Result<(), Stop> {
        if self.bare
            && text.is_same_in_file
            && let Some(bytes) = record.bytes_of(index).filter(|bytes| !bytes.is_empty())
        {
            if self.bare_text || self.codec.is_same(bytes) {
                return out.put(bytes);
            }
            if let Some(value) = record.get(index) {
                return self.write_bare(value, text, &mut scratch.text, out);
            }
        }
        self.spell(record.get(index), text, scratch).ok_or(Stop::NotPlain)?.write(text.quote, out)
    }

    #[inline]
    fn write_bare(
        &self,
        value: &str,
        text: PlainText,
        scratch: &mut String,
        out: &mut impl Output,
    ) -> Result<(), Stop> {
        scratch.clear();
        self.codec.render(value, scratch).map_err(|_| Stop::NotPlain)?;
        // No digit is special.
        let fits = are_digits(scratch.as_bytes())
            || (text.specials.are_absent(scratch) && (text.encoding.is_unicode() || scratch.is_ascii()));
        if fits && !scratch.is_empty() { out.put(scratch.as_bytes()) } else { Err(Stop::NotPlain) }
    }

    /// How a value is written; `None` where that is for [`Field::render`] to say.
    #[inline]
    fn spell<'s>(
        &'s self,
        value: Option<&'s str>,
        text: PlainText,
        scratch: &'s mut SpellingScratch,
    ) -> Option<Spelled<'s>> {
        let Some(value) = value else { return self.spell_absent() };
        let SpellingScratch { text: spelling, bytes: encoded } = scratch;
        let mut written = value;
        let mut is_same_in_file = text.is_same_in_file;
        if !self.codec.is_same(value.as_bytes()) {
            spelling.clear();
            self.codec.render(value, spelling).ok()?;
            written = spelling;
            is_same_in_file = text.encoding.is_unicode() || written.is_ascii();
            if !text.specials.are_absent(written) {
                return None;
            }
        }
        let bytes = if is_same_in_file {
            written.as_bytes()
        } else {
            encoded.clear();
            text.encoding.encode(written, encoded).ok()?;
            encoded
        };
        let (pad, padding) = self.pad_around(written, bytes.len())?;
        if self.optional && self.may_be_read_as_absent(bytes) {
            return None;
        }
        let empty = bytes.is_empty() && self.width.is_none();
        Some(Spelled { bytes, pad, padding, quoted: self.quotes_of(empty) == Quotes::Always })
    }

    fn spell_absent(&self) -> Option<Spelled<'_>> {
        let (bytes, quotes) = match self.default_value() {
            Some("") if self.width.is_none() => (&b""[..], self.quotes_of(true)),
            None if self.optional => (&self.absent[..], self.quotes.absent),
            _ => return None,
        };
        let quoted = quotes == Quotes::Always;
        // In quotes it would have to be looked at more closely.
        (!quoted || bytes.is_empty()).then_some(Spelled { bytes, pad: b' ', padding: (0, 0), quoted })
    }

    /// The padding around a value, before and behind it; `None` where it does not fit its width, or would not come back.
    #[inline]
    fn pad_around(&self, written: &str, length: usize) -> Option<(u8, (usize, usize))> {
        if self.padding.is_some_and(|padding| padding.trim(written).len() != written.len()) {
            return None;
        }
        let Some(width) = self.width else { return Some((b' ', (0, 0))) };
        let missing = width.checked_sub(length)?;
        match self.padding {
            Some(padding) if padding.align == Align::Right => Some((padding.pad, (missing, 0))),
            Some(padding) => Some((padding.pad, (0, missing))),
            None if missing == 0 => Some((b' ', (0, 0))),
            None => None,
        }
    }

    /// Whether the bytes of a value that is there might be taken for one that is not; yes, where that is not certain.
    fn may_be_read_as_absent(&self, bytes: &[u8]) -> bool {
        if self.nulls.is_empty() {
            return bytes.iter().all(|byte| *byte == b' ');
        }
        self.null_spellings.iter().any(|null| null.starts_with(bytes) || null.ends_with(bytes))
    }
}
