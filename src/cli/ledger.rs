//! `dropbridge ledger`.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::quarantine::show_entry;
use super::{Answer, Output};
use crate::layout::Verdict;
use crate::ledger::replay::{read_control, read_ledger};
use crate::ledger::topics::SLOTS;
use crate::ledger::{DropState, LedgerEntry};
use crate::wiring::Bridge;

/// `ledger list` and `ledger show`.
#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// List drops: what came, and what became of it.
    #[command(after_help = "Example:\n  dropbridge ledger list --feed parks.bids --state quarantined")]
    List(ListArguments),
    /// Count, for each feed, how its published files came out of the proof that their events give them again.
    #[command(after_help = "Example:\n  dropbridge ledger verdicts")]
    Verdicts,
    /// Show everything about the drops of a key, a hash, a file name, or an event.
    #[command(
        after_help = "Examples:\n  dropbridge ledger show 2026-01-31/0042\n  dropbridge ledger show BID_20260131_0042.dat"
    )]
    Show {
        /// Logical key, hash or its beginning, or file name.
        what: String,
    },
}

/// Filters of `ledger list`.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only this feed.
    #[arg(long)]
    feed: Option<String>,
    /// Only this department.
    #[arg(long)]
    department: Option<String>,
    /// Only this state.
    #[arg(long, value_parser = PossibleValuesParser::new(DropState::WORDS))]
    state: Option<String>,
    /// At most this many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs it.
///
/// # Errors
/// Of the log.
pub(super) fn run(bridge: &Bridge, command: &LedgerCommand, output: Output) -> anyhow::Result<Answer> {
    let entries = read(bridge)?;
    match command {
        LedgerCommand::List(arguments) => {
            check_filters(bridge, &entries, arguments)?;
            list(entries, arguments, output)
        }
        LedgerCommand::Verdicts => verdicts(bridge, &entries, output),
        LedgerCommand::Show { what } => show(&entries, what, output),
    }
}

/// How the published files of one feed came out.
#[derive(Debug, Default, Serialize)]
struct VerdictCounts {
    feed: String,
    exact: u64,
    exact_with_exceptions: u64,
    replay_only: u64,
    /// Published by a version that did not prove files.
    unproven: u64,
    /// Refused, and still in quarantine.
    refused: u64,
    /// Bad records that were left out of published files.
    rejects: u64,
}

fn verdicts(bridge: &Bridge, entries: &[LedgerEntry], output: Output) -> anyhow::Result<Answer> {
    let known = bridge.feeds.iter().map(|plan| plan.id().to_owned());
    let mut feeds: BTreeMap<String, VerdictCounts> =
        known.map(|feed| (feed.clone(), VerdictCounts { feed, ..VerdictCounts::default() })).collect();
    for entry in entries {
        let counts = feeds.entry(entry.feed.clone()).or_default();
        counts.feed.clone_from(&entry.feed);
        match &entry.state {
            DropState::Published { verdict, rejects, .. } => {
                counts.rejects += rejects;
                *match verdict {
                    Some(Verdict::Exact) => &mut counts.exact,
                    Some(Verdict::ExactWithExceptions) => &mut counts.exact_with_exceptions,
                    Some(Verdict::ReplayOnly) => &mut counts.replay_only,
                    None => &mut counts.unproven,
                } += 1;
            }
            DropState::Quarantined { .. } => counts.refused += 1,
            _ => {}
        }
    }
    let mut rows = Vec::new();
    for counts in feeds.values() {
        output.object(counts)?;
        let numbers = [
            counts.exact,
            counts.exact_with_exceptions,
            counts.replay_only,
            counts.unproven,
            counts.refused,
            counts.rejects,
        ];
        rows.push([counts.feed.clone()].into_iter().chain(numbers.map(|number| number.to_string())).collect());
    }
    let header = ["feed", "exact", "with exceptions", "replay only", "unproven", "refused", "bad records"];
    output.table(&header, rows)?;
    Ok(Answer::Fine)
}

/// Every drop that the ledger knows, oldest first.
///
/// # Errors
/// Of the log.
pub(super) fn read(bridge: &Bridge) -> anyhow::Result<Vec<LedgerEntry>> {
    let context = &bridge.context;
    let control = read_control(&*context.log, &context.topics)?;
    let genesis = control.genesis.ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
    let mut entries = Vec::new();
    for slot in 0..SLOTS {
        let index = read_ledger(&*context.log, &context.topics, slot, &genesis)?;
        entries.extend(index.all().into_iter().cloned());
    }
    entries.sort_by_key(|entry| entry.recorded_at);
    Ok(entries)
}

/// A feed or department that neither the configuration nor the ledger knows is a slip of the pen.
fn check_filters(bridge: &Bridge, entries: &[LedgerEntry], arguments: &ListArguments) -> anyhow::Result<()> {
    let feeds = bridge.feeds.iter().map(|plan| plan.id()).chain(entries.iter().map(|entry| entry.feed.as_str()));
    super::check_known("feed", arguments.feed.as_deref(), feeds)?;
    let departments = bridge.feeds.iter().map(|plan| plan.settings.department.as_str());
    let departments = departments.chain(entries.iter().map(|entry| entry.department.as_str()));
    super::check_known("department", arguments.department.as_deref(), departments)
}

fn list(entries: Vec<LedgerEntry>, arguments: &ListArguments, output: Output) -> anyhow::Result<Answer> {
    let fits = |filter: &Option<String>, value: &str| filter.as_deref().is_none_or(|wanted| wanted == value);
    let found: Vec<LedgerEntry> = entries
        .into_iter()
        .filter(|entry| fits(&arguments.feed, &entry.feed))
        .filter(|entry| fits(&arguments.department, &entry.department))
        .filter(|entry| fits(&arguments.state, entry.state.as_str()))
        .collect();
    let left_out = found.len().saturating_sub(arguments.limit);
    let mut rows = Vec::new();
    for entry in found.iter().skip(left_out) {
        output.object(entry)?;
        let events = match &entry.state {
            DropState::Published { events, .. } => events.to_string(),
            DropState::Publishing { through, .. } | DropState::Abandoned { through, .. } => through.to_string(),
            _ => "-".to_owned(),
        };
        rows.push(vec![
            entry.feed.clone(),
            entry.key.to_string(),
            entry.entry.path.clone(),
            entry.state.as_str().to_owned(),
            events,
            entry.recorded_at.local(),
        ]);
    }
    if rows.is_empty() {
        output.line("no such drops")?;
        return Ok(Answer::Fine);
    }
    output.table(&["feed", "key", "file", "state", "events", "when"], rows)?;
    if left_out > 0 {
        output.line(format!("{left_out} older ones are not shown: --limit {}", found.len()))?;
    }
    Ok(Answer::Fine)
}

fn show(entries: &[LedgerEntry], what: &str, output: Output) -> anyhow::Result<Answer> {
    let hash = |entry: &LedgerEntry| entry.sha256.map(|hash| hash.to_string()).unwrap_or_default();
    let found: Vec<&LedgerEntry> = entries
        .iter()
        .filter(|entry| {
            entry.key.as_str() == what
                || entry.entry.path == what
                || entry.entry.path.rsplit('/').next() == Some(what)
                || (what.len() >= 6 && hash(entry).starts_with(what))
        })
        .collect();
    if found.is_empty() {
        output.line(format!("the ledger knows no drop with the key, name or hash `{what}`"))?;
        return Ok(Answer::No);
    }
    for entry in found {
        show_entry(entry, output)?;
    }
    Ok(Answer::Fine)
}
