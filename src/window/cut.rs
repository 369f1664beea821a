//! Cut-offs: which are due, and which events are below them.

use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, Moment};

use super::rules::{LateEvent, WindowRules};

/// The end of a partition at a cut-off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// The offset that its next record had: what lies below is in.
    pub to: i64,
}

impl Mark {
    /// The mark of a partition among others; 0 where it has none.
    #[must_use]
    pub fn of(marks: &[Self], topic: &str, partition: u32) -> i64 {
        let found = marks.iter().find(|mark| mark.partition == partition && mark.topic == topic);
        found.map_or(0, |mark| mark.to)
    }
}

/// A cut-off that was journaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The business date that was cut off.
    pub date: BusinessDate,
    /// When it was to be cut off: the clock of whatever is rendered for it.
    pub closes: Moment,
    /// How far the partitions had come when it was journaled. A partition that is not here had nothing.
    pub marks: Vec<Mark>,
}

impl Cut {
    /// A record lies below.
    fn holds(&self, topic: &str, partition: u32, offset: i64) -> bool {
        offset < Mark::of(&self.marks, topic, partition)
    }
}

/// A cut-off that is due and not journaled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueCut {
    /// The business date.
    pub date: BusinessDate,
    /// When it was to be cut off.
    pub closes: Moment,
}

/// Cut-offs that are due, in order: of the dates behind the last one that was journaled, or, where none was, of those
/// that close after `since`. After a day of downtime there are several; they are journaled with the same marks, and what
/// lies below these is told apart by its date.
#[must_use]
pub(super) fn due_cuts(rules: &WindowRules, last: Option<BusinessDate>, since: Moment, now: Moment) -> Vec<DueCut> {
    let mut due = Vec::new();
    let mut next = match last {
        Some(last) => rules.next_date(last),
        None => rules.first_open(since),
    };
    while let Some(date) = next {
        let closes = rules.closes(date);
        if closes > now {
            break;
        }
        due.push(DueCut { date, closes });
        next = rules.next_date(date);
    }
    due
}

/// When the next cut-off is due.
#[must_use]
pub(super) fn next_cut(rules: &WindowRules, last: Option<BusinessDate>, since: Moment) -> Option<Moment> {
    let next = last.map_or_else(|| rules.first_open(since), |last| rules.next_date(last));
    next.map(|date| rules.closes(date))
}

/// What an event is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// The file of this cut-off.
    Of {
        /// The date that was cut off.
        cut: BusinessDate,
    },
    /// A correction, made at this cut-off, of the file of an earlier date.
    Correction {
        /// The date that was cut off when it was made.
        cut: BusinessDate,
        /// The date that it corrects.
        date: BusinessDate,
    },
    /// None yet: its date is open, or it came late and waits for the next cut-off.
    Open,
}

/// Journaled cut-offs, by date.
#[derive(Clone, Copy, Debug)]
pub struct Cuts<'a> {
    rules: &'a WindowRules,
    cuts: &'a [Cut],
}

impl<'a> Cuts<'a> {
    /// Over the cut-offs of a journal.
    #[must_use]
    pub const fn new(rules: &'a WindowRules, cuts: &'a [Cut]) -> Self {
        Self { rules, cuts }
    }

    /// What an event is part of, by its business date and its place: the first cut-off of its date or a later one that it
    /// lies below.
    #[must_use]
    pub fn of(&self, business_date: BusinessDate, topic: &str, partition: u32, offset: i64) -> Member {
        let date = self.rules.file_date(business_date);
        let below = |cut: &&Cut| cut.date >= date && cut.holds(topic, partition, offset);
        match self.cuts.iter().find(below) {
            None => Member::Open,
            Some(cut) if cut.date == date || self.rules.late == LateEvent::NextFile => Member::Of { cut: cut.date },
            Some(cut) => Member::Correction { cut: cut.date, date },
        }
    }
}
