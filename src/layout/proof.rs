//! Whether what events carry is enough to write a file again: record by record, the rendering against the bytes.
//!
//! Where the two differ, the difference is kept as an exception: a field as it stands, another end of a record, or a
//! record that no event carries. Exceptions have to be sparse. A file that would need too many can only be had from
//! its stored bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::frame::Raw;
use super::parse::FileFacts;
use super::record::Record;
use super::render::RecordWriter;
use super::{Layout, Parser, Rebuilder};
use crate::domain::ContentHash;

/// What a rendering of a file's events gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The bytes of the file.
    Exact,
    /// The bytes of the file, with a sparse list of differences.
    ExactWithExceptions,
    /// Something else: only the stored bytes give the file.
    ReplayOnly,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::ExactWithExceptions => "exact with exceptions",
            Self::ReplayOnly => "replay only",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How the bytes of one record differ from its rendering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Number of the record in the file, from 1.
    pub record: u64,
    /// What is different.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A field is spelled otherwise.
    Field {
        /// Its name.
        field: String,
        /// As it stands, quotes and padding included.
        raw: Raw,
    },
    /// From some byte on the record is another.
    Tail {
        /// How many bytes of the rendering stay.
        keep: u64,
        /// What follows them.
        raw: Raw,
    },
    /// No event carries the record.
    Whole {
        /// The record, without terminator.
        raw: Raw,
    },
}

/// A difference between a file and its rendering, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Offset in the file, from 0.
    pub byte: u64,
    /// Physical line of the record's beginning, from 1.
    pub line: u64,
    /// Number of the record, from 1.
    pub record: u64,
    /// Name of its type.
    pub record_type: String,
    /// Name of the field, where one alone is different.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, byte {}, record {} ({}", self.line, self.byte, self.record, self.record_type)?;
        if let Some(field) = &self.field {
            write!(out, ".{field}")?;
        }
        out.write_str(")")
    }
}

/// The proof of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What it came to.
    pub verdict: Verdict,
    /// The differences, in the order of the records; none where there are too many.
    pub exceptions: Vec<Exception>,
    /// The first difference.
    pub first: Option<Difference>,
    /// How many records have a difference in each place: `bid.amount`, `bid (end)`, `note (not in events)`.
    pub histogram: BTreeMap<String, u64>,
}

/// Exceptions of a file may take as many bytes as this in its manifest.
const MOST_EXCEPTION_BYTES: usize = 256 * 1024;
/// So many records of a file may have exceptions, however few records it has.
const ALWAYS_SPARSE: u64 = 16;
/// Beyond that, one record in so many.
const SPARSE_SHARE: u64 = 10;

/// Collects the proof of one file.
pub struct Prover<'l> {
    layout: &'l Layout,
    writer: RecordWriter<'l>,
    rendered: Vec<u8>,
    value: Vec<u8>,
    exceptions: Vec<Exception>,
    exception_bytes: usize,
    records: u64,
    different: u64,
    first: Option<Difference>,
    places: BTreeMap<Spot, u64>,
    columns_known: bool,
    hopeless: bool,
    /// Bytes of records, terminators included.
    bytes: u64,
}

/// Where records differ: record type, and where in it.
type Spot = (usize, Where);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    Field(usize),
    End,
    Whole,
}

impl<'l> Prover<'l> {
    /// For one file.
    #[must_use]
    pub fn new(layout: &'l Layout) -> Self {
        Self {
            layout,
            writer: RecordWriter::new(layout),
            rendered: Vec::new(),
            value: Vec::new(),
            exceptions: Vec::new(),
            exception_bytes: 0,
            records: 0,
            different: 0,
            first: None,
            places: BTreeMap::new(),
            columns_known: false,
            hopeless: false,
            bytes: 0,
        }
    }

    /// Holds a record of the file against what an event, or the manifest, has of it. Records come in their order.
    #[inline]
    pub fn carried(&mut self, original: &Record, carried: &Record, facts: &FileFacts) {
        self.begin(original, facts);
        let at_start = original.bytes().start == 0;
        if self.writer.is_plainly(carried, at_start, original.content()) {
            return;
        }
        self.rendered.clear();
        let written = self.writer.write(carried, at_start, &mut self.rendered);
        if written.is_err() || self.rendered != original.content() {
            self.differs(original, carried);
        }
    }

    /// Takes a record that no event carries.
    pub fn uncarried(&mut self, original: &Record, facts: &FileFacts) {
        self.begin(original, facts);
        let change = Change::Whole { raw: Raw(original.content().to_vec()) };
        self.except(original, vec![change], &[Where::Whole], original.bytes().start);
    }

    /// Events would give records that the file does not have: only its stored bytes give it.
    pub fn give_up(&mut self) {
        self.hopeless = true;
    }

    #[inline]
    fn begin(&mut self, original: &Record, facts: &FileFacts) {
        self.records += 1;
        self.bytes += original.bytes().end - original.bytes().start;
        if !self.columns_known {
            self.columns_known = true;
            if let Some(line) = &facts.frame.column_names {
                self.writer.order_columns(&line.0);
            }
        }
    }

    #[cold]
    fn differs(&mut self, original: &Record, carried: &Record) {
        let (mut changes, mut spots) = (Vec::new(), Vec::new());
        let mut byte = None;
        if original.type_index() == carried.type_index() {
            for (index, field) in self.layout.record_types[original.type_index()].fields.iter().enumerate() {
                let raw = original.raw_field(index);
                // Where the record ends within a field or before it, the record's end is what differs.
                if field.is_fixed() && field.width().is_some_and(|width| raw.len() < width) {
                    continue;
                }
                if !self.is_rendered(original, carried, index) {
                    byte = byte.or(Some(original.field_offset(index)));
                    spots.push(Where::Field(index));
                    let raw = Raw(original.raw()[raw].to_vec());
                    changes.push(Change::Field { field: field.name.clone(), raw });
                }
            }
        }
        self.rendered.clear();
        let written = self.writer.write_changed(carried, &changes, false, &mut self.rendered);
        let content = original.content();
        if written.is_err() || self.rendered != content {
            let same = self.rendered.iter().zip(content).take_while(|(ours, theirs)| ours == theirs).count();
            let keep = if written.is_err() { 0 } else { same };
            byte = byte.or(Some(original.bytes().start + original.in_file(&content[..keep])));
            spots.push(Where::End);
            changes.push(Change::Tail { keep: keep as u64, raw: Raw(content[keep..].to_vec()) });
            if keep == 0 {
                changes.drain(..changes.len() - 1);
            }
        }
        self.except(original, changes, &spots, byte.unwrap_or(original.bytes().start));
    }

    /// Whether one field is rendered as it stands.
    fn is_rendered(&mut self, original: &Record, carried: &Record, index: usize) -> bool {
        self.value.clear();
        let written = self.writer.write_field(carried, index, &mut self.value);
        written.is_ok() && self.value == original.raw()[original.raw_field(index)]
    }

    fn except(&mut self, original: &Record, changes: Vec<Change>, spots: &[Where], byte: u64) {
        self.different += 1;
        let record_type = original.type_index();
        for spot in spots {
            *self.places.entry((record_type, *spot)).or_default() += 1;
        }
        if self.first.is_none() {
            let types = &self.layout.record_types;
            let field = match spots {
                [Where::Field(field), ..] => types[record_type].fields.get(*field).map(|field| field.name.clone()),
                _ => None,
            };
            self.first = Some(Difference {
                byte,
                line: original.line(),
                record: original.number(),
                record_type: types[record_type].name.clone(),
                field,
            });
        }
        self.exception_bytes += changes.iter().map(Change::weight).sum::<usize>();
        if self.exception_bytes <= MOST_EXCEPTION_BYTES {
            self.exceptions.push(Exception { record: original.number(), changes });
        } else {
            self.exceptions = Vec::new();
        }
    }

    /// Ends the proof of a file of which the parser has come to its end.
    #[must_use]
    pub fn finish(self, facts: &FileFacts) -> Proof {
        let sparse = self.different <= ALWAYS_SPARSE.max(self.records / SPARSE_SHARE)
            && self.exception_bytes + facts.frame.weight() <= MOST_EXCEPTION_BYTES
            && !facts.overfull
            && !self.hopeless;
        // Bytes that are neither in a record nor in the frame would be lost.
        let whole = self.bytes + facts.bytes_beside_records == facts.bytes;
        let verdict = match self.different {
            _ if !sparse || !whole => Verdict::ReplayOnly,
            0 => Verdict::Exact,
            _ => Verdict::ExactWithExceptions,
        };
        let types = &self.layout.record_types;
        let name = |(record_type, spot): &Spot| {
            let record = &types[*record_type];
            match spot {
                Where::Field(field) => format!("{}.{}", record.name, record.fields[*field].name),
                Where::End => format!("{} (end)", record.name),
                Where::Whole => format!("{} (not in events)", record.name),
            }
        };
        Proof {
            verdict,
            exceptions: if verdict == Verdict::ReplayOnly { Vec::new() } else { self.exceptions },
            first: self.first,
            histogram: self.places.iter().map(|(spot, count)| (name(spot), *count)).collect(),
        }
    }
}

impl Change {
    /// Roughly how many bytes it takes in a manifest.
    fn weight(&self) -> usize {
        let raw = match self {
            Self::Field { raw, .. } | Self::Tail { raw, .. } | Self::Whole { raw } => raw.weight(),
        };
        raw + 60
    }
}

impl Layout {
    /// Proves a file by its records alone, without events between: what the layout keeps of it.
    ///
    /// # Errors
    /// As [`Parser::read`].
    pub fn prove(&self, source: impl std::io::Read) -> Result<(Proof, FileFacts), super::ParseError> {
        let mut parser = Parser::new(self, source);
        let mut prover = Prover::new(self);
        let (mut record, mut carried) = (Record::new(), Record::new());
        while parser.read(&mut record)? {
            carried.copy_values(&record);
            prover.carried(&record, &carried, parser.facts());
        }
        let facts = parser.facts().clone();
        Ok((prover.finish(&facts), facts))
    }

    /// The hash of a file that is written again from its own records, its frame and its exceptions.
    ///
    /// # Errors
    /// Of the source; `InvalidData` where it cannot be parsed or written again, which contradicts its proof.
    pub fn rebuilt_hash(
        &self,
        source: impl std::io::Read,
        facts: &FileFacts,
        proof: &Proof,
    ) -> std::io::Result<ContentHash> {
        let contradiction = |error: String| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        let mut parser = Parser::new(self, source);
        let mut rebuilder = Rebuilder::new(self, &facts.frame, &proof.exceptions);
        let (mut record, mut carried) = (Record::new(), Record::new());
        let (mut out, mut hasher) = (Vec::new(), Sha256::new());
        rebuilder.begin(&mut out);
        loop {
            match parser.read(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(super::ParseError::Io(error)) => return Err(error),
                Err(error) => return Err(contradiction(error.to_string())),
            }
            carried.copy_values(&record);
            rebuilder.record(&carried, &mut out).map_err(|error| contradiction(error.to_string()))?;
            hasher.update(&out);
            out.clear();
        }
        rebuilder.finish(&mut out);
        hasher.update(&out);
        Ok(ContentHash::finish(hasher))
    }
}
