//! Runs a bridge: one thread for each feed, one for each relay, one for each rendering, one that publishes.
//!
//! Feeds list, settle, take and examine; what is fine goes through a bounded channel to the publisher, which holds the
//! slot. The memory that files on their way may take is a budget: a feed that is faster than the log waits.

mod attendance;
mod ends;
mod feed;
mod genesis;
mod holding;
mod import;
mod publisher;
mod relay;
mod reload;
mod rendering;
mod renderings;
mod set_up;
mod standby;
mod whereabouts;

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError};
use serde::Serialize;

use crate::health::{RelayFacts, SlotStanding};
use crate::inbound::tally::Tally;
use crate::ledger::index::CACHE_OPERATION;
use crate::stop::{Backoff, Stop};
use crate::wiring::Bridge;

pub use feed::FeedReport;
pub use genesis::{initialise, read_witness, write_witness};
pub use import::{ImportSummary, import_ledger};
pub use relay::Relays;
pub use reload::Hangups;
pub use rendering::RenderingReport;
pub use set_up::{BaselineOutcome, give_baselines, set_up, without_baseline};

use reload::Configured;

/// So often the ledger's cache may be found damaged before it is time for a person.
const MOST_DAMAGED_CACHES: u32 = 3;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Take what is there and end.
    pub until_idle: bool,
    /// Wait until the slot's holder falls silent.
    pub standby: bool,
    /// Look after no feed: do what commands ask for, until asked to stop.
    pub without_feeds: bool,
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
    /// How each rendering ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renderings: Vec<RenderingReport>,
}

impl RunSummary {
    /// Something is not as it should be: the exit code is 1.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        let tally = &self.tally;
        tally.quarantined + tally.held + tally.vanished + tally.abandoned > 0
            || self.feeds.iter().any(|feed| !feed.waiting.is_empty() || feed.paused.is_some())
            || self.relays.iter().any(RelayFacts::has_findings)
            || self.renderings.iter().any(|rendering| rendering.waiting.is_some())
    }

    /// A feed, relay or rendering could not be looked after: the exit code is 2.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.feeds.iter().any(|feed| feed.error.is_some())
            || self.relays.iter().any(|relay| relay.trouble.is_some())
            || self.renderings.iter().any(|rendering| rendering.error.is_some())
    }
}

/// Runs until everything there is done, the process is asked to stop, or another instance took over.
///
/// # Errors
/// `Fenced` when another instance holds the slot and we may not stand by; whatever the log answers for good.
pub async fn run(bridge: Arc<Bridge>, options: RunOptions) -> anyhow::Result<RunSummary> {
    run_obeying(bridge, options, None).await
}

/// The same, and reads the configuration again when that is asked for.
///
/// # Errors
/// As for [`run`].
pub async fn run_obeying(
    bridge: Arc<Bridge>,
    options: RunOptions,
    hangups: Option<Hangups>,
) -> anyhow::Result<RunSummary> {
    allow_open_files();
    let stop = bridge.context.stop.clone();
    let health = Arc::clone(&bridge.context.health);
    let configured = Arc::new(Configured::new(bridge));
    let obeying = hangups.map(|hangups| tokio::spawn(hangups.obey(Arc::clone(&configured))));
    let work = tokio::task::spawn_blocking(move || hold_and_stand_by(&configured, options));
    let summary = tokio::select! {
        ended = work => ended?,
        () = overdue(stop) => Ok(RunSummary::default()),
    };
    if let Some(obeying) = obeying {
        obeying.abort();
    }
    health.set_slot(SlotStanding::Ended);
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

/// How long the process may take to leave when it is asked to: within the ten seconds that Docker gives it.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);

/// Ends when the process was asked to stop and has not done so in time.
async fn overdue(stop: Stop) {
    if stop_on_signals(&stop).await.is_none() {
        tracing::error!("signals cannot be listened to: only SIGKILL will end this process");
        return std::future::pending().await;
    }
    tokio::time::sleep(LEAVE_WITHIN).await;
    tracing::warn!(
        "log or share have not answered for {} s: leaving without giving the slot up. What is not committed is \
         published at the next start",
        LEAVE_WITHIN.as_secs()
    );
}

async fn stop_on_signals(stop: &Stop) -> Option<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate()).ok()?, signal(SignalKind::interrupt()).ok()?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to stop: finishing what is open");
    stop.raise();
    Some(())
}

/// Holds the slot; when another instance takes it, stands by until that falls silent.
fn hold_and_stand_by(configured: &Configured, options: RunOptions) -> anyhow::Result<RunSummary> {
    let mut standing_by = options.standby;
    let serves = !options.until_idle && !options.requests_only && !options.without_feeds;
    let stop = configured.newest().0.context.stop.clone();
    let mut backoff = Backoff::default();
    let mut relays = None;
    let mut attempts_left = MOST_DAMAGED_CACHES;
    loop {
        if standing_by {
            // Whoever has the slot relays.
            drop(relays.take());
            if standby::wait_for_silence(&configured.newest().0)? == standby::Waited::Stopped {
                return Ok(RunSummary::default());
            }
            // Whoever held it may have decided cutovers: they are read with the slot.
            configured.newest().0.context.authorities.forget();
        }
        Relays::follow(&mut relays, &configured.newest().0, options)?;
        configured.newest().0.context.health.set_slot(SlotStanding::Starting);
        match holding::hold(configured, options, &mut relays) {
            Err(error) if kind_of(&error) == Some(ErrorKind::Fenced) && serves => {
                tracing::error!(%error, "gave the slot up; standing by");
                standing_by = true;
            }
            Err(error) if is_damaged_cache(&error) && attempts_left > 0 => {
                attempts_left -= 1;
                tracing::warn!(%error, "taking the slot anew, to read the ledger from the topic");
            }
            // The log is away: whoever serves waits for it, without a person.
            Err(error) if kind_of(&error) == Some(ErrorKind::Transient) && serves => {
                if stop.is_raised() {
                    return Ok(RunSummary::default());
                }
                let context = configured.newest().0.context.clone();
                context.health.log_failed(ErrorKind::Transient.as_str(), &error.to_string(), true);
                tracing::error!(%error, "cannot go on for now: trying again");
                if stop.wait(backoff.pause()) {
                    return Ok(RunSummary::default());
                }
            }
            answer => {
                if answer.is_err() {
                    configured.newest().0.context.authorities.give_up();
                }
                let end = if options.until_idle { Relays::wait } else { Relays::end };
                let relays = relays.map(end).unwrap_or_default();
                return answer.map(|summary| RunSummary { relays, ..summary });
            }
        }
    }
}

fn is_damaged_cache(error: &anyhow::Error) -> bool {
    error.downcast_ref::<PortError>().is_some_and(|error| error.operation == CACHE_OPERATION)
}

fn kind_of(error: &anyhow::Error) -> Option<ErrorKind> {
    error.downcast_ref::<PortError>().map(|error| error.kind)
}
