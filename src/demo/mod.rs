//! The demonstration: an estate of legacy batch jobs, and the bridge that watches it.
//!
//! It makes an [`estate`] on disk, lets the [`jobs`] drop files as such jobs do, runs the real bridge on the embedded
//! log, tells the [`story`] as it goes, lets legacy [`consumers`] poll for what the bridge delivers, holds the log against
//! what the jobs dropped ([`audit`]), and ends with a [`report`]. The [`journey`] of one department from its batch job to a
//! new service, and back, is a demonstration of its own.

mod audit;
mod consumers;
mod estate;
mod jobs;
pub mod journey;
mod report;
mod script;
mod story;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use crate::cli::{Answer, Output};
use crate::config;
use crate::inbound::baseline::BaselinePolicy;
use crate::runner::{self, RunOptions, RunSummary};
use crate::wiring::Bridge;

use consumers::Consumers;
use estate::Estate;
use jobs::Jobs;
use story::Story;

/// How often the story looks at the ledger.
const LOOK: Duration = Duration::from_millis(50);

/// Runs it.
///
/// # Errors
/// Of the file system and the bridge; when it is interrupted.
pub async fn run(directory: Option<&Path>, output: Output) -> anyhow::Result<Answer> {
    let estate = Estate::make(directory)?;
    output.line(format!("an estate of three departments, in {}\n", estate.directory().display()))?;
    let story = Arc::new(Story::new(output, jobs::drop_count()));
    let bridge = open(&estate)?;
    runner::set_up(&bridge)?;
    give_baselines(&bridge, &story)?;
    let consumers = Consumers::start(&estate, &story)?;
    let jobs = run_beside_the_jobs(bridge, &estate, &story).await?;
    // Once more, and only for what is left: a restart doubles nothing.
    story.tell("bridge", "", "stopped and started again")?;
    let bridge = open(&estate)?;
    let summary = runner::run(Arc::clone(&bridge), RunOptions { until_idle: true, ..RunOptions::default() }).await?;
    usable(&bridge, &summary, &estate)?;
    story.look(&bridge.context.ledger())?;
    let received = consumers.dismiss()?;
    story.end();
    let ledger = story::all_drops(&bridge.context.ledger())?;
    let mut findings = audit::audit(&jobs, &ledger, &audit::read_events(&bridge)?);
    findings.problems.extend(consumers::differences(&jobs, &received));
    report::show(&estate, &ledger, &received, &findings, output)?;
    Ok(if findings.problems.is_empty() { Answer::Fine } else { Answer::No })
}

fn open(estate: &Estate) -> anyhow::Result<Arc<Bridge>> {
    Ok(Arc::new(Bridge::open(config::load(&estate.config())?)?))
}

fn give_baselines(bridge: &Bridge, story: &Story) -> anyhow::Result<()> {
    let feeds = runner::without_baseline(bridge)?;
    runner::give_baselines(bridge, &feeds, BaselinePolicy::Skip, &mut |plan, entries| match entries? {
        0 => Ok(()),
        entries => story.tell("bridge", plan.id(), format!("{entries} old files are its baseline: not published")),
    })
}

/// The bridge runs, and the jobs beside it, until all jobs are done. Answers what they did.
async fn run_beside_the_jobs(
    bridge: Arc<Bridge>,
    estate: &Estate,
    story: &Arc<Story>,
) -> anyhow::Result<Vec<jobs::Dropped>> {
    let running = tokio::spawn(runner::run(Arc::clone(&bridge), RunOptions::default()));
    let jobs = Jobs::start(estate, &bridge.context, story)?;
    while !jobs.are_done() && !running.is_finished() {
        tokio::time::sleep(LOOK).await;
        story.look(&bridge.context.ledger())?;
    }
    // Jobs end early too when the bridge is asked to stop.
    let is_early = running.is_finished() || bridge.context.stop.is_raised();
    bridge.context.stop.raise();
    let drops = jobs.join();
    let summary = running.await??;
    if is_early {
        story.end();
        bail!("ended before its jobs were done; the estate is still in {}", estate.directory().display());
    }
    story.look(&bridge.context.ledger())?;
    if summary.has_errors() {
        usable(&bridge, &summary, estate)?;
    }
    drops
}

/// A feed that could not be looked after, or a signal, ends the demonstration.
fn usable(bridge: &Bridge, summary: &RunSummary, estate: &Estate) -> anyhow::Result<()> {
    if let Some(report) = summary.feeds.iter().find(|feed| feed.error.is_some()) {
        bail!("feed {}: {}", report.feed, report.error.as_deref().unwrap_or_default());
    }
    if let Some(report) = summary.renderings.iter().find(|rendering| rendering.error.is_some()) {
        bail!("rendering {}: {}", report.rendering, report.error.as_deref().unwrap_or_default());
    }
    if bridge.context.stop.is_raised() {
        bail!("asked to stop; the estate is still in {}", estate.directory().display());
    }
    Ok(())
}
