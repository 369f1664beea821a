//! What stands beside the records of two files: byte order mark, column names, lines that are no records, padding.

use crate::layout::{FileFacts, Layout, PaddingRun, Record};

use super::finding::{Finding, Kind, MASKED, Seen, shown};

/// What stands beside the records of one file, with its place.
#[derive(Debug, Default)]
pub(super) struct Beside {
    byte_order_mark: bool,
    /// As it is written where that is not as the layout would.
    column_names: Option<Vec<u8>>,
    without_column_names: bool,
    /// What ends the line of column names, where the layout leaves that open.
    names_terminator: Option<String>,
    lines: Vec<Line>,
    padding: Vec<PaddingRun>,
    /// Where the last record ends.
    end_of_records: u64,
    /// More than can be kept.
    overfull: bool,
    records: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    before_record: u64,
    byte: u64,
    raw: Vec<u8>,
}

impl Beside {
    /// Notes where lines stand that came before a record that was just read.
    pub(super) fn before(&mut self, record: &Record, facts: &FileFacts, layout: &Layout) {
        self.take_lines(record.bytes().start, facts, layout);
        self.end_of_records = record.bytes().end;
    }

    fn take_lines(&mut self, end: u64, facts: &FileFacts, layout: &Layout) {
        let new = facts.frame.kept_lines.get(self.lines.len()..).unwrap_or_default();
        let mut byte = end;
        let mut lines: Vec<Line> = Vec::new();
        for line in new.iter().rev() {
            byte = byte.saturating_sub(layout.bytes_in_file(&line.raw.0));
            lines.push(Line { before_record: line.before_record, byte, raw: line.raw.0.clone() });
        }
        self.lines.extend(lines.into_iter().rev());
    }

    /// The whole file was read.
    pub(super) fn finish(&mut self, facts: &FileFacts, layout: &Layout) {
        let padding: u64 = facts.frame.end_padding.iter().map(|run| run.count).sum();
        self.take_lines(facts.bytes.saturating_sub(padding), facts, layout);
        // What stands before the column names is counted from the beginning.
        let mut byte = if facts.frame.byte_order_mark { layout.bytes_in_file("\u{FEFF}".as_bytes()) } else { 0 };
        for line in self.lines.iter_mut().filter(|line| line.before_record == 0) {
            line.byte = byte;
            byte += layout.bytes_in_file(&line.raw);
        }
        self.byte_order_mark = facts.frame.byte_order_mark;
        self.column_names = facts.frame.column_names.as_ref().map(|names| names.0.clone());
        self.without_column_names = facts.frame.without_column_names;
        let of_names = facts.frame.terminators.first().filter(|run| run.from_record == 0);
        self.names_terminator = of_names.map(|run| run.terminator.clone());
        self.padding.clone_from(&facts.frame.end_padding);
        self.overfull = facts.overfull;
        self.records = facts.records;
    }

    fn behind_preamble(&self, layout: &Layout) -> u64 {
        let mark = if self.byte_order_mark { layout.bytes_in_file("\u{FEFF}".as_bytes()) } else { 0 };
        let lines = self.lines.iter().filter(|line| line.before_record == 0);
        mark + lines.map(|line| layout.bytes_in_file(&line.raw)).sum::<u64>()
    }
}

/// Every difference between two files beside their records.
pub(super) fn compare(legacy: &Beside, candidate: &Beside, layout: &Layout, each: &mut dyn FnMut(Finding)) {
    let mut tell = |what: &str, one: Option<Seen>, other: Option<Seen>| {
        let mut finding = Finding::new(Kind::BesideRecords);
        finding.field = Some(what.to_owned());
        (finding.legacy, finding.candidate) = (one, other);
        each(finding);
    };
    if legacy.overfull || candidate.overfull {
        let seen = |side: &Beside| Some(said(0, if side.overfull { "more than is kept" } else { "less" }));
        tell("more beside the records than can be compared", seen(legacy), seen(candidate));
    }
    if legacy.byte_order_mark != candidate.byte_order_mark {
        let seen = |side: &Beside| Some(said(0, if side.byte_order_mark { "there" } else { "not there" }));
        tell("byte order mark", seen(legacy), seen(candidate));
    }
    if (&legacy.column_names, legacy.without_column_names) != (&candidate.column_names, candidate.without_column_names)
    {
        let seen = |side: &Beside| {
            let value = match &side.column_names {
                Some(names) => shown(&String::from_utf8_lossy(names)),
                None if side.without_column_names => "not there".to_owned(),
                None => "as the layout has them".to_owned(),
            };
            Some(said(side.behind_preamble(layout), &value))
        };
        tell("column names", seen(legacy), seen(candidate));
    } else if legacy.names_terminator != candidate.names_terminator {
        let value = |side: &Beside| side.names_terminator.clone().unwrap_or_default();
        let seen = |side: &Beside| Some(said(side.behind_preamble(layout), &value(side)));
        tell("terminator of the column names", seen(legacy), seen(candidate));
    }
    compare_lines(legacy, candidate, layout, &mut tell);
    if legacy.padding != candidate.padding {
        let seen = |side: &Beside| {
            let runs = side.padding.iter().map(|run| format!("{} × {:02X}", run.count, run.byte));
            Some(said(side.end_of_records, &runs.collect::<Vec<_>>().join(", ")))
        };
        tell("padding at the end", seen(legacy), seen(candidate));
    }
}

/// Is told what it is about, and what both files have.
type Tell<'t> = dyn FnMut(&str, Option<Seen>, Option<Seen>) + 't;

fn compare_lines(legacy: &Beside, candidate: &Beside, layout: &Layout, tell: &mut Tell<'_>) {
    let (one, other) = (&legacy.lines, &candidate.lines);
    let seen = |line: &Line| {
        // Nobody knows what stands in such a line.
        let value = if layout.masks() { MASKED.to_owned() } else { shown(&String::from_utf8_lossy(&line.raw)) };
        Seen { record: Some(line.before_record), ..said(line.byte, &value) }
    };
    let same = |one: &&Line, other: &&Line| one.raw == other.raw;
    let ahead = one.iter().zip(other).take_while(|(one, other)| same(one, other)).count();
    let rest = one.len().min(other.len()) - ahead;
    let behind =
        one.iter().rev().zip(other.iter().rev()).take(rest).take_while(|(one, other)| same(one, other)).count();
    let (middle, other_middle) = (&one[ahead..one.len() - behind], &other[ahead..other.len() - behind]);
    for index in 0..middle.len().max(other_middle.len()) {
        tell("line beside the records", middle.get(index).map(seen), other_middle.get(index).map(seen));
    }
    // Where records are missing or extra, what follows them has another number.
    if one.len() == other.len() && middle.is_empty() && legacy.records == candidate.records {
        for (one, other) in one.iter().zip(other).filter(|(one, other)| one.before_record != other.before_record) {
            tell("place of a line beside the records", Some(seen(one)), Some(seen(other)));
        }
    }
}

fn said(byte: u64, value: &str) -> Seen {
    Seen { value: Some(value.to_owned()), ..Seen::at(byte) }
}
