//! Drafts: a layout to begin with, from sample files.
//!
//! Evidence proposes and the proof decides: whatever is stated was compiled and held against every sample, byte for
//! byte. Each choice carries its evidence, in numbers, as a comment; values of the samples are shown nowhere but where
//! the layout itself must name them (column names, record types).
//!
//! The way of a draft, and the file where each step lives:
//!
//! ```text
//! samples → survey (encoding, line ends, end of the file) → dialect (delimiter, quotes) | fixed (record length)
//!         → shape (other lines, column names, record types) | columns (byte boundaries) → judge (quoting policy)
//!         → narrow (types) → judge (whole samples) → totals (controls) → write (TOML)
//! ```
//!
//! Pure but for the `Read` that whole samples come from. The search sees no more than the two ends of each sample that
//! it is given; the last proof reads all of it, as a stream.

mod columns;
mod dialect;
mod fixed;
mod judge;
mod marks;
mod names;
mod narrow;
mod notes;
mod search;
mod shape;
mod survey;
mod totals;
mod write;

use std::io::{self, Read};

use crate::layout::{LayoutSpec, SpecProblem};

pub use judge::Outcome;
use notes::Notes;

/// A sample as the search sees it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What to call it.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its first bytes, or all of it.
    pub head: Vec<u8>,
    /// Its last bytes, beginning after `head`; empty where `head` is all of it.
    pub tail: Vec<u8>,
}

impl Sample {
    /// A sample that is known whole.
    #[must_use]
    pub fn whole(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, head: bytes.to_vec(), tail: Vec::new() }
    }

    /// Whether the search sees all of it.
    fn is_whole(&self) -> bool {
        self.head.len() as u64 == self.bytes
    }
}

/// Where whole samples are read.
pub trait Originals {
    /// Sample number `index`, from its first byte.
    ///
    /// # Errors
    /// Where it cannot be opened.
    fn open(&self, index: usize) -> io::Result<Box<dyn Read + '_>>;
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// There is nothing to go by.
    #[error("{0}")]
    Samples(String),
    /// A sample could not be read to its end.
    #[error("cannot read {sample}: {error}")]
    Io {
        /// Which one.
        sample: String,
        /// Why.
        error: io::Error,
    },
    /// What was stated is no layout: a defect of this program.
    #[error("the draft is no valid layout, which is a defect of dropbridge: {}", listed(.0))]
    Invalid(Vec<SpecProblem>),
}

fn listed(problems: &[SpecProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A layout from samples.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The layout.
    pub spec: LayoutSpec,
    /// What became of each sample under it, in their order.
    pub outcomes: Vec<Outcome>,
    notes: Notes,
}

impl Draft {
    /// How many samples it proves.
    #[must_use]
    pub fn proven(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.is_proven()).count()
    }

    /// The layout's file, with the evidence as comments. The same samples give the same text.
    #[must_use]
    pub fn toml(&self) -> String {
        write::toml(&self.spec, &self.notes)
    }
}

/// Drafts a layout.
///
/// # Errors
/// Where there is nothing to go by, or a sample cannot be read.
pub fn draft(name: &str, samples: &[Sample], originals: &dyn Originals) -> Result<Draft, DraftError> {
    search::draft(name, samples, originals)
}
