//! The threads of relays, one for each interposed feed. They run whether or not the event log can be reached, and nobody
//! makes them wait but the outbox.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dropbridge_port::{ErrorKind, ListRequest, PortError, Result, Wake, Watch};

use super::RunOptions;
use super::feed::{LOOK_UP, Trouble, is_survivable};
use crate::health::RelayFacts;
use crate::inbound::plan::FeedPlan;
use crate::relay::worker::{Pass, Places, Relay};
use crate::relay::{self};
use crate::stop::Stop;
use crate::wiring::Bridge;

/// The running relays of a bridge.
pub struct Relays {
    bridge: Arc<Bridge>,
    round: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Relays {
    /// Starts the relay of each interposed feed. With `until_idle` each ends when it has nothing to do.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(bridge: &Arc<Bridge>, until_idle: bool) -> std::io::Result<Self> {
        let mut relays = Self { bridge: Arc::clone(bridge), round: Stop::new(), threads: Vec::new() };
        for plan in bridge.feeds.iter().filter(|plan| plan.settings.relay.is_some()) {
            let worker =
                Worker { plan: Arc::clone(plan), bridge: Arc::clone(bridge), round: relays.round.clone(), until_idle };
            let name = format!("relay {}", plan.id());
            relays.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        Ok(relays)
    }

    /// Has the relays be those of this bridge: starts them where none run, and anew where another configuration's do.
    ///
    /// # Errors
    /// As for [`Relays::start`].
    pub(super) fn follow(running: &mut Option<Self>, bridge: &Arc<Bridge>, options: RunOptions) -> std::io::Result<()> {
        if options.requests_only || options.without_feeds {
            return Ok(());
        }
        if running.as_ref().is_none_or(|relays| !Arc::ptr_eq(&relays.bridge, bridge)) {
            // The old ones end first: a journal belongs to one at a time.
            drop(running.take());
            *running = Some(Self::start(bridge, options.until_idle)?);
        }
        Ok(())
    }

    /// Waits until each has nothing to do any more, and answers how they stand.
    #[must_use]
    pub fn wait(mut self) -> Vec<RelayFacts> {
        self.join();
        self.bridge.context.health.relays()
    }

    /// Ends them, and answers how they stand.
    #[must_use]
    pub fn end(self) -> Vec<RelayFacts> {
        self.round.raise();
        self.wait()
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a relay's thread panicked: this is a bug");
            }
        }
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.round.raise();
        self.join();
    }
}

/// Looks after one relay on a thread of its own.
struct Worker {
    plan: Arc<FeedPlan>,
    bridge: Arc<Bridge>,
    round: Stop,
    until_idle: bool,
}

impl Worker {
    fn ending(&self) -> bool {
        self.round.is_raised() || self.bridge.context.stop.is_raised()
    }

    fn tell(&self, change: impl FnOnce(&mut RelayFacts)) {
        self.bridge.context.health.update_relay(self.plan.id(), change);
    }

    fn run(self) {
        let mut trouble = Trouble::default();
        let mut relay = None;
        let mut watch = None;
        let name = format!("relay of {}", self.plan.id());
        self.tell(|facts| facts.has_ended = false);
        while !self.ending() {
            match self.attend(&mut relay) {
                Ok(pass) => {
                    trouble.over(&name);
                    self.tell(|facts| facts.trouble = None);
                    if self.until_idle && pass.settling == 0 {
                        return;
                    }
                    self.wait(&mut watch, &pass);
                }
                Err(error) => {
                    let pause = trouble.met(&name, &error);
                    let has_ended = self.until_idle || !is_survivable(&error);
                    self.tell(|facts| {
                        facts.trouble = Some(error.to_string());
                        facts.has_ended = has_ended;
                    });
                    if has_ended {
                        return;
                    }
                    watch = None;
                    let _raised = self.sleep(pause);
                }
            }
        }
    }

    fn attend(&self, relay: &mut Option<Relay>) -> Result<Pass> {
        match relay {
            Some(relay) => relay.pass(),
            none => none.insert(self.open()?).pass(),
        }
    }

    fn open(&self) -> Result<Relay> {
        let wrong = |error: anyhow::Error| match error.downcast::<PortError>() {
            Ok(error) => error,
            Err(error) => PortError::new(ErrorKind::Configuration, "open relay", self.plan.id(), format!("{error:#}")),
        };
        let settings = self.plan.settings.relay.clone();
        let settings =
            settings.ok_or_else(|| PortError::new(ErrorKind::Bug, "open relay", self.plan.id(), "no outbox"))?;
        let places = Places {
            inbox: self.bridge.share(&self.plan.settings).map_err(wrong)?,
            outbox: self.bridge.outbox(&settings.outbox).map_err(wrong)?,
            clearing: self.bridge.clearing(&self.plan.settings).map_err(wrong)?,
            journals: relay::directory(&self.bridge.settings.state),
        };
        let (round, stop) = (self.round.clone(), self.bridge.context.stop.clone());
        let is_over = Box::new(move || round.is_raised() || stop.is_raised());
        Relay::open(Arc::clone(&self.plan), settings, places, self.bridge.context.clone(), is_over)
    }

    /// Waits for a change of the inbox, the end of a quiet time, or the next poll.
    fn wait(&self, watch: &mut Option<Box<dyn Watch>>, pass: &Pass) {
        let clock = &self.bridge.context.clock;
        let poll = self.plan.settings.poll;
        let time = pass.due.map_or(poll, |due| due.saturating_sub(clock.elapsed()).min(poll));
        if watch.is_none() {
            *watch = self.watch();
            // What came before the watch began is seen now, if it was not before.
            if watch.is_some() {
                return;
            }
        }
        let until = clock.elapsed() + time;
        while let Some(watching) = watch {
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
        let _raised = self.sleep(until.saturating_sub(clock.elapsed()));
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        let share = self.bridge.share(&self.plan.settings).ok()?;
        share.watch(ListRequest { recursive: self.plan.settings.recursive }).ok()?
    }

    fn sleep(&self, time: Duration) -> bool {
        let clock = &self.bridge.context.clock;
        let until = clock.elapsed() + time;
        while !self.ending() {
            let left = until.saturating_sub(clock.elapsed());
            if left.is_zero() {
                return false;
            }
            if self.round.wait(left.min(LOOK_UP)) {
                return true;
            }
        }
        true
    }
}
