//! `dropbridge cutover`: the stage of each department, and moving one.

mod handover;

use std::sync::Arc;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Answer, Output, check_known};
use crate::cutover::{Authority, Block, Command, CutoverJournal, Direction, Evidence, Gates, Plan, Stage, Transition};
use crate::domain::{BusinessDate, Moment};
use crate::inbound::cutover::{Compared, evidence, newest_date};
use crate::ledger::control::RequestAction;
use crate::ledger::replay::{ControlState, read_control};
use crate::wiring::Bridge;

/// `cutover status|plan|advance|rollback|handover|history`.
#[derive(Debug, Subcommand)]
pub(super) enum CutoverCommand {
    /// The stage of each department, and who speaks for it.
    #[command(after_help = "Example:\n  dropbridge cutover status")]
    Status,
    /// What the next stage needs, and what stands against it. Changes nothing.
    #[command(after_help = "Examples:\n  dropbridge cutover plan parks\n  dropbridge cutover plan parks --back\n\n\
        Exit code 0: nothing stands against it. 1: something does.")]
    Plan {
        /// The department.
        department: String,
        /// The stage before instead of the next one.
        #[arg(long)]
        back: bool,
        #[command(flatten)]
        asked: CommandArguments,
    },
    /// Move a department to its next stage, from a business date on of which nothing was published yet.
    #[command(
        after_help = "Examples:\n  dropbridge cutover advance parks --from 2026-01-31 --approved-by owner-of-parks\n  \
            dropbridge cutover advance parks --force --reason 'nine days are enough, see minutes of 30 Jan'\n\n\
            Exit code 1: refused; why is told."
    )]
    Advance {
        /// The department.
        department: String,
        #[command(flatten)]
        asked: CommandArguments,
    },
    /// Move a department back to the stage before, or call off what is planned and not in effect yet.
    #[command(after_help = "Example:\n  dropbridge cutover rollback parks --reason 'totals are off since Monday'")]
    Rollback {
        /// The department.
        department: String,
        #[command(flatten)]
        asked: CommandArguments,
    },
    /// What a legacy producer has to know before it speaks again: files that its consumers got meanwhile, the number that
    /// comes next, and facts that it has no record of.
    #[command(after_help = "Example:\n  dropbridge cutover handover parks")]
    Handover {
        /// The department.
        department: String,
    },
    /// Every transition: who, when, why, and on what evidence.
    #[command(after_help = "Example:\n  dropbridge cutover history parks --json")]
    History {
        /// Only this department.
        department: Option<String>,
    },
}

/// What is asked of a department.
#[derive(Debug, Args)]
pub(super) struct CommandArguments {
    /// From this business date on (YYYY-MM-DD); the first one that can be unless stated.
    #[arg(long = "from", value_name = "DATE", value_parser = super::parse_date)]
    effective: Option<BusinessDate>,
    /// Who approved it.
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
    /// Why; the journal keeps it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Overrule the gates that can be; needs --reason, and the journal says so.
    #[arg(long)]
    force: bool,
}

impl CommandArguments {
    fn command(&self, direction: Direction) -> Command {
        Command {
            direction,
            effective: self.effective,
            by: super::person(),
            approved_by: self.approved_by.clone(),
            reason: self.reason.clone(),
            force: self.force,
        }
    }
}

/// Runs it.
///
/// # Errors
/// Of the log; of a department that is not configured.
pub(super) async fn run(bridge: Arc<Bridge>, command: &CutoverCommand, output: Output) -> anyhow::Result<Answer> {
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    match command {
        CutoverCommand::Status => status(&bridge, &control, output),
        CutoverCommand::History { department } => history(&bridge, &control, department.as_deref(), output),
        CutoverCommand::Plan { department, back, asked } => {
            let direction = if *back { Direction::Rollback } else { Direction::Advance };
            let prospect = Prospect::new(&bridge, &control, department, asked.command(direction))?;
            prospect.show(output)?;
            Ok(if prospect.plan.blocks.is_empty() { Answer::Fine } else { Answer::No })
        }
        CutoverCommand::Handover { department } => handover::run(&bridge, &control, department, output),
        CutoverCommand::Advance { department, asked } => {
            go(&bridge, &control, department, asked.command(Direction::Advance), output).await
        }
        CutoverCommand::Rollback { department, asked } => {
            go(&bridge, &control, department, asked.command(Direction::Rollback), output).await
        }
    }
}

/// How a department stands.
#[derive(Serialize)]
struct Standing<'a> {
    department: &'a str,
    stage: Stage,
    authority: Authority,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<&'a Transition>,
}

fn status(bridge: &Bridge, control: &ControlState, output: Output) -> anyhow::Result<Answer> {
    let today = today(bridge.context.clock.now());
    let mut rows = Vec::new();
    for department in departments(bridge, control) {
        let journal = control.cutovers.get(department);
        let stage = journal.map_or(Stage::Observe, |journal| journal.stage_on(today));
        let last = journal.and_then(|journal| journal.transitions.last());
        let planned = last.filter(|transition| transition.effective > today);
        let authority = stage.authority();
        output.object(&Standing { department, stage, authority, planned })?;
        let next = planned.map(|transition| format!("{} from {}", transition.to, transition.effective));
        let by = last.map(|transition| format!("{}, {}", transition.by, transition.decided_at.local()));
        rows.push(vec![
            department.to_owned(),
            stage.to_string(),
            authority.as_str().to_owned(),
            next.unwrap_or_default(),
            by.unwrap_or_default(),
        ]);
    }
    output.table(&["department", "stage", "speaks", "planned", "last moved by"], rows)?;
    Ok(Answer::Fine)
}

fn history(bridge: &Bridge, control: &ControlState, wanted: Option<&str>, output: Output) -> anyhow::Result<Answer> {
    check_known("department", wanted, departments(bridge, control).into_iter())?;
    let mut rows = Vec::new();
    for journal in control.cutovers.values() {
        if wanted.is_some_and(|wanted| wanted != journal.department) {
            continue;
        }
        output.object(journal)?;
        for transition in &journal.transitions {
            rows.push(vec![
                journal.department.clone(),
                transition.effective.to_string(),
                format!("{} → {}", transition.from, transition.to),
                transition.decided_at.local(),
                people(transition),
                why(transition),
            ]);
        }
    }
    if rows.is_empty() {
        output.line("no department was ever moved: all are observed")?;
    } else {
        output.table(&["department", "from", "stage", "decided", "by", ""], rows)?;
    }
    Ok(Answer::Fine)
}

fn people(transition: &Transition) -> String {
    let approved = transition.approved_by.as_ref().map(|name| format!(", approved by {name}"));
    format!("{}{}", transition.by, approved.unwrap_or_default())
}

fn why(transition: &Transition) -> String {
    let reason = transition.reason.clone().unwrap_or_default();
    if transition.forced.is_empty() {
        return reason;
    }
    let overruled: Vec<String> = transition.forced.iter().map(ToString::to_string).collect();
    format!("FORCED: {reason} ({})", overruled.join("; "))
}

/// What would become of a command, on what is known now.
#[derive(Serialize)]
struct Prospect<'a> {
    department: &'a str,
    #[serde(flatten)]
    plan: Plan,
    evidence: Evidence,
    #[serde(skip)]
    command: Command,
    #[serde(skip)]
    gates: Gates,
}

impl<'a> Prospect<'a> {
    fn new(bridge: &Bridge, control: &ControlState, department: &'a str, command: Command) -> anyhow::Result<Self> {
        check_known("department", Some(department), departments(bridge, control).into_iter())?;
        let genesis = control.genesis.as_ref();
        let genesis = genesis.ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
        let ledger = bridge.context.look_into_ledger(0, genesis)?;
        let plans = bridge.feeds.iter().map(|plan| &**plan);
        let newest = newest_date(department, &ledger, &*bridge.context.log)?;
        let newest = newest.max(control.spoken.get(department).copied());
        let compared = Compared {
            days: control.compared_days.get(department),
            renderings: &bridge.settings.renderings,
            now: bridge.context.clock.now(),
        };
        let evidence = evidence(department, plans, &ledger, newest, bridge.forwards(department)?, &compared)?;
        let gates = bridge.settings.gates.get(department).cloned().unwrap_or_default();
        let unmoved = CutoverJournal::new(department);
        let journal = control.cutovers.get(department).unwrap_or(&unmoved);
        let plan = crate::cutover::plan(journal, &gates, &evidence, &command);
        Ok(Self { department, plan, evidence, command, gates })
    }

    fn show(&self, output: Output) -> anyhow::Result<()> {
        output.object(self)?;
        let Self { plan, evidence, gates, .. } = self;
        let to = plan.to.map_or_else(|| "nowhere".to_owned(), |to| to.to_string());
        let from = plan.effective.map(|date| format!(", from business date {date} on")).unwrap_or_default();
        output.line(format!("{}: {} → {to}{from}", self.department, plan.from))?;
        let known = |value: Option<String>| value.unwrap_or_else(|| "not known".to_owned());
        let list = |feeds: &[String]| if feeds.is_empty() { "none".to_owned() } else { feeds.join(", ") };
        let lag = evidence.candidate_lag_ms.map(|lag| format!("{lag} ms"));
        for (what, value) in [
            ("feeds", list(&evidence.feeds)),
            ("taps", list(&evidence.taps)),
            ("not proven", list(&evidence.unproven)),
            ("without a date", list(&evidence.undated)),
            ("open drops", evidence.open_drops.to_string()),
            ("days of parity", format!("{} of {}", evidence.parity_days, gates.parity_days)),
            ("candidate behind", known(lag)),
            ("legacy files", if evidence.legacy_runs { "still come" } else { "do not come" }.to_owned()),
            ("newest date", known(evidence.newest_date.map(|date| date.to_string()))),
        ] {
            output.line(format!("  {what:<17} {value}"))?;
        }
        for block in &plan.blocks {
            output.paragraph("  BLOCKED: ", format!("{block}{}", hint(block)))?;
        }
        if plan.blocks.is_empty() {
            output.line("  nothing stands against it")?;
        }
        Ok(())
    }

    /// What would still be refused.
    fn stands(&self) -> bool {
        self.plan.blocks.iter().any(|block| !(self.command.force && block.can_be_forced()))
    }
}

fn hint(block: &Block) -> &'static str {
    if block.can_be_forced() { " (--force --reason overrules)" } else { "" }
}

/// Moves a department, or says what stands against it.
async fn go(
    bridge: &Arc<Bridge>,
    control: &ControlState,
    department: &str,
    command: Command,
    output: Output,
) -> anyhow::Result<Answer> {
    let prospect = Prospect::new(bridge, control, department, command)?;
    if prospect.stands() {
        prospect.show(output)?;
        return Ok(Answer::No);
    }
    let Some(moved) = decided(bridge, control, &prospect).await? else {
        output.line(format!("{department} was not moved: the log of the bridge that runs says why"))?;
        return Ok(Answer::No);
    };
    output.object(&moved)?;
    output.line(in_words(department, &moved))?;
    if moved.from.authority() == Authority::Candidate && moved.to.authority() == Authority::Legacy {
        output.line(format!("what the legacy producer has to know: dropbridge cutover handover {department}"))?;
    }
    Ok(Answer::Fine)
}

/// The same for a program: what became of it, in words, or everything that stands against it.
///
/// # Errors
/// Of the log; of a department that is not configured.
pub(crate) async fn ask_to_move(
    bridge: &Arc<Bridge>,
    department: &str,
    command: Command,
) -> anyhow::Result<Result<String, Vec<String>>> {
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let prospect = Prospect::new(bridge, &control, department, command)?;
    if prospect.stands() {
        return Ok(Err(prospect.plan.blocks.iter().map(ToString::to_string).collect()));
    }
    let moved = decided(bridge, &control, &prospect).await?;
    Ok(moved.map(|moved| in_words(department, &moved)).ok_or_else(|| vec!["the bridge has refused it".to_owned()]))
}

fn in_words(department: &str, moved: &Transition) -> String {
    let forced = if moved.forced.is_empty() { "" } else { ", FORCED" };
    format!("{department}: {} → {} from {} on{forced}", moved.from, moved.to, moved.effective)
}

/// Asks whoever holds the slot, which decides on what it knows itself. Answers the transition, if there is one.
async fn decided(
    bridge: &Arc<Bridge>,
    control: &ControlState,
    prospect: &Prospect<'_>,
) -> anyhow::Result<Option<Transition>> {
    let department = prospect.department;
    let before = control.cutovers.get(department).map_or(0, |journal| journal.transitions.len());
    let action = RequestAction::Cutover {
        department: department.to_owned(),
        command: prospect.command.clone(),
        newest_date: prospect.evidence.newest_date,
    };
    super::requests::ask(bridge, action).await?;
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let moved = control.cutovers.get(department).and_then(|journal| journal.transitions.get(before));
    Ok(moved.filter(|moved| moved.by == prospect.command.by).cloned())
}

/// Departments that are configured, or were moved once.
fn departments<'a>(bridge: &'a Bridge, control: &'a ControlState) -> Vec<&'a str> {
    let configured = bridge.feeds.iter().map(|plan| plan.settings.department.as_str());
    let mut all: Vec<&str> = configured.chain(control.cutovers.keys().map(String::as_str)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The date on the operator's wall.
fn today(now: Moment) -> BusinessDate {
    BusinessDate::from(now.timestamp().to_zoned(jiff::tz::TimeZone::system()).date())
}
