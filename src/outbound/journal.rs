//! The journal: the one writer of the topic `deliveries`, under a transactional id of its own.
//!
//! It is not the publisher's writer. That has one transaction at a time, and may be in the middle of a chunk; a failure
//! of one path would abort the other's work. Whoever holds the slot takes this id too, and reads the topic to its end only
//! then: nothing that a predecessor journals can become visible later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, OutgoingRecord, PartitionOffset, PortError, Result, Writer};
use serde::Serialize;

use super::plan::{PlanSource, RenderingPlan};
use super::window::assembler::first_journal;
use crate::domain::policy::Begin;
use crate::inbound::slot::{Context, JSON_HEADER};
use crate::ledger::DeliveryIndex;
use crate::ledger::control::Request;
use crate::ledger::delivery::{Delivery, EPOCH_KEY, Epoch, FORMAT, Position, window_key};
use crate::ledger::replay::read_control;
use crate::ledger::topics::REQUEST_PARTITION;
use crate::stop::Backoff;
use crate::window::{Mark, WindowJournal};

/// What is written in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// How a delivery stands now.
    pub delivery: Option<Delivery>,
    /// How far its rendering has come.
    pub position: Option<Position>,
    /// What is cut off and planned of its windows.
    pub window: Option<WindowJournal>,
    /// A delivery that came to nothing.
    pub withdrawn: Option<String>,
    /// The request that is done by it.
    pub request: Option<String>,
    /// What is passed before the commit is asked for, and after it was answered.
    pub points: Option<(Failpoint, Failpoint)>,
}

/// The writer of deliveries, shared by all renderings of a slot.
pub struct Journal {
    context: Context,
    slot: u32,
    /// The instance whose claim of the slot this journal belongs to.
    instance: String,
    epoch: u64,
    state: Mutex<State>,
}

struct State {
    writer: Box<dyn Writer>,
    /// Temporary names that were given in this epoch.
    names: u64,
}

impl Journal {
    /// The transactional id.
    #[must_use]
    pub fn transactional_id(bridge: &str, slot: u32) -> String {
        format!("{}-deliveries", Context::transactional_id(bridge, slot))
    }

    /// The consumer group under which a rendering's position shows.
    #[must_use]
    pub fn group(bridge: &str, rendering: &str) -> String {
        format!("dropbridge-{bridge}-rendering-{rendering}")
    }

    /// Takes the journal: fences its holder, reads the topic to its end, begins an epoch, and gives renderings that have
    /// none their first position. To be called before anything is published that a new rendering has to deliver.
    ///
    /// # Errors
    /// `Transient`, `Corrupt`; `NotFound` where `init` has not made the topic.
    pub fn take(context: &Context, slot: u32, instance: &str, renderings: &[Arc<RenderingPlan>]) -> Result<Self> {
        let writer = context.log.writer(&Self::transactional_id(&context.bridge, slot))?;
        let index = DeliveryIndex::read(&*context.log, &context.topics.deliveries)?;
        let epoch = index.epoch() + 1;
        let mut first = Vec::new();
        for plan in renderings.iter().filter(|plan| begins_anew(&index, plan)) {
            first.push(first_entry(context, plan)?);
        }
        *context.deliveries() = index;
        let (context, instance) = (context.clone(), instance.to_owned());
        let journal = Self { context, slot, instance, epoch, state: Mutex::new(State { writer, names: 0 }) };
        let begun = Epoch { format: FORMAT, epoch, recorded_at: journal.context.clock.now() };
        journal.commit(&mut journal.state(), &mut |writer| {
            journal.send(writer, EPOCH_KEY, Some(&begun))?;
            first.iter().try_for_each(|entry| journal.send_entry(writer, entry))
        })?;
        journal.context.deliveries().begin_epoch(epoch);
        for entry in first {
            if let Some(Position { rendering, manifest, .. }) = &entry.position {
                tracing::info!(%rendering, manifest, "a new rendering begins here");
            }
            journal.apply(&entry);
        }
        Ok(journal)
    }

    /// Gives renderings that have none their first position, under a new configuration.
    ///
    /// # Errors
    /// As for [`Journal::record`].
    pub fn begin(&self, renderings: &[Arc<RenderingPlan>]) -> Result<()> {
        for plan in renderings {
            let is_new = begins_anew(&self.context.deliveries(), plan);
            if is_new {
                self.record(&first_entry(&self.context, plan)?)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Part of every temporary name of this holder: names never repeat.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A number that no temporary name of this epoch has.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        let mut state = self.state();
        state.names += 1;
        state.names
    }

    /// Writes, and answers when it is committed.
    ///
    /// # Errors
    /// `Fenced` when another instance holds the slot; `Transient` only when asked to stop: the outcome is not known then,
    /// and the next start will see it.
    pub fn record(&self, entry: &Entry) -> Result<()> {
        let mut state = self.state();
        self.commit(&mut state, &mut |writer| {
            self.send_entry(writer, entry)?;
            entry.points.map_or(Ok(()), |(sent, _)| pass(sent))
        })?;
        if let Some((_, answered)) = entry.points {
            // The answer is known: a failure here comes too late to change it.
            let _answered = pass(answered);
        }
        self.apply(entry);
        Ok(())
    }

    /// Takes what is committed in.
    fn apply(&self, entry: &Entry) {
        let mut index = self.context.deliveries();
        entry.withdrawn.iter().for_each(|id| index.withdraw(id));
        entry.delivery.clone().into_iter().for_each(|delivery| index.apply(delivery));
        entry.position.clone().into_iter().for_each(|position| index.apply_position(position));
        entry.window.clone().into_iter().for_each(|window| index.apply_window(window));
    }

    fn send_entry(&self, writer: &mut dyn Writer, entry: &Entry) -> Result<()> {
        if let Some(id) = &entry.withdrawn {
            self.send::<Delivery>(writer, &format!("delivery/{id}"), None)?;
        }
        if let Some(delivery) = &entry.delivery {
            self.send(writer, &delivery.record_key(), Some(delivery))?;
        }
        if let Some(position) = &entry.position {
            self.send_position(writer, position)?;
        }
        if let Some(window) = &entry.window {
            self.send_window(writer, window)?;
        }
        entry.request.iter().try_for_each(|id| self.send_request_end(writer, id))
    }

    fn send<T: Serialize>(&self, writer: &mut dyn Writer, key: &str, value: Option<&T>) -> Result<()> {
        send(writer, &self.context.topics.deliveries, 0, key, value)
    }

    fn send_position(&self, writer: &mut dyn Writer, position: &Position) -> Result<()> {
        self.send(writer, &Position::record_key(&position.rendering), Some(position))?;
        let Some(offset) = position.manifest else { return Ok(()) };
        let offset = PartitionOffset { topic: self.context.topics.manifests.clone(), partition: 0, offset };
        writer.send_offsets(&Self::group(&self.context.bridge, &position.rendering), &[offset])
    }

    /// The group's positions are those of the oldest event that is in no file yet.
    fn send_window(&self, writer: &mut dyn Writer, window: &WindowJournal) -> Result<()> {
        self.send(writer, &window_key(window), Some(window))?;
        let offset =
            |mark: &Mark| PartitionOffset { topic: mark.topic.clone(), partition: mark.partition, offset: mark.to };
        let offsets: Vec<PartitionOffset> = window.open_from.iter().map(offset).collect();
        writer.send_offsets(&Self::group(&self.context.bridge, &window.rendering), &offsets)
    }

    fn send_request_end(&self, writer: &mut dyn Writer, id: &str) -> Result<()> {
        let topic = &self.context.topics.control;
        send::<Request>(writer, topic, REQUEST_PARTITION, &Request::record_key(id), None)
    }

    /// One transaction, tried until its outcome is known.
    fn commit(&self, state: &mut State, fill: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let mut backoff = Backoff::default();
        loop {
            let answer = self.try_commit(&mut *state.writer, fill);
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if error.kind == ErrorKind::Fenced => self.take_again(state, error)?,
                Err(error) if error.kind == ErrorKind::Transient => {
                    tracing::warn!(%error, "deliveries are not journaled: trying again");
                    self.abort(state)?;
                    backoff.wait(&self.context.stop, error)?;
                }
                Err(error) => {
                    self.abort(state)?;
                    return Err(error);
                }
            }
        }
    }

    fn try_commit(&self, writer: &mut dyn Writer, fill: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        writer.begin()?;
        fill(writer)?;
        let mut backoff = Backoff::default();
        loop {
            match writer.commit() {
                // The outcome is not known: asked again, the answer is the true one.
                Err(error) if error.kind == ErrorKind::Transient => {
                    if self.context.stop.wait(backoff.pause()) {
                        let message = format!("asked to stop before it was known: {}", error.message);
                        return Err(PortError::new(ErrorKind::Transient, "commit", "deliveries", message));
                    }
                }
                answer => return answer,
            }
        }
    }

    fn abort(&self, state: &mut State) -> Result<()> {
        let mut backoff = Backoff::default();
        loop {
            match state.writer.abort() {
                Err(error) if error.kind == ErrorKind::Transient => backoff.wait(&self.context.stop, error)?,
                Err(error) if error.kind == ErrorKind::Fenced => return self.take_again(state, error),
                answer => return answer,
            }
        }
    }

    /// After `Fenced`: takes the id again if the slot is still ours (a producer id expires after days of silence).
    fn take_again(&self, state: &mut State, fenced: PortError) -> Result<()> {
        let control = read_control(&*self.context.log, &self.context.topics)?;
        if control.claims.get(&self.slot).is_none_or(|claim| claim.instance != self.instance) {
            return Err(fenced);
        }
        // Who else has the slot takes it before it takes this id, so nobody has.
        tracing::warn!(error = %fenced, "fenced though the slot is ours: taking the journal of deliveries again");
        state.writer = self.context.log.writer(&Self::transactional_id(&self.context.bridge, self.slot))?;
        Ok(())
    }
}

/// Whether a rendering never delivered anything, or was one of another kind.
fn begins_anew(index: &DeliveryIndex, plan: &RenderingPlan) -> bool {
    let position = index.position(plan.id());
    match plan.source {
        PlanSource::Mirror(_) => position.is_none_or(|position| position.manifest.is_none()),
        PlanSource::Window(_) => position.is_none() || index.window(plan.id()).is_none(),
    }
}

/// Where a rendering begins that never delivered anything.
fn first_entry(context: &Context, plan: &RenderingPlan) -> Result<Entry> {
    let (manifest, window) = match &plan.source {
        PlanSource::Mirror(_) => {
            let ends = context.log.watermarks(&context.topics.manifests)?;
            let manifest = ends.first().map(|ends| match plan.settings.begin {
                Begin::Now => ends.high,
                Begin::Beginning => ends.low,
            });
            (Some(manifest.unwrap_or(0)), None)
        }
        PlanSource::Window(window) => {
            let (now, sources) = (context.clock.now(), window.sources(&context.topics));
            let journal = first_journal(&*context.log, window, &sources, plan.id(), now, plan.settings.begin)?;
            (None, Some(journal))
        }
    };
    let position = Position {
        format: FORMAT,
        rendering: plan.id().to_owned(),
        manifest,
        identity: None,
        held: None,
        recorded_at: context.clock.now(),
    };
    Ok(Entry { position: Some(position), window, ..Entry::default() })
}

fn send<T: Serialize>(
    writer: &mut dyn Writer,
    topic: &str,
    partition: u32,
    key: &str,
    value: Option<&T>,
) -> Result<()> {
    let json = value.map(serde_json::to_vec).transpose();
    let json = json.map_err(|error| PortError::new(ErrorKind::Bug, "serialise", topic, error))?;
    writer.send(OutgoingRecord {
        topic,
        partition: Some(partition),
        key: Some(key.as_bytes()),
        value: json.as_deref(),
        headers: &[JSON_HEADER],
        tag: 0,
    })
}

/// Passes a failpoint.
pub(super) fn pass(point: Failpoint) -> Result<()> {
    if reach(point) {
        return Err(PortError::new(ErrorKind::Transient, "pass failpoint", "delivery", point.name()));
    }
    Ok(())
}
