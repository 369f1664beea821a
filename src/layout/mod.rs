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

mod anew;
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
mod tail;
#[cfg(test)]
mod tests;
pub mod types;
mod utf16;

use std::ops::Range;

pub use compile::SpecProblem;
pub use control::{ControlOutcome, Derivation, state_of_members};
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

    /// How many bytes of the file these bytes are: those of UTF-16 are held as UTF-8.
    #[must_use]
    pub fn bytes_in_file(&self, bytes: &[u8]) -> u64 {
        self.encoding.bytes_in_file(bytes) as u64
    }

    /// The longest record that is accepted, terminator included.
    #[must_use]
    pub fn max_record_bytes(&self) -> usize {
        self.max_record_bytes
    }
}
