//! Two files, from their bytes to the outcome.

use std::io::{self, Read};

use crate::domain::policy::RejectLimit;
use crate::layout::{FileFacts, Layout, ParseError, Parser, Record, Reject, RejectCode};

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
    /// How many bad records a file may have whose good ones are compared; without it none.
    pub rejects: Option<RejectLimit>,
    /// Where more records are sorted than memory holds.
    pub scratch: &'c dyn Scratch,
    /// So many bytes of records are held in memory: a third for each file, the rest for their order. On top come what
    /// is read at once (64 KiB for each run of sorted records, of which there are at most 64 a file) and a few
    /// records.
    pub memory_bytes: usize,
}

/// So many bad records are shown of each file.
const SHOWN_BAD: usize = 5;

/// One file, read and sorted.
struct ReadFile {
    records: Sorted,
    beside: Beside,
    count: u64,
    bad: BadRecords,
}

/// Records that were passed over.
#[derive(Default)]
struct BadRecords {
    count: u64,
    /// The first of them.
    first: Vec<Reject>,
}

impl BadRecords {
    fn add(&mut self, reject: Reject) {
        self.count += 1;
        if self.first.len() < SHOWN_BAD {
            self.first.push(reject);
        }
    }

    /// There are more than the feed allows: then it would not take the file.
    fn too_many(&self, limit: Option<&RejectLimit>, records: Option<u64>) -> Option<Reject> {
        let reason = limit?.exceeded(self.count, records)?;
        let first = self.first.first()?;
        Some(Reject { code: RejectCode::TooManyRejects, reason, ..first.clone() })
    }
}

/// What a parser makes of a file: each good record is handed over, bad ones are passed over as far as the feed allows.
fn read_records<R: Read>(
    parser: &mut Parser<'_, R>,
    limit: Option<RejectLimit>,
    each: &mut dyn FnMut(&Record, &FileFacts) -> io::Result<()>,
) -> Result<Result<BadRecords, Reject>, ReadError> {
    let (mut record, mut bad) = (Record::new(), BadRecords::default());
    loop {
        match parser.read(&mut record) {
            Ok(true) => each(&record, parser.facts()).map_err(ReadError::Each)?,
            Ok(false) => {
                let too_many = bad.too_many(limit.as_ref(), Some(parser.facts().records));
                return Ok(too_many.map_or(Ok(bad), Err));
            }
            Err(ParseError::Reject(reject)) => {
                if limit.is_none() || !parser.pass_over(&mut record) {
                    return Ok(Err(reject));
                }
                bad.add(reject);
                if let Some(reject) = bad.too_many(limit.as_ref(), None) {
                    return Ok(Err(reject));
                }
            }
            Err(ParseError::Io(error)) => return Err(ReadError::Read(error)),
        }
    }
}

/// Why records could not be read.
enum ReadError {
    /// Of the file.
    Read(io::Error),
    /// Of what was made of a record.
    Each(io::Error),
}

impl ReadError {
    fn of(self, side: Side) -> CompareError {
        match self {
            Self::Read(error) => CompareError::Read(side, error),
            Self::Each(error) => CompareError::Scratch(error),
        }
    }
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
            Ok(read) => {
                compared.records = Some(read.count);
                (compared.bad_records, compared.first_bad) = (read.bad.count, read.bad.first.clone());
            }
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
        let mut parser = Parser::new(self.layout, opened(Side::Legacy, open)?);
        let counted = read_records(&mut parser, self.rejects, &mut |_, _| Ok(()));
        let counted = counted.map_err(|error| error.of(Side::Legacy))?;
        let records = parser.facts().records;
        for compared in [&mut outcome.legacy, &mut outcome.candidate] {
            match &counted {
                Ok(bad) => {
                    compared.records = Some(records);
                    (compared.bad_records, compared.first_bad) = (bad.count, bad.first.clone());
                }
                Err(reject) => compared.reject = Some(reject.clone()),
            }
        }
        let records = if counted.is_ok() { records } else { 0 };
        (outcome.tally.compared, outcome.tally.equal) = (records, records);
        Ok(())
    }

    /// Reads and sorts the records of one file, which has to be the bytes that it was before.
    fn read(&self, side: Side, open: Open<'_>, expected: Bytes) -> Result<Result<ReadFile, Reject>, CompareError> {
        let mut source = Hashing::new(opened(side, open)?);
        let mut records = Sorter::new(self.scratch, self.memory_bytes / 3);
        let mut beside = Beside::default();
        let mut parser = Parser::new(self.layout, &mut source);
        let (mut paths, mut payload) = (Paths::new(self.rules), Vec::new());
        let read = read_records(&mut parser, self.rejects, &mut |record, facts| {
            beside.before(record, facts, self.layout);
            let (path, above) = paths.next(record);
            payload.clear();
            item::write(record, above, &mut payload);
            records.push(path, record.number(), &payload)
        });
        let read = read.map_err(|error| error.of(side))?;
        let count = parser.facts().records;
        beside.finish(parser.facts(), self.layout);
        drop(parser);
        // What was not read of a file that is refused is the same file too.
        io::copy(&mut source, &mut io::sink()).map_err(|error| CompareError::Read(side, error))?;
        if source.finish() != expected {
            return Err(CompareError::Changed(side));
        }
        Ok(read.map(|bad| ReadFile { records: records.finish(), beside, count, bad }))
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
        for (side, bad) in [(Side::Legacy, &legacy.bad), (Side::Candidate, &candidate.bad)] {
            if let Some(first) = bad.first.first() {
                merge.tell_bad(side, first, bad.count);
            }
        }
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
    Compared {
        bytes: bytes.size,
        sha256: bytes.sha256,
        records: None,
        reject: None,
        bad_records: 0,
        first_bad: Vec::new(),
    }
}
