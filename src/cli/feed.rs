//! `dropbridge feed`: which feeds there are, and switching one off and on.

use std::sync::Arc;

use clap::{Args, Subcommand};
use dropbridge_port::OutgoingRecord;
use serde::Serialize;

use super::{Answer, Output, check_known};
use crate::inbound::slot::JSON_HEADER;
use crate::ledger::control::{FORMAT, FeedSwitch, RequestAction};
use crate::ledger::replay::read_control;
use crate::ledger::topics::REQUEST_PARTITION;
use crate::wiring::Bridge;

/// `feed list|pause|resume`.
#[derive(Debug, Subcommand)]
pub(super) enum FeedCommand {
    /// List the feeds: where their files come from, and which are paused, by whom and why.
    #[command(after_help = "Example:\n  dropbridge feed list")]
    List,
    /// Switch a feed off: its inbox is neither listed nor read until it is resumed. Files that were taken already are
    /// still published. It stays paused through restarts and takeovers.
    #[command(
        after_help = "Example:\n  dropbridge feed pause parks.bids --reason 'their job runs twice, see mail of 3 Feb'"
    )]
    Pause(SwitchArguments),
    /// Switch a feed on again.
    #[command(after_help = "Example:\n  dropbridge feed resume parks.bids --reason 'job mended'")]
    Resume(SwitchArguments),
}

/// Which feed, and why.
#[derive(Debug, Args)]
pub(super) struct SwitchArguments {
    /// The feed's id.
    feed: String,
    /// Why: it is logged, and `feed list` shows it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// How a feed stands.
#[derive(Debug, Serialize)]
struct FeedRow<'a> {
    feed: &'a str,
    department: &'a str,
    share: &'a str,
    inbox: &'a str,
    layout: &'a str,
    layout_version: u32,
    has_baseline: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    switch: Option<&'a FeedSwitch>,
}

impl FeedRow<'_> {
    fn state(&self) -> String {
        match self.switch {
            Some(switch) if switch.paused => "paused".to_owned(),
            _ if !self.has_baseline => "no baseline".to_owned(),
            _ => "on".to_owned(),
        }
    }

    fn remark(&self) -> String {
        let Some(switch) = self.switch.filter(|switch| switch.paused) else { return String::new() };
        let reason = switch.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("since {} by {}{reason}", switch.switched_at.local(), switch.by)
    }
}

/// Runs it.
///
/// # Errors
/// Of the log; of a feed that is not configured.
pub(super) async fn run(bridge: Arc<Bridge>, command: &FeedCommand, output: Output) -> anyhow::Result<Answer> {
    match command {
        FeedCommand::List => list(&bridge, output),
        FeedCommand::Pause(arguments) => switch(&bridge, arguments, true, output).await,
        FeedCommand::Resume(arguments) => switch(&bridge, arguments, false, output).await,
    }
}

fn list(bridge: &Bridge, output: Output) -> anyhow::Result<Answer> {
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let mut rows = Vec::new();
    for plan in &bridge.feeds {
        let row = FeedRow {
            feed: plan.id(),
            department: &plan.settings.department,
            share: &plan.settings.share,
            inbox: &plan.settings.inbox,
            layout: plan.settings.layout.name(),
            layout_version: plan.settings.layout.version(),
            has_baseline: control.baselines.contains_key(plan.id()),
            switch: control.switches.get(plan.id()),
        };
        output.object(&row)?;
        let layout = format!("{} {}", row.layout, row.layout_version);
        let place = format!("{}:{}", row.share, row.inbox);
        rows.push(vec![row.feed.to_owned(), place, layout, row.state(), row.remark()]);
    }
    output.table(&["feed", "inbox", "layout", "state", ""], rows)?;
    Ok(Answer::Fine)
}

/// The record itself is what holds; the request beside it, in the same transaction, is for a bridge that runs to say
/// that it has read it.
async fn switch(
    bridge: &Arc<Bridge>,
    arguments: &SwitchArguments,
    paused: bool,
    output: Output,
) -> anyhow::Result<Answer> {
    let feed = arguments.feed.as_str();
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let known = bridge.feeds.iter().map(|plan| plan.id()).chain(control.switches.keys().map(String::as_str));
    check_known("feed", Some(feed), known)?;
    let state = if paused { "paused" } else { "on" };
    if control.switches.get(feed).is_some_and(|switch| switch.paused) == paused {
        output.line(format!("{feed} is {state} already"))?;
        return Ok(Answer::Fine);
    }
    let switch = FeedSwitch {
        format: FORMAT,
        feed: feed.to_owned(),
        paused,
        reason: arguments.reason.clone(),
        by: super::person(),
        switched_at: bridge.context.clock.now(),
    };
    let (key, value) = (FeedSwitch::record_key(feed), serde_json::to_vec(&switch)?);
    let record = OutgoingRecord {
        topic: &bridge.context.topics.control,
        partition: Some(REQUEST_PARTITION),
        key: Some(key.as_bytes()),
        value: Some(&value),
        headers: &[JSON_HEADER],
        tag: 0,
    };
    let is_held = control.claims.get(&0).is_some_and(|claim| !claim.released);
    let seen = super::requests::tell(bridge, record, is_held.then_some(RequestAction::Notice)).await?;
    output.object(&switch)?;
    output.line(match (seen, is_held) {
        (true, _) => format!("{feed} is {state}"),
        (false, true) => format!("{feed} is {state} for whoever holds the slot next: its holder does not answer"),
        (false, false) => format!("{feed} is {state}; no bridge runs"),
    })?;
    Ok(Answer::Fine)
}
