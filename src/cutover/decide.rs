//! The decision.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, Moment};

use super::evidence::{Evidence, Gates};
use super::journal::{CutoverJournal, Transition};
use super::stage::Stage;

/// How far a search for a date goes.
const FARTHEST_DAYS: i32 = 3_660;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the next stage.
    Advance,
    /// To the one before.
    Rollback,
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Which way.
    pub direction: Direction,
    /// From which business date on; the first one that can be where none is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<BusinessDate>,
    /// Who asks: user and host.
    pub by: String,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Overrule what can be overruled.
    #[serde(default)]
    pub force: bool,
}

/// What stands against a transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    /// There is no stage beyond.
    NoStage {
        /// The stage it is in.
        stage: Stage,
    },
    /// The department has no feed.
    NoFeed,
    /// Something of this date, or a later one, was published or delivered already.
    DateIsTaken {
        /// The date that was asked for.
        effective: BusinessDate,
        /// The newest date of which there is something.
        newest: BusinessDate,
    },
    /// Another transition takes effect then, or later.
    DateIsPlanned {
        /// The date that was asked for.
        effective: BusinessDate,
        /// That of the other transition.
        planned: BusinessDate,
    },
    /// A file would have dates of both sides.
    SharedFile {
        /// The date that was asked for.
        effective: BusinessDate,
        /// The first date of its file.
        first: BusinessDate,
        /// The nearest dates that can be.
        instead: Vec<BusinessDate>,
    },
    /// No date was stated, and nothing tells which is the first that can be.
    NoDate,
    /// Files of these feeds cannot be written again from their events.
    Unproven {
        /// The feeds.
        feeds: Vec<String>,
    },
    /// These feeds are taps.
    Tap {
        /// The feeds.
        feeds: Vec<String>,
    },
    /// Names of these feeds' files carry no business date.
    Undated {
        /// The feeds.
        feeds: Vec<String>,
    },
    /// Candidate events of the department are not forwarded.
    NoForwarding,
    /// To overrule needs a reason.
    NoReason,
    /// Too few business days of parity in a row.
    ParityDays {
        /// How many there are.
        days: u32,
        /// How many are needed.
        needed: u32,
    },
    /// Drops wait for a person.
    OpenDrops {
        /// How many.
        drops: u64,
        /// How many may.
        most: u64,
    },
    /// The candidate events are too far behind, or nobody knows how far.
    CandidateLag {
        /// How far, in milliseconds.
        lag_ms: Option<u64>,
        /// How far they may be.
        most_ms: u64,
    },
    /// Nobody approved it who may.
    NotApproved {
        /// Who was named.
        named: Option<String>,
        /// Who may; anybody who is named where this is empty.
        approvers: Vec<String>,
    },
    /// The legacy producer's files do not come any more: nobody could speak again.
    LegacyIsSilent,
}

impl Block {
    /// Whether a person may overrule it. What would break a promise cannot be.
    #[must_use]
    pub const fn can_be_forced(&self) -> bool {
        matches!(
            self,
            Self::ParityDays { .. }
                | Self::OpenDrops { .. }
                | Self::CandidateLag { .. }
                | Self::NotApproved { .. }
                | Self::LegacyIsSilent
        )
    }
}

/// What would become of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The stage before it.
    pub from: Stage,
    /// The stage behind it; nothing where there is none.
    pub to: Option<Stage>,
    /// From which business date on.
    pub effective: Option<BusinessDate>,
    /// All that stands against it.
    pub blocks: Vec<Block>,
}

/// What a command would come to, with everything that stands against it.
#[must_use]
pub fn plan(journal: &CutoverJournal, gates: &Gates, evidence: &Evidence, command: &Command) -> Plan {
    let from = journal.last_stage();
    let to = match command.direction {
        Direction::Advance => from.next(),
        Direction::Rollback => from.previous(),
    };
    let free = first_free(journal, evidence, command.direction);
    let whole = WholeFiles { journal, evidence, to };
    let effective = command.effective.or_else(|| free.map(|free| whole.first_from(free).unwrap_or(free)));
    let mut blocks = Vec::new();
    if to.is_none() {
        blocks.push(Block::NoStage { stage: from });
    }
    if evidence.feeds.is_empty() {
        blocks.push(Block::NoFeed);
    }
    let of_date = block_of_date(journal, evidence, command.direction, effective);
    blocks.extend(of_date.or_else(|| whole.block(effective?, free)));
    match (command.direction, to) {
        (Direction::Advance, Some(to)) => advance(to, gates, evidence, command, &mut blocks),
        (Direction::Rollback, Some(to)) if from.authority() != to.authority() && !evidence.legacy_runs => {
            blocks.push(Block::LegacyIsSilent);
        }
        _ => {}
    }
    let is_reasoned = command.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
    if command.force && !is_reasoned {
        blocks.push(Block::NoReason);
    }
    Plan { from, to, effective, blocks }
}

/// Decides a command.
///
/// # Errors
/// Everything that stands against it, and was or cannot be overruled.
pub fn decide(
    journal: &CutoverJournal,
    gates: &Gates,
    evidence: &Evidence,
    command: &Command,
    now: Moment,
) -> Result<Transition, Vec<Block>> {
    let Plan { from, to, effective, blocks } = plan(journal, gates, evidence, command);
    let stands = |block: &Block| !(command.force && block.can_be_forced());
    let (Some(to), Some(effective), false) = (to, effective, blocks.iter().any(stands)) else {
        return Err(blocks);
    };
    Ok(Transition {
        from,
        to,
        effective,
        decided_at: now,
        by: command.by.clone(),
        approved_by: command.approved_by.clone(),
        reason: command.reason.clone(),
        forced: blocks,
        evidence: evidence.clone(),
    })
}

/// The first date that is free; nothing where there was no date at all yet.
fn first_free(journal: &CutoverJournal, evidence: &Evidence, direction: Direction) -> Option<BusinessDate> {
    let behind_newest = evidence.newest_date.map(|date| date.days_later(1));
    let by_plan = journal.last_effective().map(|date| match direction {
        Direction::Advance => date.days_later(1),
        // What is planned and not in effect yet is called off.
        Direction::Rollback => date,
    });
    behind_newest.max(by_plan)
}

fn block_of_date(
    journal: &CutoverJournal,
    evidence: &Evidence,
    direction: Direction,
    effective: Option<BusinessDate>,
) -> Option<Block> {
    let Some(effective) = effective else { return Some(Block::NoDate) };
    if let Some(newest) = evidence.newest_date.filter(|newest| effective <= *newest) {
        return Some(Block::DateIsTaken { effective, newest });
    }
    let planned = journal.last_effective()?;
    let is_free = match direction {
        Direction::Advance => effective > planned,
        Direction::Rollback => effective >= planned,
    };
    (!is_free).then_some(Block::DateIsPlanned { effective, planned })
}

/// One side speaks for all dates of a file.
struct WholeFiles<'a> {
    journal: &'a CutoverJournal,
    evidence: &'a Evidence,
    to: Option<Stage>,
}

impl WholeFiles<'_> {
    /// No file has both a date and the one before it.
    fn begin_at(&self, date: BusinessDate) -> bool {
        self.evidence.file_days.iter().all(|days| days.begin_at(date))
    }

    /// A transition from this date on splits no file; nor does one behind which the same side speaks as before.
    fn allow(&self, date: BusinessDate) -> bool {
        let before = self.journal.authority_on(date.days_later(-1));
        self.to.is_none_or(|to| to.authority() == before) || self.begin_at(date)
    }

    /// The first date that is allowed, from this one on.
    fn first_from(&self, date: BusinessDate) -> Option<BusinessDate> {
        (0..FARTHEST_DAYS).map(|days| date.days_later(days)).find(|date| self.allow(*date))
    }

    /// What stands against a date; `free` is the first one that is.
    fn block(&self, effective: BusinessDate, free: Option<BusinessDate>) -> Option<Block> {
        if self.allow(effective) {
            return None;
        }
        let first = (1..FARTHEST_DAYS).map(|days| effective.days_later(-days)).find(|date| self.begin_at(*date));
        let earlier = first.filter(|first| free.is_none_or(|free| free <= *first));
        let instead = earlier.into_iter().chain(self.first_from(effective)).collect();
        Some(Block::SharedFile { effective, first: first.unwrap_or(effective.days_later(-1)), instead })
    }
}

fn advance(to: Stage, gates: &Gates, evidence: &Evidence, command: &Command, blocks: &mut Vec<Block>) {
    if !evidence.unproven.is_empty() {
        blocks.push(Block::Unproven { feeds: evidence.unproven.clone() });
    }
    if evidence.open_drops > gates.most_open_drops {
        blocks.push(Block::OpenDrops { drops: evidence.open_drops, most: gates.most_open_drops });
    }
    if to == Stage::Shadow {
        return;
    }
    if !evidence.taps.is_empty() {
        blocks.push(Block::Tap { feeds: evidence.taps.clone() });
    }
    if !evidence.undated.is_empty() {
        blocks.push(Block::Undated { feeds: evidence.undated.clone() });
    }
    if !evidence.forwards {
        blocks.push(Block::NoForwarding);
    }
    // In retirement there may be no legacy file any more to be compared with.
    if to == Stage::Live && evidence.parity_days < gates.parity_days {
        blocks.push(Block::ParityDays { days: evidence.parity_days, needed: gates.parity_days });
    }
    if let Some(most) = gates.most_candidate_lag {
        let lag = evidence.candidate_lag_ms;
        if lag.is_none_or(|lag| Duration::from_millis(lag) > most) {
            let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
            blocks.push(Block::CandidateLag { lag_ms: lag, most_ms });
        }
    }
    let named = command.approved_by.as_deref().filter(|named| !named.trim().is_empty());
    let may = |named: &str| gates.approvers.is_empty() || gates.approvers.iter().any(|approver| approver == named);
    if !named.is_some_and(may) {
        blocks.push(Block::NotApproved { named: command.approved_by.clone(), approvers: gates.approvers.clone() });
    }
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStage { stage } => write!(out, "there is no stage beyond {stage} in this direction"),
            Self::NoFeed => out.write_str("the department has no feed"),
            Self::DateIsTaken { effective, newest } => {
                write!(out, "{effective} is not free: something of {newest} was published already; state a later date")
            }
            Self::DateIsPlanned { effective, planned } => {
                write!(out, "{effective} is not behind {planned}, from which the last transition takes effect")
            }
            Self::SharedFile { effective, first, instead } => {
                write!(out, "{effective} shares a file with {first}, and one side speaks for all of a file: ")?;
                let instead: Vec<String> = instead.iter().map(|date| format!("--from {date}")).collect();
                if instead.is_empty() {
                    out.write_str("no later date begins one")
                } else {
                    write!(out, "say {}", instead.join(" or "))
                }
            }
            Self::NoDate => out.write_str("no business date was seen yet: state from which one on"),
            Self::Unproven { feeds } => write!(
                out,
                "files of {} cannot be written again from their events, or none was published yet: see `prove`",
                feeds.join(", ")
            ),
            Self::Tap { feeds } => write!(
                out,
                "{} {} no outbox of their own: the old producer would go on writing into the consumer's directory; \
                 interpose them",
                feeds.join(", "),
                if feeds.len() == 1 { "has" } else { "have" }
            ),
            Self::Undated { feeds } => write!(
                out,
                "names of files of {} carry no business date: nobody could tell which of them the consumer is to get",
                feeds.join(", ")
            ),
            Self::NoForwarding => out.write_str(
                "nothing forwards its candidate events: state `[cutover]` in the department's file, and run `init`",
            ),
            Self::NoReason => out.write_str("to overrule needs a reason"),
            Self::ParityDays { days, needed } => {
                write!(out, "{days} business days of parity in a row, {needed} are needed")
            }
            Self::OpenDrops { drops, most } => write!(out, "{drops} drops wait for a person, {most} may"),
            Self::CandidateLag { lag_ms: Some(lag), most_ms } => {
                write!(out, "the candidate events are {lag} ms behind, {most_ms} ms are allowed")
            }
            Self::CandidateLag { lag_ms: None, most_ms } => {
                write!(out, "nobody knows how far the candidate events are behind, {most_ms} ms are allowed")
            }
            Self::NotApproved { named, approvers } => {
                match named {
                    Some(named) => write!(out, "`{named}` may not approve it")?,
                    None => out.write_str("nobody approved it")?,
                }
                if approvers.is_empty() { Ok(()) } else { write!(out, "; who may: {}", approvers.join(", ")) }
            }
            Self::LegacyIsSilent => {
                out.write_str("the legacy producer's files do not come any more: it could not speak for a date again")
            }
        }
    }
}
