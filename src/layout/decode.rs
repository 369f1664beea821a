//! One raw record becomes a record type and typed fields.

use super::compile::{DelimitedShape, Shape};
use super::delimited::{Column, Delimited};
use super::field::Field;
use super::fixed_width::FixedWidth;
use super::record::{FieldSink, Record};
use super::reject::shown;
use super::types::Written;
use super::{ColumnNames, DiscriminatorSpec, Encoding, Layout, Presence, RecordType, RejectCode};

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

impl Fault {
    /// The bytes of a field are no text.
    #[cold]
    fn of_encoding(field: &Field, reason: String, record_type: usize, index: usize, offset: usize) -> Self {
        let reason =
            if field.masked { "the value (masked) is no text in the layout's encoding".to_owned() } else { reason };
        Self::of_field((RejectCode::Encoding, reason), record_type, index, offset)
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
    /// Which column each field stands in, where the line of column names decides.
    order: Option<Vec<usize>>,
    scratch: Scratch,
}

/// For fields that cannot be read where they stand.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    text: String,
    raw: String,
}

impl<'l> RecordDecoder<'l> {
    pub(super) fn new(layout: &'l Layout) -> Self {
        // One more than fields, for a delimiter at the end.
        let most_columns = layout.record_types.iter().map(|record| record.fields.len() + 1).max().unwrap_or(0);
        Self { layout, columns: Vec::new(), most_columns, count: 0, order: None, scratch: Scratch::default() }
    }

    /// Divides a record, given without its terminator, and finds its type. `plain` says that it has neither quote nor
    /// escape.
    #[inline]
    pub(super) fn identify(&mut self, content: &[u8], plain: bool) -> Result<usize, Fault> {
        if let Shape::Delimited(shape) = &self.layout.shape {
            self.split(&shape.fields, content, plain)?;
        }
        let marked;
        let mark = match (self.layout.discriminator, &self.layout.shape) {
            (Some(DiscriminatorSpec::Column(column)), Shape::Delimited(shape)) => {
                let Some(found) = self.columns.get(column - 1) else {
                    if let Some(fallback) = self.layout.fallback {
                        return Ok(fallback);
                    }
                    let reason = format!("has {} fields, its type stands in column {column}", self.count);
                    return Err(Fault::of_record(RejectCode::FieldCount, reason, None));
                };
                unescaped(&shape.fields, content, found, &mut self.scratch.bytes)
            }
            (Some(DiscriminatorSpec::Bytes { start, width }), Shape::FixedWidth(shape)) => {
                marked = shape.mark(content, start, width);
                match (marked.as_deref(), self.layout.fallback) {
                    (Some(mark), _) => mark,
                    (None, Some(fallback)) => return Ok(fallback),
                    (None, None) => {
                        let reason =
                            format!("has {} bytes, its type stands at {start} to {}", content.len(), start + width - 1);
                        return Err(Fault::of_record(RejectCode::RecordLength, reason, None));
                    }
                }
            }
            _ => return Ok(0),
        };
        let known = |record: &RecordType| record.matches.as_deref() == Some(mark);
        let found = self.layout.record_types.iter().position(known).or(self.layout.fallback);
        found.ok_or_else(|| unknown_type(self.layout, mark))
    }

    /// Whether the columns of a record are the names of the fields; from then on their order counts.
    pub(super) fn read_column_names(&mut self, content: &[u8], plain: bool) -> Result<(), Fault> {
        let Shape::Delimited(shape) = &self.layout.shape else { return Ok(()) };
        self.split(&shape.fields, content, plain)?;
        self.check_count(0, shape)?;
        let fields = &self.layout.record_types[0].fields;
        let mut order = vec![usize::MAX; fields.len()];
        for (index, column) in self.columns.iter().enumerate().take(fields.len()) {
            if column.misplaced_quote {
                return Err(misplaced_quote(0, index, column));
            }
            let bytes = unescaped(&shape.fields, content, column, &mut self.scratch.bytes);
            self.scratch.text.clear();
            let decoded = self.layout.encoding.decode(bytes, &mut self.scratch.text);
            let any_order = shape.column_names_rule == ColumnNames::AnyOrder;
            let named = |field: &usize| shape.column_names[*field] == self.scratch.text;
            // Two columns may have the same name, where each stands in its place.
            let found = if any_order { (0..fields.len()).find(named) } else { Some(index).filter(named) };
            match found.filter(|_| decoded.is_ok()) {
                Some(field) if order[field] == usize::MAX => order[field] = index,
                _ => {
                    let found = shown(&String::from_utf8_lossy(bytes));
                    let reason = if any_order {
                        format!(
                            "column {} is named {found}: the layout has no such column, or it came already",
                            index + 1
                        )
                    } else {
                        let wanted = shown(&shape.column_names[index]);
                        format!("column {} is named {found}, the layout says {wanted}", index + 1)
                    };
                    return Err(Fault::of_field((RejectCode::Constant, reason), 0, index, column.offset()));
                }
            }
        }
        if shape.column_names_rule == ColumnNames::AnyOrder {
            self.order = Some(order);
        }
        Ok(())
    }

    /// Which column each field stands in, where that is not its own place.
    pub(super) fn column_order(&self) -> Option<&[usize]> {
        self.order.as_deref()
    }

    #[inline]
    fn split(&mut self, fields: &Delimited, content: &[u8], plain: bool) -> Result<(), Fault> {
        if content.is_empty() {
            return Err(Fault::of_record(RejectCode::FieldCount, "the line is blank", None));
        }
        self.count = fields.split(content, plain, self.most_columns, &mut self.columns);
        Ok(())
    }

    /// Whether a record has as many columns as it may have; a delimiter at the end is taken away from them.
    #[inline]
    fn check_count(&mut self, type_index: usize, shape: &DelimitedShape) -> Result<(), Fault> {
        let record_type = &self.layout.record_types[type_index];
        let wanted = record_type.fields.len();
        let ends_with_delimiter =
            |columns: &[Column]| columns.last().is_some_and(|last| last.bytes.is_empty() && !last.quoted);
        let trailing = match shape.trailing_delimiter {
            Presence::Absent => false,
            Presence::Required => {
                if self.count <= self.columns.len() && !ends_with_delimiter(&self.columns) {
                    let reason = "the layout says that a delimiter stands behind the last field";
                    return Err(Fault::of_record(RejectCode::FieldCount, reason, Some(type_index)));
                }
                true
            }
            Presence::Optional => self.count == wanted + 1 && ends_with_delimiter(&self.columns),
        };
        let found = self.count - usize::from(trailing);
        self.columns.truncate(found);
        let fits = match found.cmp(&wanted) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => shape.ragged.short,
            std::cmp::Ordering::Greater => shape.ragged.long,
        };
        if fits {
            return Ok(());
        }
        let reason = format!("has {found} fields, `{}` has {wanted}", record_type.name);
        Err(Fault::of_record(RejectCode::FieldCount, reason, Some(type_index)))
    }

    /// Reads the fields of the record that was identified last.
    #[inline]
    pub(super) fn read_fields(&mut self, record: &mut Record, plain: bool) -> Result<(), Fault> {
        let layout = self.layout;
        match &layout.shape {
            Shape::Delimited(shape) => self.read_delimited(record, plain, shape),
            Shape::FixedWidth(shape) => self.read_fixed_width(record, *shape),
        }
    }

    fn read_delimited(&mut self, record: &mut Record, plain: bool, shape: &DelimitedShape) -> Result<(), Fault> {
        let layout = self.layout;
        let type_index = record.type_index();
        self.check_count(type_index, shape)?;
        let record_type = &layout.record_types[type_index];
        let (content, mut sink) = record.parts();
        let single_byte = plain && shape.fields.delimiter.len() == 1;
        let delimiter = single_byte.then(|| shape.fields.delimiter.bytes()[0]);
        let text = RecordText::new(content, layout.encoding, delimiter);
        let whole = if single_byte { text.take_whole(delimiter, &mut sink) } else { None };
        for (index, field) in record_type.fields.iter().enumerate() {
            let place = self.order.as_ref().map_or(index, |order| order[index]);
            let Some(column) = self.columns.get(place) else {
                missing(field, &mut sink, content.len(), type_index, index)?;
                continue;
            };
            if let Some(same) = whole.and_then(|whole| field.find_same(whole, column.bytes.clone())) {
                sink.add_same(same, column.bytes.clone());
                continue;
            }
            if column.misplaced_quote {
                return Err(misplaced_quote(type_index, index, column));
            }
            let offset = column.offset();
            let written = match text.of(column) {
                Some(written) => written,
                None => decode(layout.encoding, Some(&shape.fields), content, column, &mut self.scratch)
                    .map_err(|reason| Fault::of_encoding(field, reason, type_index, index, offset))?,
            };
            let from = sink.text.len();
            let present = field.parse(written, sink.text);
            let present =
                present.map_err(|fault| Fault::of_field((fault.code, fault.reason), type_index, index, offset))?;
            sink.close(from, offset..column.bytes.end + usize::from(column.quoted), present);
        }
        Ok(())
    }

    fn read_fixed_width(&mut self, record: &mut Record, shape: FixedWidth) -> Result<(), Fault> {
        let layout = self.layout;
        let type_index = record.type_index();
        let record_type = &layout.record_types[type_index];
        let (content, mut sink) = record.parts();
        shape.check_length(record_type, type_index, content)?;
        let is_short = content.len() < record_type.length;
        let text = RecordText::new(content, layout.encoding, None);
        let whole = text.take_whole(None, &mut sink);
        for (index, field) in record_type.fields.iter().enumerate() {
            shape.check_gap(content, field.gap.clone(), type_index)?;
            if is_short && field.column.bytes.end > content.len() {
                return self.read_cut(content, &mut sink, type_index, index, shape.trimmed);
            }
            let column = &field.column;
            if let Some(same) = whole.and_then(|whole| field.find_same(whole, column.bytes.clone())) {
                sink.add_same(same, column.bytes.clone());
                continue;
            }
            let written = match text.of(column) {
                Some(written) => written,
                None => decode(layout.encoding, None, content, column, &mut self.scratch)
                    .map_err(|reason| Fault::of_encoding(field, reason, type_index, index, column.bytes.start))?,
            };
            let from = sink.text.len();
            let present = field
                .parse(written, sink.text)
                .map_err(|fault| Fault::of_field((fault.code, fault.reason), type_index, index, column.bytes.start))?;
            sink.close(from, column.bytes.clone(), present);
        }
        shape.check_gap(content, record_type.last_gap.clone(), type_index)
    }

    /// Reads what can be read of a bad record: the fields that could not, or `None` where none can be told from another.
    pub(super) fn salvage_fields(&mut self, record: &mut Record) -> Option<Vec<usize>> {
        let layout = self.layout;
        let fields = &layout.record_types[record.type_index()].fields;
        let mut salvaged = Record::build(record.type_index());
        salvaged.resize(fields.len());
        let mut failed = Vec::new();
        // One at a time: the first fault ends the reading of a record.
        for (index, field) in fields.iter().enumerate() {
            let column = match &layout.shape {
                Shape::Delimited(shape) => {
                    if index == 0 && self.check_count(record.type_index(), shape).is_err() {
                        return None;
                    }
                    let place = self.order.as_ref().map_or(index, |order| order[index]);
                    self.columns.get(place).filter(|column| !column.misplaced_quote).cloned()
                }
                Shape::FixedWidth(_) => {
                    let within = field.column.bytes.end <= record.content().len();
                    within.then(|| field.column.clone())
                }
            };
            let delimited = match &layout.shape {
                Shape::Delimited(shape) => Some(&shape.fields),
                Shape::FixedWidth(_) => None,
            };
            let mut text = String::new();
            if let Some(column) = &column {
                let to = column.bytes.end + usize::from(column.quoted);
                salvaged.set_raw_field(index, column.offset()..to);
            }
            let read = column.and_then(|column| {
                let written = decode(layout.encoding, delimited, record.content(), &column, &mut self.scratch).ok()?;
                field.parse(written, &mut text).ok()
            });
            match read {
                Some(true) => drop(salvaged.set(index, &text)),
                Some(false) => {}
                None => failed.push(index),
            }
        }
        record.take_values(&salvaged);
        Some(failed)
    }

    /// The fields of a short record from the one in which it ends. Where blanks at the end are not written, what is missing
    /// is blanks; otherwise a field that is missing is absent.
    fn read_cut(
        &mut self,
        content: &[u8],
        sink: &mut FieldSink<'_>,
        type_index: usize,
        first: usize,
        trimmed: bool,
    ) -> Result<(), Fault> {
        for (index, field) in self.layout.record_types[type_index].fields.iter().enumerate().skip(first) {
            let raw = FixedWidth::clip(&field.column, content.len()).bytes;
            if raw.is_empty() && !trimmed {
                missing(field, sink, content.len(), type_index, index)?;
                continue;
            }
            let offset = raw.start;
            if !trimmed && !field.may_be_cut() {
                let reason = format!("the record ends within `{}`, of which no byte may be missing", field.name);
                return Err(Fault::of_field((RejectCode::RecordLength, reason), type_index, index, offset));
            }
            let mut whole = content[raw.clone()].to_vec();
            whole.resize(field.width().unwrap_or(0), b' ');
            let column = Column { bytes: 0..whole.len(), ..Column::default() };
            let written = decode(self.layout.encoding, None, &whole, &column, &mut self.scratch)
                .map_err(|reason| Fault::of_encoding(field, reason, type_index, index, offset))?;
            let from = sink.text.len();
            let present = field
                .parse(written, sink.text)
                .map_err(|fault| Fault::of_field((fault.code, fault.reason), type_index, index, offset))?;
            sink.close(from, raw, present);
        }
        Ok(())
    }
}

/// A field that a short record does not have.
fn missing(
    field: &Field,
    sink: &mut FieldSink<'_>,
    length: usize,
    type_index: usize,
    index: usize,
) -> Result<(), Fault> {
    let from = sink.text.len();
    if !field.optional {
        let Some(default) = field.default_value().filter(|value| value.is_empty()) else {
            let reason = format!("the record ends before `{}`, which is not optional", field.name);
            return Err(Fault::of_field((RejectCode::FieldCount, reason), type_index, index, length));
        };
        sink.text.push_str(default);
    }
    sink.close(from, length..length, !field.optional);
    Ok(())
}

/// Longer records are taken field by field.
const MOST_WHOLE_BYTES: usize = 1 << 20;

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
        let as_it_stands = encoding.is_unicode() || content.is_ascii();
        Self { whole: if as_it_stands { std::str::from_utf8(content).ok() } else { None }, clean }
    }

    /// Hands the whole text over, where fields may be found in it: in a record by position, or where nothing is quoted.
    /// Not where the delimiter might stand in the canonical text of a number, which is added behind.
    #[inline]
    fn take_whole(&self, delimiter: Option<u8>, sink: &mut FieldSink<'_>) -> Option<&'r str> {
        let may_be_in_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        let fits = self.clean && !delimiter.is_some_and(may_be_in_number);
        let whole = self.whole.filter(|whole| fits && whole.len() <= MOST_WHOLE_BYTES)?;
        sink.take_whole(whole, delimiter);
        Some(whole)
    }

    /// The text of a column, where it can be taken as it stands.
    #[inline]
    fn of(&self, column: &Column) -> Option<Written<'r>> {
        let text = self.whole?.get(column.bytes.clone()).filter(|_| column.escapes == 0)?;
        Some(Written { text, bytes: text.len(), quoted: column.quoted, clean: self.clean, raw: None })
    }
}

/// Decodes one column; the error says which of its bytes is no text.
fn decode<'s>(
    encoding: Encoding,
    delimited: Option<&Delimited>,
    content: &[u8],
    column: &Column,
    scratch: &'s mut Scratch,
) -> Result<Written<'s>, String> {
    let Scratch { bytes, text, raw } = scratch;
    let bytes = match delimited {
        Some(fields) => unescaped(fields, content, column, bytes),
        None => &content[column.bytes.clone()],
    };
    text.clear();
    encoding
        .decode(bytes, text)
        .map_err(|fault| format!("{} (byte {} of the field's text)", fault.reason, fault.offset + 1))?;
    let escaped = column.escapes > 0 && !column.quoted;
    if escaped {
        raw.clear();
        raw.push_str(&String::from_utf8_lossy(&content[column.bytes.clone()]));
    }
    Ok(Written {
        text,
        bytes: bytes.len(),
        // What is escaped may hold a line break as well as what is quoted.
        quoted: column.quoted,
        clean: false,
        raw: escaped.then_some(raw),
    })
}

fn unescaped<'c>(fields: &Delimited, content: &'c [u8], column: &Column, bytes: &'c mut Vec<u8>) -> &'c [u8] {
    if column.escapes == 0 {
        return &content[column.bytes.clone()];
    }
    bytes.clear();
    fields.unescape(content, column, bytes);
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

#[cold]
fn unknown_type(layout: &Layout, mark: &[u8]) -> Fault {
    let known = layout.record_types.iter().filter_map(|record| record.matches.as_deref());
    let known: Vec<String> = known.map(|mark| shown(&String::from_utf8_lossy(mark))).collect();
    let reason = format!("record type {} is none of {}", shown(&String::from_utf8_lossy(mark)), known.join(", "));
    Fault::of_record(RejectCode::UnknownRecordType, reason, None)
}
