//! One record: its place in the file, its bytes and the canonical text of its fields.

use std::ops::Range;

use super::{Encoding, Layout};

/// A record, as a buffer that is used again and again.
///
/// Canonical texts: text as it stands, integers `-12`, decimals `-12.50`, dates `2026-01-31`. Memory is that of the
/// longest record it has held: its bytes, and its text, which may take up to four times as many.
#[derive(Clone, Debug, Default)]
pub struct Record {
    type_index: usize,
    number: u64,
    line: u64,
    start: u64,
    /// Bytes of the file may differ from those of `raw`.
    encoding: Option<Encoding>,
    raw: Vec<u8>,
    /// Length of `raw` without its terminator.
    content_length: usize,
    text: String,
    /// What stands between values in `text`, and in none of those that are the same in the file; nothing where `text`
    /// is values alone.
    between: Option<u8>,
    values: Vec<Value>,
}

/// Where the text of a field stands in [`Record::text`], and its raw bytes in [`Record::raw`].
#[derive(Clone, Copy, Debug)]
struct Value {
    text: Option<(u32, u32)>,
    offset: u32,
    length: u32,
}

impl Record {
    /// An empty record, to be filled by a parser.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A record to be rendered, still without fields: [`Record::push`] adds them in the order of the layout.
    #[must_use]
    pub fn build(type_index: usize) -> Self {
        Self { type_index, ..Self::default() }
    }

    /// Empties the record to be built anew, and keeps its memory.
    pub fn rebuild(&mut self, type_index: usize) {
        self.load(&[], Place::default(), None);
        self.type_index = type_index;
    }

    /// Makes room for so many fields, all of them absent, for [`Record::set`].
    pub fn resize(&mut self, fields: usize) {
        self.values.clear();
        self.values.resize(fields, Value { text: None, offset: 0, length: 0 });
    }

    /// Sets a field of a record that was resized; the last call for a field counts. `false` where it has no such field.
    #[inline]
    pub fn set(&mut self, field: usize, value: &str) -> bool {
        let from = self.text.len();
        self.between = None;
        let Some(slot) = self.values.get_mut(field) else { return false };
        self.text.push_str(value);
        slot.text = Some((from as u32, self.text.len() as u32));
        true
    }

    /// States where the raw text of a field stands, of a record that was resized.
    pub(super) fn set_raw_field(&mut self, field: usize, raw: Range<usize>) {
        if let Some(slot) = self.values.get_mut(field) {
            (slot.offset, slot.length) = (raw.start as u32, raw.len() as u32);
        }
    }

    /// Adds the next field: its canonical text, or `None` where it is absent.
    pub fn push(&mut self, value: Option<&str>) {
        let from = self.text.len();
        self.between = None;
        if let Some(value) = value {
            self.text.push_str(value);
        }
        let Self { text, between, values, .. } = self;
        FieldSink { text, between, values }.close(from, 0..0, value.is_some());
    }

    /// Gives every field that is absent what it has where nobody says anything.
    pub fn fill_defaults(&mut self, layout: &Layout) {
        let fields = layout.record_types().get(self.type_index).map_or(&[][..], |record| &record.fields);
        for (index, field) in fields.iter().enumerate() {
            if let (None, Some(default)) = (self.get(index), field.default_value()) {
                self.set(index, default);
            }
        }
    }

    /// Becomes a record of the same type and fields, without the bytes of the other.
    pub fn copy_values(&mut self, other: &Self) {
        self.rebuild(other.type_index);
        self.text.push_str(&other.text);
        self.between = other.between;
        self.values.extend_from_slice(&other.values);
    }

    /// Takes over the fields of another record, and keeps its own bytes.
    pub(super) fn take_values(&mut self, other: &Self) {
        self.text.clone_from(&other.text);
        self.between = other.between;
        self.values.clone_from(&other.values);
    }

    /// Which of the layout's record types it is.
    #[must_use]
    pub fn type_index(&self) -> usize {
        self.type_index
    }

    /// Its number in the file, from 1; 0 for a line of column names, which is no record.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The physical line on which it begins, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Where it stands in the file, terminator included.
    #[must_use]
    pub fn bytes(&self) -> Range<u64> {
        self.start..self.start + self.in_file(&self.raw)
    }

    /// Its bytes, terminator included; of UTF-16 as UTF-8.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Its bytes without its terminator.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.raw[..self.content_length]
    }

    /// The terminator it has in the file; empty where it has none.
    #[must_use]
    pub fn terminator(&self) -> &[u8] {
        &self.raw[self.content_length..]
    }

    /// The canonical texts of all its fields, one behind the other, and perhaps more: what is not in it is in none.
    #[inline]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands between the values in [`Record::text`], and in none that is the same in the file.
    #[inline]
    pub(super) fn between(&self) -> Option<u8> {
        self.between
    }

    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The canonical text of a field; `None` where it is absent, or the record has no such field.
    #[inline]
    #[must_use]
    pub fn get(&self, field: usize) -> Option<&str> {
        let (from, to) = self.values.get(field)?.text?;
        self.text.get(from as usize..to as usize)
    }

    /// The same, in bytes.
    #[inline]
    pub(super) fn bytes_of(&self, field: usize) -> Option<&[u8]> {
        let (from, to) = self.values.get(field)?.text?;
        self.text.as_bytes().get(from as usize..to as usize)
    }

    /// Where the raw text of a field begins in the file, an opening quote included.
    #[must_use]
    pub fn field_offset(&self, field: usize) -> u64 {
        self.offset_of(self.raw_field(field).start)
    }

    /// Where a byte of [`Record::raw`] stands in the file; the record's beginning for one that it does not have.
    #[must_use]
    pub fn offset_of(&self, raw: usize) -> u64 {
        self.start + self.in_file(self.raw.get(..raw).unwrap_or_default())
    }

    /// Where the raw text of a field stands in [`Record::raw`], quotes included; empty where it has none.
    #[must_use]
    pub fn raw_field(&self, field: usize) -> Range<usize> {
        self.values.get(field).map_or(0..0, |value| {
            let from = value.offset as usize;
            from..from + value.length as usize
        })
    }

    /// How many bytes of the file these bytes of the record are.
    pub(super) fn in_file(&self, bytes: &[u8]) -> u64 {
        self.encoding.map_or(bytes.len(), |encoding| encoding.bytes_in_file(bytes)) as u64
    }

    /// Takes over the bytes of the next record of a file; it has no fields yet.
    #[inline]
    pub(super) fn load(&mut self, raw: &[u8], place: Place, encoding: Option<Encoding>) {
        self.type_index = 0;
        (self.number, self.line, self.start) = (place.number, place.line, place.byte);
        self.encoding = encoding;
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        self.content_length = raw.len();
        self.between = None;
        self.text.clear();
        self.values.clear();
    }

    /// Forgets the fields of a record that was loaded, and takes it for one of another type.
    pub(super) fn clear_fields(&mut self, type_index: usize) {
        self.type_index = type_index;
        self.between = None;
        self.text.clear();
        self.values.clear();
    }

    /// States the number of the record that was loaded.
    pub(super) fn set_number(&mut self, number: u64) {
        self.number = number;
    }

    /// States how long the record that was loaded is without its terminator.
    pub(super) fn set_content_length(&mut self, length: usize) {
        self.content_length = length;
    }

    /// Where it begins.
    pub(super) fn place(&self) -> Place {
        Place { byte: self.start, line: self.line, number: self.number }
    }

    /// The parts that filling in the fields needs: the bytes to read, without terminator, and where to write.
    pub(super) fn parts(&mut self) -> (&[u8], FieldSink<'_>) {
        let Self { raw, content_length, text, between, values, .. } = self;
        (&raw[..*content_length], FieldSink { text, between, values })
    }

    /// States the type of the record that was loaded.
    pub(super) fn set_type(&mut self, type_index: usize) {
        self.type_index = type_index;
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Offset in the file.
    pub(super) byte: u64,
    /// Line, from 1.
    pub(super) line: u64,
    /// Number of the record, from 1.
    pub(super) number: u64,
}

/// Takes the fields of a record, one after the other.
pub(super) struct FieldSink<'r> {
    /// Canonical text is appended here.
    pub(super) text: &'r mut String,
    between: &'r mut Option<u8>,
    values: &'r mut Vec<Value>,
}

impl FieldSink<'_> {
    /// Takes all text of a record at once, for fields that are the same in events, and what stands between them.
    #[inline]
    pub(super) fn take_whole(&mut self, record: &str, between: Option<u8>) {
        self.text.push_str(record);
        *self.between = between;
    }

    /// Adds a field whose text is part of the record that was taken whole.
    #[inline]
    pub(super) fn add_same(&mut self, text: Range<usize>, raw: Range<usize>) {
        let text = Some((text.start as u32, text.end as u32));
        self.values.push(Value { text, offset: raw.start as u32, length: raw.len() as u32 });
    }

    /// Ends a field whose text is what was appended since `from`; `raw` is where its raw bytes stand in the record.
    ///
    /// Both fit 32 bits: a layout admits no record of more than a gigabyte, and text is at most three times as long.
    #[inline]
    pub(super) fn close(&mut self, from: usize, raw: Range<usize>, present: bool) {
        let text = present.then_some((from as u32, self.text.len() as u32));
        self.values.push(Value { text, offset: raw.start as u32, length: raw.len() as u32 });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_built_record_gives_back_its_fields() {
        let mut record = Record::build(2);
        record.push(Some("a"));
        record.push(None);
        record.push(Some(""));
        assert_eq!((record.type_index(), record.len()), (2, 3));
        assert_eq!([record.get(0), record.get(1), record.get(2), record.get(3)], [Some("a"), None, Some(""), None]);
        record.rebuild(1);
        assert_eq!((record.type_index(), record.len(), record.get(0)), (1, 0, None));
    }
}
