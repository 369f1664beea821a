//! The decision: what came and what was seen, against what is expected, make findings and the next journal.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::{BusinessDate, LogicalKey, Moment};

use super::expectation::{Deadline, Expectation};
use super::finding::{Finding, FindingKind};
use super::journal::{Journal, USUAL_FILES};
use super::sequence;

/// How long an entry that is there but not complete puts off that its date is missing.
const SETTLING_PATIENCE: Duration = Duration::from_secs(600);

/// A date whose files did not come for so long is not awaited any more.
const FORGOTTEN_AFTER_DAYS: i32 = 60;

/// Fewer files than this say nothing of what is usual.
const FEWEST_USUAL: usize = 5;

/// What happened to a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its bytes were taken for the first time, and there is no other of its key.
    Came,
    /// It was published: so many records are in it.
    Read {
        /// Its records, header and trailer included.
        records: u64,
        /// None of them says anything of the business.
        is_empty: bool,
    },
    /// The same bytes came again under the same key.
    Repeated {
        /// How often by now, beside the first time.
        times: u64,
    },
    /// It went away before its bytes could be read.
    Vanished,
}

/// Something that the ledger is about to say of a drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What happened.
    pub what: What,
    /// Business date in the name.
    pub business_date: Option<BusinessDate>,
    /// Sequence number in the name.
    pub number: Option<u64>,
    /// Its key.
    pub key: LogicalKey,
    /// Its name.
    pub path: String,
    /// The hash of its bytes.
    pub sha256: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Moment,
}

/// What a listing of the inbox saw that is not in the ledger yet; business dates are those of names, `None` for a name
/// without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When the listing was begun.
    pub at: Moment,
    /// When the first listing was begun since which somebody looks without a break.
    pub since: Moment,
    /// Dates of entries that may still grow.
    pub settling: BTreeSet<Option<BusinessDate>>,
    /// Dates of entries that are complete and on their way to the ledger.
    pub in_flight: BTreeSet<Option<BusinessDate>>,
}

/// One feed's journal at work.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    expectation: &'a Expectation,
    journal: Journal,
    findings: Vec<Finding>,
}

impl<'a> Watch<'a> {
    /// Goes on from a journal.
    #[must_use]
    pub const fn new(expectation: &'a Expectation, journal: Journal) -> Self {
        Self { expectation, journal, findings: Vec::new() }
    }

    /// Something is expected of which the journal knows nothing yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        let has_deadline = self.expectation.deadline.is_some();
        let has_numbers = self.expectation.gapless.is_some();
        has_deadline && self.journal.counted_through.is_none() || has_numbers && self.journal.highest.is_none()
    }

    /// Begins to watch: what is due by now is not asked for, and what came already (business dates and sequence numbers)
    /// is known.
    pub fn begin(&mut self, known: impl Iterator<Item = (Option<BusinessDate>, Option<u64>)>, now: Moment) {
        let expectation = self.expectation;
        let known: Vec<_> = known.collect();
        if let (Some(deadline), None) = (&expectation.deadline, self.journal.counted_through) {
            let through = deadline.day_before_open(now);
            self.journal.counted_through = Some(through);
            for date in known.iter().filter_map(|(date, _)| *date) {
                if deadline.day_of(date).is_some_and(|day| day > through) {
                    *self.journal.arrived.entry(date).or_insert(0) += 1;
                }
            }
        }
        if let (Some(gapless), None) = (expectation.gapless, self.journal.highest) {
            let numbers = known.iter().filter_map(|(date, number)| Some((*date, (*number)?)));
            self.journal.highest = sequence::highest(gapless.reset, numbers);
        }
    }

    /// The journal now, and what was found since, in order.
    #[must_use]
    pub fn finish(mut self) -> (Journal, Vec<Finding>) {
        self.journal.keep_bounds();
        (self.journal, self.findings)
    }

    /// Takes in what happened to a drop.
    pub fn arrived(&mut self, arrival: &Arrival, now: Moment) {
        match arrival.what {
            What::Came => {
                self.count_in(arrival, now);
                self.number(arrival, now);
            }
            What::Read { records, is_empty } => self.size(arrival, records, is_empty, now),
            What::Repeated { times } => self.find(FindingKind::Repeated { times }, arrival, now),
            What::Vanished => self.find(FindingKind::Vanished { modified: arrival.modified }, arrival, now),
        }
    }

    /// Takes in what a listing saw: dates that are due and did not come are missing, holes that are old enough are said.
    pub fn looked(&mut self, look: &Look, now: Moment) {
        let expectation = self.expectation;
        match &expectation.deadline {
            Some(deadline) => self.count_dates(deadline, look, now),
            None => {
                self.journal.counted_through = None;
                self.journal.missing.clear();
                self.journal.arrived.clear();
            }
        }
        self.say_gaps(look, now);
    }

    /// When [`Watch::looked`] next has something to do; `None` where nothing is waited for.
    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        let gaps = self.expectation.gapless.map(|gapless| gapless.grace);
        let gaps = gaps.and_then(|grace| {
            self.journal.holes.iter().filter(|hole| !hole.said).map(|hole| hole.since.after(grace)).min()
        });
        let date = self.expectation.deadline.as_ref().and_then(|deadline| match self.journal.counted_through {
            // Not watched yet: at once.
            None => Some(Moment::from_unix_ns(0)),
            Some(through) => Some(deadline.due(deadline.next_day(through)?)),
        });
        date.into_iter().chain(gaps).min()
    }

    /// A file counts for its business date, or, where names have none, for the day on which it came.
    fn count_in(&mut self, arrival: &Arrival, now: Moment) {
        let Some(deadline) = &self.expectation.deadline else { return };
        // The mtime is the better witness: we may have been down when it came. It may not lie in the future.
        let came = arrival.modified.min(now);
        let date = arrival.business_date.unwrap_or_else(|| deadline.calendar.date_of(came));
        let Some(day) = deadline.day_of(date) else { return };
        let was_missing = self.journal.missing.contains(&date);
        let is_dealt_with = self.journal.counted_through.is_none_or(|through| day <= through);
        if is_dealt_with && !was_missing {
            return;
        }
        let count = self.journal.arrived.entry(date).or_insert(0);
        *count += 1;
        let (arrived, expected, due) = (*count, deadline.files, deadline.due(day));
        if arrived <= expected && (was_missing || came > due) {
            let late = FindingKind::Late { due, came, expected, arrived, was_missing };
            self.findings.push(Finding { business_date: Some(date), ..about(late, arrival, now) });
        }
        if was_missing && arrived >= expected {
            self.journal.missing.remove(&date);
            self.journal.arrived.remove(&date);
        }
    }

    fn number(&mut self, arrival: &Arrival, now: Moment) {
        let (Some(gapless), Some(number)) = (self.expectation.gapless, arrival.number) else { return };
        let (business_date, modified) = (arrival.business_date, arrival.modified);
        let file = sequence::NumberedFile { business_date, number, modified };
        let taken = sequence::take(&mut self.journal, gapless.reset, file, now);
        if let Some(kind) = taken.finding {
            self.findings.push(Finding { generation: taken.generation, ..about(kind, arrival, now) });
        }
    }

    fn size(&mut self, arrival: &Arrival, records: u64, is_empty: bool, now: Moment) {
        let empty = (!self.expectation.empty_is_fine).then_some(FindingKind::Empty);
        if let Some(kind) = if is_empty { empty } else { self.unusual(records, arrival.bytes) } {
            self.find(kind, arrival, now);
        }
        self.journal.records.push_back(records);
    }

    fn unusual(&self, records: u64, bytes: u64) -> Option<FindingKind> {
        let sizes = self.expectation.sizes;
        let few = |least: u64, unit: &str| FindingKind::Small {
            records,
            bytes,
            usual: format!("at least {least} {unit} are usual"),
        };
        let many = |most: u64, unit: &str| FindingKind::Large {
            records,
            bytes,
            usual: format!("at most {most} {unit} are usual"),
        };
        let below = |least: Option<u64>, is: u64| least.filter(|least| is < *least);
        let above = |most: Option<u64>, is: u64| most.filter(|most| is > *most);
        let (low, high) = self.usual_band().unzip();
        below(sizes.min_records, records)
            .map(|least| few(least, "records"))
            .or_else(|| below(sizes.min_bytes, bytes).map(|least| few(least, "bytes")))
            .or_else(|| above(sizes.max_records, records).map(|most| many(most, "records")))
            .or_else(|| above(sizes.max_bytes, bytes).map(|most| many(most, "bytes")))
            .or_else(|| below(low, records).map(|least| few(least, "records, by the latest files,")))
            .or_else(|| above(high, records).map(|most| many(most, "records, by the latest files,")))
    }

    /// So much to either side of the median of the latest files' records.
    fn usual_band(&self) -> Option<(u64, u64)> {
        let percent = self.expectation.sizes.usual_percent?;
        let mut latest: Vec<u64> = self.journal.records.iter().rev().take(USUAL_FILES).copied().collect();
        if latest.len() < FEWEST_USUAL {
            return None;
        }
        latest.sort_unstable();
        let median = u128::from(latest[latest.len() / 2]);
        let of_median = |hundredths: u64| u64::try_from(median * u128::from(hundredths) / 100).unwrap_or(u64::MAX);
        Some((of_median(100_u64.saturating_sub(percent)), of_median(percent.saturating_add(100))))
    }

    /// Every date that is due, in order, as far as the inbox was looked at since.
    fn count_dates(&mut self, deadline: &Deadline, look: &Look, now: Moment) {
        let mut through = *self.journal.counted_through.get_or_insert_with(|| deadline.day_before_open(now));
        while let Some(day) = deadline.next_day(through) {
            let due = deadline.due(day);
            let Some(date) = deadline.business_date(day) else { break };
            if now < due || look.at < due {
                break;
            }
            let arrived = self.journal.arrived.get(&date).copied().unwrap_or(0);
            if arrived >= deadline.files {
                self.journal.arrived.remove(&date);
            } else if is_on_its_way(look, date, due) {
                break;
            } else {
                self.journal.missing.insert(date);
                self.findings.push(Finding {
                    kind: FindingKind::Missing { due, expected: deadline.files, arrived },
                    business_date: Some(date),
                    key: None,
                    sha256: None,
                    path: None,
                    generation: 0,
                    since: due,
                });
            }
            through = day;
            self.journal.counted_through = Some(day);
        }
        // What came of dates that are not dealt with is kept; what is of none of them is not.
        let open = |date: &BusinessDate| {
            self.journal.missing.contains(date) || deadline.day_of(*date).is_some_and(|day| day > through)
        };
        let kept = self.journal.arrived.iter().filter(|(date, _)| open(date)).map(|(date, count)| (*date, *count));
        self.journal.arrived = kept.collect();
        let is_awaited =
            |date: &BusinessDate| date.days_later(FORGOTTEN_AFTER_DAYS) >= through && deadline.day_of(*date).is_some();
        self.journal.missing.retain(is_awaited);
    }

    fn say_gaps(&mut self, look: &Look, now: Moment) {
        let Some(gapless) = self.expectation.gapless else {
            self.journal.holes.clear();
            self.journal.highest = None;
            self.journal.highest_file = None;
            return;
        };
        for hole in self.journal.holes.iter_mut().filter(|hole| !hole.said) {
            let due = hole.since.after(gapless.grace);
            if now >= due && look.at >= due {
                hole.said = true;
                self.findings.push(Finding {
                    kind: FindingKind::Gap { from: hole.from, to: hole.to },
                    business_date: hole.business_date,
                    key: None,
                    sha256: None,
                    path: None,
                    generation: hole.generation,
                    since: due,
                });
            }
        }
    }

    fn find(&mut self, kind: FindingKind, arrival: &Arrival, now: Moment) {
        self.findings.push(about(kind, arrival, now));
    }
}

fn about(kind: FindingKind, arrival: &Arrival, now: Moment) -> Finding {
    Finding {
        kind,
        business_date: arrival.business_date,
        key: Some(arrival.key.clone()),
        sha256: arrival.sha256.clone(),
        path: Some(arrival.path.clone()),
        generation: 0,
        since: now,
    }
}

/// A file of the date is there, and will be in the ledger: one that is complete for certain, one that may still grow
/// for some time since it is due, or since somebody looks. A name without a date may be of any.
fn is_on_its_way(look: &Look, date: BusinessDate, due: Moment) -> bool {
    let has = |dates: &BTreeSet<Option<BusinessDate>>| dates.contains(&Some(date)) || dates.contains(&None);
    has(&look.in_flight) || (has(&look.settling) && look.at < due.max(look.since).after(SETTLING_PATIENCE))
}
