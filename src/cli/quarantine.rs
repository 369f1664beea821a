//! `dropbridge quarantine`.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};

use super::ledger::carriers::Carrier;
use super::output::{counted, size};
use super::{Answer, Output, check_known, ledger};
use crate::domain::Moment;
use crate::ledger::control::RequestAction;
use crate::ledger::entry::EventRange;
use crate::ledger::{DropState, LedgerEntry};
use crate::wiring::Bridge;

/// `quarantine list|show|retry|discard`.
#[derive(Debug, Subcommand)]
pub(super) enum QuarantineCommand {
    /// List what waits for a person, and why.
    #[command(after_help = "Example:\n  dropbridge quarantine list --json | jq -r .key\n\n\
        Exit code 0: nothing waits. 1: something does.")]
    List,
    /// Show why a file is held: record, byte, line, field; or its bytes.
    #[command(after_help = "Examples:\n  dropbridge quarantine show 2026-01-31/0042\n  \
        dropbridge quarantine show 2026-01-31/0042 --bytes > bad.dat")]
    Show {
        #[command(flatten)]
        which: Which,
        /// Write the file's bytes to standard output instead.
        #[arg(long)]
        bytes: bool,
    },
    /// Try a file again, after its cause was removed.
    #[command(after_help = "Example:\n  dropbridge quarantine retry 2026-01-31/0042 --feed public_works.bids")]
    Retry {
        #[command(flatten)]
        which: Which,
        /// Publish it as a correction, though other bytes are known under its key.
        #[arg(long)]
        as_correction: bool,
    },
    /// Decide that a file is not to be published, or that what was abandoned is seen to.
    #[command(
        after_help = "Example:\n  dropbridge quarantine discard 2026-01-31/0042 --reason 'sent by mistake, see mail of 1 Feb'"
    )]
    Discard {
        #[command(flatten)]
        which: Which,
        /// Why; the ledger keeps it.
        #[arg(long)]
        reason: String,
    },
}

/// Which drop is meant.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// Logical key, file name, or the beginning of the hash.
    what: String,
    /// The feed, where several have such a key.
    #[arg(long)]
    feed: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Of the log and the store.
pub(super) async fn run(bridge: Arc<Bridge>, command: &QuarantineCommand, output: Output) -> anyhow::Result<Answer> {
    match command {
        QuarantineCommand::List => list(&bridge, output),
        QuarantineCommand::Show { which, bytes } => {
            let entry = find(&bridge, which)?;
            if *bytes { write_bytes(&bridge, &entry) } else { show_entry(&entry, output).map(|()| Answer::Fine) }
        }
        QuarantineCommand::Retry { which, as_correction } => {
            let entry = find(&bridge, which)?;
            let sha256 =
                entry.sha256.ok_or_else(|| anyhow!("it disappeared unread: there are no bytes to try again"))?;
            let (feed, key) = (entry.feed.clone(), entry.key.clone());
            super::requests::ask(&bridge, RequestAction::Retry { feed, key, sha256, as_correction: *as_correction })
                .await?;
            outcome(&bridge, &entry, output)
        }
        QuarantineCommand::Discard { which, reason } => {
            let entry = find(&bridge, which)?;
            let (feed, key) = (entry.feed.clone(), entry.key.clone());
            let action = RequestAction::Discard { feed, key, sha256: entry.sha256, reason: reason.clone() };
            super::requests::ask(&bridge, action).await?;
            outcome(&bridge, &entry, output)
        }
    }
}

fn list(bridge: &Bridge, output: Output) -> anyhow::Result<Answer> {
    let mut rows = Vec::new();
    for entry in ledger::open(bridge)?.open_drops()? {
        output.object(&entry)?;
        rows.push(vec![
            entry.feed.clone(),
            entry.key.to_string(),
            entry.entry.path.clone(),
            entry.state.as_str().to_owned(),
            reason_of(&entry.state),
        ]);
    }
    if rows.is_empty() {
        output.line("nothing is held")?;
        return Ok(Answer::Fine);
    }
    output.table(&["feed", "key", "file", "state", "reason"], rows)?;
    Ok(Answer::No)
}

/// Why a drop is as it is, in one line.
#[must_use]
pub(super) fn reason_of(state: &DropState) -> String {
    match state {
        DropState::Quarantined { reject, .. } => reject.to_string(),
        DropState::Held { reason }
        | DropState::Discarded { reason }
        | DropState::Abandoned { reason, closed: None, .. } => reason.clone(),
        DropState::Abandoned { reason, closed: Some(why), .. } => format!("{reason}; closed: {why}"),
        DropState::Echo { delivery } => format!("it is our delivery {delivery}"),
        DropState::Vanished => "it disappeared before it could be read".to_owned(),
        DropState::Baseline
        | DropState::Publishing { .. }
        | DropState::Published { .. }
        | DropState::Withheld { .. } => String::new(),
    }
}

fn find(bridge: &Bridge, which: &Which) -> anyhow::Result<LedgerEntry> {
    let what = which.what.as_str();
    let index = ledger::open(bridge)?;
    let feeds = bridge.feeds.iter().map(|plan| plan.id()).chain(index.groups().map(|(feed, _)| feed));
    check_known("feed", which.feed.as_deref(), feeds)?;
    let hash = |entry: &LedgerEntry| entry.sha256.map(|hash| hash.to_string()).unwrap_or_default();
    let mut found = index.open_drops()?;
    found.retain(|entry| which.feed.as_deref().is_none_or(|feed| feed == entry.feed) && ledger::is_called(entry, what));
    match (found.pop(), found.len()) {
        (Some(entry), 0) => Ok(entry),
        (None, _) => bail!("nothing that is held has the key, name or hash `{what}`: see `dropbridge quarantine list`"),
        (Some(entry), _) => {
            found.push(entry);
            let all: Vec<String> =
                found.iter().map(|entry| format!("{} {} {}", entry.feed, entry.key, hash(entry))).collect();
            bail!("`{what}` fits several; use the hash, or --feed:\n  {}", all.join("\n  "))
        }
    }
}

fn write_bytes(bridge: &Bridge, entry: &LedgerEntry) -> anyhow::Result<Answer> {
    let plan = bridge.feeds.iter().find(|plan| plan.id() == entry.feed);
    if std::io::stdout().is_terminal() && plan.is_some_and(|plan| plan.settings.layout.masks()) {
        bail!("the layout of {} has fields that are to be shown nowhere: redirect the bytes to a file", entry.feed);
    }
    let hash = entry.sha256.ok_or_else(|| anyhow!("it disappeared unread: there are no bytes"))?;
    std::io::copy(&mut bridge.store()?.read(hash)?, &mut std::io::stdout().lock())?;
    std::io::stdout().flush()?;
    Ok(Answer::Fine)
}

fn outcome(bridge: &Bridge, before: &LedgerEntry, output: Output) -> anyhow::Result<Answer> {
    let entries = ledger::open(bridge)?.drops(&before.feed, &before.key)?;
    match entries.iter().find(|entry| entry.record_key() == before.record_key()) {
        Some(entry) => {
            show_entry(entry, output)?;
            Ok(if entry.state.is_open() { Answer::No } else { Answer::Fine })
        }
        None => {
            output.line("done")?;
            Ok(Answer::Fine)
        }
    }
}

fn show_range(range: &EventRange) -> String {
    let EventRange { topic, partition, from, to, count, log } = range;
    let elsewhere = log.as_ref().map(|log| format!(", in {log}")).unwrap_or_default();
    format!("{topic}, partition {partition}, offsets {from}..{to} ({count}){elsewhere}")
}

/// Shows one drop in full.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show_entry(entry: &LedgerEntry, output: Output) -> anyhow::Result<()> {
    show_drop(entry, &[], output)
}

/// The same with the deliveries that carry it.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show_drop(entry: &LedgerEntry, carriers: &[Carrier], output: Output) -> anyhow::Result<()> {
    let mut object = serde_json::json!(entry);
    if !carriers.is_empty() {
        object["deliveries"] = serde_json::json!(carriers);
    }
    output.object(&object)?;
    let mut lines = vec![
        ("feed", format!("{} ({})", entry.feed, entry.department)),
        ("key", entry.key.to_string()),
        ("file", format!("{}, {}", entry.entry.path, size(entry.entry.size))),
        ("last changed", Moment::from_unix_ns(entry.entry.modified_ns).local()),
        ("sha256", entry.sha256.map_or_else(|| "not read".to_owned(), |hash| hash.to_string())),
        ("state", entry.state.as_str().to_owned()),
    ];
    if entry.repeats > 0 {
        lines.push(("came again", format!("{} with the same bytes", counted(entry.repeats, "time"))));
    }
    match &entry.state {
        DropState::Published { records, events, withheld, verdict, rejects, revision, supersedes, ranges } => {
            lines.push((
                "made",
                format!("{} from {}, revision {revision}", counted(*events, "event"), counted(*records, "record")),
            ));
            if *withheld > 0 {
                let withheld = counted(*withheld, "event");
                lines.push(("withheld", format!("{withheld}: the new service speaks for their dates")));
            }
            if let Some(verdict) = verdict {
                lines.push(("round trip", verdict.to_string()));
            }
            if *rejects > 0 {
                lines.push(("left out", counted(*rejects, "bad record")));
            }
            if let Some(hash) = supersedes {
                lines.push(("supersedes", hash.to_string()));
            }
            for range in ranges {
                lines.push(("events in", show_range(range)));
            }
        }
        DropState::Withheld { records, withheld, round_trip, .. } => {
            lines.push(("withheld", format!("{} from {}", counted(*withheld, "event"), counted(*records, "record"))));
            lines.push(("why", "the new service speaks for their dates".to_owned()));
            lines.push(("round trip", round_trip.to_string()));
        }
        DropState::Publishing { through, .. } => lines.push(("published", format!("events 1 to {through} so far"))),
        DropState::Quarantined { reject, attempts } => {
            lines.push(("reason", reject.reason.clone()));
            lines.push(("code", reject.code.to_string()));
            lines.push(("at", format!("byte {}, line {}, record {}", reject.byte, reject.line, reject.record)));
            if let Some(record_type) = &reject.record_type {
                lines.push(("record type", record_type.clone()));
            }
            if let Some(field) = &reject.field {
                lines.push(("field", field.clone()));
            }
            lines.push(("tried", counted(u64::from(*attempts), "time")));
        }
        state => {
            if let DropState::Abandoned { through, ranges, .. } = state {
                lines.push(("published", format!("events 1 to {through}, and no more")));
                lines.extend(ranges.iter().map(|range| ("events in", show_range(range))));
            }
            let reason = reason_of(state);
            if !reason.is_empty() {
                lines.push(("reason", reason));
            }
        }
    }
    lines.extend(carriers.iter().map(|carrier| ("delivery", carrier.line())));
    lines.push(("recorded", entry.recorded_at.local()));
    for (name, value) in lines {
        output.line(format!("{name:>13}  {value}"))?;
    }
    output.line("")
}
