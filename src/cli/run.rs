//! `dropbridge run`.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use dropbridge_port::{ErrorKind, PortError};

use super::output::{counted, size};
use super::{Answer, Output};
use crate::runner::{self, RunOptions, RunSummary};
use crate::stop::Backoff;
use crate::wiring::Bridge;

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dropbridge run\n  dropbridge run --until-idle   take what is there, then end: exit code 1 if \
    anything was held back\n  dropbridge run --standby      take over when the running instance falls silent"
)]
pub(super) struct RunArguments {
    /// Take what is there, and end.
    #[arg(long, conflicts_with = "standby")]
    until_idle: bool,
    /// Wait until the instance that runs gives up or falls silent, then take over.
    #[arg(long)]
    standby: bool,
}

/// Opens the bridge. Whoever serves waits for a log that is away, as a service that is started before its broker has to.
///
/// # Errors
/// Of the configuration and the log.
pub(super) fn open(config: &Path, arguments: &RunArguments) -> anyhow::Result<Arc<Bridge>> {
    let mut backoff = Backoff::default();
    loop {
        match super::open(config) {
            Err(error) if !arguments.until_idle && is_transient(&error) => {
                tracing::error!("the event log is away, trying again: {error:#}");
                std::thread::sleep(backoff.pause());
            }
            answer => return answer,
        }
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<PortError>().is_some_and(|error| error.kind == ErrorKind::Transient)
}

/// Runs it.
///
/// # Errors
/// Of the log; when another instance took over.
pub(super) async fn run(bridge: Arc<Bridge>, arguments: &RunArguments, output: Output) -> anyhow::Result<Answer> {
    let options = RunOptions { until_idle: arguments.until_idle, standby: arguments.standby, ..RunOptions::default() };
    let summary = runner::run(bridge, options).await?;
    show(&summary, output)?;
    let errors: Vec<String> =
        summary.feeds.iter().filter_map(|feed| Some(format!("{}: {}", feed.feed, feed.error.as_ref()?))).collect();
    if summary.has_errors() {
        anyhow::bail!("{}", errors.join("\n       "));
    }
    Ok(if arguments.until_idle && summary.has_findings() { Answer::No } else { Answer::Fine })
}

/// Shows what a run came to.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show(summary: &RunSummary, output: Output) -> anyhow::Result<()> {
    output.object(summary)?;
    let tally = &summary.tally;
    output.line(format!(
        "published {} from {} ({})",
        counted(tally.events, "event"),
        counted(tally.published, "file"),
        size(tally.bytes)
    ))?;
    for (count, text) in [
        (tally.repeats, "came again with the same bytes: recorded, not published"),
        (tally.quarantined, "quarantined: `dropbridge quarantine list` says why"),
        (tally.held, "held for a person: `dropbridge quarantine list` says why"),
        (tally.vanished, "disappeared before they could be read"),
        (tally.abandoned, "could not be finished"),
        (tally.discarded, "discarded"),
    ] {
        if count > 0 {
            output.line(format!("{count} {text}"))?;
        }
    }
    for feed in &summary.feeds {
        for (path, missing) in &feed.waiting {
            output.line(format!("{}: {path} waits for {missing}", feed.feed))?;
        }
    }
    Ok(())
}
