//! The proof of a file on its way: what its events carry, as they are serialised, against its records.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::manifest::FileSummary;
use super::prepare::{Failure, Source, trailer_of};
use super::rewrite::{RewriteError, Rewriter};
use super::translate::Translator;
use crate::domain::ContentHash;
use crate::layout::{FileFacts, Layout, ParseError, Proof, Prover, Record, Reject};
use crate::mapping::{CarriedRecords, Group, Mapping, Payload};

/// Collects the proof of one file while its events are made.
pub struct FileProof<'l> {
    layout: &'l Layout,
    mapping: &'l Mapping,
    prover: Prover<'l>,
    carried: CarriedRecords,
    copy: Record,
}

impl<'l> FileProof<'l> {
    /// For a file of this layout, whose events this mapping makes.
    #[must_use]
    pub fn new(layout: &'l Layout, mapping: &'l Mapping) -> Self {
        Self { layout, mapping, prover: Prover::new(layout), carried: CarriedRecords::default(), copy: Record::new() }
    }

    /// Holds a group against the payload that was made of it.
    pub fn event(&mut self, group: &Group, event_type: &str, payload: Payload<'_>, facts: &FileFacts) {
        let read = self.carried.read_event(self.layout, self.mapping, event_type, payload);
        let carried = read.map_or(&[][..], |()| self.carried.records());
        let mut originals = group.lead().into_iter().chain(group.members());
        for (original, carried) in originals.by_ref().zip(carried) {
            self.prover.carried(original, carried, facts);
        }
        originals.for_each(|original| self.prover.uncarried(original, facts));
        let count = group.members().len() + 1;
        if carried.len() > count {
            // There would be records that the file does not have, and no exception takes one away.
            self.prover.give_up();
        }
    }

    /// Takes a header or trailer: the manifest has its fields.
    pub fn framing(&mut self, record: &Record, facts: &FileFacts) {
        self.copy.copy_values(record);
        self.prover.carried(record, &self.copy, facts);
    }

    /// Takes a record that is in no event.
    pub fn uncarried(&mut self, record: &Record, facts: &FileFacts) {
        self.prover.uncarried(record, facts);
    }

    /// The proof, when the parser has come to its end.
    #[must_use]
    pub fn finish(self, facts: &FileFacts) -> Proof {
        self.prover.finish(facts)
    }
}

/// Proves a file without publishing it: what its manifest would say, or the reject.
///
/// # Errors
/// Of the reader.
pub fn prove(source: &Source<'_>, open: &Open<'_>) -> io::Result<Result<FileSummary, Box<Reject>>> {
    match try_prove(source, open) {
        Ok(summary) => Ok(Ok(summary)),
        Err(Failure::Reject(reject)) => Ok(Err(Box::new(reject))),
        Err(Failure::Port(error)) => Err(io::Error::other(error.to_string())),
    }
}

/// Opens the file once more, from its beginning.
pub type Open<'o> = dyn Fn() -> io::Result<Box<dyn Read>> + 'o;

fn try_prove(source: &Source<'_>, open: &Open<'_>) -> Result<FileSummary, Failure> {
    let trailer = trailer(source, open)?;
    let naming = source.naming();
    let reader = open().map_err(ParseError::Io)?;
    let mut translator = Translator::new(source.plan, reader, source.origin(), &naming, trailer.as_ref()).proving();
    translator.only_examine();
    while translator.next_event()?.is_some() {}
    let translated = translator.finish().map_err(Failure::Reject)?;
    Ok(FileSummary::new(&source.plan.settings.layout, &source.plan.digest, translator.facts(), translated))
}

fn trailer(source: &Source<'_>, open: &Open<'_>) -> Result<Option<Record>, Failure> {
    if !source.plan.mapping.needs_trailer() {
        return Ok(None);
    }
    trailer_of(source.plan, open().map_err(ParseError::Io)?)
}

/// The hash of what a file's manifest and events give when they are rendered, after both were serialised.
///
/// # Errors
/// Where they cannot be rendered; of the reader.
pub fn rewritten_hash(
    source: &Source<'_>,
    open: &Open<'_>,
    summary: &FileSummary,
) -> io::Result<Result<ContentHash, RewriteError>> {
    let manifest = serde_json::to_vec(summary)?;
    let summary: FileSummary = serde_json::from_slice(&manifest)?;
    let wrong = |failure: Failure| match failure {
        Failure::Reject(reject) => io::Error::new(io::ErrorKind::InvalidData, reject.to_string()),
        Failure::Port(error) => io::Error::other(error.to_string()),
    };
    let trailer = trailer(source, open).map_err(wrong)?;
    let naming = source.naming();
    let mut translator = Translator::new(source.plan, open()?, source.origin(), &naming, trailer.as_ref());
    let mut rewriter = Rewriter::new(source.plan, &summary);
    let (mut out, mut hasher) = (Vec::new(), Sha256::new());
    let mut rewritten = rewriter.begin(&mut out);
    while rewritten.is_ok() {
        let Some(event) = translator.next_event().map_err(|error| wrong(error.into()))? else {
            rewritten = rewriter.finish(&mut out);
            break;
        };
        rewritten = rewriter.event(event.value, &mut out);
        hasher.update(&out);
        out.clear();
    }
    hasher.update(&out);
    Ok(rewritten.map(|()| ContentHash::finish(hasher)))
}
