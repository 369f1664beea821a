//! Layouts: how the bytes of a flat file are records, in both directions.
//!
//! A [`LayoutSpec`] is what somebody wrote; [`Layout::compile`] makes a [`Layout`] of it, or says everything that is
//! wrong with it. A [`Parser`] reads a stream by a layout, in bounded memory, and vouches for the whole file at its
//! end; a [`Renderer`] writes records by the same layout. What the parser takes, the renderer gives back byte for byte
//! but for quotes that the layout's policy would not have written.
//!
//! The way of a record, and the file where each step lives:
//!
//! ```text
//! stream → framing (raw record) → delimited (columns) → decode (type) → order → encoding → field (canonical text)
//!        → control (counts and sums) → parse (facts of the file)
//! records → render → field → encoding → delimited (quotes) → bytes
//! ```
//!
//! Everything here is pure but for the `Read` that a parser is given.

mod compile;
mod control;
mod decode;
mod delimited;
mod digest;
mod encoding;
mod field;
mod fixed_width;
mod frame;
mod framing;
mod order;
mod parse;
mod proof;
mod rebuild;
mod record;
mod reject;
mod render;
pub mod spec;
#[cfg(test)]
mod tests;
pub mod types;
mod utf16;

use std::ops::Range;

pub use compile::SpecProblem;
pub use control::ControlOutcome;
pub use field::Field;
pub use frame::{FileFrame, KeptLine, PaddingRun, Raw, TerminatorRun};
pub use parse::{FileFacts, ParseError, Parser};
pub use proof::{Change, Difference, Exception, Proof, Prover, Verdict};
pub use rebuild::Rebuilder;
pub use record::Record;
pub use reject::{Reject, RejectCode};
pub use render::{RenderError, Renderer};
pub use spec::*;
pub use types::ValueType;

use compile::Shape;
use control::Control;
use decode::RecordDecoder;
use order::Standing;

/// A layout, ready for use. It cannot be wrong: what could be was found when it was compiled.
#[derive(Clone, Debug)]
pub struct Layout {
    name: String,
    version: u32,
    digest: String,
    shape: Shape,
    encoding: Encoding,
    terminator: Terminator,
    final_terminator: Presence,
    byte_order_mark: Presence,
    max_record_bytes: usize,
    lines: LinesSpec,
    padding_at_end: Vec<EndPadding>,
    discriminator: Option<DiscriminatorSpec>,
    record_types: Vec<RecordType>,
    standing: Vec<Standing>,
    header: Option<usize>,
    trailer: Option<usize>,
    /// The type of records that no other type takes.
    fallback: Option<usize>,
    /// Length of every record where they have no terminator.
    record_length: usize,
    controls: Vec<Control>,
}

/// A record type, ready for use.
#[derive(Clone, Debug)]
pub struct RecordType {
    /// Its name, unique in its layout.
    pub name: String,
    /// Where it may stand.
    pub role: Role,
    /// Its fields, in the order of the file.
    pub fields: Vec<Field>,
    /// The bytes by which it is known.
    matches: Option<Vec<u8>>,
    /// Fixed width: its length without terminator; 0 otherwise.
    length: usize,
    /// Fixed width: the bytes behind the last field.
    last_gap: Range<usize>,
}

impl Layout {
    /// Makes a layout of what was stated.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn compile(spec: LayoutSpec) -> Result<Self, Vec<SpecProblem>> {
        compile::compile(spec)
    }

    /// Its name; feeds refer to it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, as its author counts.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256, in hex, over everything that was stated: another digest is another layout, whatever its version says.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its record types; their order is that of every `type_index`.
    #[must_use]
    pub fn record_types(&self) -> &[RecordType] {
        &self.record_types
    }

    /// The record type of its header, if it has one.
    #[must_use]
    pub fn header(&self) -> Option<usize> {
        self.header
    }

    /// The record type of its trailer, if it has one.
    #[must_use]
    pub fn trailer(&self) -> Option<usize> {
        self.trailer
    }

    /// Whether values of some field are to be shown nowhere.
    #[must_use]
    pub fn masks(&self) -> bool {
        self.record_types.iter().flat_map(|record| &record.fields).any(|field| field.masked)
    }

    /// The index of a record type by its name.
    #[must_use]
    pub fn record_type(&self, name: &str) -> Option<usize> {
        self.record_types.iter().position(|record| record.name == name)
    }

    /// The index of a field of a record type by its name.
    #[must_use]
    pub fn field(&self, record_type: usize, name: &str) -> Option<usize> {
        self.record_types.get(record_type)?.fields.iter().position(|field| field.name == name)
    }

    /// The longest record that is accepted, terminator included.
    #[must_use]
    pub fn max_record_bytes(&self) -> usize {
        self.max_record_bytes
    }

    /// Whether the last record in the last bytes of a file is a whole trailer. `false` for a layout without trailers.
    ///
    /// `tail` is the whole file, or at least its last [`Layout::tail_bytes`]. It is judged without what comes before: a
    /// trailer with a line break in quotes is not recognised, and a detail that was cut short within quotes could be
    /// mistaken for one. So this tells when a file may be complete; only the parser tells that it is.
    #[must_use]
    pub fn ends_with_trailer(&self, tail: &[u8]) -> bool {
        let Some(trailer) = self.trailer else { return false };
        let mut text = Vec::new();
        let tail = if self.encoding.is_utf16() {
            // A part of a file may begin in the midst of a character: what cannot be read is not its last record.
            let even = &tail[tail.len() % 2..];
            let start = even.len().saturating_sub(4 * self.max_record_bytes) & !1;
            let mut source = utf16::Source::new(&even[start..], self.encoding);
            if std::io::Read::read_to_end(&mut source, &mut text).is_err() {
                return false;
            }
            &text
        } else {
            tail
        };
        let mut rest = self.without_padding(tail);
        for _ in 0..self.lines.footer {
            rest = &rest[..self.last_record(rest).0];
        }
        let (start, content) = self.last_record(rest);
        let raw = &rest[start..];
        let terminated = content.is_ok_and(|content| content.len() < raw.len());
        let stated = match (self.final_terminator, self.terminator) {
            (_, Terminator::None) | (Presence::Optional, _) => true,
            (Presence::Required, _) => terminated,
            (Presence::Absent, _) => !terminated || self.lines.footer > 0,
        };
        match content {
            Ok(content) if stated && raw.len() <= self.max_record_bytes => self.is_whole(trailer, content),
            _ => false,
        }
    }

    fn without_padding<'t>(&self, mut tail: &'t [u8]) -> &'t [u8] {
        while let [rest @ .., last] = tail {
            if !self.padding_at_end.iter().any(|padding| padding.byte() == *last) {
                break;
            }
            tail = rest;
        }
        tail
    }

    /// Where the last record begins, and its bytes without terminator.
    fn last_record<'t>(&self, tail: &'t [u8]) -> (usize, Result<&'t [u8], &'static str>) {
        let is_break = |byte: u8| match self.terminator.end(self.record_length) {
            framing::End::Byte(end) => byte == end,
            framing::End::AnyLineBreak => matches!(byte, b'\n' | b'\r'),
            framing::End::Length(_) => false,
        };
        if self.terminator == Terminator::None {
            let start = tail.len().saturating_sub(self.record_length);
            return (start, Ok(&tail[start..]));
        }
        let both = self.terminator == Terminator::Mixed && tail.ends_with(b"\r\n");
        let terminated = tail.last().is_some_and(|last| is_break(*last));
        let before = tail.len() - if both { 2 } else { usize::from(terminated) };
        let start = tail[..before].iter().rposition(|byte| is_break(*byte)).map_or(0, |at| at + 1);
        let raw = &tail[start..];
        (start, if terminated { self.terminator.strip(raw).map(|(content, _)| content) } else { Ok(raw) })
    }

    /// How many of a file's last bytes [`Layout::ends_with_trailer`] needs.
    #[must_use]
    pub fn tail_bytes(&self) -> usize {
        let wide = if self.encoding.is_utf16() { 2 } else { 1 };
        self.max_record_bytes.saturating_mul(self.lines.footer + 1).saturating_mul(wide)
    }

    /// Whether a record, given without its terminator, is one of this type without fault.
    fn is_whole(&self, record_type: usize, content: &[u8]) -> bool {
        // Whether it is plain makes no difference but in speed.
        let plain = false;
        let mut decoder = RecordDecoder::new(self);
        if !decoder.identify(content, plain).is_ok_and(|found| found == record_type) {
            return false;
        }
        let mut record = Record::build(record_type);
        record.load(content, record::Place::default(), None);
        record.set_type(record_type);
        decoder.read_fields(&mut record, plain).is_ok()
    }
}
