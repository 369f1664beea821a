//! Records become the bytes of a file: the reverse of the parser.

use std::fmt;

use super::compile::Shape;
use super::parse::BYTE_ORDER_MARK;
use super::record::Record;
use super::reject::shown;
use super::{DiscriminatorSpec, Layout, RecordType};

/// What a layout may leave open about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Begin with a byte order mark.
    pub byte_order_mark: bool,
    /// End the last record with a terminator.
    pub final_terminator: bool,
}

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
    options: RenderOptions,
    /// A record was written whose terminator is still owed: the last one may go without.
    owes_terminator: bool,
    text: String,
    value: Vec<u8>,
}

impl<'l> Renderer<'l> {
    /// A renderer at the beginning of a file.
    #[must_use]
    pub fn new(layout: &'l Layout, options: RenderOptions) -> Self {
        Self { layout, options, owes_terminator: false, text: String::new(), value: Vec::new() }
    }

    /// Appends what stands before the first record: byte order mark and column names.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if self.options.byte_order_mark {
            out.extend_from_slice(BYTE_ORDER_MARK);
        }
        if let Shape::Delimited { column_names: Some(line), .. } = &self.layout.shape {
            out.extend_from_slice(line);
            self.owes_terminator = true;
        }
    }

    /// Appends a record, after the terminator of the one before it.
    ///
    /// # Errors
    /// Where what would be written would not be read back as this record; `out` is then as it was.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), RenderError> {
        let before = out.len();
        if self.owes_terminator {
            out.extend_from_slice(self.layout.terminator.bytes());
        }
        let written = self.write(record, out);
        match written {
            Ok(()) => self.owes_terminator = true,
            Err(_) => out.truncate(before),
        }
        written
    }

    /// Appends what stands after the last record.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.options.final_terminator && self.owes_terminator {
            out.extend_from_slice(self.layout.terminator.bytes());
        }
        self.owes_terminator = false;
    }

    fn write(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), RenderError> {
        let Some(record_type) = self.layout.record_types.get(record.type_index()) else {
            let record_type = format!("record type {}", record.type_index());
            return Err(RenderError {
                record_type,
                field: None,
                message: "the layout has no such record type".to_owned(),
            });
        };
        let error = |field: Option<&str>, message: String| RenderError {
            record_type: record_type.name.clone(),
            field: field.map(str::to_owned),
            message,
        };
        if record.len() != record_type.fields.len() {
            let message = format!("has {} fields, the layout says {}", record.len(), record_type.fields.len());
            return Err(error(None, message));
        }
        let from = out.len();
        for (index, field) in record_type.fields.iter().enumerate() {
            let value = record.get(index);
            self.value.clear();
            let rendered = field.render(value, self.layout.encoding, &mut self.text, &mut self.value);
            let rendered = rendered.and_then(|()| self.place(record_type, index, from, out));
            rendered
                .map_err(|reason| error(Some(&field.name), format!("{} {reason}", shown(value.unwrap_or_default()))))?;
        }
        out.resize(out.len().max(from + record_type.length), b' ');
        self.check(record_type, &out[from..]).map_err(|message| error(None, message))
    }

    /// Whether nothing stands before the next record.
    fn is_at_start(&self) -> bool {
        !self.owes_terminator && !self.options.byte_order_mark
    }

    /// Whether a whole record, still without terminator, would be read as one of its type.
    fn check(&self, record_type: &RecordType, written: &[u8]) -> Result<(), String> {
        if let Some(DiscriminatorSpec::Bytes { start, width }) = self.layout.discriminator {
            let mark = written.get(start - 1..start - 1 + width);
            if mark != record_type.matches.as_deref() {
                return Err("would be taken for a record of another type".to_owned());
            }
        }
        if self.is_at_start() && written.starts_with(BYTE_ORDER_MARK) {
            return Err("would begin the file with what is taken for a byte order mark".to_owned());
        }
        let length = written.len() + self.layout.terminator.bytes().len();
        if length > self.layout.max_record_bytes {
            return Err(format!("takes {length} bytes, more than max_record_bytes"));
        }
        Ok(())
    }

    /// Appends the value just rendered where it belongs in the record that begins at `from`.
    fn place(&self, record_type: &RecordType, index: usize, from: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let Shape::Delimited { fields, .. } = &self.layout.shape else {
            // What no field covers is blank.
            out.resize(from + record_type.fields[index].column.bytes.start, b' ');
            out.extend_from_slice(&self.value);
            return Ok(());
        };
        if index > 0 {
            out.push(fields.delimiter);
        }
        if self.layout.discriminator == Some(DiscriminatorSpec::Column(index + 1))
            && record_type.matches.as_deref() != Some(&self.value)
        {
            return Err("would make it a record of another type".to_owned());
        }
        // An empty record would be a blank line, and text at the very start can look like a byte order mark.
        let blank_line = record_type.fields.len() == 1 && self.value.is_empty();
        let mark = index == 0 && self.is_at_start() && self.value.starts_with(BYTE_ORDER_MARK);
        fields.write(&self.value, blank_line || mark, out).map_err(str::to_owned)
    }
}
