//! The files of a mirror: one for each manifest of its feed.

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result};

use super::journal::{Entry, pass};
use super::manifests::{Follower, read_at};
use super::mirror::{Assembler, AssemblyError, Rendered, check_topics_of};
use super::plan::RenderingPlan;
use super::source::{Behind, Source, Upcoming};
use super::stage::Sink;
use crate::capture::Store;
use crate::inbound::manifest::{Manifest, ManifestStatus};
use crate::inbound::plan::FeedPlan;
use crate::inbound::slot::Context;
use crate::ledger::delivery::{Delivery, DeliveryState, FORMAT, Position};

/// How often the event topics are looked at: they are changed by people.
pub(super) const CHECK_TOPICS: Duration = Duration::from_secs(60);

/// How many files of others are passed over before that is journaled, so that a restart does not read them all again.
const FORGOTTEN_STEPS: i64 = 500;

/// Follows the manifests of a feed.
pub(super) struct Mirroring {
    plan: Arc<RenderingPlan>,
    feed: Arc<FeedPlan>,
    context: Context,
    store: Arc<Store>,
    assembler: Assembler,
    follower: Follower,
    topics_checked: Option<Duration>,
}

impl Mirroring {
    /// From where the rendering has come to.
    pub(super) fn new(plan: Arc<RenderingPlan>, feed: Arc<FeedPlan>, context: Context, store: Arc<Store>) -> Self {
        let assembler = Assembler::new(Arc::clone(&context.log), &context.bridge);
        let from = context.deliveries().position(plan.id()).and_then(|position| position.manifest).unwrap_or(0);
        let follower = Follower::new(Arc::clone(&context.log), &context.topics.manifests, from);
        Self { plan, feed, context, store, assembler, follower, topics_checked: None }
    }

    /// Journals how far the topic was read, where much of it was others'.
    fn remember(&self, position: &Position) -> Option<Entry> {
        let next = self.follower.next_offset();
        if next < position.manifest.unwrap_or(0) + FORGOTTEN_STEPS {
            return None;
        }
        let position = Position { manifest: Some(next), recorded_at: self.context.clock.now(), ..position.clone() };
        Some(Entry { position: Some(position), ..Entry::default() })
    }

    fn new_delivery(&self, offset: i64, manifest: &Manifest) -> Delivery {
        Delivery {
            format: FORMAT,
            rendering: self.plan.id().to_owned(),
            department: self.plan.settings.department.clone(),
            feed: manifest.feed.clone(),
            key: manifest.key.clone(),
            revision: manifest.revision,
            sha256: Some(manifest.sha256),
            business_date: manifest.business_date,
            events: manifest.events,
            ranges: manifest.ranges.clone(),
            manifest: Some(offset),
            window: None,
            outbox: self.plan.settings.place.display().to_string(),
            attempt: 1,
            parts: Vec::new(),
            state: DeliveryState::Intended,
            recorded_at: self.context.clock.now(),
        }
    }

    /// The manifest of a delivery.
    fn manifest(&mut self, delivery: &Delivery) -> Result<Manifest> {
        let topic = &self.context.topics.manifests;
        let wrong = || PortError::new(ErrorKind::Corrupt, "deliver", delivery.id(), "it names no manifest");
        let offset = delivery.manifest.ok_or_else(wrong)?;
        match self.follower.ahead() {
            Some((ahead, manifest)) if ahead == offset => Ok(manifest.clone()),
            _ => read_at(&*self.context.log, topic, offset),
        }
    }

    fn check_topics(&mut self) -> std::result::Result<(), AssemblyError> {
        let now = self.context.clock.elapsed();
        if self.topics_checked.is_none_or(|at| now >= at + CHECK_TOPICS) {
            check_topics_of(&*self.context.log, &self.context.topics, &self.feed)?;
            self.topics_checked = Some(now);
        }
        Ok(())
    }
}

impl Source for Mirroring {
    fn due(&mut self) -> Result<Option<Entry>> {
        Ok(None)
    }

    fn upcoming(&mut self, position: &Position) -> Result<Upcoming> {
        let Some((offset, manifest)) = self.follower.peek()? else {
            let journaled = self.remember(position);
            return Ok(journaled.map_or(Upcoming::Nothing, |entry| Upcoming::Journal(Box::new(entry))));
        };
        if offset < position.manifest.unwrap_or(0) || manifest.feed != self.feed.id() {
            self.follower.advance();
            return Ok(Upcoming::Passed);
        }
        if let Some(withheld) = manifest.file.as_ref().map(|file| file.withheld).filter(|withheld| *withheld > 0) {
            let key = &manifest.key;
            tracing::warn!(rendering = self.plan.id(), %key, withheld, "not mirrored: the new service speaks for some of its dates");
            self.follower.advance();
            return Ok(Upcoming::Passed);
        }
        let manifest = manifest.clone();
        pass(Failpoint::Fetched)?;
        Ok(Upcoming::File(Box::new(self.new_delivery(offset, &manifest))))
    }

    fn path(&mut self, delivery: &Delivery) -> std::result::Result<String, AssemblyError> {
        Ok(self.manifest(delivery)?.entry.path)
    }

    fn write(
        &mut self,
        delivery: &mut Delivery,
        open: &mut dyn FnMut() -> std::result::Result<Sink, PortError>,
    ) -> std::result::Result<(Sink, Rendered), AssemblyError> {
        let manifest = self.manifest(delivery)?;
        if manifest.status == ManifestStatus::Abandoned {
            let message = "the file could not be finished: not all its events are there";
            return Err(AssemblyError::Refused(message.to_owned()));
        }
        self.check_topics()?;
        self.assembler.write(&self.feed, &manifest, &self.store, open)
    }

    fn behind(&self, delivery: &Delivery, position: &Position) -> Behind {
        let position = self.is_awaited(delivery, position).then(|| Position {
            manifest: delivery.manifest.map(|offset| offset + 1),
            recorded_at: self.context.clock.now(),
            ..position.clone()
        });
        Behind { position, window: None }
    }

    fn is_awaited(&self, delivery: &Delivery, position: &Position) -> bool {
        delivery.manifest >= position.manifest
    }

    fn look_again(&mut self) {
        self.follower.look_again();
    }

    fn is_at_end(&self) -> bool {
        self.follower.is_at_end()
    }

    fn pause(&self) -> Duration {
        // Looking for a manifest waits.
        Duration::ZERO
    }
}
