//! The journal of a rendering's windows: cut-offs, numbers, names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::policy::SequenceReset;
use crate::domain::sequence::following;
use crate::domain::{BusinessDate, Moment};

use super::cut::{Cut, DueCut, Mark, Member, due_cuts, next_cut};
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
    /// The last date whose files are planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_to: Option<BusinessDate>,
    /// Files of that date's cut-off that are not over, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<PlannedFile>,
    /// What `open_from` becomes when they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_after: Vec<Mark>,
    /// Below these, a person has said, what cannot be read any more is in no file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<Mark>,
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
            planned_to: None,
            planned: Vec::new(),
            open_after: Vec::new(),
            given_up: Vec::new(),
        }
    }

    /// What is there already and is of a date that was to be cut off before is in none of the files: somebody else's
    /// had it. To be said before anything is cut off; `ends` is where the partitions end.
    pub fn leave_the_past(&mut self, rules: &WindowRules, ends: &[Mark]) {
        let Some(first) = rules.first_open(self.since) else { return };
        let before = first.days_later(-1);
        self.cuts.push(Cut { date: before, closes: self.since, marks: ends.to_vec() });
        (self.last, self.planned_to) = (Some(before), Some(before));
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
        Mark::of(&self.open_from, topic, partition)
    }

    /// The first cut-off whose files are not planned.
    #[must_use]
    pub fn unplanned(&self) -> Option<&Cut> {
        self.cuts.iter().find(|cut| self.planned_to.is_none_or(|planned| cut.date > planned))
    }

    /// The cut-off before another one: with the two of them, [`Cuts`](super::Cuts) knows what is of the later one. Where
    /// it is forgotten, nothing that lies below it is read any more.
    #[must_use]
    pub fn before(&self, cut: &Cut) -> Option<&Cut> {
        self.cuts.iter().rev().find(|known| known.date < cut.date)
    }

    /// The number of the next file, where numbers do not begin anew with each date; `None` before the first file.
    #[must_use]
    pub fn next_number(&self, rules: &WindowRules) -> Option<u64> {
        let (date, _) = self.newest?;
        let reset = rules.sequence.reset;
        (reset != SequenceReset::Daily).then(|| following(reset, self.newest, date, rules.sequence.first))
    }

    /// The legacy producer has numbered a file of this date: where it is the newest, the next number follows it.
    pub fn go_on_from(&mut self, date: BusinessDate, number: u64) {
        if self.newest.is_none_or(|(newest, _)| newest < date) {
            self.newest = Some((date, number));
        }
    }

    /// A planned file is over: delivered, or given up.
    pub fn finish(&mut self, file: &PlannedFile) {
        let before = self.planned.len();
        self.planned.retain(|planned| planned != file);
        if self.planned.is_empty() && before > 0 {
            self.settle(self.open_after.clone());
        }
    }

    /// A person has said that there is to be no file of a cut-off that is not planned.
    pub fn give_up(&mut self, cut: &Cut) {
        self.given_up.clone_from(&cut.marks);
        self.planned_to = Some(cut.date);
    }

    /// The files of a cut-off. `members` says for each [`Member`] that was met below its marks how many events it has;
    /// `open_after`, from where on there are events that are in none of them.
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
        open_after: Vec<Mark>,
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
                reset => match (newest, rules.sequence.next) {
                    (None, Some(next)) => next,
                    _ => following(reset, newest, *date, rules.sequence.first),
                },
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
        self.planned_to = Some(cut);
        self.planned.clone_from(&planned);
        self.open_after = open_after;
        if planned.is_empty() {
            self.settle(self.open_after.clone());
        }
        Ok(planned)
    }

    /// After the files of a cut-off were made: from where on events are in none of them. Cut-offs that are planned, and that
    /// no event lies below any more, are forgotten.
    fn settle(&mut self, open_from: Vec<Mark>) {
        self.open_from = open_from;
        let open_from = &self.open_from;
        let is_passed = |mark: &Mark| {
            open_from
                .iter()
                .any(|open| (&open.topic, open.partition) == (&mark.topic, mark.partition) && open.to >= mark.to)
        };
        let planned = self.planned_to;
        self.cuts.retain(|cut| planned.is_none_or(|date| cut.date > date) || !cut.marks.iter().all(is_passed));
    }
}

/// Why the cut-off of a date for which the legacy side speaks has no files: one of them would be of this date, beside the
/// legacy producer's own. `members` as for [`WindowJournal::plan`]; nothing where they are all corrections.
#[must_use]
pub fn beside_legacy(cut: BusinessDate, members: &BTreeMap<BusinessDate, u64>) -> Option<String> {
    members.get(&cut).filter(|own| **own > 0)?;
    let events: u64 = members.values().sum();
    let (counted, them) = if events == 1 { ("1 event".to_owned(), "it") } else { (format!("{events} events"), "them") };
    Some(format!(
        "late events of dates of the new service, and the legacy side speaks for {cut}: {counted} that the legacy \
         producer has no record of, and no file of ours is to be of that date. Have {them} loaded there (`deliveries \
         show` says where to find {them}), and release this with `--as skip`"
    ))
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
