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
    /// The columns of a delimited record, as many as its layout knows at most.
    columns: Vec<Column>,
    most_columns: usize,
    /// How many columns there really are.
    count: usize,
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
        let most_columns = layout.record_types.iter().map(|record| record.fields.len()).max().unwrap_or(0);
        Self { layout, columns: Vec::new(), most_columns, count: 0, scratch: Scratch::default() }
    }

    /// Divides a record, given without its terminator, and finds its type.
    pub(super) fn identify(&mut self, content: &[u8], has_quotes: bool) -> Result<usize, Fault> {
        if let Shape::Delimited { fields, .. } = &self.layout.shape {
            self.split(*fields, content, has_quotes)?;
        }
        let mark = match (self.layout.discriminator, &self.layout.shape) {
            (Some(DiscriminatorSpec::Column(column)), Shape::Delimited { fields, .. }) => {
                let Some(found) = self.columns.get(column - 1) else {
                    let reason = format!("has {} fields, its type stands in column {column}", self.count);
                    return Err(Fault::of_record(RejectCode::FieldCount, reason, None));
                };
                unquoted(*fields, content, found, &mut self.scratch.bytes)
            }
            (Some(DiscriminatorSpec::Bytes { start, width }), _) => {
                content.get(start - 1..start - 1 + width).ok_or_else(|| {
                    let reason =
                        format!("has {} bytes, its type stands at {start} to {}", content.len(), start + width - 1);
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
        self.split(*fields, content, has_quotes)?;
        check_count(self.layout, 0, self.count)?;
        for (index, (field, column)) in self.layout.record_types[0].fields.iter().zip(&self.columns).enumerate() {
            if column.misplaced_quote {
                return Err(misplaced_quote(0, index, column));
            }
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

    fn split(&mut self, fields: Delimited, content: &[u8], has_quotes: bool) -> Result<(), Fault> {
        if content.is_empty() {
            return Err(Fault::of_record(RejectCode::FieldCount, "the line is blank", None));
        }
        self.count = fields.split(content, has_quotes, self.most_columns, &mut self.columns);
        Ok(())
    }

    /// Reads the fields of the record that was identified last; `length` is its length without terminator.
    pub(super) fn read_fields(&mut self, record: &mut Record, length: usize, has_quotes: bool) -> Result<(), Fault> {
        let layout = self.layout;
        let type_index = record.type_index();
        let record_type = &layout.record_types[type_index];
        let (raw, mut sink) = record.parts();
        let content = &raw[..length];
        let delimited = match &layout.shape {
            Shape::Delimited { fields, .. } => Some(*fields),
            Shape::FixedWidth => None,
        };
        match delimited {
            Some(_) => check_count(layout, type_index, self.count)?,
            None => fixed_width::check_length(layout, type_index, content)?,
        }
        let text =
            RecordText::new(content, layout.encoding, delimited.filter(|_| !has_quotes).map(|fields| fields.delimiter));
        for (index, field) in record_type.fields.iter().enumerate() {
            let column = if delimited.is_some() { &self.columns[index] } else { &field.column };
            if column.misplaced_quote {
                return Err(misplaced_quote(type_index, index, column));
            }
            fixed_width::check_gap(content, field.gap.clone(), type_index)?;
            let offset = column.offset();
            let written = match text.of(column) {
                Some(written) => written,
                None => decode(layout.encoding, delimited, content, column, &mut self.scratch)
                    .map_err(|reason| Fault::of_field((RejectCode::Encoding, reason), type_index, index, offset))?,
            };
            let from = sink.text.len();
            let present = field.parse(written, sink.text);
            let present =
                present.map_err(|fault| Fault::of_field((fault.code, fault.reason), type_index, index, offset))?;
            sink.close(from, offset, present);
        }
        fixed_width::check_gap(content, record_type.last_gap.clone(), type_index)
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

/// Decodes one column; the error says which of its bytes is no text.
fn decode<'s>(
    encoding: Encoding,
    delimited: Option<Delimited>,
    content: &[u8],
    column: &Column,
    scratch: &'s mut Scratch,
) -> Result<Written<'s>, String> {
    let bytes = match delimited {
        Some(fields) => unquoted(fields, content, column, &mut scratch.bytes),
        None => &content[column.bytes.clone()],
    };
    scratch.text.clear();
    encoding
        .decode(bytes, &mut scratch.text)
        .map_err(|fault| format!("{} (byte {} of the field's text)", fault.reason, fault.offset + 1))?;
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

#[cold]
fn misplaced_quote(record_type: usize, field: usize, column: &Column) -> Fault {
    let reason = if column.quoted {
        "something follows the closing quote (a quote within a field is doubled)"
    } else {
        "a quote stands in the midst of the field (quote the field and double it; if nothing is quoted, state quote = \"\")"
    };
    Fault::of_field((RejectCode::QuoteMisplaced, reason.to_owned()), record_type, field, column.offset())
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
