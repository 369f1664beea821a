//! `dropbridge relay`.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output::size;
use super::{Answer, Output, check_known};
use crate::config;
use crate::config::settings::{FeedSettings, Settings};
use crate::relay::decision::{Decision, leave};
use crate::relay::journal::Journal;
use crate::relay::state::{Intent, RelayState};
use crate::relay::{self};

/// What to do with relays.
#[derive(Debug, Subcommand)]
pub(super) enum RelayCommand {
    /// Show how each relay stands, and which files wait or are held.
    #[command(after_help = "Example:\n  dropbridge relay list\n\nExit code 1: a file is held for a person.")]
    List(ListArguments),
    /// Decide about a file that is held. It works beside a running bridge, and before the next one runs.
    #[command(after_help = "Example:\n  dropbridge relay release finance.bids BID_20260131_0001.dat --as delivered")]
    Release(ReleaseArguments),
    /// Say that the directory which is at the outbox's path now is the right one, after it was moved to another disk.
    #[command(after_help = "Example:\n  dropbridge relay adopt-outbox finance.bids")]
    AdoptOutbox(AdoptArguments),
}

/// Arguments of `relay list`.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only this feed's.
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
}

/// Arguments of `relay release`.
#[derive(Debug, Args)]
pub(super) struct ReleaseArguments {
    /// The feed.
    feed: String,
    /// The file's path in the inbox, as `relay list` shows it.
    path: String,
    /// `again`: deliver it (again); `delivered`: the consumer has it, or does not need it.
    #[arg(long = "as", value_name = "DECISION")]
    outcome: Outcome,
}

/// What a person found out.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    /// Deliver it.
    Again,
    /// It needs no delivery.
    Delivered,
}

/// Arguments of `relay adopt-outbox`.
#[derive(Debug, Args)]
pub(super) struct AdoptArguments {
    /// The feed.
    feed: String,
}

/// Runs it.
///
/// # Errors
/// Of the configuration and the state directory.
pub(super) fn run(config: &Path, command: &RelayCommand, output: Output) -> anyhow::Result<Answer> {
    let settings = config::load(config)?;
    let feeds = || settings.feeds.iter().filter(|feed| feed.relay.is_some());
    let known = |feed: Option<&str>| check_known("interposed feed", feed, feeds().map(|feed| feed.id.as_str()));
    let journals = relay::directory(&settings.state);
    match command {
        RelayCommand::List(own) => {
            known(own.feed.as_deref())?;
            let wanted = |feed: &&std::sync::Arc<FeedSettings>| own.feed.as_ref().is_none_or(|id| *id == feed.id);
            list(&settings, feeds().filter(wanted).map(|feed| &**feed), output)
        }
        RelayCommand::Release(own) => {
            known(Some(&own.feed))?;
            if !Journal::look(&journals, &own.feed)?.held.contains_key(&own.path) {
                anyhow::bail!("`{}` is not held: `dropbridge relay list` shows what is", own.path);
            }
            let path = own.path.clone();
            let decision = match own.outcome {
                Outcome::Again => Decision::Again { path },
                Outcome::Delivered => Decision::Delivered { path },
            };
            decide(&journals, &own.feed, &decision, output)
        }
        RelayCommand::AdoptOutbox(own) => {
            known(Some(&own.feed))?;
            decide(&journals, &own.feed, &Decision::AdoptOutbox, output)
        }
    }
}

fn decide(journals: &Path, feed: &str, decision: &Decision, output: Output) -> anyhow::Result<Answer> {
    leave(journals, feed, jiff::Timestamp::now().as_microsecond(), decision)?;
    output.object(decision)?;
    output.line("left for the bridge: it is done with the relay's next pass, or when the bridge runs again")?;
    Ok(Answer::Fine)
}

fn list<'a>(
    settings: &Settings,
    feeds: impl Iterator<Item = &'a FeedSettings>,
    output: Output,
) -> anyhow::Result<Answer> {
    let journals = relay::directory(&settings.state);
    let (mut rows, mut files, mut answer) = (Vec::new(), Vec::new(), Answer::Fine);
    for feed in feeds {
        let Some(relay) = &feed.relay else { continue };
        let state = Journal::look(&journals, &feed.id)?;
        let waiting = waiting(&state);
        if !state.held.is_empty() {
            answer = Answer::No;
        }
        output.object(&json!({
            "feed": feed.id, "share": relay.outbox.share, "outbox": relay.outbox.directory,
            "files": state.totals.files, "bytes": state.totals.bytes,
            "waiting": waiting, "held": state.held.values().collect::<Vec<_>>(),
        }))?;
        rows.push(vec![
            feed.id.clone(),
            format!("{}: {}", relay.outbox.share, relay.outbox.directory),
            state.totals.files.to_string(),
            size(state.totals.bytes),
            waiting.len().to_string(),
            state.held.len().to_string(),
        ]);
        files.extend(waiting.into_iter().map(|path| vec![feed.id.clone(), path, "on its way".to_owned()]));
        let held = state.held.values();
        files.extend(held.map(|hold| vec![feed.id.clone(), hold.entry.path.clone(), format!("HELD: {}", hold.reason)]));
    }
    if rows.is_empty() {
        output.line("no feed is interposed: `outbox` in a [[feed]] makes it so")?;
        return Ok(answer);
    }
    output.table(&["feed", "outbox", "files", "bytes", "waiting", "held"], rows)?;
    if !files.is_empty() {
        output.table(&["feed", "file", "how it stands"], files)?;
    }
    Ok(answer)
}

/// Files that are on their way and not held.
fn waiting(state: &RelayState) -> Vec<String> {
    let open = state.open.values().filter_map(Intent::file).map(|file| file.target.clone());
    open.filter(|path| !state.held.contains_key(path)).collect()
}
