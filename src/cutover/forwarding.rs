//! Which candidate events become authoritative, and how far the candidate topics were gone through.
//!
//! Every event is judged once as it comes, by the journal of its department. A date that is given to the candidate later
//! may have events that were passed over: a transition that does so has the topics gone through again, from their
//! beginning to the place that had been reached when it was decided, and on this way only events of its department are
//! looked at whose date it gave to the candidate. All others below that place were judged before, and what was judged
//! stays: a date of which something was published never changes hands (see [`decide`](super::decide)).

use serde::{Deserialize, Serialize};

use crate::domain::BusinessDate;
use crate::window::Mark;

use super::journal::CutoverJournal;
use super::refused::RefusedPlaces;
use super::stage::Authority;

/// The version of the record that this build writes.
const FORMAT: u32 = 1;

/// How far the candidate topics were gone through: a record of the control topic, written with what was forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarding {
    /// Version of this format.
    pub format: u32,
    /// The next offset of each partition. One that is not here was not begun.
    pub positions: Vec<Mark>,
    /// The last time that they were gone through again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// What was refused of the records that are read again at a start.
    #[serde(default, skip_serializing_if = "RefusedPlaces::is_empty")]
    pub refused: RefusedPlaces,
}

/// Going through the candidate topics again, for one transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchUp {
    /// The department.
    pub department: String,
    /// How many transitions its journal had with this one.
    pub transitions: usize,
    /// How far each partition had been gone through before.
    pub ends: Vec<Mark>,
}

/// What becomes of a candidate event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It becomes authoritative.
    Forward,
    /// The legacy files speak for its date: it is compared, and goes no further.
    PassOver,
    /// It was judged before.
    Judged,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self { format: FORMAT, positions: Vec::new(), catch_up: None, refused: RefusedPlaces::default() }
    }
}

impl Forwarding {
    /// The key of its record.
    pub const RECORD_KEY: &'static str = "forwarding";

    /// The next offset of a partition, where it was begun.
    #[must_use]
    pub fn position(&self, topic: &str, partition: u32) -> Option<i64> {
        let mark = self.positions.iter().find(|mark| mark.partition == partition && mark.topic == topic);
        mark.map(|mark| mark.to)
    }

    /// A partition was gone through below this offset.
    pub fn reach(&mut self, topic: &str, partition: u32, offset: i64) {
        match self.positions.iter_mut().find(|mark| mark.partition == partition && mark.topic == topic) {
            Some(mark) => mark.to = mark.to.max(offset),
            None => self.positions.push(Mark { topic: topic.to_owned(), partition, to: offset }),
        }
    }

    /// Whether a record lies below the place that was reached before the topics are gone through again.
    #[must_use]
    pub fn is_behind(&self, topic: &str, partition: u32, offset: i64) -> bool {
        self.catch_up.as_ref().is_some_and(|again| offset < Mark::of(&again.ends, topic, partition))
    }

    /// Some partition is still being gone through again.
    #[must_use]
    pub fn is_catching_up(&self) -> bool {
        let ends = self.catch_up.as_ref().map_or(&[][..], |again| &again.ends);
        ends.iter().any(|end| self.position(&end.topic, end.partition).is_none_or(|at| at < end.to))
    }

    /// Has the topics gone through again from their beginning, for the newest transition of a department. What was
    /// begun before has to be over.
    pub fn begin_again(&mut self, journal: &CutoverJournal, beginnings: &[Mark]) {
        let ends = std::mem::replace(&mut self.positions, beginnings.to_vec());
        self.catch_up =
            Some(CatchUp { department: journal.department.clone(), transitions: journal.transitions.len(), ends });
    }

    /// What becomes of an event of this date, which lies there. `journal`: that of its department.
    #[must_use]
    pub fn passage(&self, journal: Option<&CutoverJournal>, date: BusinessDate, place: (&str, u32, i64)) -> Passage {
        let (topic, partition, offset) = place;
        let forwards = journal.is_some_and(|journal| journal.authority_on(date) == Authority::Candidate);
        match (&self.catch_up, journal) {
            (Some(again), journal) if self.is_behind(topic, partition, offset) => match journal {
                Some(journal) if forwards && journal.department == again.department => {
                    match journal.authority_after(again.transitions.saturating_sub(1), date) {
                        Authority::Legacy => Passage::Forward,
                        Authority::Candidate => Passage::Judged,
                    }
                }
                _ => Passage::Judged,
            },
            _ if forwards => Passage::Forward,
            _ => Passage::PassOver,
        }
    }
}

/// The newest business date of which events of a department stand on an authoritative topic, from either side, or of which
/// a legacy file was withheld: a record of the control topic, written with them. Kept of departments that state `[cutover]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// Version of this format.
    pub format: u32,
    /// The department.
    pub department: String,
    /// The date.
    pub newest_date: BusinessDate,
}

impl Spoken {
    /// The record of a department.
    #[must_use]
    pub fn new(department: &str, newest_date: BusinessDate) -> Self {
        Self { format: FORMAT, department: department.to_owned(), newest_date }
    }

    /// The record's key.
    #[must_use]
    pub fn record_key(department: &str) -> String {
        format!("spoken/{department}")
    }
}
