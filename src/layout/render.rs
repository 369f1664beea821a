//! Records become the bytes of a file: the reverse of the parser.

mod plain;

use std::fmt;

use memchr::memchr2;

use super::compile::Shape;
use super::delimited::{Delimited, Quotes};
use super::field::{Field, READ_AS_ABSENT};
use super::frame::FileFrame;
use super::parse::BYTE_ORDER_MARK;
use super::proof::Change;
use super::record::Record;
use super::utf16::encode_since;
use super::{DiscriminatorSpec, Layout, Presence, RecordType, Terminator};
use plain::PlainWriter;

/// A record that cannot be written so that it would be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    /// Name of the record's type.
    pub record_type: String,
    /// Name of the field, where one is to blame.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RenderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(out, "{}.{field}: {}", self.record_type, self.message),
            None => write!(out, "{}: {}", self.record_type, self.message),
        }
    }
}

impl std::error::Error for RenderError {}

/// Writes the records of one file. It writes what it is given: order and controls are the parser's.
pub struct Renderer<'l> {
    layout: &'l Layout,
    frame: &'l FileFrame,
    writer: RecordWriter<'l>,
    /// Number of the record that comes next.
    next: u64,
    /// How many of the frame's lines were written.
    lines_written: usize,
    /// What is still owed to the record that was written last: the very last one may go without.
    owed: &'static [u8],
    /// Nothing was written yet.
    at_start: bool,
    /// The record that was written last has no bytes: without its terminator it would not be there.
    last_is_empty: bool,
    /// A record that may not come again: it would be taken for the column names, or the header, once more.
    repeated: Vec<u8>,
}

impl<'l> Renderer<'l> {
    /// A renderer at the beginning of a file.
    #[must_use]
    pub fn new(layout: &'l Layout, frame: &'l FileFrame) -> Self {
        let mut writer = RecordWriter::new(layout);
        if let Some(line) = &frame.column_names {
            writer.order_columns(&line.0);
        }
        Self {
            layout,
            frame,
            writer,
            next: 1,
            lines_written: 0,
            owed: b"",
            at_start: true,
            last_is_empty: false,
            repeated: Vec::new(),
        }
    }

    /// Appends what stands before the first record: byte order mark, preamble and column names.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let from = out.len();
        if self.frame.byte_order_mark {
            out.extend_from_slice(BYTE_ORDER_MARK);
        }
        self.write_lines(0, out);
        if let (Some(line), false) = (self.layout.column_names_line(), self.frame.without_column_names) {
            let line = self.frame.column_names.as_ref().map_or(line, |raw| &raw.0);
            out.extend_from_slice(line);
            self.owed = self.terminator(0);
            self.note_repeated(line.to_vec());
        }
        self.at_start &= out.len() == from;
        encode_since(self.layout.encoding, from, out);
    }

    /// Appends a record, after the terminator of the one before it.
    ///
    /// # Errors
    /// Where what would be written would not be read back as this record; `out` is then as it was.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), RenderError> {
        self.changed_record(record, &[], out)
    }

    /// Appends a record whose rendering is to be changed.
    ///
    /// # Errors
    /// As for [`Renderer::record`]: changed fields are taken as they stand.
    pub fn changed_record(
        &mut self,
        record: &Record,
        changes: &[Change],
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        let before = out.len();
        let (owed, lines_written) = (self.owed, self.lines_written);
        self.write_owed(out);
        let from = out.len();
        let written = self.writer.write_changed(record, changes, self.at_start && from == before, out);
        let written = written.and_then(|()| self.check_not_repeated(record, changes, &out[from..]));
        match written {
            Ok(()) => {
                if self.layout.lines.repeated_names && self.layout.header == Some(record.type_index()) {
                    self.note_repeated(out[from..].to_vec());
                }
                self.record_was_written(out.len() == from);
            }
            Err(_) => {
                // What stands before the record is not lost: the next one may be written.
                (self.owed, self.lines_written) = (owed, lines_written);
                out.truncate(before);
            }
        }
        encode_since(self.layout.encoding, before, out);
        written
    }

    fn note_repeated(&mut self, line: Vec<u8>) {
        if self.layout.lines.repeated_names {
            self.repeated = line;
        }
    }

    /// Whether a record would be taken for the column names, or the header, once more.
    fn check_not_repeated(&self, record: &Record, changes: &[Change], written: &[u8]) -> Result<(), RenderError> {
        if self.repeated.is_empty() || self.repeated != written || !changes.is_empty() {
            return Ok(());
        }
        let record_type = &self.layout.record_types[record.type_index()];
        Err(error(record_type, None, "would be taken for the line of names once more".to_owned()))
    }

    /// Appends a record that is nothing but bytes, given without terminator.
    pub fn raw_record(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        self.write_owed(out);
        out.extend_from_slice(content);
        self.record_was_written(content.is_empty());
        encode_since(self.layout.encoding, from, out);
    }

    /// Appends what stands after the last record.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let from = out.len();
        if self.frame.final_terminator || self.last_is_empty {
            out.extend_from_slice(self.owed);
        }
        self.owed = b"";
        self.write_lines(u64::MAX, out);
        for run in &self.frame.end_padding {
            let count = usize::try_from(run.count).unwrap_or(usize::MAX);
            out.extend(std::iter::repeat_n(run.byte, count));
        }
        encode_since(self.layout.encoding, from, out);
    }

    fn record_was_written(&mut self, is_empty: bool) {
        self.last_is_empty = is_empty;
        self.owed = self.terminator(self.next);
        self.next += 1;
        self.at_start = false;
    }

    /// The terminator of the record before, and the lines between it and the next one.
    fn write_owed(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(std::mem::take(&mut self.owed));
        self.write_lines(self.next, out);
    }

    fn write_lines(&mut self, up_to: u64, out: &mut Vec<u8>) {
        while let Some(line) = self.frame.kept_lines.get(self.lines_written) {
            if line.before_record > up_to {
                break;
            }
            out.extend_from_slice(&line.raw.0);
            self.lines_written += 1;
        }
    }

    fn terminator(&self, record: u64) -> &'static [u8] {
        match self.layout.terminator {
            Terminator::Mixed => self.frame.terminator(record).bytes(),
            terminator => terminator.bytes(),
        }
    }
}

/// Writes single records, without terminators.
pub(super) struct RecordWriter<'l> {
    layout: &'l Layout,
    /// Which field stands in each column, where the line of column names decides.
    fields: Option<Vec<usize>>,
    /// For records with nothing special in them.
    plain: Option<PlainWriter>,
    text: String,
    value: Vec<u8>,
}

impl<'l> RecordWriter<'l> {
    pub(super) fn new(layout: &'l Layout) -> Self {
        Self { layout, fields: None, plain: PlainWriter::new(layout), text: String::new(), value: Vec::new() }
    }

    /// Takes the order of columns from the line that names them.
    pub(super) fn order_columns(&mut self, line: &[u8]) {
        let mut decoder = super::decode::RecordDecoder::new(self.layout);
        if decoder.read_column_names(line, false).is_ok()
            && let Some(columns) = decoder.column_order()
        {
            let mut fields = vec![0; columns.len()];
            columns.iter().enumerate().for_each(|(field, column)| fields[*column] = field);
            self.fields = Some(fields);
        }
    }

    /// Appends a record as the layout writes it.
    ///
    /// # Errors
    /// Where it would not be read back as this record.
    #[inline]
    pub(super) fn write(&mut self, record: &Record, at_start: bool, out: &mut Vec<u8>) -> Result<(), RenderError> {
        self.write_changed(record, &[], at_start, out)
    }

    /// Appends a record with changes: fields as they stand, and another end.
    pub(super) fn write_changed(
        &mut self,
        record: &Record,
        changes: &[Change],
        at_start: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        if changes.is_empty() && self.append_plainly(record, at_start, out) {
            return Ok(());
        }
        self.write_generally(record, changes, at_start, out)
    }

    /// The same, field by field, whatever is in them.
    pub(super) fn write_generally(
        &mut self,
        record: &Record,
        changes: &[Change],
        at_start: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        let from = out.len();
        let tail = changes.iter().find_map(|change| match change {
            Change::Tail { keep, raw } => Some((usize::try_from(*keep).unwrap_or(usize::MAX), &raw.0)),
            _ => None,
        });
        if let Some((0, raw)) = tail {
            out.extend_from_slice(raw);
            return Ok(());
        }
        let record_type = self.record_type(record)?;
        for column in 0..record_type.fields.len() {
            let index = self.fields.as_ref().map_or(column, |fields| fields[column]);
            self.field(record_type, record, index, changes, Position { column, from, at_start }, out)?;
        }
        self.end_record(record_type, from, out);
        if let Some((keep, raw)) = tail {
            out.truncate(from.saturating_add(keep).min(out.len()));
            out.extend_from_slice(raw);
        }
        if changes.is_empty() {
            let checked = self.check(record_type, &out[from..], at_start);
            checked.map_err(|message| error(record_type, None, message))?;
        }
        Ok(())
    }

    /// Appends one field of a record as it would stand in it, quotes included.
    ///
    /// # Errors
    /// As for [`RecordWriter::write`].
    pub(super) fn write_field(&mut self, record: &Record, index: usize, out: &mut Vec<u8>) -> Result<(), RenderError> {
        let record_type = self.record_type(record)?;
        let column = self.fields.as_ref().and_then(|fields| fields.iter().position(|field| *field == index));
        let (column, from) = (column.unwrap_or(index), out.len());
        self.field(record_type, record, index, &[], Position { column, from, at_start: false }, out)?;
        let before = match &self.layout.shape {
            Shape::Delimited(shape) if column > 0 => shape.fields.delimiter.len(),
            Shape::Delimited(_) => 0,
            Shape::FixedWidth(_) => record_type.fields[index].column.bytes.start,
        };
        out.drain(from..from + before);
        Ok(())
    }

    fn record_type(&self, record: &Record) -> Result<&'l RecordType, RenderError> {
        let Some(record_type) = self.layout.record_types.get(record.type_index()) else {
            let record_type = format!("record type {}", record.type_index());
            let message = "the layout has no such record type".to_owned();
            return Err(RenderError { record_type, field: None, message });
        };
        if record.len() != record_type.fields.len() {
            let message = format!("has {} fields, the layout says {}", record.len(), record_type.fields.len());
            return Err(error(record_type, None, message));
        }
        Ok(record_type)
    }

    #[inline]
    fn field(
        &mut self,
        record_type: &RecordType,
        record: &Record,
        index: usize,
        changes: &[Change],
        position: Position,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        let field = &record_type.fields[index];
        let raw = changes.iter().find_map(|change| match change {
            Change::Field { field: name, raw } if *name == field.name => Some(&raw.0),
            _ => None,
        });
        let delimited = match &self.layout.shape {
            Shape::Delimited(shape) => Some(&shape.fields),
            Shape::FixedWidth(_) => None,
        };
        match delimited {
            Some(fields) if position.column > 0 => out.extend_from_slice(fields.delimiter.bytes()),
            Some(_) => {}
            // What no field covers is blank.
            None => out.resize(position.from + field.column.bytes.start, b' '),
        }
        if let Some(raw) = raw {
            out.extend_from_slice(raw);
            return Ok(());
        }
        let value = record.get(index);
        self.value.clear();
        let rendered = field.render(value, self.layout.encoding, &mut self.text, &mut self.value);
        let placed = rendered.and_then(|quotes| match delimited {
            Some(fields) => {
                let absent = value.is_none() && field.optional;
                self.place(fields, record_type, field, Placed { quotes, absent, position }, out)
            }
            None if value.is_some() && field.is_null_spelling(&self.value) => Err(READ_AS_ABSENT.to_owned()),
            None => {
                out.extend_from_slice(&self.value);
                Ok(())
            }
        });
        placed.map_err(|reason| {
            error(record_type, Some(&field.name), format!("{} {reason}", field.shown(value.unwrap_or_default())))
        })
    }

    /// Appends the value just rendered to a delimited record.
    #[inline]
    fn place(
        &self,
        fields: &Delimited,
        record_type: &RecordType,
        field: &Field,
        placed: Placed,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Placed { quotes, absent, position } = placed;
        if self.layout.discriminator == Some(DiscriminatorSpec::Column(position.column + 1))
            && self.is_mark_of_another(record_type)
        {
            return Err("would make it a record of another type".to_owned());
        }
        let quotes = if !self.needs_quotes(record_type, position) {
            quotes
        } else if quotes == Quotes::Never || fields.quote.is_none() || (absent && !field.is_absent_in_quotes()) {
            return Err("would be taken for something else at the beginning of a record".to_owned());
        } else {
            Quotes::Always
        };
        let from = out.len();
        fields.write(&self.value, quotes, out)?;
        if !absent && field.is_null_spelling(&out[from..]) {
            // In quotes it is no spelling of null.
            out.truncate(from);
            if quotes == Quotes::Never || fields.quote.is_none() {
                return Err(READ_AS_ABSENT.to_owned());
            }
            fields.write(&self.value, Quotes::Always, out)?;
        }
        Ok(())
    }

    /// Whether the value just rendered is the discriminator's for another type.
    fn is_mark_of_another(&self, record_type: &RecordType) -> bool {
        let known = |other: &RecordType| other.matches.as_deref() == Some(&*self.value);
        match &record_type.matches {
            Some(mark) => *mark != self.value,
            None => self.layout.record_types.iter().any(known),
        }
    }

    /// Whether the value just rendered, without quotes, would begin what is no record.
    #[inline]
    fn needs_quotes(&self, record_type: &RecordType, position: Position) -> bool {
        if position.column > 0 {
            return false;
        }
        let ends_there = !matches!(&self.layout.shape,
            Shape::Delimited(shape) if shape.trailing_delimiter == Presence::Required);
        let blank_line = record_type.fields.len() == 1 && self.value.is_empty() && ends_there;
        let byte_order_mark = position.at_start && self.value.starts_with(BYTE_ORDER_MARK);
        let comment = self.layout.lines.comment.as_ref();
        blank_line
            || byte_order_mark
            || comment.is_some_and(|comment| self.value.starts_with(comment.as_bytes()))
            || self.value.first().is_some_and(|first| self.layout.is_padding(*first))
    }

    /// What follows the last field.
    #[inline]
    fn end_record(&self, record_type: &RecordType, from: usize, out: &mut Vec<u8>) {
        match &self.layout.shape {
            Shape::Delimited(shape) if shape.trailing_delimiter == Presence::Required => {
                out.extend_from_slice(shape.fields.delimiter.bytes());
            }
            Shape::Delimited(_) => {}
            Shape::FixedWidth(shape) => {
                out.resize(out.len().max(from + record_type.length), b' ');
                if shape.trimmed {
                    let blanks = out[from..].iter().rev().take_while(|byte| **byte == b' ').count();
                    out.truncate(out.len() - blanks);
                }
            }
        }
    }

    /// Whether a whole record, still without terminator, would be read as one of its type.
    #[inline]
    fn check(&self, record_type: &RecordType, written: &[u8], at_start: bool) -> Result<(), String> {
        if let (Some(DiscriminatorSpec::Bytes { start, width }), Shape::FixedWidth(shape)) =
            (self.layout.discriminator, &self.layout.shape)
        {
            let mark = shape.mark(written, start, width);
            let mark = mark.as_deref();
            let known = |other: &RecordType| other.matches.is_some() && other.matches.as_deref() == mark;
            let is_other = match &record_type.matches {
                Some(matches) => mark != Some(matches),
                None => self.layout.record_types.iter().any(known),
            };
            if is_other {
                return Err("would be taken for a record of another type".to_owned());
            }
        }
        if at_start && written.starts_with(BYTE_ORDER_MARK) {
            return Err("would begin the file with what is taken for a byte order mark".to_owned());
        }
        if self.layout.is_no_record(written) {
            return Err("would be taken for a line that is no record".to_owned());
        }
        if matches!(self.layout.shape, Shape::FixedWidth(_))
            && self.layout.terminator != Terminator::None
            && memchr2(b'\n', b'\r', written).is_some()
        {
            return Err("has a line break, which would end the record".to_owned());
        }
        let length = written.len() + self.layout.terminator.bytes().len();
        if length > self.layout.max_record_bytes {
            return Err(format!("takes {length} bytes, more than max_record_bytes"));
        }
        Ok(())
    }
}

/// How a field is written, and where.
#[derive(Clone, Copy)]
struct Placed {
    quotes: Quotes,
    absent: bool,
    position: Position,
}

/// Where a field is being written.
#[derive(Clone, Copy)]
struct Position {
    column: usize,
    /// Where its record begins in what is written.
    from: usize,
    /// Nothing stands before its record.
    at_start: bool,
}

#[cold]
fn error(record_type: &RecordType, field: Option<&str>, message: String) -> RenderError {
    RenderError { record_type: record_type.name.clone(), field: field.map(str::to_owned), message }
}

impl Layout {
    /// The line of column names as the layout writes it, where it has one.
    pub(super) fn column_names_line(&self) -> Option<&[u8]> {
        match &self.shape {
            Shape::Delimited(shape) if !shape.column_names.is_empty() => Some(&shape.column_names_line),
            _ => None,
        }
    }

    /// Whether a byte at the beginning of a record means that the file ends here.
    pub(super) fn is_padding(&self, byte: u8) -> bool {
        self.padding_at_end.iter().any(|padding| padding.byte() == byte)
    }

    /// Whether a record would be passed over.
    fn is_no_record(&self, content: &[u8]) -> bool {
        let comment = self.lines.comment.as_ref();
        (content.is_empty() && self.lines.blank)
            || comment.is_some_and(|comment| content.starts_with(comment.as_bytes()))
            || content.first().is_some_and(|first| self.is_padding(*first))
    }
}
