//! The journal of a department: every transition, and what follows from them for a business date.

use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, Moment};

use super::decide::Block;
use super::evidence::Evidence;
use super::stage::{Authority, Stage};

/// The version of this format that this build writes.
const FORMAT: u32 = 1;

/// From one stage to another: who, when, why, and on what evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The stage before it.
    pub from: Stage,
    /// The stage behind it.
    pub to: Stage,
    /// The first business date that it is about.
    pub effective: BusinessDate,
    /// When it was decided.
    pub decided_at: Moment,
    /// Who asked for it: user and host.
    pub by: String,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What stood against it and was overruled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Block>,
    /// What it rests on.
    pub evidence: Evidence,
}

/// All transitions of a department, in their order: the effective date of none is before that of one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoverJournal {
    /// Version of this format.
    pub format: u32,
    /// The department.
    pub department: String,
    /// Its transitions.
    pub transitions: Vec<Transition>,
}

impl CutoverJournal {
    /// Of a department that was never moved: it is observed.
    #[must_use]
    pub fn new(department: &str) -> Self {
        Self { format: FORMAT, department: department.to_owned(), transitions: Vec::new() }
    }

    /// The key of its record in the control topic.
    #[must_use]
    pub fn record_key(department: &str) -> String {
        format!("cutover/{department}")
    }

    /// The stage of a business date.
    #[must_use]
    pub fn stage_on(&self, date: BusinessDate) -> Stage {
        let last = self.transitions.iter().rev().find(|transition| transition.effective <= date);
        last.map_or(Stage::Observe, |transition| transition.to)
    }

    /// Who speaks for a business date.
    #[must_use]
    pub fn authority_on(&self, date: BusinessDate) -> Authority {
        self.stage_on(date).authority()
    }

    /// Who spoke for a business date when only the first so many transitions were journaled.
    #[must_use]
    pub fn authority_after(&self, transitions: usize, date: BusinessDate) -> Authority {
        let first = self.transitions.iter().take(transitions);
        first.rev().find(|transition| transition.effective <= date).map_or(Stage::Observe, |last| last.to).authority()
    }

    /// The stage that it comes to, when all that is planned is in effect.
    #[must_use]
    pub fn last_stage(&self) -> Stage {
        self.transitions.last().map_or(Stage::Observe, |transition| transition.to)
    }

    /// The first date of the last transition.
    #[must_use]
    pub fn last_effective(&self) -> Option<BusinessDate> {
        self.transitions.last().map(|transition| transition.effective)
    }
}
