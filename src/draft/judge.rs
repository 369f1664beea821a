//! The proof of a layout over all samples, and which of two layouts proves more.

use std::collections::BTreeMap;
use std::io::Read;

use super::DraftError;
use crate::layout::{Difference, Layout, LayoutSpec, ParseError, Reject, Verdict};

/// What became of a sample under a layout.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was read to its end.
    Read {
        /// What its rendering gives.
        verdict: Verdict,
        /// How many records it has.
        records: u64,
        /// The first difference, where there is one.
        first: Option<Difference>,
        /// How many records differ in each place.
        histogram: BTreeMap<String, u64>,
    },
    /// It is not what the layout says.
    Refused(Box<Reject>),
}

impl Outcome {
    /// Whether records and exceptions give its bytes again.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Read { verdict: Verdict::Exact | Verdict::ExactWithExceptions, .. })
    }

    /// Where it is first not what the layout says, or would be written otherwise.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Read { verdict, first: Some(first), .. } => format!("{verdict}, first at {first}"),
            Self::Read { verdict, records, .. } => format!(
                "{verdict}, {}",
                super::notes::counted(usize::try_from(*records).unwrap_or(usize::MAX), "record")
            ),
            Self::Refused(reject) => format!("refused at {reject}"),
        }
    }

    /// The record type and field that its first fault is in.
    pub(super) fn culprits(&self) -> Vec<(String, String)> {
        match self {
            Self::Read { histogram, .. } => {
                let places = histogram.keys().filter_map(|place| place.split_once('.'));
                places.map(|(record, field)| (record.to_owned(), field.to_owned())).collect()
            }
            Self::Refused(reject) => {
                let (record, field) = (reject.record_type.clone(), reject.field.clone());
                record.zip(field).into_iter().collect()
            }
        }
    }
}

/// How good a layout is; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Samples that it does not prove.
    unproven: usize,
    /// Records with exceptions.
    exceptions: u64,
}

impl Score {
    pub(super) const WORST: Self = Self { unproven: usize::MAX, exceptions: u64::MAX };

    /// Of all samples.
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let unproven = outcomes.iter().filter(|outcome| !outcome.is_proven()).count();
        let differences = outcomes.iter().map(|outcome| match outcome {
            Outcome::Read { histogram, .. } => histogram.values().sum(),
            Outcome::Refused(_) => 0,
        });
        Self { unproven, exceptions: differences.sum() }
    }

    /// In words.
    pub(super) fn told(self, samples: usize) -> String {
        let proven = samples.saturating_sub(self.unproven);
        format!("{proven} of {samples} proven, {} exceptions", super::notes::number(self.exceptions))
    }

    /// Whether one of so many samples is proven at least.
    pub(super) fn proves_any(self, samples: usize) -> bool {
        self.unproven < samples
    }

    /// Every sample comes back without a single exception.
    pub(super) fn is_exact(self) -> bool {
        self.unproven == 0 && self.exceptions == 0
    }
}

/// Compiles a layout and proves every sample by it.
///
/// # Errors
/// A specification that is none, and samples that cannot be read.
pub(super) fn judge<'r>(
    spec: &LayoutSpec,
    names: &[String],
    open: impl Fn(usize) -> std::io::Result<Box<dyn Read + 'r>>,
) -> Result<Vec<Outcome>, DraftError> {
    let layout = Layout::compile(spec.clone()).map_err(DraftError::Invalid)?;
    names.iter().enumerate().map(|(index, name)| prove(&layout, name, open(index))).collect()
}

fn prove(layout: &Layout, name: &str, source: std::io::Result<Box<dyn Read + '_>>) -> Result<Outcome, DraftError> {
    let failed = |error| DraftError::Io { sample: name.to_owned(), error };
    match layout.prove(source.map_err(failed)?) {
        Ok((proof, facts)) => Ok(Outcome::Read {
            verdict: proof.verdict,
            records: facts.records,
            first: proof.first,
            histogram: proof.histogram,
        }),
        Err(ParseError::Reject(reject)) => Ok(Outcome::Refused(Box::new(reject))),
        Err(ParseError::Io(error)) => Err(failed(error)),
    }
}
