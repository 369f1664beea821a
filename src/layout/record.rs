//! One record: its place in the file, its bytes and the canonical text of its fields.

use std::ops::Range;

/// A record, as a buffer that is used again and again.
///
/// Canonical texts: text as it stands, integers `-12`, decimals `-12.50`, dates `2026-01-31`. Memory is that of the
/// longest record it has held: its bytes, and its text, which may take up to three times as many.
#[derive(Clone, Debug, Default)]
pub struct Record {
    type_index: usize,
    number: u64,
    line: u64,
    start: u64,
    raw: Vec<u8>,
    text: String,
    values: Vec<Value>,
}

/// Where the text of a field stands in [`Record::text`], and its raw bytes in [`Record::raw`].
#[derive(Clone, Copy, Debug)]
struct Value {
    text: Option<(u32, u32)>,
    offset: u32,
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
        self.load(&[], 0, 0, 0);
        self.type_index = type_index;
    }

    /// Adds the next field: its canonical text, or `None` where it is absent.
    pub fn push(&mut self, value: Option<&str>) {
        let from = self.text.len();
        if let Some(value) = value {
            self.text.push_str(value);
        }
        FieldSink { text: &mut self.text, values: &mut self.values }.close(from, 0, value.is_some());
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
        self.start..self.start + self.raw.len() as u64
    }

    /// Its bytes, terminator included.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
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
    #[must_use]
    pub fn get(&self, field: usize) -> Option<&str> {
        let (from, to) = self.values.get(field)?.text?;
        self.text.get(from as usize..to as usize)
    }

    /// Where the raw text of a field begins in the file, an opening quote included.
    #[must_use]
    pub fn field_offset(&self, field: usize) -> u64 {
        self.start + self.offset_in_record(field) as u64
    }

    /// Where the raw text of a field begins in the record.
    pub(super) fn offset_in_record(&self, field: usize) -> usize {
        self.values.get(field).map_or(0, |value| value.offset as usize)
    }

    /// Takes over the bytes of the next record of a file; it has no fields yet.
    pub(super) fn load(&mut self, raw: &[u8], number: u64, line: u64, start: u64) {
        self.type_index = 0;
        (self.number, self.line, self.start) = (number, line, start);
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        self.text.clear();
        self.values.clear();
    }

    /// The parts that filling in the fields needs: the bytes to read, and where to write.
    pub(super) fn parts(&mut self) -> (&[u8], FieldSink<'_>) {
        (&self.raw, FieldSink { text: &mut self.text, values: &mut self.values })
    }

    /// States the type of the record that was loaded.
    pub(super) fn set_type(&mut self, type_index: usize) {
        self.type_index = type_index;
    }
}

/// Takes the fields of a record, one after the other.
pub(super) struct FieldSink<'r> {
    /// Canonical text is appended here.
    pub(super) text: &'r mut String,
    values: &'r mut Vec<Value>,
}

impl FieldSink<'_> {
    /// Ends a field whose text is what was appended since `from`; `offset` is that of its raw bytes in the record.
    ///
    /// Both fit 32 bits: a layout admits no record of more than a gigabyte, and text is at most three times as long.
    pub(super) fn close(&mut self, from: usize, offset: usize, present: bool) {
        let text = present.then_some((from as u32, self.text.len() as u32));
        self.values.push(Value { text, offset: offset as u32 });
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
