//! Runs a bridge: one thread for each feed, one for each relay, one that publishes.
//!
//! Feeds list, settle, take and examine; what is fine goes through a bounded channel to the publisher, which holds the
//! slot. The memory that files on their way may take is a budget: a feed that is faster than the log waits.

mod feed;
mod genesis;
mod publisher;
mod relay;
mod set_up;
mod standby;

use std::sync::Arc;

use dropbridge_port::{ErrorKind, PortError, Share};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};

use crate::health::SlotStanding;
use crate::inbound::keeping::KeepRules;
use crate::inbound::prepare::{HoldLimits, Prepared};
use crate::inbound::publish::Publisher;
use crate::inbound::scan::Scanner;
use crate::inbound::slot::Slot;
use crate::inbound::tally::Tally;
use crate::relay::facts::RelayFacts;
use crate::stop::Backoff;
use crate::wiring::Bridge;

pub use feed::FeedReport;
pub use genesis::{initialise, read_witness, write_witness};
pub use relay::Relays;
pub use set_up::{BaselineOutcome, give_baselines, set_up, without_baseline};

/// Bytes of files and events that may be on their way at once.
const BUDGET_BYTES: usize = 24 << 20;

/// Files that may be on their way at once.
const CHANNEL_FILES: usize = 1024;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Take what is there and end.
    pub until_idle: bool,
    /// Wait until the slot's holder falls silent.
    pub standby: bool,
    /// Do what commands asked for, and end.
    pub requests_only: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunSummary {
    /// What was done.
    pub tally: Tally,
    /// How each feed ended.
    pub feeds: Vec<FeedReport>,
    /// How the relay of each interposed feed stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<RelayFacts>,
}

impl RunSummary {
    /// Something is not as it should be: the exit code is 1.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        let tally = &self.tally;
        tally.quarantined + tally.held + tally.vanished + tally.abandoned > 0
            || self.feeds.iter().any(|feed| !feed.waiting.is_empty())
            || self.relays.iter().any(RelayFacts::has_findings)
    }

    /// A feed or relay could not be looked after: the exit code is 2.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.feeds.iter().any(|feed| feed.error.is_some()) || self.relays.iter().any(|relay| relay.trouble.is_some())
    }
}

/// Runs until everything there is done, the process is asked to stop, or another instance took over.
///
/// # Errors
/// `Fenced` when another instance holds the slot and we may not stand by; whatever the log answers for good.
pub async fn run(bridge: Arc<Bridge>, options: RunOptions) -> anyhow::Result<RunSummary> {
    allow_open_files();
    let stop = bridge.context.stop.clone();
    let signals = tokio::spawn(stop_on_signals(stop.clone()));
    let health = Arc::clone(&bridge.context.health);
    let summary = tokio::task::spawn_blocking(move || hold_and_stand_by(&bridge, options)).await?;
    health.set_slot(SlotStanding::Ended);
    signals.abort();
    summary
}

/// Entries are held open until they settle: a few hundred for each feed, more than a shell's usual limit of 1024.
fn allow_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

async fn stop_on_signals(stop: crate::stop::Stop) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened to: only SIGKILL will end this process");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to stop: finishing what is open");
    stop.raise();
}

/// Holds the slot; when another instance takes it, stands by until that falls silent.
fn hold_and_stand_by(bridge: &Arc<Bridge>, options: RunOptions) -> anyhow::Result<RunSummary> {
    let mut standing_by = options.standby;
    let serves = !options.until_idle && !options.requests_only;
    let stop = bridge.context.stop.clone();
    let mut backoff = Backoff::default();
    let mut relays = None;
    loop {
        if standing_by {
            // Whoever has the slot relays.
            drop(relays.take());
            if standby::wait_for_silence(bridge)? == standby::Waited::Stopped {
                return Ok(RunSummary::default());
            }
        }
        if relays.is_none() && !options.requests_only {
            relays = Some(Relays::start(bridge, options.until_idle)?);
        }
        bridge.context.health.set_slot(SlotStanding::Starting);
        match hold(bridge, options) {
            Err(error) if kind_of(&error) == Some(ErrorKind::Fenced) && serves => {
                tracing::error!(%error, "gave the slot up; standing by");
                standing_by = true;
            }
            // The log is away: whoever serves waits for it, without a person.
            Err(error) if kind_of(&error) == Some(ErrorKind::Transient) && serves => {
                if stop.is_raised() {
                    return Ok(RunSummary::default());
                }
                bridge.context.health.log_failed(ErrorKind::Transient.as_str(), &error.to_string(), true);
                tracing::error!(%error, "cannot go on for now: trying again");
                if stop.wait(backoff.pause()) {
                    return Ok(RunSummary::default());
                }
            }
            answer => {
                let end = if options.until_idle { Relays::wait } else { Relays::end };
                let relays = relays.map(end).unwrap_or_default();
                return answer.map(|summary| RunSummary { relays, ..summary });
            }
        }
    }
}

fn kind_of(error: &anyhow::Error) -> Option<ErrorKind> {
    error.downcast_ref::<PortError>().map(|error| error.kind)
}

/// Takes the slot and works until done, stopped or fenced.
fn hold(bridge: &Arc<Bridge>, options: RunOptions) -> anyhow::Result<RunSummary> {
    let context = bridge.context.clone();
    let store = bridge.store()?;
    let witness = read_witness(&bridge.settings.state)?;
    let (slot, control) = Slot::take(context.clone(), 0, witness.as_deref())?;
    if let (None, Some(genesis)) = (&witness, &control.genesis) {
        write_witness(&bridge.settings.state, &genesis.id)?;
    }
    let sizes = bridge.settings.transaction;
    let mut publisher = Publisher::new(slot, Arc::clone(&store), sizes, KeepRules::new(&bridge.settings));
    publisher.clear_up(&control.requests)?;
    let limits = publisher.hold_limits();
    if options.requests_only {
        return Ok(RunSummary {
            tally: publisher::serve_requests(publisher, bridge, &control)?,
            ..RunSummary::default()
        });
    }
    context.health.set_census(context.ledger().census());
    context.health.set_slot(SlotStanding::Held);
    tracing::info!(
        log = context.log.address(),
        feeds = bridge.feeds.len(),
        drops = context.ledger().all().len(),
        "holding the slot"
    );
    publisher.ask_inboxes_for_missing();
    let (sender, receiver) = mpsc::channel::<Prepared>(CHANNEL_FILES);
    let budget = Arc::new(Semaphore::new(BUDGET_BYTES));
    context.health.set_budget(&budget, BUDGET_BYTES);
    let round = crate::stop::Stop::new();
    let mut workers = Vec::new();
    for plan in &bridge.feeds {
        let worker = feed::Worker {
            plan: Arc::clone(plan),
            bridge: Arc::clone(bridge),
            store: Arc::clone(&store),
            sender: sender.clone(),
            budget: Arc::clone(&budget),
            round: round.clone(),
            outstanding: Arc::new(()),
            limits: HoldLimits { events: limits.events, bytes: limits.bytes },
            pulse: context.health.feed_pulse(plan.id()),
            has_baseline: control.baselines.contains_key(plan.id()),
            until_idle: options.until_idle,
        };
        let name = format!("feed {}", plan.id());
        workers.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
    }
    drop(sender);
    let published = publisher::publish_all(publisher, receiver, bridge, &control, &workers, options.until_idle);
    // Whatever ended the publisher ends the feeds.
    round.raise();
    let feeds = workers
        .into_iter()
        .map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a feed's thread panicked: this is a bug")))
        .collect::<anyhow::Result<Vec<FeedReport>>>()?;
    Ok(RunSummary { tally: published?, feeds, relays: Vec::new() })
}

/// A scanner over a feed's share.
fn scanner(worker: &feed::Worker, share: Arc<dyn Share>) -> Scanner {
    Scanner::new(
        Arc::clone(&worker.plan),
        share,
        Arc::clone(&worker.store),
        worker.bridge.context.clone(),
        worker.bridge.settings.transaction.memory_capture_bytes,
        worker.limits,
    )
}
