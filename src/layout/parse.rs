//! A stream becomes records, and a whole file is vouched for at its end.

use std::io::{self, Read};

use super::compile::Shape;
use super::control::{ControlOutcome, Totals};
use super::decode::{Fault, RecordDecoder};
use super::framing::{FrameError, Framer, FramingRules};
use super::order::Order;
use super::record::Record;
use super::reject::{Reject, RejectCode};
use super::{Layout, Presence, RenderOptions};

/// The byte order mark of UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why there is no next record.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The file is not what its layout says. Every later call answers the same.
    #[error(transparent)]
    Reject(#[from] Reject),
    /// It could not be read. A later call tries again.
    #[error("cannot read on: {0}")]
    Io(#[from] io::Error),
}

/// What a file was, as a whole: complete once the parser has come to its end.
#[derive(Clone, Debug, Default)]
pub struct FileFacts {
    /// How many records were read; a line of column names is none of them.
    pub records: u64,
    /// The same for each of the layout's record types.
    pub records_by_type: Vec<u64>,
    /// Size in bytes.
    pub bytes: u64,
    /// It begins with a byte order mark.
    pub byte_order_mark: bool,
    /// Its last record ends with a terminator.
    pub final_terminator: bool,
    /// The line of column names, if the layout has one: only its place and its bytes, no fields.
    pub column_names: Option<Record>,
    /// Its header, if the layout has one.
    pub header: Option<Record>,
    /// Its trailer, if the layout has one.
    pub trailer: Option<Record>,
    /// Every control of the layout; all of them hold, or the file was rejected.
    pub controls: Vec<ControlOutcome>,
}

impl FileFacts {
    /// What a renderer has to know to write such a file again.
    #[must_use]
    pub fn render_options(&self) -> RenderOptions {
        RenderOptions { byte_order_mark: self.byte_order_mark, final_terminator: self.final_terminator }
    }
}

/// Reads the records of one file, in order.
///
/// A file is good only when [`Parser::read`] has answered `false`: order and controls are known at its end. Memory is
/// bounded by the layout's longest record, whatever comes.
pub struct Parser<'l, R> {
    layout: &'l Layout,
    framer: Framer<R>,
    decoder: RecordDecoder<'l>,
    order: Order,
    totals: Totals,
    facts: FileFacts,
    /// What was read last.
    last: Place,
    /// The line on which the next record begins.
    line: u64,
    state: State,
}

enum State {
    /// Byte order mark and column names may be next.
    Start,
    Names,
    Records,
    End,
    Rejected(Reject),
}

/// Where a record begins.
#[derive(Clone, Copy, Default)]
struct Place {
    byte: u64,
    line: u64,
    number: u64,
}

impl Place {
    fn of(record: &Record) -> Self {
        Self { byte: record.bytes().start, line: record.line(), number: record.number() }
    }
}

/// What is known of a raw record beside its bytes.
#[derive(Clone, Copy)]
struct Framed {
    /// Its length without terminator.
    length: usize,
    terminated: bool,
    has_quotes: bool,
}

impl<'l, R: Read> Parser<'l, R> {
    /// A parser at the beginning of a file.
    #[must_use]
    pub fn new(layout: &'l Layout, source: R) -> Self {
        let facts = FileFacts { records_by_type: vec![0; layout.record_types.len()], ..FileFacts::default() };
        Self {
            layout,
            framer: Framer::new(source, layout.framing_rules()),
            decoder: RecordDecoder::new(layout),
            order: Order::new(layout.header, layout.trailer),
            totals: Totals::new(&layout.controls),
            facts,
            last: Place::default(),
            line: 1,
            state: State::Start,
        }
    }

    /// Reads the next record into `record`; `false` at the end of the file, when everything about it has been checked.
    ///
    /// # Errors
    /// `Reject` where the file is not what its layout says, `Io` where it cannot be read.
    pub fn read(&mut self, record: &mut Record) -> Result<bool, ParseError> {
        let outcome = self.advance(record);
        if let Err(ParseError::Reject(reject)) = &outcome {
            self.state = State::Rejected(reject.clone());
        }
        outcome
    }

    /// What is known of the file so far; all of it after [`Parser::read`] has answered `false`.
    #[must_use]
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    fn advance(&mut self, record: &mut Record) -> Result<bool, ParseError> {
        loop {
            match &self.state {
                State::Start => {
                    self.read_byte_order_mark()?;
                    self.state = State::Names;
                }
                State::Names => {
                    self.read_column_names(record)?;
                    self.state = State::Records;
                }
                State::Records => {
                    let found = self.read_record(record)?;
                    if !found {
                        self.finish()?;
                        self.state = State::End;
                    }
                    return Ok(found);
                }
                State::End => return Ok(false),
                State::Rejected(reject) => return Err(reject.clone().into()),
            }
        }
    }

    fn read_byte_order_mark(&mut self) -> Result<(), ParseError> {
        let found = self.framer.skip(BYTE_ORDER_MARK)?;
        self.facts.byte_order_mark = found;
        let reason = match (self.layout.byte_order_mark, found) {
            (Presence::Absent, true) => {
                "the file begins with a UTF-8 byte order mark, the layout says that there is none (state byte_order_mark)"
            }
            (Presence::Required, false) => "the file does not begin with a byte order mark, the layout requires one",
            _ => return Ok(()),
        };
        Err(self.reject_next(0, Fault::of_record(RejectCode::ByteOrderMark, reason, None)))
    }

    fn read_column_names(&mut self, record: &mut Record) -> Result<(), ParseError> {
        if !matches!(self.layout.shape, Shape::Delimited { column_names: Some(_), .. }) {
            return Ok(());
        }
        let Some(framed) = self.next_framed(record, 0)? else { return Err(self.empty()) };
        let checked = self.decoder.check_column_names(&record.raw()[..framed.length], framed.has_quotes);
        checked
            .and_then(|()| self.check_final_terminator(framed, None))
            .map_err(|fault| reject(self.layout, Place::of(record), fault))?;
        self.facts.column_names = Some(record.clone());
        Ok(())
    }

    fn read_record(&mut self, record: &mut Record) -> Result<bool, ParseError> {
        let Some(framed) = self.next_framed(record, self.last.number + 1)? else { return Ok(false) };
        self.decode(record, framed).map_err(|fault| reject(self.layout, Place::of(record), fault))?;
        let type_index = record.type_index();
        self.facts.records += 1;
        self.facts.records_by_type[type_index] += 1;
        if self.layout.header == Some(type_index) {
            self.facts.header = Some(record.clone());
        } else if self.layout.trailer == Some(type_index) {
            self.facts.trailer = Some(record.clone());
        }
        Ok(true)
    }

    fn decode(&mut self, record: &mut Record, framed: Framed) -> Result<(), Fault> {
        let type_index = self.decoder.identify(&record.raw()[..framed.length], framed.has_quotes)?;
        record.set_type(type_index);
        let placed = self.order.accept(type_index);
        placed.map_err(|wrong| Fault::of_record(RejectCode::Order, wrong.reason(), Some(type_index)))?;
        self.decoder.read_fields(record, framed.length, framed.has_quotes)?;
        self.check_final_terminator(framed, Some(type_index))?;
        self.totals.add(&self.layout.controls, record).map_err(|overflow| Fault {
            code: RejectCode::Control,
            reason: "the sum of this field exceeds 38 digits and cannot be checked".to_owned(),
            record_type: Some(type_index),
            field: Some((overflow.field, record.offset_in_record(overflow.field))),
        })
    }

    /// The next raw record, without its fields, under this number; `None` at the end of the file.
    fn next_framed(&mut self, record: &mut Record, number: u64) -> Result<Option<Framed>, ParseError> {
        let place = Place { byte: self.framer.offset(), line: self.line, number };
        let framed = match self.framer.next() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => {
                record.load(frame.raw, place.number, place.line, place.byte);
                Framed { length: frame.raw.len(), terminated: frame.terminated, has_quotes: frame.has_quotes }
            }
            Err(FrameError::Io(error)) => return Err(error.into()),
            Err(FrameError::TooLong) => return Err(reject(self.layout, place, self.too_long()).into()),
            Err(FrameError::UnterminatedQuote(opened)) => {
                let reason = format!("the quote at byte {} of the file is not closed", place.byte + opened as u64);
                return Err(
                    reject(self.layout, place, Fault::of_record(RejectCode::UnterminatedQuote, reason, None)).into()
                );
            }
        };
        self.last = place;
        self.count_lines(record.raw(), framed);
        self.facts.bytes = self.framer.offset();
        self.facts.final_terminator = framed.terminated;
        let length = self.strip_terminator(record.raw(), framed);
        let length = length.map_err(|fault| reject(self.layout, Place::of(record), fault))?;
        Ok(Some(Framed { length, ..framed }))
    }

    fn count_lines(&mut self, raw: &[u8], framed: Framed) {
        let end = self.layout.terminator.end();
        self.line +=
            if framed.has_quotes { memchr::memchr_iter(end, raw).count() as u64 } else { u64::from(framed.terminated) };
    }

    /// The length of a raw record without its terminator.
    fn strip_terminator(&self, raw: &[u8], framed: Framed) -> Result<usize, Fault> {
        if framed.terminated {
            let content = self.layout.terminator.strip(raw);
            return content.map(<[u8]>::len).map_err(|reason| Fault::of_record(RejectCode::Terminator, reason, None));
        }
        if raw.ends_with(b"\r") {
            let reason = "the file ends with a CR that is no terminator, or half of one";
            return Err(Fault::of_record(RejectCode::Terminator, reason, None));
        }
        // Counted as if its terminator were there, so that whether it is makes no difference.
        if raw.len() + self.layout.terminator.bytes().len() > self.layout.max_record_bytes {
            return Err(self.too_long());
        }
        Ok(raw.len())
    }

    /// Only the last record of a file can lack its terminator.
    fn check_final_terminator(&self, framed: Framed, record_type: Option<usize>) -> Result<(), Fault> {
        if framed.terminated || self.layout.final_terminator != Presence::Required {
            return Ok(());
        }
        let reason = "the file ends without a terminator, the layout requires one (cut short?)";
        Err(Fault::of_record(RejectCode::Terminator, reason, record_type))
    }

    /// What can only be said of the whole file.
    fn finish(&mut self) -> Result<(), ParseError> {
        self.facts.bytes = self.framer.offset();
        if self.facts.records == 0 && (self.layout.header.is_some() || self.layout.trailer.is_some()) {
            return Err(self.empty());
        }
        if let Some(trailer) = self.order.missing_trailer() {
            self.line += u64::from(!self.facts.final_terminator);
            let reason = "the file ends without its trailer (cut short?)";
            return Err(self.reject_next(self.facts.bytes, Fault::of_record(RejectCode::Order, reason, Some(trailer))));
        }
        if self.facts.final_terminator && self.layout.final_terminator == Presence::Absent {
            let reason = "the last record ends with a terminator, the layout says that it does not";
            let fault = Fault::of_record(RejectCode::Terminator, reason, None);
            return Err(reject(self.layout, self.last, fault).into());
        }
        self.check_controls()
    }

    fn check_controls(&mut self) -> Result<(), ParseError> {
        let mut failed = None;
        for (index, control) in self.layout.controls.iter().enumerate() {
            let (type_index, field) = control.stated;
            let holders = [&self.facts.header, &self.facts.trailer];
            let holder = holders.into_iter().flatten().find(|record| record.type_index() == type_index);
            let Some(holder) = holder else { continue };
            let outcome = ControlOutcome {
                description: control.description.clone(),
                stated: holder.get(field).unwrap_or_default().to_owned(),
                computed: self.totals.computed(&self.layout.controls, index, &self.facts.records_by_type),
            };
            if !outcome.holds() && failed.is_none() {
                let reason =
                    format!("{}: the file says {}, it has {}", outcome.description, outcome.stated, outcome.computed);
                let field = Some((field, holder.offset_in_record(field)));
                let fault = Fault { code: RejectCode::Control, reason, record_type: Some(type_index), field };
                failed = Some(reject(self.layout, Place::of(holder), fault));
            }
            self.facts.controls.push(outcome);
        }
        failed.map_or(Ok(()), |reject| Err(reject.into()))
    }

    fn too_long(&self) -> Fault {
        let reason = format!("no end of the record within {} bytes (max_record_bytes)", self.layout.max_record_bytes);
        Fault::of_record(RejectCode::RecordTooLong, reason, None)
    }

    fn empty(&self) -> ParseError {
        let reason =
            "the file is empty, the layout needs a header, trailer or column names (a failed or unfinished copy?)";
        self.reject_next(0, Fault::of_record(RejectCode::Empty, reason, None))
    }

    /// A fault of the record after those that were read, or of its absence.
    fn reject_next(&self, byte: u64, fault: Fault) -> ParseError {
        reject(self.layout, Place { byte, line: self.line, number: self.last.number + 1 }, fault).into()
    }
}

/// A fault, put in its place in the file.
#[cold]
fn reject(layout: &Layout, place: Place, fault: Fault) -> Reject {
    let record_type = fault.record_type.map(|index| &layout.record_types[index]);
    let field = record_type.zip(fault.field).map(|(record_type, (index, _))| record_type.fields[index].name.clone());
    Reject {
        code: fault.code,
        reason: fault.reason,
        byte: place.byte + fault.field.map_or(0, |(_, offset)| offset as u64),
        line: place.line,
        record: place.number,
        record_type: record_type.map(|record_type| record_type.name.clone()),
        field,
    }
}

impl Layout {
    pub(super) fn framing_rules(&self) -> FramingRules {
        let quoting = match &self.shape {
            Shape::Delimited { fields, .. } => fields.quote.map(|quote| (quote, fields.delimiter)),
            Shape::FixedWidth => None,
        };
        FramingRules { end: self.terminator.end(), quoting, max_record_bytes: self.max_record_bytes }
    }
}
