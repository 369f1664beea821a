//! `dropbridge ingest`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use dropbridge_port::EntryPath;

use super::quarantine::show_entry;
use super::{Answer, Output, check_known};
use crate::capture::selection::Named;
use crate::capture::take::take_stream;
use crate::domain::EntryFacts;
use crate::inbound::plan::FeedPlan;
use crate::ledger::DropState;
use crate::ledger::control::RequestAction;
use crate::ledger::replay::read_control;
use crate::wiring::Bridge;

/// Arguments of `ingest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dropbridge ingest /mnt/returned/BID_20260131_0042.dat\n  \
    sftp-fetch today.dat | dropbridge ingest - --name BID_20260131_0042.dat --feed public_works.bids")]
pub(super) struct IngestArguments {
    /// The file, or `-` for standard input.
    file: PathBuf,
    /// The feed it belongs to; told by the name where one feed alone takes such names.
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// The name it would have in the inbox; needed with `-`.
    #[arg(long)]
    name: Option<OsString>,
}

/// Runs it.
///
/// # Errors
/// Of the file, the store and the log.
pub(super) async fn run(bridge: Arc<Bridge>, arguments: &IngestArguments, output: Output) -> anyhow::Result<Answer> {
    let name = entry_name(arguments)?;
    let plan = find_feed(&bridge, arguments.feed.as_deref(), &name)?;
    let shown = arguments.file.display().to_string();
    let (reader, modified_ns): (Box<dyn Read>, i64) = if arguments.file.as_os_str() == "-" {
        (Box::new(std::io::stdin().lock()), now_ns())
    } else {
        let file = File::open(&arguments.file).with_context(|| shown.clone())?;
        let metadata = file.metadata().with_context(|| shown.clone())?;
        if !metadata.is_file() {
            bail!("{shown} is no regular file");
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        (Box::new(file), modified.and_then(|time| i64::try_from(time.as_nanos()).ok()).unwrap_or_else(now_ns))
    };
    let store = bridge.store()?;
    let (hash, size) = take_stream(reader, &store, plan.settings.account())?;
    let entry = EntryFacts { path: name.to_string(), size, modified_ns, version: 0 };
    let feed = plan.id().to_owned();
    super::requests::ask(&bridge, RequestAction::Ingest { feed: feed.clone(), entry, sha256: hash }).await?;
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let genesis = control.genesis.ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
    let ledger = bridge.context.look_into_ledger(0, &genesis)?;
    let mut entry = None;
    ledger.each_with_hash(hash, &mut |found| {
        entry = Some(found).filter(|found| found.feed == feed);
        if entry.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let mut baseline = None;
    ledger.each_with_path(&feed, &name.to_string(), &mut |found| {
        baseline = Some(found.key).filter(|_| found.state == DropState::Baseline);
        if baseline.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let (None, Some(key)) = (&entry, baseline) {
        bail!(
            "{shown} was in the inbox before the bridge came: the baseline of {feed} has it as {key}, and what a \
             baseline has is not published"
        );
    }
    let entry =
        entry.ok_or_else(|| anyhow!("the ledger does not know {shown}: the log of the bridge that runs says why"))?;
    show_entry(&entry, output)?;
    Ok(if entry.state.is_open() { Answer::No } else { Answer::Fine })
}

/// The name that the bytes would have in the inbox.
fn entry_name(arguments: &IngestArguments) -> anyhow::Result<EntryPath> {
    let own = arguments.file.file_name().filter(|_| arguments.file.as_os_str() != "-");
    let name = arguments.name.as_deref().or(own);
    let name = name.ok_or_else(|| anyhow!("say under which name the bytes would lie in the inbox: --name NAME"))?;
    let shown = name.to_string_lossy().escape_debug().to_string();
    EntryPath::new(name.as_bytes())
        .ok_or_else(|| anyhow!("`{shown}` leads out of the inbox: give the name that the file would have there"))
}

fn now_ns() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

fn find_feed<'a>(bridge: &'a Bridge, wanted: Option<&str>, name: &EntryPath) -> anyhow::Result<&'a Arc<FeedPlan>> {
    if let Some(wanted) = wanted {
        check_known("feed", Some(wanted), bridge.feeds.iter().map(|plan| plan.id()))?;
        return bridge.feeds.iter().find(|plan| plan.id() == wanted).ok_or_else(|| anyhow!("no feed `{wanted}`"));
    }
    let takes = |plan: &&Arc<FeedPlan>| matches!(plan.selection.classify(name.file_name()), Named::Entry(_));
    let fitting: Vec<_> = bridge.feeds.iter().filter(takes).collect();
    match fitting.as_slice() {
        [plan] => Ok(plan),
        [] => bail!("no feed takes the name `{name}`: say which it is with --feed"),
        several => {
            let ids: Vec<&str> = several.iter().map(|plan| plan.id()).collect();
            bail!("several feeds take the name `{name}` ({}): say which with --feed", ids.join(", "))
        }
    }
}
