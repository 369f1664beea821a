//! How the process stands at this moment: its threads, the slot, the log, its feeds. Threads say what they meet; whoever
//! asks (`/healthz`, `/readyz`, `/status`) is answered from here, and never has to wait for a share or a broker.
//!
//! What can also be a number is told to the [`Metrics`] in the same breath, so that both say the same.

mod relays;
mod renderings;
mod report;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::arrivals::Standing;
use crate::clock::Clock;
use crate::domain::Moment;
use crate::ledger::census::{Census, FeedCensus};
use crate::metrics::{FeedState, Metrics};

pub use relays::RelayFacts;
pub use renderings::RenderingFacts;
pub use report::{FeedReport, LogReport, Report, SlotReport, Waiting};

/// How long the publisher may be at one thing before it counts as stuck: longer than any answer of the log is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many entries that wait are named for each feed; all are counted.
const MOST_NAMED: usize = 20;

/// Whether the slot is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotStanding {
    /// Not yet: the process has just begun, or takes it at this moment.
    Starting,
    /// It is.
    Held,
    /// Another instance has it, and we wait.
    StandingBy {
        /// Who.
        holder: String,
    },
    /// The process ends.
    Ended,
}

impl SlotStanding {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Held => "held",
            Self::StandingBy { .. } => "standing by",
            Self::Ended => "ended",
        }
    }
}

/// How the process stands. Shared by all threads.
pub struct Health {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    started_at: Moment,
    /// How long the log may be silent before it counts as away.
    silence: Duration,
    state: Mutex<State>,
}

struct State {
    slot: SlotStanding,
    slot_since: Moment,
    heartbeat: Option<Duration>,
    log_address: String,
    log_answered: Option<Duration>,
    log_error: Option<String>,
    feeds: BTreeMap<String, Feed>,
    relays: BTreeMap<String, relays::Relay>,
    renderings: BTreeMap<String, RenderingFacts>,
    threads: BTreeMap<String, Thread>,
    budget: Option<(Weak<Semaphore>, usize)>,
}

struct Thread {
    beat: Duration,
    /// How long it may be at one thing; `None`: a share decides that, and a restart would be no cure.
    patience: Option<Duration>,
    panicked: bool,
}

struct Feed {
    department: String,
    state: FeedState,
    reason: Option<String>,
    since: Moment,
    files: FeedFiles,
    census: FeedCensus,
    arrivals: Option<Standing>,
}

/// The files of a feed that are not dealt with.
#[derive(Clone, Debug, Default)]
pub struct FeedFiles {
    /// Entries that wait for something other than time, and for what.
    pub waiting: Vec<(String, &'static str)>,
    /// Entries whose quiet time is running.
    pub settling: usize,
    /// Entries whose bytes are taken, and whose outcome is not committed.
    pub in_flight: usize,
    /// When the entry was first seen that is longest on its way.
    pub oldest: Option<Duration>,
}

impl Health {
    /// Of a process that begins now. The log counts as away when it was silent for `silence`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>, silence: Duration) -> Arc<Self> {
        let now = clock.now();
        let state = State {
            slot: SlotStanding::Starting,
            slot_since: now,
            heartbeat: None,
            log_address: String::new(),
            log_answered: None,
            log_error: None,
            feeds: BTreeMap::new(),
            relays: BTreeMap::new(),
            renderings: BTreeMap::new(),
            threads: BTreeMap::new(),
            budget: None,
        };
        Arc::new(Self { clock, metrics, started_at: now, silence, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread begins that talks to the log. It has to beat from now on, until what is answered here is dropped.
    #[must_use]
    pub fn pulse(self: &Arc<Self>, thread: &str) -> Pulse {
        self.begin(thread, Some(PATIENCE))
    }

    /// A feed's thread begins. It may hang on a share that hangs, for as long as that does: a new start is no cure for
    /// it, so that it only shows in the report.
    #[must_use]
    pub fn feed_pulse(self: &Arc<Self>, feed: &str) -> Pulse {
        self.begin(&feed_thread(feed), None)
    }

    fn begin(self: &Arc<Self>, thread: &str, patience: Option<Duration>) -> Pulse {
        let thread = thread.to_owned();
        let begun = Thread { beat: self.clock.elapsed(), patience, panicked: false };
        self.state().threads.insert(thread.clone(), begun);
        Pulse { health: Arc::clone(self), thread }
    }

    /// A feed is configured.
    pub fn declare_feed(&self, feed: &str, department: &str) {
        self.metrics.declare_feed(feed);
        let since = self.clock.now();
        self.state().feeds.entry(feed.to_owned()).or_insert_with(|| Feed {
            department: department.to_owned(),
            state: FeedState::Ok,
            reason: None,
            since,
            files: FeedFiles::default(),
            census: FeedCensus::default(),
            arrivals: None,
        });
    }

    /// A feed is not configured any more.
    pub fn forget_feed(&self, feed: &str) {
        self.metrics.feeds.forget(feed);
        self.state().feeds.remove(feed);
        self.forget_relay(feed);
    }

    /// A feed is looked after, paused, or stopped; `reason` says why it is not looked after.
    pub fn set_feed(&self, feed: &str, state: FeedState, reason: Option<&str>) {
        let now = self.clock.now();
        if let Some(known) = self.state().feeds.get_mut(feed) {
            if known.state != state {
                known.since = now;
            }
            known.state = state;
            known.reason = reason.map(str::to_owned);
        }
        self.metrics.feeds.set_state(feed, state);
    }

    /// What a feed has found in its inbox.
    pub fn set_files(&self, feed: &str, files: FeedFiles) {
        self.metrics.feeds.set_files(feed, files.waiting.len() + files.settling, files.in_flight);
        if let Some(known) = self.state().feeds.get_mut(feed) {
            known.files = files;
        }
    }

    /// What the ledger says of all feeds.
    pub fn set_census(&self, census: &Census) {
        for (feed, of_feed) in census.feeds() {
            self.set_feed_census(feed, of_feed.clone());
        }
    }

    /// What the ledger says of a feed.
    pub fn set_feed_census(&self, feed: &str, census: FeedCensus) {
        for state in FeedCensus::UNSETTLED {
            self.metrics.feeds.set_open(feed, state, census.in_state(state));
        }
        if let Some(known) = self.state().feeds.get_mut(feed) {
            known.census = census;
        }
    }

    /// How a feed stands with the files that it expects.
    pub fn set_feed_arrivals(&self, feed: &str, standing: Standing) {
        if let Some(known) = self.state().feeds.get_mut(feed) {
            known.arrivals = Some(standing);
        }
    }

    /// Whether we hold the slot.
    pub fn set_slot(&self, slot: SlotStanding) {
        self.metrics.slot.set(slot == SlotStanding::Held, matches!(slot, SlotStanding::StandingBy { .. }));
        if slot == SlotStanding::Held {
            self.metrics.slot.taken();
        }
        let now = self.clock.now();
        let mut state = self.state();
        if state.slot != slot {
            state.slot_since = now;
        }
        state.slot = slot;
    }

    /// The holder's heartbeat was written, or seen to have moved.
    pub fn heartbeat(&self) {
        self.state().heartbeat = Some(self.clock.elapsed());
    }

    /// Which log it is.
    pub fn set_log(&self, address: &str) {
        address.clone_into(&mut self.state().log_address);
    }

    /// The log answered.
    pub fn log_answered(&self) {
        let now = self.clock.elapsed();
        let mut state = self.state();
        state.log_answered = Some(now);
        state.log_error = None;
    }

    /// The log did not do what it was asked for; `retried`: it is asked again.
    pub fn log_failed(&self, kind: &'static str, error: &str, retried: bool) {
        self.metrics.log.error(kind);
        if retried {
            self.metrics.log.retry();
        }
        self.state().log_error = Some(error.to_owned());
    }

    /// The memory that files on their way may take, and the bytes that all of it is.
    pub fn set_budget(&self, budget: &Arc<Semaphore>, limit: usize) {
        self.state().budget = Some((Arc::downgrade(budget), limit));
    }

    /// Sets the numbers that change by themselves, before they are told.
    pub fn refresh_metrics(&self) {
        let now = self.clock.elapsed();
        let state = self.state();
        for (feed, known) in &state.feeds {
            let age = known.files.oldest.map_or(Duration::ZERO, |seen| now.saturating_sub(seen));
            self.metrics.feeds.set_oldest(feed, age);
        }
        for (feed, relay) in &state.relays {
            let stuck = relay.facts(now).stuck_s.map_or(Duration::ZERO, Duration::from_secs_f64);
            self.metrics.relays.set_stuck(feed, stuck);
        }
        let since = |then: Option<Duration>| now.saturating_sub(then.unwrap_or_default());
        self.metrics.slot.set_heartbeat_age(since(state.heartbeat));
        self.metrics.log.set_silence(since(state.log_answered));
        let budget = state.budget.as_ref().and_then(|(budget, limit)| Some((budget.upgrade()?, *limit)));
        if let Some((budget, limit)) = budget {
            self.metrics.store.set_budget(limit.saturating_sub(budget.available_permits()), limit);
        }
    }

    /// Threads that have panicked, or have been at one thing for too long; none is how it should be.
    #[must_use]
    pub fn stuck(&self) -> Vec<String> {
        let now = self.clock.elapsed();
        let state = self.state();
        let say = |(name, thread): (&String, &Thread)| {
            let idle = now.saturating_sub(thread.beat);
            if thread.panicked {
                return Some(format!("thread `{name}` has panicked: this is a bug"));
            }
            let is_stuck = thread.patience.is_some_and(|patience| idle >= patience);
            is_stuck.then(|| format!("thread `{name}` has been at one thing for {} s", idle.as_secs()))
        };
        state.threads.iter().filter_map(say).collect()
    }

    /// Why the process is not ready to work, or to take over; `None` when it is.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let now = self.clock.elapsed();
        let state = self.state();
        match &state.slot {
            SlotStanding::Ended => return Some("the process ends".to_owned()),
            SlotStanding::Starting | SlotStanding::Held | SlotStanding::StandingBy { .. } => {}
        }
        if let Some(error) = &state.log_error {
            return Some(format!("the log is away: {error}"));
        }
        match (&state.slot, state.log_answered) {
            (SlotStanding::Starting, _) => Some("starting: the slot is not taken yet".to_owned()),
            (_, Some(answered)) if now.saturating_sub(answered) <= self.silence => None,
            (_, answered) => {
                let silent = now.saturating_sub(answered.unwrap_or_default());
                Some(format!("the log has not answered for {} s", silent.as_secs()))
            }
        }
    }
}

/// A thread's sign of life: it counts as stuck when it does not beat for too long. One that panics stays, and is
/// noticed.
pub struct Pulse {
    health: Arc<Health>,
    thread: String,
}

impl Pulse {
    /// The thread makes progress.
    pub fn beat(&self) {
        let now = self.health.clock.elapsed();
        if let Some(thread) = self.health.state().threads.get_mut(&self.thread) {
            thread.beat = now;
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let mut state = self.health.state();
        if !std::thread::panicking() {
            state.threads.remove(&self.thread);
        } else if let Some(thread) = state.threads.get_mut(&self.thread) {
            thread.panicked = true;
        }
    }
}

fn feed_thread(feed: &str) -> String {
    format!("feed {feed}")
}

#[cfg(test)]
mod tests;
