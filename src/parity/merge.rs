//! Both files, sorted by path, side by side.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;

use crate::layout::{Layout, Reject};

use super::compare::Comparison;
use super::fields::{Compare, Told};
use super::finding::{Finding, Kind, Seen, Side};
use super::item;
use super::order::{OrderCheck, Pair, Place};
use super::outcome::{Expected, Tally};
use super::path;
use super::rules::{Rules, TypeRules};
use super::sort::{Entry, Scratch, Stream};

/// Goes through both files and tells what differs.
pub(super) struct Merge<'m> {
    teller: Teller<'m>,
    scratch: &'m dyn Scratch,
    budget: usize,
    /// Records that both files have, by the path of what they belong to; each is below the one before it.
    levels: Vec<Level<'m>>,
}

/// Counts, and hands on.
struct Teller<'m> {
    layout: &'m Layout,
    rules: &'m Rules,
    found: &'m mut dyn FnMut(Finding),
    tally: Tally,
    expected: BTreeMap<(&'static str, String), (u64, Finding)>,
}

/// Records that belong to one.
struct Level<'m> {
    path: Vec<u8>,
    /// Those whose order matters.
    strict: OrderCheck<'m>,
    /// All of them, where there are some whose order does not.
    all: Option<OrderCheck<'m>>,
}

/// One of the files, at one of its records.
struct Cursor<'c, 'r> {
    stream: &'c mut Stream<'r>,
    entry: Entry,
    is_there: bool,
    before: Vec<u8>,
}

impl<'c, 'r> Cursor<'c, 'r> {
    fn new(stream: &'c mut Stream<'r>) -> io::Result<Self> {
        let mut cursor = Self { stream, entry: Entry::default(), is_there: true, before: Vec::new() };
        cursor.is_there = cursor.stream.next(&mut cursor.entry)?;
        Ok(cursor)
    }

    fn advance(&mut self) -> io::Result<()> {
        std::mem::swap(&mut self.before, &mut self.entry.path);
        self.is_there = self.stream.next(&mut self.entry)?;
        Ok(())
    }

    /// The record before it has the same path.
    fn is_repeated(&self) -> bool {
        self.before == self.entry.path
    }
}

impl<'m> Merge<'m> {
    pub(super) fn new(comparison: &Comparison<'m>, found: &'m mut dyn FnMut(Finding)) -> Self {
        let Comparison { layout, rules, scratch, memory_bytes, .. } = *comparison;
        let teller = Teller { layout, rules, found, tally: Tally::default(), expected: BTreeMap::new() };
        // Two orders may be looked at, and each is sorted twice.
        Self { teller, scratch, budget: memory_bytes / 12, levels: Vec::new() }
    }

    pub(super) fn run(&mut self, legacy: &mut Stream<'_>, candidate: &mut Stream<'_>) -> io::Result<()> {
        let (mut legacy, mut candidate) = (Cursor::new(legacy)?, Cursor::new(candidate)?);
        while legacy.is_there || candidate.is_there {
            let order = match (legacy.is_there, candidate.is_there) {
                (true, true) => legacy.entry.path.cmp(&candidate.entry.path),
                (true, false) => Ordering::Less,
                (false, _) => Ordering::Greater,
            };
            let repeated = (order.is_le() && legacy.is_repeated()) || (order.is_ge() && candidate.is_repeated());
            self.teller.tally.repeated_keys += u64::from(repeated);
            match order {
                Ordering::Less => self.teller.alone(Side::Legacy, &legacy.entry),
                Ordering::Greater => self.teller.alone(Side::Candidate, &candidate.entry),
                Ordering::Equal => self.both(&legacy.entry, &candidate.entry)?,
            }
            if order.is_le() {
                legacy.advance()?;
            }
            if order.is_ge() {
                candidate.advance()?;
            }
        }
        while let Some(level) = self.levels.pop() {
            self.teller.order(level)?;
        }
        Ok(())
    }

    fn both(&mut self, legacy: &Entry, candidate: &Entry) -> io::Result<()> {
        self.teller.compare(legacy, candidate);
        let (one, other) = (item::standing(&legacy.payload), item::standing(&candidate.payload));
        let above = legacy.path.get(..one.above).unwrap_or_default();
        while let Some(level) = self.levels.pop_if(|level| !above.starts_with(&level.path)) {
            self.teller.order(level)?;
        }
        if self.levels.last().is_none_or(|level| level.path != above) {
            let check = || OrderCheck::new(self.scratch, self.budget);
            let all = self.teller.rules.loosen_order().then(check);
            self.levels.push(Level { path: above.to_vec(), strict: check(), all });
        }
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let place =
            |standing: item::Standing| Place { byte: standing.byte, line: standing.line, number: standing.number };
        let pair = Pair { path: &legacy.path, legacy: place(one), candidate: place(other) };
        let record_type = path::record_type(&legacy.path, one.above);
        let is_loose = self.teller.rules.types.get(record_type).is_some_and(TypeRules::is_loose);
        if !is_loose {
            level.strict.push(pair)?;
        }
        level.all.as_mut().map_or(Ok(()), |all| all.push(pair))
    }

    /// Tells of something beside the records.
    pub(super) fn tell_beside(&mut self, finding: Finding) {
        let is_expected = self.teller.rules.ignores_beside;
        self.teller.tell(if is_expected { Told::Expected("beside_records", finding) } else { Told::Found(finding) });
    }

    /// Tells of bad records that were passed over. Those of the legacy file are in no event, as the feed states, and in no
    /// file of a new service either; a candidate is to have none.
    pub(super) fn tell_bad(&mut self, side: Side, first: &Reject, count: u64) {
        let seen = Some(Seen { line: Some(first.line), record: Some(first.record), ..Seen::at(first.byte) });
        let mut finding = Finding { record_type: first.record_type.clone(), ..Finding::new(Kind::BadRecord) };
        match side {
            Side::Legacy => {
                finding.legacy = seen;
                self.teller.expected.insert(("rejects", finding.subject()), (count, finding));
            }
            Side::Candidate => {
                finding.candidate = seen;
                *self.teller.tally.findings.entry(Kind::BadRecord).or_default() += count;
                (self.teller.found)(finding);
            }
        }
    }

    pub(super) fn finish(self) -> (Tally, Vec<Expected>) {
        let expected = self.teller.expected.into_iter();
        let expected = expected.map(|((rule, subject), (count, example))| Expected {
            rule: rule.to_owned(),
            subject,
            count,
            example,
        });
        (self.teller.tally, expected.collect())
    }
}

impl Teller<'_> {
    fn tell(&mut self, told: Told) {
        match told {
            Told::Found(finding) => {
                *self.tally.findings.entry(finding.kind).or_default() += 1;
                (self.found)(finding);
            }
            Told::Expected(rule, finding) => {
                let known = self.expected.entry((rule, finding.subject())).or_insert((0, finding));
                known.0 += 1;
            }
        }
    }

    /// The parts by which records of a type are compared; never missing for a path that was made here.
    fn comparer(&self, path: &[u8], above: usize) -> Option<Compare<'_>> {
        let index = path::record_type(path, above);
        Some(Compare { record_type: self.layout.record_types().get(index)?, rules: self.rules.types.get(index)? })
    }

    /// Says which record a difference is about.
    fn name(&self, finding: &mut Finding, path: &[u8], above: usize) {
        let record_type = self.layout.record_types().get(path::record_type(path, above));
        finding.record_type = record_type.map(|record_type| record_type.name.clone());
        finding.key = path::shown(path, self.rules, self.layout);
    }

    fn alone(&mut self, side: Side, entry: &Entry) {
        let above = item::standing(&entry.payload).above;
        let Some(compare) = self.comparer(&entry.path, above) else { return };
        let seen = Some(compare.whole(&entry.payload));
        let is_ignored = compare.rules.is_ignored;
        let mut finding = match side {
            Side::Legacy => Finding { legacy: seen, ..Finding::new(Kind::Missing) },
            Side::Candidate => Finding { candidate: seen, ..Finding::new(Kind::Extra) },
        };
        self.name(&mut finding, &entry.path, above);
        self.tell(if is_ignored { Told::Expected("ignore", finding) } else { Told::Found(finding) });
    }

    fn compare(&mut self, legacy: &Entry, candidate: &Entry) {
        self.tally.compared += 1;
        if item::content(&legacy.payload) == item::content(&candidate.payload) {
            self.tally.equal += 1;
            return;
        }
        let above = item::standing(&legacy.payload).above;
        let Some(compare) = self.comparer(&legacy.path, above) else { return };
        if compare.rules.is_ignored {
            let mut finding = Finding::new(Kind::Different);
            finding.legacy = Some(compare.whole(&legacy.payload));
            finding.candidate = Some(compare.whole(&candidate.payload));
            self.name(&mut finding, &legacy.path, above);
            return self.tell(Told::Expected("ignore", finding));
        }
        let mut differences = Vec::new();
        compare.records(&legacy.payload, &candidate.payload, &mut |told| differences.push(told));
        for mut told in differences {
            let (Told::Found(finding) | Told::Expected(_, finding)) = &mut told;
            self.name(finding, &legacy.path, above);
            self.tell(told);
        }
    }

    /// Tells which records of a level are out of order.
    fn order(&mut self, level: Level<'_>) -> io::Result<()> {
        let above = level.path.len();
        let mut strict = 0_u64;
        level.strict.finish(|path, mut finding| {
            strict += 1;
            self.name(&mut finding, path, above);
            self.tell(Told::Found(finding));
            Ok(())
        })?;
        let Some(all) = level.all else { return Ok(()) };
        all.finish(|path, mut finding| {
            let rules = self.rules.types.get(path::record_type(path, above));
            let rule = match rules {
                Some(rules) if rules.is_ignored => "ignore",
                Some(rules) if rules.any_order => "order",
                // It was told already, or moved among those that may.
                _ if strict > 0 => {
                    strict -= 1;
                    return Ok(());
                }
                _ => "order",
            };
            self.name(&mut finding, path, above);
            self.tell(Told::Expected(rule, finding));
            Ok(())
        })
    }
}
