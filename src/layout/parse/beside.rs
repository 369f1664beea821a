//! What stands beside the records of a file: byte order mark, preamble, column names, comments, footer and padding.

use std::io::Read;

use super::super::compile::Shape;
use super::super::decode::Fault;
use super::super::frame::{KeptLine, PaddingRun, Raw};
use super::super::record::Record;
use super::super::{ColumnNames, Presence, RejectCode};
use super::{BYTE_ORDER_MARK, Framed, MOST_KEPT_BYTES, Next, ParseError, Parser, reject_in};

impl<R: Read> Parser<'_, R> {
    pub(super) fn read_byte_order_mark(&mut self) -> Result<(), ParseError> {
        let found = self.framer.skip(BYTE_ORDER_MARK)?;
        self.facts.frame.byte_order_mark = found;
        if found {
            self.byte = self.layout.encoding.bytes_in_file(BYTE_ORDER_MARK) as u64;
            self.facts.bytes_beside_records = self.byte;
        }
        let reason = match (self.layout.byte_order_mark, found) {
            (Presence::Absent, true) => {
                "the file begins with a byte order mark, the layout says that there is none (state byte_order_mark)"
            }
            (Presence::Required, false) => "the file does not begin with a byte order mark, the layout requires one",
            _ => return Ok(()),
        };
        Err(self.reject_next(0, Fault::of_record(RejectCode::ByteOrderMark, reason, None)))
    }

    pub(super) fn read_preamble_line(&mut self, record: &mut Record) -> Result<(), ParseError> {
        if self.next_framed(record, 0, true)?.is_none() {
            return Err(self.empty());
        }
        self.keep(record, 0);
        Ok(())
    }

    /// Reads the line of column names; where it may be left out and is, answers with what stands in its place.
    pub(super) fn read_column_names(&mut self, record: &mut Record) -> Result<Option<Framed>, ParseError> {
        let rule = match &self.layout.shape {
            Shape::Delimited(shape) => shape.column_names_rule,
            Shape::FixedWidth(_) => return Ok(None),
        };
        let framed = loop {
            match self.next_line(record, 0)? {
                Next::Record(framed) => break framed,
                Next::Line => {}
                Next::End if rule == ColumnNames::Optional => {
                    self.facts.frame.without_column_names = true;
                    return Ok(None);
                }
                Next::End => return Err(self.empty()),
            }
        };
        let checked = self.decoder.read_column_names(record.content(), framed.plain);
        if checked.is_err() && rule == ColumnNames::Optional {
            let number = self.facts.records + 1;
            self.last.number = number;
            record.set_number(number);
            return Ok(Some(framed));
        }
        checked
            .and_then(|()| self.check_final_terminator(framed, None))
            .map_err(|fault| reject_in(self.layout, record, fault))?;
        if self.layout.column_names_line() != Some(record.content()) {
            self.facts.frame.column_names = Some(Raw(record.content().to_vec()));
        }
        if self.layout.lines.repeated_names {
            self.repeated = record.content().to_vec();
        }
        self.note_terminator(record, 0);
        self.facts.frame.final_terminator = framed.terminated;
        self.facts.bytes_beside_records += record.bytes().end - record.bytes().start;
        Ok(None)
    }

    /// Reads a line that is known by its first bytes, or by its place, to be no record; `false` where there is none.
    pub(super) fn read_other_line(&mut self, record: &mut Record, number: u64) -> Result<bool, ParseError> {
        if !self.layout.padding_at_end.is_empty()
            && let Some(first) = self.framer.peek()?
            && self.layout.is_padding(first)
        {
            self.read_padding()?;
            return Ok(true);
        }
        let lines = &self.layout.lines;
        let is_comment = match &lines.comment {
            Some(comment) => self.framer.starts_with(comment.as_bytes())?,
            None => false,
        };
        let in_footer = !is_comment && lines.footer > 0 && self.framer.has_at_most(lines.footer)?;
        if !is_comment && !in_footer {
            return Ok(false);
        }
        if self.next_framed(record, number, true)?.is_none() {
            return Ok(false);
        }
        self.keep(record, number);
        Ok(true)
    }

    /// Reads what follows the last record: nothing but padding and line breaks.
    pub(super) fn read_padding(&mut self) -> Result<(), ParseError> {
        while let Some(byte) = self.framer.peek()? {
            if !self.layout.is_padding(byte) && !matches!(byte, b'\r' | b'\n') {
                let reason = "something follows what marks the end of the file";
                return Err(self.reject_next(self.byte, Fault::of_record(RejectCode::Text, reason, None)));
            }
            self.note_padding(byte);
            self.framer.skip_byte();
            self.byte += self.layout.encoding.bytes_in_file(&[byte]) as u64;
        }
        Ok(())
    }

    pub(super) fn note_padding(&mut self, byte: u8) {
        self.facts.bytes_beside_records += self.layout.encoding.bytes_in_file(&[byte]) as u64;
        match self.facts.frame.end_padding.last_mut() {
            Some(run) if run.byte == byte => run.count += 1,
            _ => {
                if self.may_keep(size_of::<PaddingRun>()) {
                    self.facts.frame.end_padding.push(PaddingRun { byte, count: 1 });
                }
            }
        }
    }

    /// Keeps the line that was read last.
    pub(super) fn keep(&mut self, record: &Record, before_record: u64) {
        self.facts.bytes_beside_records += record.bytes().end - record.bytes().start;
        if self.may_keep(record.raw().len() + size_of::<KeptLine>()) {
            self.facts.frame.kept_lines.push(KeptLine { before_record, raw: Raw(record.raw().to_vec()) });
        }
    }

    pub(super) fn may_keep(&mut self, bytes: usize) -> bool {
        self.kept_bytes += bytes;
        self.facts.overfull |= self.kept_bytes > MOST_KEPT_BYTES;
        !self.facts.overfull
    }
}
