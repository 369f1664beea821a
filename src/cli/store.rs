//! `dropbridge store`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::output::{counted, size};
use super::{Answer, Output, check_known, ledger};
use crate::capture::{Store, StoredObject};
use crate::domain::quantity::parse_time;
use crate::domain::{ContentHash, Moment};
use crate::inbound::keeping::{KeepRules, Scope, Verdict, gather_holdings, judge};
use crate::ledger::control::RequestAction;
use crate::ledger::replay::read_control;
use crate::ledger::{Holding, Holdings};
use crate::wiring::Bridge;

/// What stands for the feed and the reason of an object of which nobody speaks.
const UNCLAIMED: &str = "unclaimed";

/// `store status|purge`.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Show what the store holds, for which feed and why, and how much room it takes.
    #[command(after_help = "Example:\n  dropbridge store status --json | jq .stored_bytes")]
    Status,
    /// Remove what nothing needs any more: past its retention, or left behind by a process that died.
    #[command(after_help = "Examples:\n  dropbridge store purge --dry-run\n  \
        dropbridge store purge --feed public_works.bids --older-than 30d")]
    Purge(PurgeArguments),
}

/// What `store purge` is to look at.
#[derive(Debug, Args)]
pub(super) struct PurgeArguments {
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Only what this feed's files have left.
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Instead of the configured retention: remove what is older, such as `30d`. What is open stays all the same.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    older_than: Option<Duration>,
}

/// Runs it.
///
/// # Errors
/// Of the log and the store.
pub(super) async fn run(bridge: Arc<Bridge>, command: &StoreCommand, output: Output) -> anyhow::Result<Answer> {
    let contents = Contents::read(&bridge)?;
    match command {
        StoreCommand::Status => status(&bridge, &contents, output)?,
        StoreCommand::Purge(arguments) => purge(&bridge, &contents, arguments, output).await?,
    }
    Ok(Answer::Fine)
}

/// What is in the store, and why.
struct Contents {
    store: Arc<Store>,
    objects: Vec<StoredObject>,
    holdings: Holdings,
    /// Feeds that the ledger knows.
    feeds: HashSet<String>,
}

impl Contents {
    fn read(bridge: &Bridge) -> anyhow::Result<Self> {
        let store = bridge.store()?;
        // The objects first: what comes into the ledger meanwhile has its reason.
        let objects = store.list()?;
        let index = ledger::open(bridge)?;
        let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
        let mut holdings = Holdings::default();
        control.requests.values().for_each(|request| holdings.ask(request));
        gather_holdings(&index, &objects, &mut holdings)?;
        let feeds = index.groups().map(|(feed, _)| feed.to_owned()).collect();
        Ok(Self { store, objects, holdings, feeds })
    }

    /// Feed and reason under which an object is shown: the strongest of its reasons.
    fn place(&self, hash: ContentHash) -> (&str, &'static str) {
        self.holdings.of(hash).first().map_or(("-", UNCLAIMED), |Holding { reason, feed, .. }| (feed, reason.as_str()))
    }
}

/// Objects of one feed that are held for one reason.
#[derive(Debug, Serialize)]
struct Row {
    /// Absent for what nobody speaks of.
    feed: Option<String>,
    reason: &'static str,
    objects: u64,
    stored_bytes: u64,
    uncompressed_bytes: u64,
    oldest: Moment,
}

fn status(bridge: &Bridge, contents: &Contents, output: Output) -> anyhow::Result<()> {
    let mut rows: BTreeMap<(&str, &str), Row> = BTreeMap::new();
    for object in &contents.objects {
        // What is gone by now is none of the store's contents.
        let Some(uncompressed_bytes) = uncompressed(&contents.store, object)? else { continue };
        let (feed, reason) = contents.place(object.hash);
        let row = rows.entry((feed, reason)).or_insert_with(|| Row {
            feed: (reason != UNCLAIMED).then(|| feed.to_owned()),
            reason,
            objects: 0,
            stored_bytes: 0,
            uncompressed_bytes: 0,
            oldest: object.written_at,
        });
        row.objects += 1;
        row.stored_bytes += object.stored_bytes;
        row.uncompressed_bytes += uncompressed_bytes;
        row.oldest = row.oldest.min(object.written_at);
    }
    let rows: Vec<Row> = rows.into_values().collect();
    let total = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
    let (objects, stored) = (total(|row| row.objects), total(|row| row.stored_bytes));
    let uncompressed = total(|row| row.uncompressed_bytes);
    let quota = bridge.settings.store.options.quota;
    let quotas = feed_quotas(bridge, &rows);
    output.object(&json!({
        "path": bridge.settings.store.path, "objects": objects, "stored_bytes": stored,
        "uncompressed_bytes": uncompressed, "quota_bytes": quota, "feed_quotas": quotas, "held": rows,
    }))?;
    let cells = rows.iter().map(|row| {
        vec![
            row.feed.clone().unwrap_or_else(|| "-".to_owned()),
            row.reason.to_owned(),
            row.objects.to_string(),
            size(row.stored_bytes),
            size(row.uncompressed_bytes),
            row.oldest.local(),
        ]
    });
    if !rows.is_empty() {
        output.table(&["feed", "reason", "objects", "stored", "uncompressed", "oldest"], cells.collect())?;
    }
    output.line(format!(
        "{} in {}: {}{}, {} uncompressed",
        counted(objects, "object"),
        bridge.settings.store.path.display(),
        size(stored),
        quota.map_or_else(String::new, |quota| format!(" of {}", size(quota))),
        size(uncompressed),
    ))?;
    for of_feed in quotas {
        output.line(format!("{}: {} of {}", of_feed.feed, size(of_feed.stored_bytes), size(of_feed.quota_bytes)))?;
    }
    Ok(())
}

/// The size of an object's own bytes; that of a damaged one is not known, and it still takes room.
fn uncompressed(store: &Store, object: &StoredObject) -> anyhow::Result<Option<u64>> {
    use dropbridge_port::ErrorKind;
    match store.size(object.hash) {
        Ok(size) => Ok(Some(size)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind == ErrorKind::Corrupt => {
            tracing::error!("{error}");
            Ok(Some(0))
        }
        Err(error) => Err(error.into()),
    }
}

/// A feed with a quota of its own.
#[derive(Debug, Serialize)]
struct FeedQuota {
    feed: String,
    stored_bytes: u64,
    quota_bytes: u64,
}

fn feed_quotas(bridge: &Bridge, rows: &[Row]) -> Vec<FeedQuota> {
    let stored =
        |feed: &str| rows.iter().filter(|row| row.feed.as_deref() == Some(feed)).map(|row| row.stored_bytes).sum();
    let quota = |settings: &crate::config::settings::FeedSettings| {
        let quota_bytes = settings.store_quota?;
        Some(FeedQuota { feed: settings.id.clone(), stored_bytes: stored(&settings.id), quota_bytes })
    };
    bridge.settings.feeds.iter().filter_map(|feed| quota(feed)).collect()
}

/// Objects of one feed and reason to which the same happened.
#[derive(Debug, Serialize)]
struct Outcome {
    outcome: &'static str,
    feed: Option<String>,
    reason: &'static str,
    /// Why they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// When the first of them may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Moment>,
    objects: u64,
    stored_bytes: u64,
}

async fn purge(
    bridge: &Arc<Bridge>,
    contents: &Contents,
    arguments: &PurgeArguments,
    output: Output,
) -> anyhow::Result<()> {
    let known = bridge.feeds.iter().map(|plan| plan.id()).chain(contents.feeds.iter().map(String::as_str));
    check_known("feed", arguments.feed.as_deref(), known)?;
    let rules = KeepRules::new(&bridge.settings);
    let scope = Scope { feed: arguments.feed.clone(), older_than: arguments.older_than };
    let now = bridge.context.clock.now();
    let judged: Vec<(&StoredObject, Verdict)> = contents
        .objects
        .iter()
        .map(|object| (object, judge(object, contents.holdings.of(object.hash), &rules, &scope, now)))
        .collect();
    let asks = !arguments.dry_run && judged.iter().any(|(_, verdict)| *verdict == Verdict::Goes);
    if asks {
        let older_than_s = arguments.older_than.map(|time| time.as_secs());
        super::requests::ask(bridge, RequestAction::Purge { feed: arguments.feed.clone(), older_than_s }).await?;
    }
    // What was removed is what is not there any more: whoever holds the slot knows more than we.
    let there: HashSet<ContentHash> = contents.store.list()?.into_iter().map(|object| object.hash).collect();
    let mut outcomes: BTreeMap<(&str, &str, &str, &str), Outcome> = BTreeMap::new();
    for (object, verdict) in judged {
        let removed = if arguments.dry_run { "would be removed" } else { "removed" };
        let (outcome, why, until) = match verdict {
            Verdict::OutOfScope => continue,
            Verdict::Goes if arguments.dry_run || !there.contains(&object.hash) => (removed, "", None),
            Verdict::Goes => ("kept", "the bridge that runs works with it", None),
            Verdict::Needed(_) => ("kept", "needed: it is open", None),
            Verdict::JustWritten => ("kept", "written less than an hour ago", None),
            Verdict::Until(until) => ("kept", "its time is not over", Some(until)),
        };
        let (feed, reason) = contents.place(object.hash);
        let entry = outcomes.entry((outcome, feed, reason, why)).or_insert_with(|| Outcome {
            outcome,
            feed: (reason != UNCLAIMED).then(|| feed.to_owned()),
            reason,
            why: (!why.is_empty()).then(|| why.to_owned()),
            until,
            objects: 0,
            stored_bytes: 0,
        });
        entry.until = entry.until.min(until);
        entry.objects += 1;
        entry.stored_bytes += object.stored_bytes;
    }
    show(outcomes.into_values().rev().collect(), output)
}

fn show(outcomes: Vec<Outcome>, output: Output) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for outcome in outcomes {
        output.object(&outcome)?;
        let why = match (outcome.why, outcome.until) {
            (Some(why), Some(until)) => format!("{why}, at {} for the first", until.local()),
            (why, _) => why.unwrap_or_default(),
        };
        rows.push(vec![
            outcome.outcome.to_owned(),
            outcome.feed.unwrap_or_else(|| "-".to_owned()),
            outcome.reason.to_owned(),
            outcome.objects.to_string(),
            size(outcome.stored_bytes),
            why,
        ]);
    }
    if rows.is_empty() {
        return output.line("there is nothing to remove");
    }
    output.table(&["outcome", "feed", "reason", "objects", "stored", "why"], rows)
}
