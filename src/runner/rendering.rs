//! One rendering's thread: delivers its files as their manifests come, or as dates are cut off.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dropbridge_port::{ErrorKind, Result};
use serde::Serialize;

use crate::capture::Store;
use crate::ledger::control::{DeliveryAction, Request, RequestAction};
use crate::ledger::delivery::{Delivery, DeliveryState};
use crate::metrics::FeedState;
use crate::outbound::deliver::{Deliverer, Progress};
use crate::outbound::journal::Journal;
use crate::outbound::plan::RenderingPlan;
use crate::stop::{Backoff, Stop};
use crate::wiring::Bridge;

/// How soon a rendering that waits or is held looks again: a consumer collects without telling.
const LOOK: Duration = Duration::from_millis(500);

/// How a rendering ended.
#[derive(Clone, Debug, Serialize)]
pub struct RenderingReport {
    /// Its id.
    pub rendering: String,
    /// Files that were delivered.
    pub delivered: u64,
    /// What it waits for, or why it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Why it could not be looked after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Requests on their way from whoever reads them to the renderings that they are about.
#[derive(Debug, Default)]
pub(super) struct Desk {
    requests: Mutex<VecDeque<Request>>,
}

impl Desk {
    pub(super) fn put(&self, request: &Request) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(request.clone());
    }

    /// The next request about a rendering.
    fn take(&self, rendering: &str) -> Option<(Request, DeliveryAction)> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let action_of = |request: &Request| match &request.action {
            RequestAction::Deliveries(action) if action.rendering() == rendering => Some(action.clone()),
            _ => None,
        };
        let found = requests.iter().position(|request| action_of(request).is_some())?;
        let request = requests.remove(found)?;
        let action = action_of(&request)?;
        Some((request, action))
    }
}

/// Looks after one rendering on a thread of its own.
pub(super) struct Worker {
    pub(super) plan: Arc<RenderingPlan>,
    pub(super) bridge: Arc<Bridge>,
    pub(super) store: Arc<Store>,
    pub(super) journal: Arc<Journal>,
    pub(super) desk: Arc<Desk>,
    /// Raised when this holding of the slot is over.
    pub(super) round: Stop,
    /// Raised when nothing more will be published: what is there is all there will be.
    pub(super) drained: Stop,
}

impl Worker {
    /// Works until all is delivered that is to come, stopped, or the slot is lost.
    pub(super) fn run(self) -> RenderingReport {
        let rendering = self.plan.id().to_owned();
        let mut report = RenderingReport { rendering, delivered: 0, waiting: None, error: None };
        if let Err(error) = self.look_after(&mut report)
            && !self.ending()
        {
            tracing::error!(rendering = self.plan.id(), "no more deliveries: {error:#}");
            self.tell(FeedState::Stopped, Some(&format!("{error:#}")));
            report.error = Some(format!("{error:#}"));
        }
        report
    }

    fn ending(&self) -> bool {
        self.round.is_raised() || self.bridge.context.stop.is_raised()
    }

    fn look_after(&self, report: &mut RenderingReport) -> anyhow::Result<()> {
        let mut deliverer = self.deliverer()?;
        let mut trouble = Trouble::default();
        let mut looked_again = false;
        while !self.ending() {
            // Asked before the step, so that what was published until then is seen by it.
            let drained = self.drained.is_raised();
            if drained && !looked_again {
                deliverer.look_again();
                looked_again = true;
            }
            match self.serve(&mut deliverer).and_then(|()| deliverer.step()) {
                Ok(Progress::Delivered) => {
                    report.delivered += 1;
                    report.waiting = None;
                    trouble.over(self.plan.id());
                    self.bridge.context.health.delivered(self.plan.id());
                    self.tell(FeedState::Ok, None);
                }
                Ok(Progress::Passed) => {}
                Ok(Progress::Idle) => {
                    report.waiting = None;
                    trouble.over(self.plan.id());
                    self.tell(FeedState::Ok, None);
                    if drained && deliverer.is_at_end() {
                        return Ok(());
                    }
                    let _raised = self.round.wait(deliverer.pause());
                }
                Ok(Progress::Waiting(what)) => {
                    self.waits(FeedState::Paused, what, &mut trouble, report);
                    if drained {
                        return Ok(());
                    }
                }
                Ok(Progress::Held(what)) => {
                    self.waits(FeedState::Stopped, what, &mut trouble, report);
                    if drained {
                        return Ok(());
                    }
                }
                Err(error) if ends(error.kind) => return Err(error.into()),
                Err(error) => {
                    self.tell(FeedState::Paused, Some(&error.to_string()));
                    trouble.say(self.plan.id(), &error.to_string());
                    report.waiting = Some(error.to_string());
                    // An error that may pass is given a few tries before it is called the outcome.
                    if drained && trouble.tries >= 3 {
                        return Ok(());
                    }
                    let _raised = self.round.wait(trouble.pause());
                }
            }
        }
        Ok(())
    }

    /// Says what it waits for, and waits a while.
    fn waits(&self, state: FeedState, what: String, trouble: &mut Trouble, report: &mut RenderingReport) {
        self.tell(state, Some(&what));
        trouble.say(self.plan.id(), &what);
        report.waiting = Some(what);
        if !self.drained.is_raised() {
            let _raised = self.round.wait(LOOK);
        }
    }

    /// Says how it stands to those who watch the process.
    fn tell(&self, state: FeedState, reason: Option<&str>) {
        let context = &self.bridge.context;
        context.health.set_rendering(self.plan.id(), state, reason);
        let deliveries = context.deliveries();
        let is_held = |delivery: &&&Delivery| matches!(delivery.state, DeliveryState::Held { .. });
        let held = deliveries.open(self.plan.id()).iter().filter(is_held).count();
        drop(deliveries);
        context.health.set_held_deliveries(self.plan.id(), held);
    }

    fn serve(&self, deliverer: &mut Deliverer) -> Result<()> {
        while let Some((request, action)) = self.desk.take(self.plan.id()) {
            if let Err(error) = deliverer.serve(&request, &action) {
                self.desk.put(&request);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Does the requests about this rendering, and nothing else.
    pub(super) fn serve_requests(&self) -> anyhow::Result<()> {
        Ok(self.serve(&mut self.deliverer()?)?)
    }

    fn deliverer(&self) -> anyhow::Result<Deliverer> {
        let outbox = self.bridge.rendering_outbox(&self.plan.settings)?;
        let context = self.bridge.context.clone();
        let (plan, journal, store) = (Arc::clone(&self.plan), Arc::clone(&self.journal), Arc::clone(&self.store));
        Ok(Deliverer::new(plan, context, journal, outbox, store, self.bridge.settings.state.clone()))
    }
}

/// What waiting is no cure for.
const fn ends(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Fenced | ErrorKind::Corrupt | ErrorKind::Bug)
}

/// What keeps a rendering from its work; said when it changes, not each time.
#[derive(Default)]
struct Trouble {
    said: Option<String>,
    tries: u32,
    backoff: Backoff,
}

impl Trouble {
    fn say(&mut self, rendering: &str, what: &str) {
        if self.said.as_deref() != Some(what) {
            tracing::warn!(%rendering, "waiting: {what}");
            self.said = Some(what.to_owned());
        }
    }

    fn pause(&mut self) -> Duration {
        self.tries += 1;
        self.backoff.pause()
    }

    fn over(&mut self, rendering: &str) {
        if self.said.take().is_some() {
            tracing::info!(%rendering, "going on");
        }
        self.tries = 0;
        self.backoff = Backoff::default();
    }
}
