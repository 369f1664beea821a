//! How a feed stands with what it expects, now: for commands, `status` and metrics.

use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, Moment};

use super::expectation::Expectation;
use super::journal::{Hole, Journal};

/// How many dates that are due and were not counted are listed.
const MOST_UNCOUNTED: usize = 100;

/// A business date whose files are awaited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The date.
    pub business_date: BusinessDate,
    /// From when on they are missing.
    pub due: Moment,
    /// How many are expected.
    pub expected: u32,
    /// How many have come.
    pub arrived: u32,
}

/// A business date whose files have not come in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// The date, and what came of it.
    #[serde(flatten)]
    pub date: Due,
    /// It was said. Otherwise nobody has looked since it was due, or a file is on its way.
    pub said: bool,
}

/// How a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What is awaited next; absent where nothing is, or nothing was watched yet.
    pub next: Option<Due>,
    /// What has not come in time, by date.
    pub overdue: Vec<Overdue>,
    /// Sequence numbers that have not come though their grace is over.
    pub gaps: Vec<Hole>,
}

impl Standing {
    /// Something should be there and is not.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        !self.overdue.is_empty() || !self.gaps.is_empty()
    }
}

/// How a feed stands at a moment.
#[must_use]
pub fn standing(expectation: &Expectation, journal: &Journal, now: Moment) -> Standing {
    let gap_grace = expectation.gapless.map(|gapless| gapless.grace);
    let is_open = |hole: &&Hole| gap_grace.is_some_and(|grace| now >= hole.since.after(grace));
    let gaps = journal.holes.iter().filter(is_open).cloned().collect();
    let mut standing = Standing { gaps, ..Standing::default() };
    let (Some(deadline), Some(through)) = (&expectation.deadline, journal.counted_through) else { return standing };
    let at = |day: BusinessDate, business_date: BusinessDate| Due {
        business_date,
        due: deadline.due(day),
        expected: deadline.files,
        arrived: journal.arrived.get(&business_date).copied().unwrap_or(0),
    };
    for date in &journal.missing {
        // A calendar that was changed since may say that nothing was to come.
        let Some(day) = deadline.day_of(*date) else { continue };
        standing.overdue.push(Overdue { date: at(day, *date), said: true });
    }
    let mut day = through;
    while let Some(next) = deadline.next_day(day) {
        day = next;
        let Some(date) = deadline.business_date(day) else { break };
        let due = at(day, date);
        if due.due > now {
            standing.next = Some(due);
            break;
        }
        if due.arrived < due.expected && standing.overdue.len() < MOST_UNCOUNTED {
            standing.overdue.push(Overdue { date: due, said: false });
        }
    }
    standing
}
