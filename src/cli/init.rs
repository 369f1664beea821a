//! `dropbridge init`.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Answer, Output};
use crate::domain::BusinessDate;
use crate::inbound::baseline::BaselinePolicy;
use crate::inbound::plan::FeedPlan;
use crate::inbound::slot::Context;
use crate::ledger::control::RequestAction;
use crate::ledger::replay::read_control;
use crate::ledger::topics::SLOTS;
use crate::outbound::journal::Journal;
use crate::relay::{self, begin::FirstFiles};
use crate::runner::{BaselineOutcome, give_baselines, set_up, without_baseline};
use crate::wiring::Bridge;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dropbridge init --baseline from=2026-01-31\n\n\
    Running it again is safe: it makes what is missing, and gives feeds that are new their baseline.")]
pub(super) struct InitArguments {
    /// What becomes of the files that are there already: `skip` records them and publishes none, `take` publishes all,
    /// `from=YYYY-MM-DD` publishes those of that business date and later.
    #[arg(long, default_value = "skip", value_parser = parse_policy, value_name = "POLICY")]
    baseline: BaselinePolicy,
    /// What becomes of the files that lie in the inbox of an interposed feed when its relay begins: `skip`, they were
    /// delivered before; `take`, they are passed on. Needed where the feed ran before without a relay or elsewhere;
    /// otherwise they are skipped.
    #[arg(long, value_name = "POLICY", value_parser = parse_first_files)]
    relay: Option<FirstFiles>,
    /// Only print what an administrator has to set up on a cluster where we may not: topics and access rights.
    #[arg(long)]
    plan: bool,
}

fn parse_first_files(text: &str) -> Result<FirstFiles, String> {
    match text {
        "skip" => Ok(FirstFiles::Skip),
        "take" => Ok(FirstFiles::Take),
        _ => Err("use skip or take".to_owned()),
    }
}

fn parse_policy(text: &str) -> Result<BaselinePolicy, String> {
    match text.split_once('=') {
        None if text == "skip" => Ok(BaselinePolicy::Skip),
        None if text == "take" => Ok(BaselinePolicy::Take),
        Some(("from", date)) => {
            BusinessDate::parse(date).map(BaselinePolicy::From).ok_or_else(|| format!("`{date}` is no date YYYY-MM-DD"))
        }
        _ => Err("use skip, take or from=YYYY-MM-DD".to_owned()),
    }
}

/// Runs it.
///
/// # Errors
/// Of the log and the shares.
pub(super) async fn run(bridge: &Arc<Bridge>, arguments: &InitArguments, output: Output) -> anyhow::Result<Answer> {
    let context = &bridge.context;
    let specs = context.topics.specs();
    if arguments.plan {
        let ids: Vec<String> = (0..SLOTS).map(|slot| Context::transactional_id(&bridge.settings.name, slot)).collect();
        let deliveries: Vec<String> =
            (0..SLOTS).map(|slot| Journal::transactional_id(&bridge.settings.name, slot)).collect();
        let mut ids: Vec<&str> = ids.iter().chain(&deliveries).map(String::as_str).collect();
        let groups: Vec<String> =
            bridge.renderings.iter().map(|plan| Journal::group(&bridge.settings.name, plan.id())).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let commands = format!("{}-*", super::requests::transactional_id_prefix(&bridge.settings.name));
        ids.push(&commands);
        let steps = context.log.plan(&specs, &ids, &groups);
        if steps.is_empty() {
            output.line("nothing has to be set up for this log: `dropbridge init` makes it")?;
        }
        for line in steps {
            output.line(&line)?;
            output.object(&json!({ "step": line }))?;
        }
        return Ok(Answer::Fine);
    }
    let (genesis, new) = set_up(bridge)?;
    output.line(format!(
        "{} `{}` on {} ({} topics)",
        if new { "initialised" } else { "already initialised:" },
        bridge.settings.name,
        context.log.address(),
        specs.len(),
    ))?;
    output.line(format!("genesis {}", genesis.id))?;
    let wanting = without_baseline(bridge)?;
    // First: what comes in between is rather passed on than forgotten.
    let relays = relays(bridge, &wanting, arguments.relay, output)?;
    let baselines = baselines(bridge, &wanting, arguments.baseline, output).await?;
    Ok(if relays == Answer::Fine { baselines } else { relays })
}

/// Begins the journals of interposed feeds that have none.
fn relays(
    bridge: &Bridge,
    new: &[Arc<FeedPlan>],
    stated: Option<FirstFiles>,
    output: Output,
) -> anyhow::Result<Answer> {
    let journals = relay::directory(&bridge.settings.state);
    let (mut rows, mut answer) = (Vec::new(), Answer::Fine);
    for plan in bridge.feeds.iter().filter(|plan| plan.settings.relay.is_some()) {
        if relay::journal::path(&journals, plan.id()).exists() {
            continue;
        }
        let is_new = new.iter().any(|new| new.id() == plan.id());
        let (count, remark) = match stated.or_else(|| is_new.then_some(FirstFiles::Skip)) {
            None => (
                None,
                "this feed ran before, and this state directory has no journal of its relay: bring the `relay` directory \
                 of the one that relayed, or state `--relay skip` (all in the inbox was delivered) or `--relay take`"
                    .to_owned(),
            ),
            Some(policy) => {
                let begun = bridge.share(&plan.settings).and_then(|share| {
                    Ok(relay::begin::begin(&journals, plan, &*share, policy)?)
                });
                match begun {
                    Ok(count) => (count, String::new()),
                    Err(error) => (None, format!("{error:#}")),
                }
            }
        };
        if !remark.is_empty() {
            answer = Answer::No;
        }
        output.object(&json!({ "feed": plan.id(), "relay": count, "error": remark }))?;
        let count = count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        rows.push(vec![plan.id().to_owned(), count, remark]);
    }
    if !rows.is_empty() {
        output.table(&["interposed feed", "files not passed on", "problem"], rows)?;
    }
    Ok(answer)
}

async fn baselines(
    bridge: &Arc<Bridge>,
    wanting: &[Arc<FeedPlan>],
    policy: BaselinePolicy,
    output: Output,
) -> anyhow::Result<Answer> {
    if wanting.is_empty() {
        output.line("every feed has its baseline")?;
        return Ok(Answer::Fine);
    }
    let bar = if output.shows_progress() { ProgressBar::new(wanting.len() as u64) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} feeds  {msg}")?);
    let mut rows = Vec::new();
    let (mut answer, mut passed_over) = (Answer::Fine, 0);
    let mut each = |plan: &FeedPlan, outcome: BaselineOutcome| {
        bar.set_message(plan.id().to_owned());
        let (entries, remark) = match outcome {
            Ok(entries) => (Some(entries), String::new()),
            Err(error) => {
                answer = Answer::No;
                (None, format!("{error:#}"))
            }
        };
        output
            .object(&json!({ "feed": plan.id(), "policy": policy.describe(), "entries": entries, "error": remark }))?;
        passed_over += entries.unwrap_or_default();
        let recorded = entries.map_or_else(|| "-".to_owned(), |entries| entries.to_string());
        rows.push(vec![plan.id().to_owned(), policy.describe(), recorded, remark]);
        bar.inc(1);
        Ok(())
    };
    if is_held(bridge)? {
        for plan in wanting {
            each(plan, asked_for(bridge, plan, policy).await)?;
        }
    } else {
        give_baselines(bridge, wanting, policy, &mut each)?;
    }
    bar.finish_and_clear();
    output.table(&["feed", "baseline", "files recorded, not published", "problem"], rows)?;
    if passed_over > 0 {
        output.line(
            "these files are never published; with `--baseline take` they would be, at the first `init` of a feed",
        )?;
    }
    if answer == Answer::No {
        output.line("a feed without baseline is not run: fix its problem and run `init` again")?;
    }
    Ok(answer)
}

/// Somebody holds the slot: taking it would stop a bridge that runs.
fn is_held(bridge: &Bridge) -> anyhow::Result<bool> {
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    Ok(control.claims.get(&0).is_some_and(|claim| !claim.released))
}

/// Has the bridge that runs give a feed its baseline.
async fn asked_for(bridge: &Arc<Bridge>, plan: &FeedPlan, policy: BaselinePolicy) -> BaselineOutcome {
    let (feed, policy) = (plan.id().to_owned(), policy.describe());
    super::requests::ask(bridge, RequestAction::Baseline { feed, policy }).await?;
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let baseline = control.baselines.get(plan.id()).map(|baseline| baseline.entries);
    baseline.ok_or_else(|| {
        anyhow!("the bridge that runs could not: its log says why. If it does not know the feed yet, send it SIGHUP")
    })
}
