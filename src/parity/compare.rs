//! Two files, from their bytes to the outcome.

use std::io::{self, Read};

use crate::layout::{Layout, ParseError, Parser, Record, Reject};

use super::beside::{self, Beside};
use super::finding::{Finding, Kind, Seen, Side};
use super::item;
use super::merge::Merge;
use super::outcome::{Compared, Outcome, Tally, Verdict};
use super::path::Paths;
use super::rules::Rules;
use super::sort::{Scratch, Sorted, Sorter};
use super::whole::{self, Bytes, Hashing};

/// Opens a file from its beginning; it is read twice.
pub type Open<'o> = &'o dyn Fn() -> io::Result<Box<dyn Read + 'o>>;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A file could not be read.
    #[error("cannot read the {0} file: {1}")]
    Read(Side, io::Error),
    /// Records could not be put aside to be sorted.
    #[error("cannot sort records in the scratch directory: {0}")]
    Scratch(io::Error),
    /// A file was written while it was compared.
    #[error("the {0} file changed while it was compared: compare it again when nobody writes it")]
    Changed(Side),
}

/// What files are compared by.
#[derive(Clone, Copy)]
pub struct Comparison<'c> {
    /// How their bytes are records.
    pub layout: &'c Layout,
    /// What may differ.
    pub rules: &'c Rules,
    /// Where more records are sorted than memory holds.
    pub scratch: &'c dyn Scratch,
    /// So many bytes of records are held in memory: a third for each file, the rest for their order. On top come what
    /// is read at once (64 KiB for each run of sorted records, of which there are at most 64 a file) and a few
    /// records.
    pub memory_bytes: usize,
}

/// One file, read and sorted.
struct ReadFile {
    records: Sorted,
    beside: Beside,
    count: u64,
}

impl Comparison<'_> {
    /// Compares two files. Every difference that no rule expects is given to `found`, in the order of the keys.
    ///
    /// # Errors
    /// Of a file, or of the scratch directory.
    pub fn compare(
        &self,
        legacy: Open<'_>,
        candidate: Open<'_>,
        found: &mut dyn FnMut(Finding),
    ) -> Result<Outcome, CompareError> {
        let whole = whole::compare(opened(Side::Legacy, legacy)?, opened(Side::Candidate, candidate)?)
            .map_err(|(side, error)| CompareError::Read(side, error))?;
        let mut outcome = Outcome {
            verdict: Verdict::Identical,
            legacy: compared(whole.legacy),
            candidate: compared(whole.candidate),
            first_difference: whole.first_difference,
            tally: Tally::default(),
            expected: Vec::new(),
        };
        if whole.first_difference.is_none() {
            self.count_records(&mut outcome, legacy)?;
            return Ok(outcome);
        }
        let one = self.read(Side::Legacy, legacy, whole.legacy)?;
        let other = self.read(Side::Candidate, candidate, whole.candidate)?;
        let note = |compared: &mut Compared, read: &Result<ReadFile, Reject>| match read {
            Ok(read) => compared.records = Some(read.count),
            Err(reject) => compared.reject = Some(reject.clone()),
        };
        note(&mut outcome.legacy, &one);
        note(&mut outcome.candidate, &other);
        match (one, other) {
            (Ok(one), Ok(other)) => self.compare_records(one, other, &mut outcome, found)?,
            _ => outcome.verdict = Verdict::Unreadable,
        }
        Ok(outcome)
    }

    /// Of two files of the same bytes one is read, to say how many records they have.
    fn count_records(&self, outcome: &mut Outcome, open: Open<'_>) -> Result<(), CompareError> {
        let failed = |error| CompareError::Read(Side::Legacy, error);
        let mut parser = Parser::new(self.layout, opened(Side::Legacy, open)?);
        let mut record = Record::new();
        let counted = loop {
            match parser.read(&mut record) {
                Ok(true) => {}
                Ok(false) => break Ok(parser.facts().records),
                Err(ParseError::Reject(reject)) => break Err(reject),
                Err(ParseError::Io(error)) => return Err(failed(error)),
            }
        };
        for compared in [&mut outcome.legacy, &mut outcome.candidate] {
            match &counted {
                Ok(records) => compared.records = Some(*records),
                Err(reject) => compared.reject = Some(reject.clone()),
            }
        }
        let records = counted.unwrap_or(0);
        (outcome.tally.compared, outcome.tally.equal) = (records, records);
        Ok(())
    }

    /// Reads and sorts the records of one file, which has to be the bytes that it was before.
    fn read(&self, side: Side, open: Open<'_>, expected: Bytes) -> Result<Result<ReadFile, Reject>, CompareError> {
        let failed = |error| CompareError::Read(side, error);
        let mut source = Hashing::new(opened(side, open)?);
        let mut records = Sorter::new(self.scratch, self.memory_bytes / 3);
        let mut beside = Beside::default();
        let mut parser = Parser::new(self.layout, &mut source);
        let (mut paths, mut record, mut payload) = (Paths::new(self.rules), Record::new(), Vec::new());
        let end = loop {
            match parser.read(&mut record) {
                Ok(true) => {}
                Ok(false) => break Ok(parser.facts().records),
                Err(ParseError::Reject(reject)) => break Err(reject),
                Err(ParseError::Io(error)) => return Err(failed(error)),
            }
            beside.before(&record, parser.facts(), self.layout);
            let (path, above) = paths.next(&record);
            payload.clear();
            item::write(&record, above, &mut payload);
            records.push(path, record.number(), &payload).map_err(CompareError::Scratch)?;
        };
        beside.finish(parser.facts(), self.layout);
        drop(parser);
        // What was not read of a file that is refused is the same file too.
        io::copy(&mut source, &mut io::sink()).map_err(failed)?;
        if source.finish() != expected {
            return Err(CompareError::Changed(side));
        }
        Ok(end.map(|count| ReadFile { records: records.finish(), beside, count }))
    }

    fn compare_records(
        &self,
        mut legacy: ReadFile,
        mut candidate: ReadFile,
        outcome: &mut Outcome,
        found: &mut dyn FnMut(Finding),
    ) -> Result<(), CompareError> {
        let mut merge = Merge::new(self, found);
        let scratch = CompareError::Scratch;
        merge
            .run(&mut legacy.records.stream().map_err(scratch)?, &mut candidate.records.stream().map_err(scratch)?)
            .map_err(scratch)?;
        beside::compare(&legacy.beside, &candidate.beside, self.layout, &mut |finding| merge.tell_beside(finding));
        let (tally, expected) = merge.finish();
        (outcome.tally, outcome.expected) = (tally, expected);
        if outcome.tally.differences() == 0 && outcome.expected.is_empty() {
            // The bytes differ, so that something does. It is never taken for parity.
            let at = outcome.first_difference.unwrap_or_default();
            let finding = Finding {
                legacy: Some(Seen::at(at)),
                candidate: Some(Seen::at(at)),
                ..Finding::new(Kind::Unexplained)
            };
            *outcome.tally.findings.entry(Kind::Unexplained).or_default() += 1;
            found(finding);
        }
        let differs = outcome.tally.differences() > 0;
        outcome.verdict = if differs { Verdict::Different } else { Verdict::Expected };
        Ok(())
    }
}

fn opened<'o>(side: Side, open: Open<'o>) -> Result<Box<dyn Read + 'o>, CompareError> {
    open().map_err(|error| CompareError::Read(side, error))
}

fn compared(bytes: Bytes) -> Compared {
    Compared { bytes: bytes.size, sha256: bytes.sha256, records: None, reject: None }
}
