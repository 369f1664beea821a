//! `dropbridge ledger`.

pub(super) mod carriers;
mod show;
mod transfer;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Answer, Output};
use crate::layout::Verdict;
use crate::ledger::replay::read_control;
use crate::ledger::{DropFilter, DropState, LedgerEntry, LedgerIndex};
use crate::wiring::Bridge;

/// So many digits of a hash are enough to ask for it.
const SHORTEST_HASH: usize = 6;

/// `ledger list|verdicts|show|export|import`.
#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// List drops: what came, and what became of it.
    #[command(after_help = "Example:\n  dropbridge ledger list --feed parks.bids --state quarantined")]
    List(ListArguments),
    /// Count, for each feed, how its published files came out of the proof that their events give them again.
    #[command(after_help = "Example:\n  dropbridge ledger verdicts")]
    Verdicts,
    /// Show everything about the drops of a key, a hash or a file name; which events some of their bytes became, and
    /// where these are; or from which file, and which bytes of it, an event was made. Deliveries that
    /// carry the file are named.
    #[command(after_help = "Examples:\n  dropbridge ledger show 2026-01-31/0042\n  \
        dropbridge ledger show BID_20260131_0042.dat --byte 1207\n  \
        dropbridge ledger show 2026-01-31/0042 --bytes 0..280 --json\n  \
        dropbridge ledger show --at work.BidProcessed/3/1207\n  \
        dropbridge ledger show --event 0b9e5c2d7f6a41c8a3d4e5f60718293a\n\n\
        --event reads the event topics until it has found the event.\n\
        Exit code 1: there is no such drop or event, or no event was made from these bytes.")]
    Show(show::ShowArguments),
    /// Write the ledger into a file, to move the bridge to another log. The bridge has to be stopped.
    #[command(after_help = "Example:\n  dropbridge ledger export ledger.jsonl.zst\n\n\
        A name that ends with .zst is compressed. The file vouches for itself: a changed or cut one is refused.")]
    Export {
        /// The file; it must not be there yet.
        file: PathBuf,
    },
    /// Read the ledger of the bridge from a file, in a log in which it has no past: instead of `init`.
    #[command(after_help = "Example:\n  dropbridge ledger import ledger.jsonl.zst --config new/bridge.toml\n\n\
        What was interrupted is done again by the same command. Exit code 1: all is imported, and bytes of files\n\
        that are held are not in the store.")]
    Import {
        /// The file.
        file: PathBuf,
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
    match command {
        LedgerCommand::Export { file } => transfer::export(bridge, file, output),
        LedgerCommand::Import { file } => transfer::import(bridge, file, output),
        LedgerCommand::List(arguments) => {
            let index = open(bridge)?;
            check_filters(bridge, &index, arguments)?;
            list(&index, arguments, output)
        }
        LedgerCommand::Verdicts => verdicts(bridge, &open(bridge)?, output),
        LedgerCommand::Show(arguments) => show::show(bridge, &open(bridge)?, arguments, output),
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

impl VerdictCounts {
    fn of_feed(feed: &str) -> Self {
        Self { feed: feed.to_owned(), ..Self::default() }
    }
}

fn verdicts(bridge: &Bridge, index: &LedgerIndex, output: Output) -> anyhow::Result<Answer> {
    let known = bridge.feeds.iter().map(|plan| plan.id().to_owned());
    let mut feeds: BTreeMap<String, VerdictCounts> =
        known.map(|feed| (feed.clone(), VerdictCounts::of_feed(&feed))).collect();
    index.each(&mut |entry| {
        let counts = feeds.entry(entry.feed).or_insert_with_key(|feed| VerdictCounts::of_feed(feed));
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
        ControlFlow::Continue(())
    })?;
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

/// The ledger as it is in the log now.
///
/// # Errors
/// Of the log.
pub(super) fn open(bridge: &Bridge) -> anyhow::Result<LedgerIndex> {
    let context = &bridge.context;
    let control = read_control(&*context.log, &context.topics)?;
    let genesis = control.genesis.ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
    Ok(context.look_into_ledger(0, &genesis)?)
}

/// Whether a drop has this key, name, or beginning of its hash.
pub(super) fn is_called(entry: &LedgerEntry, what: &str) -> bool {
    let path = entry.entry.path.as_str();
    entry.key.as_str() == what
        || path == what
        || path.rsplit('/').next() == Some(what)
        || (what.len() >= SHORTEST_HASH && entry.sha256.is_some_and(|hash| hash.to_string().starts_with(what)))
}

/// A feed or department that neither the configuration nor the ledger knows is a slip of the pen.
fn check_filters(bridge: &Bridge, index: &LedgerIndex, arguments: &ListArguments) -> anyhow::Result<()> {
    let feeds = bridge.feeds.iter().map(|plan| plan.id()).chain(index.groups().map(|(feed, _)| feed));
    super::check_known("feed", arguments.feed.as_deref(), feeds)?;
    let departments = bridge.feeds.iter().map(|plan| plan.settings.department.as_str());
    let departments = departments.chain(index.groups().map(|(_, department)| department));
    super::check_known("department", arguments.department.as_deref(), departments)
}

fn list(index: &LedgerIndex, arguments: &ListArguments, output: Output) -> anyhow::Result<Answer> {
    let ListArguments { feed, department, state, limit } = arguments;
    let filter = DropFilter { feed: feed.clone(), department: department.clone(), state: state.clone() };
    let found = index.newest(&filter, *limit)?;
    let all: u64 = index.counts().iter().filter(|count| filter.fits(count)).map(|count| count.drops).sum();
    let left_out = all.saturating_sub(found.len() as u64);
    let mut rows = Vec::new();
    for entry in found.iter().rev() {
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
        output.line(format!("{left_out} older ones are not shown: --limit {all}"))?;
    }
    Ok(Answer::Fine)
}
