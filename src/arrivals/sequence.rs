//! Sequence numbers of arrivals: holes that are opened, filled, and said.

use std::ops::RangeInclusive;

use crate::domain::key::generation;
use crate::domain::policy::SequenceReset;
use crate::domain::sequence::{SequencePoint, Step, next_number, step};
use crate::domain::{BusinessDate, Moment};

use super::finding::FindingKind;
use super::journal::{Hole, Journal};

/// So many numbers in a row from a lower one on are a sequence that has begun anew.
const SURE_RUN: u32 = 3;

/// What a number that came means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    /// What there is to say of it.
    pub(super) finding: Option<FindingKind>,
    /// How often a wrapping sequence had begun again before it.
    pub(super) generation: u64,
}

/// A file with a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberedFile {
    /// Business date in the name.
    pub(super) business_date: Option<BusinessDate>,
    /// The number.
    pub(super) number: u64,
    /// When it was last written.
    pub(super) modified: Moment,
}

impl NumberedFile {
    /// It is of an earlier date than the file with the highest number, or, where names have none, was written before it:
    /// a late file, or one out of an archive.
    fn is_older(&self, journal: &Journal) -> bool {
        match (journal.highest_file, self.business_date) {
            (Some((Some(highest), _)), Some(date)) => date < highest,
            (Some((_, modified)), _) => self.modified < modified,
            (None, _) => false,
        }
    }
}

/// Takes a number in.
pub(super) fn take(journal: &mut Journal, reset: SequenceReset, file: NumberedFile, now: Moment) -> Numbered {
    let NumberedFile { business_date, number, modified } = file;
    let generation = match (reset, journal.highest) {
        // Begins at 1, so that a file from before the first turn that is seen has a generation too.
        (SequenceReset::Wrap { last }, highest) => {
            highest.map_or(1, |highest| generation(Some((highest.generation, highest.number)), number, last))
        }
        _ => 0,
    };
    let of_date = if reset == SequenceReset::Daily { business_date } else { None };
    let point = SequencePoint { business_date: of_date, generation, number };
    let finding = match fill(journal, point) {
        Some(finding) => finding,
        None if file.is_older(journal) => None,
        None => {
            let before = journal.highest;
            let finding = advance(journal, reset, point, now);
            if journal.highest != before {
                journal.highest_file = Some((business_date, modified));
            }
            finding
        }
    };
    Numbered { finding, generation }
}

/// The number from which to go on where these came before. A sequence that wraps goes on from whatever comes next: which
/// of its numbers are of the same turn is not known.
pub(super) fn highest(
    reset: SequenceReset,
    numbers: impl Iterator<Item = (Option<BusinessDate>, u64)>,
) -> Option<SequencePoint> {
    let point = |(business_date, number)| SequencePoint { business_date, generation: 0, number };
    match reset {
        SequenceReset::Daily => numbers.map(point).max(),
        SequenceReset::Never => numbers.map(|(_, number)| point((None, number))).max(),
        SequenceReset::Wrap { .. } => None,
    }
}

/// Takes a number out of the hole that it is of; `None` where it is of none.
fn fill(journal: &mut Journal, point: SequencePoint) -> Option<Option<FindingKind>> {
    let of = |hole: &Hole| {
        (hole.business_date, hole.generation) == (point.business_date, point.generation)
            && (hole.from..=hole.to).contains(&point.number)
    };
    let index = journal.holes.iter().position(of)?;
    let hole = journal.holes.remove(index);
    let part = |range: RangeInclusive<u64>| {
        let (from, to) = range.into_inner();
        (from <= to).then(|| Hole { from, to, ..hole.clone() })
    };
    let below = point.number.checked_sub(1).and_then(|to| part(hole.from..=to));
    let above = part(point.number + 1..=hole.to);
    for rest in above.into_iter().chain(below) {
        journal.holes.insert(index, rest);
    }
    let finding = FindingKind::GapFilled { number: point.number, open: hole.to - hole.from };
    Some(hole.said.then_some(finding))
}

/// Goes on from the highest number.
fn advance(journal: &mut Journal, reset: SequenceReset, point: SequencePoint, now: Moment) -> Option<FindingKind> {
    // Whoever counts from 0 shows it by a 0.
    let first = u64::from(point.number != 0);
    match step(reset, journal.highest, point, first) {
        Step::First => {
            // Each date begins anew: what is missing before its first number is missing. Elsewhere nobody knows.
            if reset == SequenceReset::Daily && point.number > 1 {
                open(journal, point, 1, point.number - 1, now);
            }
        }
        Step::Next => {}
        Step::Gap { from, count } => open_gap(journal, reset, point, from, count, first, now),
        Step::Same => return None,
        Step::Back => return back(journal, reset, point),
    }
    (journal.highest, journal.lower_run) = (Some(point), None);
    None
}

/// A lower number. Of an earlier date it is a late file, for dates count on their own. One that follows another lower
/// one says nothing new: the sequence has begun anew, and is followed there when it is sure.
fn back(journal: &mut Journal, reset: SequenceReset, point: SequencePoint) -> Option<FindingKind> {
    let highest = journal.highest?;
    if reset == SequenceReset::Daily && highest.business_date != point.business_date {
        return None;
    }
    match journal.lower_run {
        Some((lower, length)) if step(reset, Some(lower), point, 1) == Step::Next => {
            journal.lower_run = Some((point, length + 1));
            if length + 1 >= SURE_RUN {
                (journal.highest, journal.lower_run) = (Some(point), None);
            }
            None
        }
        _ => {
            journal.lower_run = Some((point, 1));
            Some(FindingKind::Back { number: point.number, highest: highest.number })
        }
    }
}

/// Opens the hole before a number: two, where the sequence began again in between.
fn open_gap(
    journal: &mut Journal,
    reset: SequenceReset,
    point: SequencePoint,
    from: u64,
    count: u64,
    first: u64,
    now: Moment,
) {
    let SequenceReset::Wrap { last } = reset else {
        return open(journal, point, from, from.saturating_add(count - 1), now);
    };
    let was = journal.highest.map_or(point.generation, |highest| highest.generation);
    if was < point.generation && from != next_number(reset, last, first) {
        open(journal, SequencePoint { generation: was, ..point }, from, last, now);
    }
    let begin = if was < point.generation { first } else { from };
    if begin < point.number {
        open(journal, point, begin, point.number - 1, now);
    }
}

fn open(journal: &mut Journal, point: SequencePoint, from: u64, to: u64, now: Moment) {
    let SequencePoint { business_date, generation, .. } = point;
    journal.holes.push(Hole { business_date, generation, from, to, since: now, said: false });
}
