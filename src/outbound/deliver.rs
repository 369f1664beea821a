//! Delivering: one rendering's files, one after the other, each placed once.
//!
//! The topic `deliveries` says what was done, the names in the staging directory what was begun; [`decide`](super::decide)
//! puts the two together. Nothing of it is remembered anywhere else, so a restart is the same code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{
    EntryPath, ErrorKind, Outbox, OutboxIdentity, PortError, Publication, Result, StagedName, Standing,
};

use super::decide::{Next, next};
use super::journal::{Entry, Journal};
use super::mirror::AssemblyError;
use super::mirroring::Mirroring;
use super::plan::{PlanSource, RenderingPlan};
use super::source::{Behind, Source, Upcoming};
use super::stage::Stage;
use super::window::windowing::Windowing;
use crate::capture::Store;
use crate::domain::hash::hex;
use crate::domain::policy::TargetExists;
use crate::inbound::slot::Context;
use crate::ledger::delivery::{Delivery, DeliveryState, Part, Position};

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A file was delivered.
    Delivered,
    /// A file was passed over: it is none of this rendering's.
    Passed,
    /// There is nothing to deliver.
    Idle,
    /// It goes on when this is over: by itself, or when the person lets it who holds the rendering.
    Waiting(String),
    /// A delivery needs a person; those behind it wait.
    Held(String),
}

/// Delivers the files of one rendering.
pub struct Deliverer {
    pub(super) plan: Arc<RenderingPlan>,
    pub(super) context: Context,
    pub(super) journal: Arc<Journal>,
    pub(super) outbox: Arc<dyn Outbox>,
    source: Box<dyn Source>,
    owner: String,
    /// The outbox is known, and what others have left there is gone.
    is_ready: bool,
}

impl Deliverer {
    /// For a rendering that has a position. Large windows are sorted in `directory`.
    #[must_use]
    pub fn new(
        plan: Arc<RenderingPlan>,
        context: Context,
        journal: Arc<Journal>,
        outbox: Arc<dyn Outbox>,
        store: Arc<Store>,
        directory: PathBuf,
    ) -> Self {
        let source: Box<dyn Source> = match &plan.source {
            PlanSource::Mirror(feed) => {
                Box::new(Mirroring::new(Arc::clone(&plan), Arc::clone(feed), context.clone(), store))
            }
            PlanSource::Window(window) => {
                Box::new(Windowing::new(Arc::clone(&plan), Arc::clone(window), context.clone(), directory))
            }
        };
        let owner = owner(&context.bridge, plan.id());
        Self { plan, context, journal, outbox, source, owner, is_ready: false }
    }

    /// From now on nothing to deliver means that there is nothing in the whole log.
    pub fn look_again(&mut self) {
        self.source.look_again();
    }

    /// Whether everything that was there was looked at.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.source.is_at_end()
    }

    /// How long to wait before the next step, when there was nothing to deliver.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.source.pause()
    }

    /// Does what comes next, up to one file.
    ///
    /// # Errors
    /// Of the log and the outbox: what can pass is tried again by calling again.
    pub fn step(&mut self) -> Result<Progress> {
        if let Some(due) = self.source.due()? {
            self.journal.record(&due)?;
            return Ok(Progress::Passed);
        }
        let position = self.position()?;
        if let Some(reason) = &position.held {
            return Ok(Progress::Waiting(format!("held by a person: {reason}")));
        }
        let open: Vec<Delivery> = self.context.deliveries().open(self.plan.id()).into_iter().cloned().collect();
        for delivery in open {
            match &delivery.state {
                // Which files it makes is found out anew.
                DeliveryState::Asked { .. } if delivery.is_whole_cut() => {}
                DeliveryState::Asked { .. } => return self.deliver_anew(delivery),
                DeliveryState::Intended => return self.go_on(delivery),
                // Those behind it wait, for the consumer gets files in their order.
                DeliveryState::Held { reason } if self.source.is_awaited(&delivery, &position) => {
                    return Ok(Progress::Held(format!("{}: {reason}", delivery.id())));
                }
                _ => {}
            }
        }
        match self.source.upcoming(&position)? {
            Upcoming::Nothing => {
                self.clear_up(&position);
                Ok(Progress::Idle)
            }
            Upcoming::Passed => Ok(Progress::Passed),
            Upcoming::Journal(entry) => {
                self.journal.record(&entry)?;
                Ok(Progress::Passed)
            }
            Upcoming::File(delivery) => self.render(*delivery),
            Upcoming::Trouble(delivery, why) => self.hold(*delivery, why),
        }
    }

    /// Removes what a predecessor has left, though there is nothing to deliver. An outbox that is away is nobody's trouble
    /// then.
    fn clear_up(&mut self, position: &Position) {
        if position.identity.is_some()
            && let Err(error) = self.make_ready()
        {
            tracing::debug!(rendering = self.plan.id(), %error, "what was left in the outbox stays for now");
        }
    }

    pub(super) fn position(&self) -> Result<Position> {
        let position = self.context.deliveries().position(self.plan.id()).cloned();
        position.ok_or_else(|| PortError::new(ErrorKind::Bug, "deliver", self.plan.id(), "it has no position"))
    }

    /// Renders a delivery again that somebody asked for; what was staged before goes.
    fn deliver_anew(&mut self, mut delivery: Delivery) -> Result<Progress> {
        self.make_ready()?;
        for part in &delivery.parts {
            self.outbox.discard(&staged_name(part)?)?;
        }
        delivery.parts.clear();
        self.render(delivery)
    }

    /// Stages every part, journals the intent, and publishes.
    fn render(&mut self, mut delivery: Delivery) -> Result<Progress> {
        self.make_ready()?;
        let stage = Stage::new(&*self.outbox, &self.journal, &self.plan.settings, &self.owner);
        match stage.parts(&mut *self.source, &mut delivery) {
            Ok(parts) => delivery.parts = parts,
            Err(AssemblyError::Port(error)) if error.kind != ErrorKind::Corrupt => return Err(error),
            Err(error) => return self.hold(delivery, error.to_string()),
        }
        delivery.state = DeliveryState::Intended;
        delivery.recorded_at = self.context.clock.now();
        let points = Some((Failpoint::IntentSent, Failpoint::IntentAnswered));
        self.journal.record(&Entry { delivery: Some(delivery.clone()), points, ..Entry::default() })?;
        let standings = vec![Standing::Staged; delivery.parts.len()];
        self.publish(delivery, standings)
    }

    /// Goes on with a delivery whose intent is journaled, by what stands under its names.
    fn go_on(&mut self, delivery: Delivery) -> Result<Progress> {
        self.make_ready()?;
        let standings = self.standings(&delivery)?;
        for (part, standing) in delivery.parts.iter().zip(&standings) {
            // Without its witness, nobody could tell afterwards whether it was published.
            if *standing == Standing::Staged {
                self.outbox.witness(&staged_name(part)?)?;
            }
        }
        self.publish(delivery, standings)
    }

    pub(super) fn standings(&self, delivery: &Delivery) -> Result<Vec<Standing>> {
        let standing = |part: &Part| self.outbox.standing(&staged_name(part)?, &target(part)?);
        delivery.parts.iter().map(standing).collect()
    }

    fn publish(&mut self, delivery: Delivery, mut standings: Vec<Standing>) -> Result<Progress> {
        loop {
            let index = match next(&standings) {
                Next::Receipt => return self.receipt(delivery),
                Next::Hold(reason) => return self.hold(delivery, reason),
                Next::Publish(index) => index,
            };
            // All names or none: a consumer must not find the last file's marker beside this file.
            if index == 0
                && let Some(taken) = self.taken(&delivery)?
            {
                return self.in_the_way(delivery, &taken);
            }
            let Some(part) = delivery.parts.get(index) else { return Ok(Progress::Passed) };
            match self.outbox.publish(&staged_name(part)?, &target(part)?)? {
                Publication::Published => standings[index] = Standing::Published,
                Publication::TargetExists => {
                    let taken = part.target.clone();
                    return self.in_the_way(delivery, &taken);
                }
            }
        }
    }

    /// The first name that something else has.
    fn taken(&self, delivery: &Delivery) -> Result<Option<String>> {
        for part in &delivery.parts {
            if self.outbox.stat(&target(part)?)?.is_some() {
                return Ok(Some(part.target.clone()));
            }
        }
        Ok(None)
    }

    fn in_the_way(&mut self, delivery: Delivery, taken: &str) -> Result<Progress> {
        match self.plan.settings.target_exists {
            TargetExists::Wait => Ok(Progress::Waiting(format!(
                "`{taken}` is still in {}: {} comes when it is collected",
                self.outbox.address(),
                delivery.id()
            ))),
            TargetExists::Hold => {
                let reason = format!("`{taken}` is in {} already, and is not replaced", self.outbox.address());
                self.hold(delivery, reason)
            }
        }
    }

    fn receipt(&mut self, mut delivery: Delivery) -> Result<Progress> {
        delivery.state = DeliveryState::Delivered { reason: None };
        delivery.recorded_at = self.context.clock.now();
        let points = Some((Failpoint::ReceiptSent, Failpoint::ReceiptAnswered));
        let Behind { position, window } = self.behind(&delivery)?;
        let entry = Entry { delivery: Some(delivery.clone()), position, window, points, ..Entry::default() };
        self.journal.record(&entry)?;
        self.forget(&delivery);
        let data = delivery.data();
        tracing::info!(
            rendering = %delivery.rendering,
            key = %delivery.key,
            path = data.map_or("", |part| part.target.as_str()),
            hash = delivery.sha256.map(|hash| hash.short()),
            events = delivery.events,
            bytes = data.map_or(0, |part| part.bytes),
            attempt = delivery.attempt,
            "delivered"
        );
        Ok(Progress::Delivered)
    }

    /// Where the rendering goes on behind a delivery that is over; an older one changes nothing.
    pub(super) fn behind(&self, delivery: &Delivery) -> Result<Behind> {
        Ok(self.source.behind(delivery, &self.position()?))
    }

    /// Its witnesses go: the receipt says what they said. What stays goes at the next start.
    pub(super) fn forget(&self, delivery: &Delivery) {
        for part in &delivery.parts {
            if let Err(error) = staged_name(part).and_then(|name| self.outbox.forget(&name)) {
                tracing::debug!(rendering = self.plan.id(), %error, "a witness stays for now");
            }
        }
    }

    pub(super) fn hold(&mut self, mut delivery: Delivery, reason: impl Into<String>) -> Result<Progress> {
        let reason = reason.into();
        delivery.state = DeliveryState::Held { reason: reason.clone() };
        delivery.recorded_at = self.context.clock.now();
        let id = delivery.id();
        self.journal.record(&Entry { delivery: Some(delivery), ..Entry::default() })?;
        tracing::error!(rendering = self.plan.id(), delivery = %id, "held for a person: {reason}");
        Ok(Progress::Held(format!("{id}: {reason}")))
    }

    /// Knows the outbox again, or remembers it when it is first written to; and removes what was staged and is in no
    /// intent: nothing of it was ever visible.
    pub(super) fn make_ready(&mut self) -> Result<()> {
        if self.is_ready {
            return Ok(());
        }
        let position = self.position()?;
        match &position.identity {
            Some(text) => self.outbox.pin(self.identity(text)?),
            None => {
                let identity = self.outbox.identity()?;
                let position = Position { identity: Some(identity.to_string()), ..position };
                self.journal.record(&Entry { position: Some(position), ..Entry::default() })?;
                self.outbox.pin(identity);
            }
        }
        let open = self.context.deliveries().open(self.plan.id()).into_iter().cloned().collect::<Vec<_>>();
        let wanted: Vec<StagedName> =
            open.iter().flat_map(|delivery| &delivery.parts).map(staged_name).collect::<Result<_>>()?;
        for name in self.outbox.staged(&self.owner)? {
            // Names of a later epoch are a successor's.
            if !wanted.contains(&name) && name.epoch() < self.journal.epoch() {
                self.outbox.discard(&name)?;
            }
        }
        self.is_ready = true;
        Ok(())
    }

    fn identity(&self, text: &str) -> Result<OutboxIdentity> {
        let wrong =
            || PortError::new(ErrorKind::Corrupt, "deliver", self.plan.id(), "the identity of its outbox is none");
        OutboxIdentity::parse(text).ok_or_else(wrong)
    }

    /// The outbox that is there now is the right one, says a person.
    pub(super) fn forget_outbox(&mut self) {
        self.is_ready = false;
    }
}

/// Whose temporary names they are: never those of another rendering, or of another bridge in the same directory.
fn owner(bridge: &str, rendering: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{bridge}\0{rendering}"));
    format!("delivery-{}", hex(&digest[..8]))
}

/// The temporary name of a part.
pub(super) fn staged_name(part: &Part) -> Result<StagedName> {
    let wrong = || PortError::new(ErrorKind::Corrupt, "deliver", &part.staged, "this is no temporary name of ours");
    StagedName::parse(&part.staged).ok_or_else(wrong)
}

/// The final name of a part.
pub(super) fn target(part: &Part) -> Result<EntryPath> {
    let wrong = || PortError::new(ErrorKind::Corrupt, "deliver", &part.target, "this is no path below an outbox");
    EntryPath::parse(&part.target).ok_or_else(wrong)
}
