//! A stream becomes records, and a whole file is vouched for at its end.

mod beside;
mod ending;

use std::io::{self, Read};

use super::compile::Shape;
use super::control::{ControlFault, ControlOutcome, Totals};
use super::decode::{Fault, RecordDecoder};
use super::frame::{FileFrame, TerminatorRun};
use super::framing::{FrameError, Framer, FramingRules, QuotingRules, line_breaks};
use super::order::{Misplaced, Open, Order};
use super::record::{Place, Record};
use super::reject::{Reject, RejectCode};
use super::utf16::{NoUtf16, Source};
use super::{Escape, Layout, Presence, Terminator};

/// The byte order mark, as UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What is kept of a file beside its records takes no more memory than this, in bytes.
const MOST_KEPT_BYTES: usize = 1 << 20;

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
    /// How many records were read, bad ones that were passed over included; lines that are no records are none of them.
    pub records: u64,
    /// How many good ones of each of the layout's record types.
    pub records_by_type: Vec<u64>,
    /// How many bad ones were passed over.
    pub passed_over: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// How many of them are in no record.
    pub bytes_beside_records: u64,
    /// What it is beside its records.
    pub frame: FileFrame,
    /// More stands beside its records than can be kept: the frame is not whole.
    pub overfull: bool,
    /// Its header, if the layout has one.
    pub header: Option<Record>,
    /// Its trailer, if the layout has one.
    pub trailer: Option<Record>,
    /// Every control that is about the whole file; all of them hold, or the file was rejected.
    pub controls: Vec<ControlOutcome>,
}

/// Reads the records of one file, in order.
///
/// A file is good only when [`Parser::read`] has answered `false`: order and controls are known at its end. Memory is
/// bounded by the layout's longest record, whatever comes.
pub struct Parser<'l, R> {
    layout: &'l Layout,
    framer: Framer<Source<R>>,
    decoder: RecordDecoder<'l>,
    order: Order,
    totals: Totals,
    facts: FileFacts,
    /// Where the record that was read last begins.
    last: Place,
    /// Offset in the file, and line, of the next record.
    byte: u64,
    line: u64,
    /// The line of column names, which may come again.
    repeated: Vec<u8>,
    /// Record types that ended with the record that is being read.
    closed: Vec<usize>,
    terminator: Option<Terminator>,
    kept_bytes: usize,
    state: State,
}

enum State {
    /// A byte order mark may be next.
    Start,
    /// So many lines of the preamble are.
    Preamble(usize),
    Names,
    Records,
    End,
    Rejected {
        reject: Reject,
        /// What follows can be read all the same.
        passable: Option<Framed>,
    },
}

/// What is known of a raw record beside its bytes.
#[derive(Clone, Copy, Debug)]
struct Framed {
    terminated: bool,
    plain: bool,
}

/// What the next line was.
enum Next {
    Record(Framed),
    Line,
    End,
}

impl<'l, R: Read> Parser<'l, R> {
    /// A parser at the beginning of a file.
    #[must_use]
    pub fn new(layout: &'l Layout, source: R) -> Self {
        let facts = FileFacts { records_by_type: vec![0; layout.record_types.len()], ..FileFacts::default() };
        Self {
            layout,
            framer: Framer::new(Source::new(source, layout.encoding), layout.framing_rules()),
            decoder: RecordDecoder::new(layout),
            order: Order::new(layout.record_types.len()),
            totals: Totals::new(&layout.controls),
            facts,
            last: Place::default(),
            byte: 0,
            line: 1,
            repeated: Vec::new(),
            closed: Vec::new(),
            terminator: None,
            kept_bytes: 0,
            state: State::Start,
        }
    }

    /// Reads the next record into `record`; `false` at the end of the file, when everything about it has been checked.
    ///
    /// # Errors
    /// `Reject` where the file is not what its layout says, `Io` where it cannot be read.
    #[inline]
    pub fn read(&mut self, record: &mut Record) -> Result<bool, ParseError> {
        match self.advance(record) {
            Ok(found) => Ok(found),
            Err(error) => Err(self.rejected(error)),
        }
    }

    /// Passes over the bad record that [`Parser::read`] has just refused, so that the next call reads on behind it;
    /// `false` where that cannot be, since nobody knows where the next record begins, or since it is about more than
    /// this record. `record` is the one that was given to `read`.
    ///
    /// Members of a bad master belong to nothing, and are refused one by one. What controls add of the record is added
    /// as far as it can be read. Where it cannot, they fail, at once or at the end: a total that cannot be checked is
    /// wrong.
    pub fn pass_over(&mut self, record: &mut Record) -> bool {
        let State::Rejected { passable: Some(framed), .. } = self.state else { return false };
        self.facts.records += 1;
        self.facts.passed_over += 1;
        let known = self.decoder.identify(record.content(), framed.plain).ok();
        let failed = known.and_then(|record_type| {
            record.clear_fields(record_type);
            self.decoder.salvage_fields(record)
        });
        self.totals.add_bad(self.layout, record, known, failed.as_deref());
        self.state = State::Records;
        for record_type in self.order.forget(known, record.number()) {
            if let Err(fault) = self.totals.close(self.layout, record_type) {
                self.state = State::Rejected { reject: self.control_reject(fault), passable: None };
                break;
            }
        }
        true
    }

    /// What is known of the file so far; all of it after [`Parser::read`] has answered `false`.
    #[must_use]
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    #[cold]
    fn rejected(&mut self, error: ParseError) -> ParseError {
        let error = match error {
            ParseError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<NoUtf16>()) {
                Some(wrong) => {
                    self.reject_next(wrong.byte, Fault::of_record(RejectCode::Encoding, &*wrong.reason, None))
                }
                None => ParseError::Io(error),
            },
            other => other,
        };
        if let ParseError::Reject(reject) = &error
            && !matches!(self.state, State::Rejected { .. })
        {
            self.state = State::Rejected { reject: reject.clone(), passable: None };
        }
        error
    }

    #[inline]
    fn advance(&mut self, record: &mut Record) -> Result<bool, ParseError> {
        loop {
            match &self.state {
                State::Records => {
                    let found = self.read_record(record)?;
                    if !found {
                        self.finish()?;
                        self.state = State::End;
                    }
                    return Ok(found);
                }
                State::Start => {
                    self.read_byte_order_mark()?;
                    self.state = State::Preamble(self.layout.lines.preamble);
                }
                State::Preamble(0) => self.state = State::Names,
                State::Preamble(left) => {
                    let left = left - 1;
                    self.read_preamble_line(record)?;
                    self.state = State::Preamble(left);
                }
                State::Names => {
                    if self.layout.column_names_line().is_none() {
                        self.state = State::Records;
                    } else if let Some(framed) = self.read_column_names(record)? {
                        // It may be left out, and this is a record already.
                        self.facts.frame.without_column_names = true;
                        self.state = State::Records;
                        self.accept(record, framed)?;
                        return Ok(true);
                    } else {
                        self.state = State::Records;
                    }
                }
                State::End => return Ok(false),
                State::Rejected { reject, .. } => return Err(reject.clone().into()),
            }
        }
    }

    #[inline]
    fn read_record(&mut self, record: &mut Record) -> Result<bool, ParseError> {
        loop {
            match self.next_line(record, self.facts.records + 1)? {
                Next::Record(framed) => {
                    self.accept(record, framed)?;
                    return Ok(true);
                }
                Next::Line => {}
                Next::End => return Ok(false),
            }
        }
    }

    /// The next line, which is a record that would have this number, or kept.
    #[inline]
    fn next_line(&mut self, record: &mut Record, number: u64) -> Result<Next, ParseError> {
        if self.layout.has_other_lines() && self.read_other_line(record, number)? {
            return Ok(Next::Line);
        }
        let Some(framed) = self.next_framed(record, number, false)? else { return Ok(Next::End) };
        let lines = &self.layout.lines;
        if (lines.blank && record.content().is_empty())
            || (lines.repeated_names && !self.repeated.is_empty() && self.repeated == record.content())
        {
            self.keep(record, number);
            return Ok(Next::Line);
        }
        Ok(Next::Record(framed))
    }

    /// Takes a record that was framed.
    #[inline]
    fn accept(&mut self, record: &mut Record, framed: Framed) -> Result<(), ParseError> {
        if let Err(wrong) = self.decode(record, framed) {
            // A wrong total, or order, is about more than this record; one without a master is alone in that.
            let (reject, passable) = match wrong {
                Wrong::Record(fault) => {
                    let passable = fault.code != RejectCode::Terminator;
                    (reject_in(self.layout, record, fault), passable)
                }
                Wrong::Control(fault) => (self.control_reject(fault), false),
                Wrong::Place(reject, wrong) => (*reject, matches!(wrong, Misplaced::Orphan(_))),
            };
            self.state = State::Rejected { reject: reject.clone(), passable: passable.then_some(framed) };
            return Err(reject.into());
        }
        let type_index = record.type_index();
        self.facts.records += 1;
        self.facts.records_by_type[type_index] += 1;
        if self.layout.header == Some(type_index) {
            self.facts.header = Some(record.clone());
            if self.layout.lines.repeated_names {
                self.repeated = record.content().to_vec();
            }
        } else if self.layout.trailer == Some(type_index) {
            self.facts.trailer = Some(record.clone());
        }
        Ok(())
    }

    #[inline]
    fn decode(&mut self, record: &mut Record, framed: Framed) -> Result<(), Wrong> {
        self.note_terminator(record, record.number());
        self.facts.frame.final_terminator = framed.terminated;
        let type_index = self.decoder.identify(record.content(), framed.plain)?;
        record.set_type(type_index);
        if self.layout.needs_order() {
            self.place(type_index, record.place())?;
        }
        self.decoder.read_fields(record, framed.plain)?;
        self.check_final_terminator(framed, Some(type_index))?;
        self.totals.add(&self.layout.controls, record)?;
        Ok(())
    }

    /// Whether a record may stand where it stands; what ended with it is settled.
    fn place(&mut self, type_index: usize, place: Place) -> Result<(), Wrong> {
        self.closed.clear();
        let closed = &mut self.closed;
        let placed = self.order.accept(&self.layout.standing, type_index, place, |open| closed.push(open.record_type));
        for record_type in std::mem::take(&mut self.closed) {
            self.totals.close(self.layout, record_type)?;
        }
        placed.map_err(|(wrong, open)| self.misplaced(wrong, open, place, Some(type_index)))
    }

    fn misplaced(&self, wrong: Misplaced, open: Option<Open>, place: Place, record_type: Option<usize>) -> Wrong {
        let name = |index: usize| self.layout.record_types[index].name.as_str();
        let reason = wrong.reason(name);
        let (place, record_type) = match open {
            Some(open) => (open.place, Some(open.record_type)),
            None => (place, record_type),
        };
        let fault = Fault::of_record(RejectCode::Order, reason, record_type);
        Wrong::Place(Box::new(reject(self.layout, place, fault)), wrong)
    }

    /// The next raw record, without its fields, under this number; `None` at the end of the file.
    #[inline]
    fn next_framed(&mut self, record: &mut Record, number: u64, as_line: bool) -> Result<Option<Framed>, ParseError> {
        let place = Place { byte: self.byte, line: self.line, number };
        let encoding = self.layout.encoding;
        let framed = match self.framer.next(as_line) {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => {
                let mut raw = frame.raw;
                if !frame.terminated && !self.layout.padding_at_end.is_empty() {
                    raw = self.layout.without_end_mark(raw);
                }
                record.load(raw, place, encoding.is_utf16().then_some(encoding));
                let padding = frame.raw[raw.len()..].to_vec();
                let framed = Framed { terminated: frame.terminated, plain: frame.plain };
                padding.iter().for_each(|byte| self.note_padding(*byte));
                self.byte += record.in_file(&padding);
                framed
            }
            Err(FrameError::Io(error)) => return Err(error.into()),
            Err(FrameError::TooLong) => return Err(reject(self.layout, place, self.too_long()).into()),
            Err(FrameError::UnterminatedQuote(opened)) => {
                let before = encoding.bytes_in_file(self.framer.ahead(opened)) as u64;
                let reason = format!("the quote at byte {} of the file is not closed", place.byte + before);
                return Err(
                    reject(self.layout, place, Fault::of_record(RejectCode::UnterminatedQuote, reason, None)).into()
                );
            }
        };
        self.last = place;
        self.byte += record.in_file(record.raw());
        self.count_lines(record.raw(), framed);
        let length = self.strip_terminator(record.raw(), framed);
        let length = length.map_err(|fault| reject(self.layout, record.place(), fault))?;
        record.set_content_length(length);
        Ok(Some(framed))
    }

    #[inline]
    fn count_lines(&mut self, raw: &[u8], framed: Framed) {
        self.line += match self.layout.terminator {
            Terminator::None => 1,
            _ if framed.plain => u64::from(framed.terminated),
            Terminator::Mixed => line_breaks(raw).count() as u64,
            Terminator::Cr => memchr::memchr_iter(b'\r', raw).count() as u64,
            Terminator::Lf | Terminator::CrLf => memchr::memchr_iter(b'\n', raw).count() as u64,
        };
    }

    /// The length of a raw record without its terminator.
    #[inline]
    fn strip_terminator(&mut self, raw: &[u8], framed: Framed) -> Result<usize, Fault> {
        if framed.terminated {
            let (content, terminator) = self
                .layout
                .terminator
                .strip(raw)
                .map_err(|reason| Fault::of_record(RejectCode::Terminator, reason, None))?;
            self.terminator = Some(terminator);
            return Ok(content.len());
        }
        if self.layout.terminator == Terminator::None {
            let reason = format!(
                "the file ends after {} bytes of a record of {} (cut short?)",
                raw.len(),
                self.layout.record_length
            );
            return Err(Fault::of_record(RejectCode::RecordLength, reason, None));
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

    /// Notes which terminator a record has, where that may change.
    #[inline]
    fn note_terminator(&mut self, record: &Record, number: u64) {
        if self.layout.terminator != Terminator::Mixed || record.terminator().is_empty() {
            return;
        }
        let word = self.terminator.unwrap_or(Terminator::Lf).word();
        let is_same = self.facts.frame.terminators.last().is_some_and(|run| run.terminator == word);
        if !is_same && self.may_keep(size_of::<TerminatorRun>()) {
            let run = TerminatorRun { from_record: number, terminator: word.to_owned() };
            self.facts.frame.terminators.push(run);
        }
    }

    /// Only the last record of a file can lack its terminator.
    fn check_final_terminator(&self, framed: Framed, record_type: Option<usize>) -> Result<(), Fault> {
        if framed.terminated || self.layout.final_terminator != Presence::Required {
            return Ok(());
        }
        let reason = "the file ends without a terminator, the layout requires one (cut short?)";
        Err(Fault::of_record(RejectCode::Terminator, reason, record_type))
    }

    fn control_reject(&self, fault: ControlFault) -> Reject {
        let (field, byte) = fault.field;
        let record_type = Some(fault.record_type);
        let place = Place { byte, ..fault.place };
        let fault = Fault { code: RejectCode::Control, reason: fault.reason, record_type, field: Some((field, 0)) };
        reject(self.layout, place, fault)
    }

    fn too_long(&self) -> Fault {
        let reason = format!("no end of the record within {} bytes (max_record_bytes)", self.layout.max_record_bytes);
        Fault::of_record(RejectCode::RecordTooLong, reason, None)
    }

    /// A fault of the record after those that were read, or of its absence.
    fn reject_next(&self, byte: u64, fault: Fault) -> ParseError {
        reject(self.layout, Place { byte, line: self.line, number: self.last.number + 1 }, fault).into()
    }
}

/// What is wrong with a record.
enum Wrong {
    Record(Fault),
    Control(ControlFault),
    /// Its place; told already.
    Place(Box<Reject>, Misplaced),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Record(fault)
    }
}

impl From<ControlFault> for Wrong {
    fn from(fault: ControlFault) -> Self {
        Self::Control(fault)
    }
}

/// A fault within a record, put in its place in the file.
#[cold]
fn reject_in(layout: &Layout, record: &Record, mut fault: Fault) -> Reject {
    if let Some((_, offset)) = &mut fault.field {
        let before = record.raw().get(..*offset).unwrap_or(record.raw());
        *offset = usize::try_from(record.in_file(before)).unwrap_or(*offset);
    }
    reject(layout, record.place(), fault)
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
            Shape::Delimited(shape) if shape.fields.quote.is_some() || shape.fields.escape == Escape::Backslash => {
                let (quote, delimiter, escape) = (shape.fields.quote, shape.fields.delimiter, shape.fields.escape);
                Some(QuotingRules { quote, delimiter, escape })
            }
            _ => None,
        };
        FramingRules {
            end: self.terminator.end(self.record_length),
            quoting,
            max_record_bytes: self.max_record_bytes,
            lines_ahead: self.lines.footer,
            end_padding: [0, 1].map(|index| self.padding_at_end.get(index).map(|padding| padding.byte())),
        }
    }

    /// Whether lines that are known before they are read whole may stand between records.
    fn has_other_lines(&self) -> bool {
        !self.padding_at_end.is_empty() || self.lines.comment.is_some() || self.lines.footer > 0
    }

    /// Whether it matters where a record stands.
    fn needs_order(&self) -> bool {
        self.record_types.len() > 1
            || self.standing.iter().any(|standing| standing.min > 0 || standing.max.is_some())
            || self.header.is_some()
            || self.trailer.is_some()
    }
}
