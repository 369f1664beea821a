//! One raw record becomes a record type and typed fields.

use super::compile::Shape;
use super::delimited::{Column, Delimited};
use super::field::Written;
use super::fixed_width;
use super::record::Record;
use super::reject::shown;
use super::{DiscriminatorSpec, Encoding, Layout, RecordType, RejectCode};

/// What is wrong with a record, still without its place in the file.
#[derive(Debug)]
pub(super) struct Fault {
    /// The kind of fault.
    pub(super) code: RejectCode,
    /// What is wrong.
    pub(super) reason: String,
    /// The record's type, where it is known.
    pub(super) record_type: Option<usize>,
    /// The field that is to blame, and the offset in the record of what is wrong with it.
    pub(super) field: Option<(usize, usize)>,
}

impl Fault {
    /// A fault of the record as a whole.
    pub(super) fn of_record(code: RejectCode, reason: impl Into<String>, record_type: Option<usize>) -> Self {
        Self { code, reason: reason.into(), record_type, field: None }
    }

    /// The fault of a field, put in its place.
    fn of_field((code, reason): (RejectCode, String), record_type: usize, field: usize, offset: usize) -> Self {
        Self { code, reason, record_type: Some(record_type), field: Some((field, offset)) }
    }
}

/// Reads records, one after the other, with memory that is used again.
pub(super) struct RecordDecoder<'l> {
    layout: &'l Layout,
    columns: Vec<Column>,
    scratch: Scratch,
}

/// For fields that cannot be read where they stand.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    text: String,
}

impl<'l> RecordDecoder<'l> {
    pub(super) fn new(layout: &'l Layout) -> Self {
        Self { layout, columns: Vec::new(), scratch: Scratch::default() }
    }

    /// Divides a record, given without its terminator, and finds its type.
    pub(super) fn identify(&mut self, content: &[u8], has_quotes: bool) -> Result<usize, Fault> {
        if let Shape::Delimited { fields, .. } = &self.layout.shape {
            split(*fields, content, has_quotes, &mut self.columns)?;
        }
        let mark = match (self.layout.discriminator, &self.layout.shape) {
            (Some(DiscriminatorSpec::Column(column)), Shape::Delimited { fields, .. }) => {
                let Some(found) = self.columns.get(column - 1) else {
                    let reason = format!("has {} fields, its type stands in column {column}", self.columns.len());
                    return Err(Fault::of_record(RejectCode::FieldCount, reason, None));
                };
                unquoted(*fields, content, found, &mut self.scratch.bytes)
            }
            (Some(DiscriminatorSpec::Bytes { start, width }), _) => {
                content.get(start - 1..start - 1 + width).ok_or_else(|| {
                    let reason = format!("has {} bytes, its type stands at {start} to {}", content.len(), start + width - 1);
                    Fault::of_record(RejectCode::RecordLength, reason, None)
                })?
            }
            _ => return Ok(0),
        };
        let known = |record: &RecordType| record.matches.as_deref() == Some(mark);
        self.layout.record_types.iter().position(known).ok_or_else(|| unknown_type(self.layout, mark))
    }

    /// Whether the columns of a record are the names of the fields.
    pub(super) fn check_column_names(&mut self, content: &[u8], has_quotes: bool) -> Result<(), Fault> {
        let Shape::Delimited { fields, .. } = &self.layout.shape else { return Ok(()) };
        split(*fields, content, has_quotes, &mut self.columns)?;
        check_count(self.layout, 0, self.columns.len())?;
        for (index, (field, column)) in self.layout.record_types[0].fields.iter().zip(&self.columns).enumerate() {
            let bytes = unquoted(*fields, content, column, &mut self.scratch.bytes);
            self.scratch.text.clear();
            let decoded = self.layout.encoding.decode(bytes, &mut self.scratch.text);
            if decoded.is_err() || self.scratch.text != field.name {
                let found = shown(&String::from_utf8_lossy(bytes));
                let reason = format!("column {} is named {found}, the layout says {}", index + 1, shown(&field.name));
                return Err(Fault::of_field((RejectCode::Constant, reason), 0, index, column.offset()));
            }
        }
        Ok(())
    }

    /// Reads the fields of the record that was identified last; `length` is its length without terminator.
    pub(super) fn read_fields(&mut self, record: &mut Record, length: usize, has_quotes: bool) -> Result<(), Fault> {
        let layout = self.layout;
        let type_index = record.type_index();
        let (raw, mut sink) = record.parts();
        let content = &raw[..length];
        let delimited = match &layout.shape {
            Shape::Delimited { fields, .. } => Some(*fields),
            Shape::FixedWidth => None,
        };
        match delimited {
            Some(_) => check_count(layout, type_index, self.columns.len())?,
            None => fixed_width::check(layout, type_index, content)?,
        }
        let text = RecordText::new(content, layout.encoding, delimited.filter(|_| !has_quotes).map(|fields| fields.delimiter));
        for (index, field) in layout.record_types[type_index].fields.iter().enumerate() {
            let column = if delimited.is_some() { &self.columns[index] } else { &field.column };
            let offset = column.offset();
            let written = match text.of(column) {
                Some(written) => written,
                None => decode(layout.encoding, delimited, content, column, &mut self.scratch).map_err(|(fault, at)| {
                    Fault::of_field((RejectCode::Encoding, fault), type_index, index, at)
                })?,
            };
            let from = sink.text.len();
            let present = field.parse(written, sink.text);
            let present = present.map_err(|fault| Fault::of_field((fault.code, fault.reason), type_index, index, offset))?;
            sink.close(from, offset, present);
        }
        Ok(())
    }
}

/// A record whose text can be taken as it stands, for all fields at once.
struct RecordText<'r> {
    whole: Option<&'r str>,
    clean: bool,
}

impl<'r> RecordText<'r> {
    /// `delimiter` is given where every one in the record stands between fields, so that it may be a control character.
    fn new(content: &'r [u8], encoding: Encoding, delimiter: Option<u8>) -> Self {
        let delimiter = delimiter.unwrap_or(b' ');
        // 0xC2 begins, among others, the control characters U+0080 to U+009F of UTF-8. No branches: this vectorises.
        let harmless = |byte: u8| ((byte >= b' ') & (byte != 0x7F) & (byte != 0xC2)) | (byte == delimiter);
        let clean = content.iter().fold(true, |clean, byte| clean & harmless(*byte));
        let as_it_stands = encoding == Encoding::Utf8 || content.is_ascii();
        Self { whole: if as_it_stands { std::str::from_utf8(content).ok() } else { None }, clean }
    }

    /// The text of a column, where it can be taken as it stands.
    fn of(&self, column: &Column) -> Option<Written<'r>> {
        let text = self.whole?.get(column.bytes.clone()).filter(|_| column.doubled == 0)?;
        Some(Written { text, bytes: text.len(), quoted: column.quoted, clean: self.clean })
    }
}

/// Decodes one column; the error has the offset in the record of the first byte that is no text.
fn decode<'s>(
    encoding: Encoding,
    delimited: Option<Delimited>,
    content: &[u8],
    column: &Column,
    scratch: &'s mut Scratch,
) -> Result<Written<'s>, (String, usize)> {
    let bytes = match delimited {
        Some(fields) => unquoted(fields, content, column, &mut scratch.bytes),
        None => &content[column.bytes.clone()],
    };
    scratch.text.clear();
    if let Err(fault) = encoding.decode(bytes, &mut scratch.text) {
        // Counted again where nothing is taken out, for the offset.
        scratch.text.clear();
        let in_place = encoding.decode(&content[column.bytes.clone()], &mut scratch.text);
        let offset = in_place.map_or_else(|fault| fault.offset, |()| fault.offset);
        return Err((fault.reason, column.bytes.start + offset));
    }
    Ok(Written { text: &scratch.text, bytes: bytes.len(), quoted: column.quoted, clean: false })
}

fn unquoted<'c>(fields: Delimited, content: &'c [u8], column: &Column, bytes: &'c mut Vec<u8>) -> &'c [u8] {
    if column.doubled == 0 {
        return &content[column.bytes.clone()];
    }
    bytes.clear();
    fields.unquote(content, column, bytes);
    bytes
}

fn split(fields: Delimited, content: &[u8], has_quotes: bool, columns: &mut Vec<Column>) -> Result<(), Fault> {
    if content.is_empty() {
        return Err(Fault::of_record(RejectCode::FieldCount, "the line is blank", None));
    }
    fields.split(content, has_quotes, columns).map_err(|quote| {
        let reason = format!(
            "column {}: a quote, or what follows one, stands where it may not, at byte {} of the record \
             (a quote within a field is doubled, and the field quoted; where nothing is quoted, state quote = \"\")",
            quote.column + 1,
            quote.offset + 1,
        );
        Fault::of_record(RejectCode::QuoteMisplaced, reason, None)
    })
}

fn check_count(layout: &Layout, type_index: usize, found: usize) -> Result<(), Fault> {
    let record_type = &layout.record_types[type_index];
    let wanted = record_type.fields.len();
    if found == wanted {
        return Ok(());
    }
    let reason = format!("has {found} fields, `{}` has {wanted}", record_type.name);
    Err(Fault::of_record(RejectCode::FieldCount, reason, Some(type_index)))
}

#[cold]
fn unknown_type(layout: &Layout, mark: &[u8]) -> Fault {
    let known = layout.record_types.iter().filter_map(|record| record.matches.as_deref());
    let known: Vec<String> = known.map(|mark| shown(&String::from_utf8_lossy(mark))).collect();
    let reason = format!("record type {} is none of {}", shown(&String::from_utf8_lossy(mark)), known.join(", "));
    Fault::of_record(RejectCode::UnknownRecordType, reason, None)
}
