//! Which files of an archive a backfill publishes, in which order, and what speaks against the others. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use dropbridge_port::EntryPath;
use serde::Serialize;

use super::plan::FeedPlan;
use crate::capture::selection::Named;
use crate::domain::name_pattern::{NameFacts, NamePattern};
use crate::domain::policy::SequenceReset;
use crate::domain::{BusinessDate, EntryFacts, LogicalKey};
use crate::ledger::{DropState, LedgerIndex};

/// A file of an archive.
#[derive(Clone, Debug)]
pub struct Archived {
    /// Where it lies.
    pub path: PathBuf,
    /// The entry that it would have been in the inbox.
    pub entry: EntryFacts,
    /// What its name says.
    pub facts: NameFacts,
}

/// What is to be done with the files of an archive.
#[derive(Debug, Default)]
pub struct Survey {
    /// To be published, in this order: business date, sequence, name.
    pub take: Vec<Archived>,
    /// The ledger knows these very files: a backfill before this one dealt with them.
    pub known: usize,
    /// Their keys are in the baseline.
    pub baseline: Vec<String>,
    /// Their names belong to the feed and say something that cannot be, and what.
    pub unfit: Vec<(String, String)>,
    /// Another file of the archive has the same key: both are offered, and the ledger decides.
    pub doubled: Vec<String>,
    /// Numbers of which neither archive nor ledger has a file.
    pub gaps: Vec<Gap>,
}

/// Numbers that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Of this business date, where numbers begin again each day.
    pub business_date: Option<BusinessDate>,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// Looks at the files of an archive.
///
/// # Errors
/// As for [`LedgerIndex::drops`].
pub fn survey(
    plan: &FeedPlan,
    ledger: &LedgerIndex,
    found: Vec<(PathBuf, EntryFacts)>,
) -> dropbridge_port::Result<Survey> {
    let mut survey = Survey::default();
    let mut keys = HashSet::new();
    let mut numbers = Numbers::of_ledger(plan, ledger)?;
    for (path, entry) in found {
        let Some(name) = EntryPath::parse(&entry.path) else { continue };
        let facts = match plan.selection.classify(name.file_name()) {
            Named::Entry(Ok(facts)) => facts,
            Named::Entry(Err(why)) => {
                survey.unfit.push((entry.path, why));
                continue;
            }
            _ => continue,
        };
        numbers.add(&facts);
        let known = ledger.arrival(plan.id(), &entry.path)?;
        if known.is_some_and(|known| known.size == entry.size && known.modified_ns == entry.modified_ns) {
            survey.known += 1;
            continue;
        }
        if let Some(key) = LogicalKey::named(&name, &facts, 0, plan.settings.recursive) {
            if is_baseline(plan, ledger, &key)? {
                survey.baseline.push(entry.path);
                continue;
            }
            if !keys.insert(key) {
                survey.doubled.push(entry.path.clone());
            }
        }
        survey.take.push(Archived { path, entry, facts });
    }
    survey.take.sort_by_cached_key(|file| {
        let number: Option<u64> = file.facts.sequence.as_deref().and_then(|digits| digits.parse().ok());
        (file.facts.business_date, number, file.entry.path.clone())
    });
    survey.gaps = numbers.gaps();
    Ok(survey)
}

fn is_baseline(plan: &FeedPlan, ledger: &LedgerIndex, key: &LogicalKey) -> dropbridge_port::Result<bool> {
    Ok(ledger.drops(plan.id(), key)?.iter().any(|entry| matches!(entry.state, DropState::Baseline)))
}

/// Whether the history of a feed can be published beside what came since: its numbers must say which is older.
///
/// # Errors
/// Why not.
pub fn has_order(plan: &FeedPlan) -> Result<(), String> {
    let dated = plan.settings.include.iter().all(NamePattern::has_date);
    match plan.settings.sequence {
        SequenceReset::Wrap { .. } if !dated => Err(format!(
            "the numbers of {} begin again and its names carry no business date: nobody can tell an old number from a \
             new one. Drop its files into the inbox in their order, before newer ones come",
            plan.id()
        )),
        _ => Ok(()),
    }
}

/// The numbers of a feed, by the business date within which they count.
struct Numbers {
    daily: bool,
    seen: BTreeMap<Option<BusinessDate>, BTreeSet<u64>>,
}

impl Numbers {
    fn of_ledger(plan: &FeedPlan, ledger: &LedgerIndex) -> dropbridge_port::Result<Self> {
        let mut numbers = Self { daily: plan.settings.sequence == SequenceReset::Daily, seen: BTreeMap::new() };
        ledger.each(&mut |entry| {
            if entry.feed == plan.id() {
                numbers.add(&NameFacts { business_date: entry.business_date, sequence: entry.sequence });
            }
            ControlFlow::Continue(())
        })?;
        Ok(numbers)
    }

    fn add(&mut self, facts: &NameFacts) {
        let date = facts.business_date.filter(|_| self.daily);
        if let Some(number) = facts.sequence.as_deref().and_then(|digits| digits.parse().ok()) {
            self.seen.entry(date).or_default().insert(number);
        }
    }

    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (business_date, seen) in &self.seen {
            let mut next = seen.first().copied().unwrap_or_default();
            for number in seen {
                if *number > next {
                    gaps.push(Gap { business_date: *business_date, from: next, to: number - 1 });
                }
                next = number + 1;
            }
        }
        gaps
    }
}
