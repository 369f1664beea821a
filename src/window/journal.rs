//! The journal of a rendering's windows: cut-offs, numbers, names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::policy::SequenceReset;
use crate::domain::sequence::following;
use crate::domain::{BusinessDate, Moment};

use super::cut::{Cut, Cuts, DueCut, Mark, Member, due_cuts, next_cut};
use super::rules::{EmptyDay, LateEvent, WindowRules};

/// The version of this format that this build writes, and the newest it reads.
const JOURNAL_FORMAT: u32 = 1;

/// Dates of which it is remembered how many files they have.
const REMEMBERED_DATES: usize = 400;

/// A file that a cut-off makes. All that goes into its bytes, beside the events, is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// The date that was cut off when it was made.
    pub cut: BusinessDate,
    /// Its own business date.
    pub date: BusinessDate,
    /// 0, or which correction of its date it is.
    pub correction: u32,
    /// Its sequence number.
    pub sequence: u64,
    /// Its name.
    pub name: String,
    /// The clock that it is rendered by.
    pub clock: Moment,
    /// How many events are in it.
    pub events: u64,
}

/// What is journaled of a rendering's windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowJournal {
    /// Version of this format.
    pub format: u32,
    /// The rendering's id.
    pub rendering: String,
    /// Dates that were to be cut off before are none of its business.
    pub since: Moment,
    /// Cut-offs that an event which is read again may lie below, by date.
    pub cuts: Vec<Cut>,
    /// The last date that was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<BusinessDate>,
    /// The newest number, with its date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<(BusinessDate, u64)>,
    /// How many files the latest dates have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<BusinessDate, u32>,
    /// From where on there may be events that are in no file: by topic and partition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_from: Vec<Mark>,
}

impl WindowJournal {
    /// Of a rendering that begins now.
    #[must_use]
    pub fn new(rendering: &str, since: Moment) -> Self {
        Self {
            format: JOURNAL_FORMAT,
            rendering: rendering.to_owned(),
            since,
            cuts: Vec::new(),
            last: None,
            newest: None,
            files: BTreeMap::new(),
            open_from: Vec::new(),
        }
    }

    /// Cut-offs that are due, in order.
    #[must_use]
    pub fn due(&self, rules: &WindowRules, now: Moment) -> Vec<DueCut> {
        due_cuts(rules, self.last, self.since, now)
    }

    /// When the next cut-off is due.
    #[must_use]
    pub fn next_due(&self, rules: &WindowRules) -> Option<Moment> {
        next_cut(rules, self.last, self.since)
    }

    /// Cuts dates off at these ends of the partitions. To be written before anything is made of it.
    pub fn cut(&mut self, due: &[DueCut], marks: &[Mark]) {
        for DueCut { date, closes } in due {
            self.cuts.push(Cut { date: *date, closes: *closes, marks: marks.to_vec() });
            self.last = Some(*date);
        }
    }

    /// From where a partition has to be read for the files of cut-offs that are journaled.
    #[must_use]
    pub fn read_from(&self, topic: &str, partition: u32) -> i64 {
        let of = |mark: &&Mark| mark.topic == topic && mark.partition == partition;
        self.open_from.iter().find(of).map_or(0, |mark| mark.to)
    }

    /// The files of a cut-off. `members` says for each [`Member`] that was met below its marks how many events it has.
    ///
    /// The day's own file comes first, then corrections by date.
    ///
    /// # Errors
    /// Why a file has no name; nothing is numbered then.
    pub fn plan(
        &mut self,
        rules: &WindowRules,
        cut: BusinessDate,
        members: &BTreeMap<BusinessDate, u64>,
    ) -> Result<Vec<PlannedFile>, String> {
        let clock = self.cuts.iter().find(|one| one.date == cut).map(|one| one.closes);
        let clock = clock.ok_or_else(|| format!("{cut} is not cut off"))?;
        let (mut newest, mut files) = (self.newest, self.files.clone());
        let mut planned = Vec::new();
        let own = members.get(&cut).copied().unwrap_or(0);
        let has_own = own > 0 || rules.empty == EmptyDay::EmptyFile;
        let corrections = members.iter().filter(|(date, events)| **date != cut && **events > 0);
        for (date, events) in has_own.then_some((&cut, &own)).into_iter().chain(corrections) {
            let sequence = match rules.sequence.reset {
                // A correction goes on behind the files of its own date.
                SequenceReset::Daily => rules.sequence.first + u64::from(files.get(date).copied().unwrap_or(0)),
                reset => following(reset, newest, *date, rules.sequence.first),
            };
            let name = rules.name.render(*date, sequence)?;
            let count = files.entry(*date).or_insert(0);
            planned.push(PlannedFile { cut, date: *date, correction: *count, sequence, name, clock, events: *events });
            *count += 1;
            newest = Some((*date, sequence));
        }
        while files.len() > REMEMBERED_DATES {
            files.pop_first();
        }
        (self.newest, self.files) = (newest, files);
        Ok(planned)
    }

    /// After the files of every journaled cut-off were made: from where on events are in none of them. Cut-offs that no
    /// event lies below any more are forgotten.
    pub fn settle(&mut self, open_from: Vec<Mark>) {
        self.open_from = open_from;
        let open_from = &self.open_from;
        let is_passed = |mark: &Mark| {
            open_from
                .iter()
                .any(|open| (&open.topic, open.partition) == (&mark.topic, mark.partition) && open.to >= mark.to)
        };
        self.cuts.retain(|cut| !cut.marks.iter().all(is_passed));
    }

    /// What an event is part of.
    #[must_use]
    pub fn member(&self, rules: &WindowRules, date: BusinessDate, topic: &str, partition: u32, offset: i64) -> Member {
        Cuts::new(rules, &self.cuts).of(date, topic, partition, offset)
    }
}

impl Member {
    /// The date under which [`WindowJournal::plan`] counts it for a cut-off; `None` where it is of another or of none.
    #[must_use]
    pub fn date_at(self, cut_off: BusinessDate, late: LateEvent) -> Option<BusinessDate> {
        match self {
            Self::Of { cut } if cut == cut_off => Some(cut),
            Self::Correction { cut, date } if cut == cut_off && late == LateEvent::Correction => Some(date),
            _ => None,
        }
    }
}
