//! Records with nothing special in them, written without a detour.
//!
//! Nearly all records of nearly all files are such. One look over all text of a record replaces the looks for control
//! characters, delimiters and quotes at each field, and each value goes straight to its place, without buffers between.
//! Whatever is not certain here is left to the general way, [`RecordWriter::write_generally`], which alone knows what
//! cannot be written and why; what both can write is the same, byte for byte.
//!
//! The reverse sink and the proof go the same way: the one appends what is written, the other compares it with a file.

use super::super::compile::{DelimitedShape, Shape};
use super::super::field::{Output, PlainText, Specials, SpellingScratch, Stop};
use super::super::record::Record;
use super::super::{DiscriminatorSpec, Escape, Layout, Presence, RecordType};
use super::RecordWriter;

/// Appends.
pub(super) struct Appended<'o> {
    out: &'o mut Vec<u8>,
    from: usize,
}

impl Output for Appended<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn fill(&mut self, byte: u8, count: usize) -> Result<(), Stop> {
        self.out.resize(self.out.len() + count, byte);
        Ok(())
    }

    #[inline]
    fn written(&self) -> &[u8] {
        &self.out[self.from..]
    }
}

/// Compares.
pub(super) struct Compared<'c> {
    wanted: &'c [u8],
    /// How many bytes of it were given.
    at: usize,
}

impl Output for Compared<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        match self.wanted.get(self.at..self.at + bytes.len()) {
            Some(wanted) if is_same(wanted, bytes) => {
                self.at += bytes.len();
                Ok(())
            }
            _ => Err(Stop::Different),
        }
    }

    #[inline]
    fn fill(&mut self, byte: u8, count: usize) -> Result<(), Stop> {
        if count == 0 {
            return Ok(());
        }
        match self.wanted.get(self.at..self.at + count) {
            Some(wanted) if wanted.iter().all(|found| *found == byte) => {
                self.at += count;
                Ok(())
            }
            _ => Err(Stop::Different),
        }
    }

    #[inline]
    fn written(&self) -> &[u8] {
        &self.wanted[..self.at]
    }
}

/// Whether two slices of one length are the same. Values are short, so that the call of a function that compares
/// whatever there is would take longer than the comparison.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    // The last lanes may overlap those before them.
    if let (Some(last), Some(other_last)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        let (lanes, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
        let same = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other);
        return lanes.iter().zip(others).all(same) && same((last, other_last));
    }
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// What the plain way keeps from record to record.
#[derive(Debug)]
pub(super) struct PlainWriter {
    specials: Specials,
    scratch: SpellingScratch,
}

impl PlainWriter {
    /// `None` where no record of the layout can go this way.
    pub(super) fn new(layout: &Layout) -> Option<Self> {
        let bytes = match &layout.shape {
            Shape::Delimited(shape) if !shape.fields.delimiter.bytes().is_ascii() => return None,
            Shape::Delimited(shape) => {
                let escape = if shape.fields.escape == Escape::Backslash { b'\\' } else { 0 };
                [shape.fields.delimiter.bytes()[0], shape.fields.quote.unwrap_or(0), escape]
            }
            Shape::FixedWidth(shape) if shape.trimmed => return None,
            Shape::FixedWidth(_) => [0; 3],
        };
        if bytes.iter().any(u8::is_ascii_digit) {
            return None;
        }
        Some(Self { specials: Specials { bytes, allowed: b' ' }, scratch: SpellingScratch::default() })
    }

    /// What the text of a record may not have.
    #[inline]
    fn specials_of(&self, record: &Record) -> Specials {
        let delimiter = self.specials.bytes[0];
        let is_between = record.between() == Some(delimiter);
        Specials { allowed: if is_between { delimiter } else { b' ' }, ..self.specials }
    }
}

impl RecordWriter<'_> {
    /// Appends a record; `false`, and nothing appended, where it has to go the general way.
    #[inline]
    pub(in crate::layout) fn append_plainly(&mut self, record: &Record, at_start: bool, out: &mut Vec<u8>) -> bool {
        let from = out.len();
        let written = self.write_plainly(record, at_start, &mut Appended { out, from });
        if written.is_err() {
            out.truncate(from);
        }
        written.is_ok()
    }

    /// Whether a record is written as these bytes, which have no terminator; `false` also where that remains open.
    #[inline]
    pub(in crate::layout) fn is_plainly(&mut self, record: &Record, at_start: bool, wanted: &[u8]) -> bool {
        let mut compared = Compared { wanted, at: 0 };
        let same = self.write_plainly(record, at_start, &mut compared).is_ok() && compared.at == wanted.len();
        debug_assert!(
            !same || {
                let mut written = Vec::new();
                self.write_generally(record, &[], at_start, &mut written).is_ok() && written == wanted
            }
        );
        same
    }

    #[inline]
    fn write_plainly(&mut self, record: &Record, at_start: bool, out: &mut impl Output) -> Result<(), Stop> {
        let layout = self.layout;
        let record_type = layout.record_types.get(record.type_index()).ok_or(Stop::NotPlain)?;
        let Some(plain) = self.plain.as_mut().filter(|plain| {
            // The very first bytes of a file may be taken for a byte order mark.
            !at_start
                && self.fields.is_none()
                && record.len() == record_type.fields.len()
                && plain.specials_of(record).are_absent(record.text())
        }) else {
            return Err(Stop::NotPlain);
        };
        let encoding = layout.encoding;
        let is_same_in_file = encoding.is_unicode() || record.text().is_ascii();
        let quote = match &layout.shape {
            Shape::Delimited(shape) => shape.fields.quote,
            Shape::FixedWidth(_) => None,
        };
        let text = PlainText { specials: plain.specials, encoding, quote, is_same_in_file };
        match &layout.shape {
            Shape::Delimited(shape) => delimited(layout, shape, record_type, record, text, &mut plain.scratch, out)?,
            Shape::FixedWidth(_) => fixed_width(record_type, record, text, &mut plain.scratch, out)?,
        }
        self.check(record_type, out.written(), at_start).map_err(|_| Stop::NotPlain)
    }
}

fn delimited(
    layout: &Layout,
    shape: &DelimitedShape,
    record_type: &RecordType,
    record: &Record,
    text: PlainText,
    scratch: &mut SpellingScratch,
    out: &mut impl Output,
) -> Result<(), Stop> {
    let delimiter = shape.fields.delimiter;
    let marked = match layout.discriminator {
        Some(DiscriminatorSpec::Column(column)) => column - 1,
        _ => usize::MAX,
    };
    for (column, field) in record_type.fields.iter().enumerate() {
        if column > 0 {
            out.put(delimiter.bytes())?;
        }
        let from = out.written().len();
        field.write_plainly((record, column), text, scratch, out)?;
        if column == marked && !is_mark_of(layout, record_type, text.quote, &out.written()[from..]) {
            return Err(Stop::NotPlain);
        }
    }
    if shape.trailing_delimiter == Presence::Required {
        out.put(delimiter.bytes())?;
    }
    // A blank line is no record.
    if out.written().is_empty() { Err(Stop::NotPlain) } else { Ok(()) }
}

fn fixed_width(
    record_type: &RecordType,
    record: &Record,
    text: PlainText,
    scratch: &mut SpellingScratch,
    out: &mut impl Output,
) -> Result<(), Stop> {
    for (index, field) in record_type.fields.iter().enumerate() {
        out.fill(b' ', field.gap.len())?;
        field.write_plainly((record, index), text, scratch, out)?;
    }
    out.fill(b' ', record_type.last_gap.len())
}

/// Whether a value in the discriminator's column, as it is written, keeps its record one of this type. One in quotes is
/// none: that is for the general way to say.
fn is_mark_of(layout: &Layout, record_type: &RecordType, quote: Option<u8>, written: &[u8]) -> bool {
    match &record_type.matches {
        _ if quote.is_some() && written.first().copied() == quote => false,
        Some(mark) => mark == written,
        None => layout.record_types.iter().all(|other| other.matches.as_deref() != Some(written)),
    }
}
