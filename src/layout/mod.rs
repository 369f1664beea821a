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
mod decimal;
mod decode;
mod delimited;
mod digest;
mod encoding;
mod field;
mod fixed_width;
mod framing;
mod order;
mod parse;
mod record;
mod reject;
mod render;
pub mod spec;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use compile::SpecProblem;
pub use control::ControlOutcome;
pub use field::Field;
pub use parse::{FileFacts, ParseError, Parser};
pub use record::Record;
pub use reject::{Reject, RejectCode};
pub use render::{RenderError, RenderOptions, Renderer};
pub use spec::*;

use compile::Shape;
use control::Control;
use decode::RecordDecoder;

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
    discriminator: Option<DiscriminatorSpec>,
    record_types: Vec<RecordType>,
    header: Option<usize>,
    trailer: Option<usize>,
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
    /// `tail` is the whole file, or at least its last `max_record_bytes`. It is judged without what comes before: a
    /// trailer with a line break in quotes is not recognised, and a detail that was cut short within quotes could be
    /// mistaken for one. So this tells when a file may be complete; only the parser tells that it is.
    #[must_use]
    pub fn ends_with_trailer(&self, tail: &[u8]) -> bool {
        let Some(trailer) = self.trailer else { return false };
        let end = self.terminator.end();
        let terminated = tail.last() == Some(&end);
        let stated = match self.final_terminator {
            Presence::Required => terminated,
            Presence::Optional => true,
            Presence::Absent => !terminated,
        };
        let before = &tail[..tail.len() - usize::from(terminated)];
        let start = memchr::memrchr(end, before).map_or(0, |at| at + 1);
        let raw = &tail[start..];
        let content = if terminated { self.terminator.strip(raw).ok() } else { Some(raw) };
        match content {
            Some(content) if stated && raw.len() <= self.max_record_bytes => self.is_whole(trailer, content),
            _ => false,
        }
    }

    /// Whether a record, given without its terminator, is one of this type without fault.
    fn is_whole(&self, record_type: usize, content: &[u8]) -> bool {
        // Whether there really are quotes makes no difference but in speed.
        let has_quotes = true;
        let mut decoder = RecordDecoder::new(self);
        if !decoder.identify(content, has_quotes).is_ok_and(|found| found == record_type) {
            return false;
        }
        let mut record = Record::build(record_type);
        record.load(content, 1, 1, 0);
        record.set_type(record_type);
        decoder.read_fields(&mut record, content.len(), has_quotes).is_ok()
    }
}
