//! One feed's thread: passes over its inbox, waking when something may have changed.

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{Clearing, ErrorKind, PortError, Share, Wake, Watch};
use serde::Serialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, TryAcquireError, mpsc};

use super::attendance::Attendance;
use crate::capture::Store;
use crate::health::{FeedFiles, Pulse};
use crate::inbound::plan::FeedPlan;
use crate::inbound::prepare::{HoldLimits, Prepared};
use crate::inbound::publish::ticket::{OnTheirWay, Ticket};
use crate::inbound::scan::{Pass, Scanner};
use crate::ledger::control::FeedSwitch;
use crate::metrics::FeedState;
use crate::stop::{Backoff, Stop, stopped};
use crate::wiring::Bridge;

/// How often a thread that waits looks whether it is to end.
pub(super) const LOOK_UP: Duration = Duration::from_millis(250);

/// How often a feed that could not be looked after is tried again when waiting is no cure.
const PAUSED_RETRY: Duration = Duration::from_secs(30);

/// This part of what all feeds may have on their way, one may have put aside before it takes no more.
const ASIDE_PART: usize = 16;

type Result<T, E = PortError> = std::result::Result<T, E>;

/// How a feed ended.
#[derive(Clone, Debug, Serialize)]
pub struct FeedReport {
    /// Its id.
    pub feed: String,
    /// Entries that wait for something, and for what.
    pub waiting: Vec<(String, &'static str)>,
    /// By whom it is paused, so that nobody looked at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Why it could not be looked after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a feed's thread ended, and what it knows of its inbox.
pub(super) struct WorkerEnd {
    pub(super) report: FeedReport,
    pub(super) attended: Option<Attended>,
}

/// Looks after one feed on a thread of its own.
pub(super) struct Worker {
    pub(super) plan: Arc<FeedPlan>,
    pub(super) bridge: Arc<Bridge>,
    pub(super) store: Arc<Store>,
    pub(super) sender: mpsc::Sender<Prepared>,
    pub(super) budget: Arc<Semaphore>,
    /// Raised when there is a newer configuration: what was taken is still handed over.
    pub(super) superseded: Stop,
    /// Raised when nobody publishes any more.
    pub(super) over: Stop,
    /// Held by each of this feed's files that are on their way.
    pub(super) outstanding: Arc<OnTheirWay>,
    pub(super) limits: HoldLimits,
    pub(super) pulse: Pulse,
    pub(super) attendance: Attendance,
    pub(super) until_idle: bool,
}

impl Worker {
    /// Works until idle, stopped, superseded, or the slot is lost. `known` is what an earlier thread of this feed has
    /// left.
    pub(super) fn run(self, known: Option<Attended>) -> WorkerEnd {
        let feed = self.plan.id().to_owned();
        let mut report = FeedReport { feed, waiting: Vec::new(), paused: None, error: None };
        let mut attended = known.and_then(|known| known.under(&self));
        if let Err(error) = self.wait_for_baseline() {
            report.error = Some(error);
            return WorkerEnd { report, attended };
        }
        if let Err(error) = self.look_after(&mut report, &mut attended) {
            self.tell(FeedState::Stopped, Some(&error.to_string()));
            report.error = Some(error.to_string());
        }
        WorkerEnd { report, attended }
    }

    /// Without a baseline, everything in the inbox would be published.
    fn wait_for_baseline(&self) -> Result<(), String> {
        if self.attendance.has_baseline(self.plan.id()) {
            return Ok(());
        }
        let message = "it has no baseline: what is in its inbox would all be published. \
                       Run `dropbridge init --baseline skip|take|from=DATE`";
        tracing::error!(feed = self.plan.id(), "paused: {message}");
        self.tell(FeedState::Stopped, Some(message));
        while !self.until_idle && !self.ending() {
            if self.attendance.has_baseline(self.plan.id()) {
                return Ok(());
            }
            self.pulse.beat();
            let _raised = self.over.wait(LOOK_UP);
        }
        Err(message.to_owned())
    }

    fn tell(&self, state: FeedState, reason: Option<&str>) {
        self.bridge.context.health.set_feed(self.plan.id(), state, reason);
    }

    fn tell_files(&self, pass: &Pass) {
        let waiting = pass.waiting.iter().map(|(path, missing)| (path.to_string(), missing.as_str())).collect();
        let (settling, in_flight, oldest) = (pass.settling, pass.in_flight, pass.oldest);
        self.bridge.context.health.set_files(self.plan.id(), FeedFiles { waiting, settling, in_flight, oldest });
    }

    fn ending(&self) -> bool {
        self.over.is_raised() || self.superseded.is_raised() || self.bridge.context.stop.is_raised()
    }

    fn may_go_on(&self) -> bool {
        !self.ending() && self.attendance.paused(self.plan.id()).is_none() && self.is_crowded().is_none()
    }

    /// Why it takes nothing for now: too much that it has taken is put aside, and what others may have on their way
    /// would become less and less. Until idle, the publisher says so when there is nothing else to do.
    fn is_crowded(&self) -> Option<PortError> {
        let most = super::holding::BUDGET_BYTES / ASIDE_PART;
        if self.until_idle { None } else { self.outstanding.is_crowded(self.plan.id(), most) }
    }

    fn look_after(&self, report: &mut FeedReport, attended: &mut Option<Attended>) -> Result<()> {
        let mut trouble = Trouble::default();
        while !self.ending() {
            self.pulse.beat();
            if let Some(switch) = self.attendance.paused(self.plan.id()) {
                if self.until_idle {
                    report.paused = Some(said(&switch));
                    return Ok(());
                }
                self.tell(FeedState::Paused, Some(&said(&switch)));
                self.sleep(LOOK_UP);
                continue;
            }
            // Before anything is taken: what has no name any more is at hand only once.
            if let Some(error) = self.is_crowded() {
                self.tell(FeedState::Paused, Some(&error.to_string()));
                self.sleep(trouble.met(self.plan.id(), &error));
                continue;
            }
            match self.attend(attended) {
                Ok(pass) => {
                    trouble.over(self.plan.id());
                    self.tell(FeedState::Ok, None);
                    self.tell_files(&pass);
                    report.waiting =
                        pass.waiting.iter().map(|(path, missing)| (path.to_string(), missing.as_str())).collect();
                    if self.until_idle && pass.is_idle() {
                        return Ok(());
                    }
                    self.wait(attended.as_mut(), &pass);
                }
                // Nobody takes what it has: that is no trouble of its own.
                Err(_) if self.ending() => return Ok(()),
                Err(error) if self.until_idle || !is_survivable(&error) => {
                    tracing::error!(feed = self.plan.id(), %error, "the feed stops");
                    return Err(error);
                }
                Err(error) => {
                    // A share that was away may come back as another: open it anew.
                    if let Some(attended) = attended.as_mut() {
                        attended.is_stale = true;
                    }
                    self.tell(FeedState::Paused, Some(&error.to_string()));
                    self.sleep(trouble.met(self.plan.id(), &error));
                }
            }
        }
        Ok(())
    }

    fn attend(&self, attended: &mut Option<Attended>) -> Result<Pass> {
        let attended = match attended {
            Some(attended) => attended,
            none => none.insert(Attended::new(self)?),
        };
        // Wake-ups that were lost are asked for again.
        if attended.is_stale || matches!(attended.watch, Some(None)) {
            attended.renew(self)?;
        }
        let at = self.bridge.context.clock.now();
        let pass = attended.scanner.pass(&|| self.may_go_on(), &mut |prepared| self.emit(prepared))?;
        self.bridge.context.arrivals.looked(self.plan.id(), attended.scanner.look(at));
        if let Some(clearing) = &attended.clearing {
            attended.scanner.tidy(&**clearing, &|| self.may_go_on())?;
        }
        Ok(pass)
    }

    /// Hands a file to the publisher; waits while too much is on its way.
    fn emit(&self, mut prepared: Prepared) -> Result<()> {
        self.pulse.beat();
        let weight = u32::try_from(prepared.weight().min(super::holding::BUDGET_BYTES)).unwrap_or(u32::MAX);
        loop {
            match Arc::clone(&self.budget).try_acquire_many_owned(weight) {
                Ok(permit) => {
                    prepared.ticket = Some(Ticket::new(permit, Arc::clone(&self.outstanding)));
                    break;
                }
                Err(TryAcquireError::NoPermits) => self.pause_while_full()?,
                Err(TryAcquireError::Closed) => return Err(stopped("publish")),
            }
        }
        loop {
            match self.sender.try_send(prepared) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => {
                    prepared = back;
                    self.pause_while_full()?;
                }
                Err(TrySendError::Closed(_)) => return Err(stopped("publish")),
            }
        }
    }

    fn pause_while_full(&self) -> Result<()> {
        self.pulse.beat();
        if self.over.wait(Duration::from_millis(5)) || self.bridge.context.stop.is_raised() {
            return Err(stopped("publish"));
        }
        Ok(())
    }

    /// Waits for a change, the end of a quiet time, or the next poll.
    fn wait(&self, attended: Option<&mut Attended>, pass: &Pass) {
        if self.until_idle && pass.in_flight > 0 {
            while Arc::strong_count(&self.outstanding) > 1 && !self.ending() {
                let _raised = self.over.wait(Duration::from_millis(2));
            }
            return;
        }
        let now = self.bridge.context.clock.elapsed();
        let poll = self.plan.settings.poll;
        let time = pass.due.map_or(poll, |due| due.saturating_sub(now).min(poll));
        let watch = attended.and_then(|attended| attended.watch.as_mut());
        match watch {
            Some(watch) => self.wait_for_change(watch, time),
            None => self.sleep(time),
        }
    }

    fn wait_for_change(&self, watch: &mut Option<Box<dyn Watch>>, time: Duration) {
        let clock = &self.bridge.context.clock;
        let until = clock.elapsed() + time;
        while let Some(watching) = watch {
            self.pulse.beat();
            let left = until.saturating_sub(clock.elapsed());
            if left.is_zero() || self.ending() {
                return;
            }
            match watching.wait(left.min(LOOK_UP)) {
                Wake::Changed => return,
                Wake::TimedOut => {}
                Wake::Lost => *watch = None,
            }
        }
        self.sleep(until.saturating_sub(clock.elapsed()));
    }

    fn sleep(&self, time: Duration) {
        let clock = &self.bridge.context.clock;
        let until = clock.elapsed() + time;
        while !self.ending() {
            self.pulse.beat();
            let left = until.saturating_sub(clock.elapsed());
            if left.is_zero() || self.over.wait(left.min(LOOK_UP)) {
                return;
            }
        }
    }
}

/// A feed's scanner and its wake-ups. The outer `None`: this share has none; the inner: they were lost.
pub(super) struct Attended {
    scanner: Scanner,
    /// What has to stay as it is for this to be of use under another configuration.
    basis: String,
    watch: Option<Option<Box<dyn Watch>>>,
    /// Takes published files out of the inbox, where the feed says so. The files of an interposed one are its relay's.
    clearing: Option<Arc<dyn Clearing>>,
    /// The share was away: it has to be opened anew.
    is_stale: bool,
}

impl Attended {
    fn new(worker: &Worker) -> Result<Self> {
        let scanner = Scanner::new(
            Arc::clone(&worker.plan),
            open_share(worker)?,
            Arc::clone(&worker.store),
            worker.bridge.context.clone(),
            worker.bridge.settings.transaction.memory_capture_bytes,
            worker.limits,
        );
        let watch = watch(worker, &scanner);
        Ok(Self { scanner, basis: basis(worker), watch, clearing: clearing(worker)?, is_stale: false })
    }

    /// The same under another configuration. `None` where another place is listed, or it settles by another rule.
    fn under(mut self, worker: &Worker) -> Option<Self> {
        if self.basis != basis(worker) {
            return None;
        }
        self.scanner.reconfigure(
            Arc::clone(&worker.plan),
            Arc::clone(&worker.store),
            worker.bridge.context.clone(),
            worker.bridge.settings.transaction.memory_capture_bytes,
            worker.limits,
        );
        Some(self)
    }

    /// Opens the share anew and keeps what is known of its entries.
    fn renew(&mut self, worker: &Worker) -> Result<()> {
        self.scanner.renew_share(open_share(worker)?);
        self.watch = watch(worker, &self.scanner);
        self.clearing = clearing(worker)?;
        self.is_stale = false;
        Ok(())
    }
}

/// Who paused a feed, and why.
fn said(switch: &FeedSwitch) -> String {
    let reason = switch.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("by {}{reason}", switch.by)
}

/// Everything by which entries are listed and settled.
fn basis(worker: &Worker) -> String {
    let feed = &worker.plan.settings;
    let share = worker.bridge.settings.shares.get(&feed.share);
    let names = (&feed.include, &feed.exclude, &feed.ready, &feed.after);
    format!("{share:?} {:?} {:?} {names:?}", feed.inbox, feed.recursive)
}

fn open_share(worker: &Worker) -> Result<Arc<dyn Share>> {
    worker.bridge.share(&worker.plan.settings).map_err(|error| unusable(worker, error))
}

fn clearing(worker: &Worker) -> Result<Option<Arc<dyn Clearing>>> {
    if worker.plan.settings.relay.is_some() {
        return Ok(None);
    }
    worker.bridge.clearing(&worker.plan.settings).map_err(|error| unusable(worker, error))
}

fn unusable(worker: &Worker, error: anyhow::Error) -> PortError {
    match error.downcast::<PortError>() {
        Ok(error) => error,
        Err(error) => PortError::new(ErrorKind::Configuration, "open share", worker.plan.id(), format!("{error:#}")),
    }
}

fn watch(worker: &Worker, scanner: &Scanner) -> Option<Option<Box<dyn Watch>>> {
    match scanner.share().watch(scanner.list_request()) {
        Ok(watch) => watch.map(Some),
        // The listing that follows says the same, and that the feed pauses.
        Err(error) if error.kind == ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(feed = worker.plan.id(), %error, "no notifications: polling");
            None
        }
    }
}

/// Which errors a feed lives through. The others need a person, or mean that the bridge ends.
pub(super) const fn is_survivable(error: &PortError) -> bool {
    matches!(error.kind, ErrorKind::Transient | ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::Configuration)
}

/// A feed's trouble: said once when it begins and once when it is over.
#[derive(Default)]
pub(super) struct Trouble {
    said: Option<String>,
    backoff: Backoff,
}

impl Trouble {
    pub(super) fn met(&mut self, feed: &str, error: &PortError) -> Duration {
        let text = error.to_string();
        if self.said.as_ref() != Some(&text) {
            tracing::error!(feed, kind = error.kind.as_str(), "paused: {text}");
            self.said = Some(text);
        }
        let pause = self.backoff.pause();
        if error.kind == ErrorKind::Transient { pause } else { pause.min(PAUSED_RETRY) }
    }

    pub(super) fn over(&mut self, feed: &str) {
        if self.said.take().is_some() {
            tracing::info!(feed, "goes on");
            self.backoff = Backoff::default();
        }
    }
}
