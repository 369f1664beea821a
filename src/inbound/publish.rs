//! Publishing: events, manifest and ledger entry of a file, all or none.
//!
//! Small files share a transaction. A file with more events than a chunk holds is published in chunks `(from, to]`,
//! each in one transaction with its ledger position; its manifest comes with the last. What the ledger says decides
//! anew before every attempt, so that a takeover, a lost answer or a second file with the same key can do no harm.

mod alive;
mod group;
mod records;
mod spoken;
mod step;
pub mod ticket;
mod trouble;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Repetition, Result};

use super::keeping::{KeepRules, Upkeep};
use super::manifest::FileSummary;
use super::plan::FeedPlan;
use super::prepare::{CAPTURE_OPERATION, Outcome, Prepared, pass};
use super::request::Plans;
use super::slot::{Context, Slot};
use super::tally::Tally;
use crate::capture::Store;
use crate::config::settings::TransactionSettings;
use crate::ledger::{DropState, LedgerEntry};
use crate::stop::Backoff;
use spoken::SpokenDates;
use step::Step;

pub(super) use records::{EVENT_HEADER, EventHeaders, event_record, published};

/// Publishes for a slot.
pub struct Publisher {
    pub(super) slot: Slot,
    pub(super) store: Arc<Store>,
    pub(super) sizes: TransactionSettings,
    pub(super) tally: Tally,
    deferred: Vec<Prepared>,
    deferred_at: Duration,
    pub(super) upkeep: Upkeep,
    pub(super) spoken: SpokenDates,
    trouble: Option<PortError>,
    said: Repetition,
}

impl Publisher {
    /// For a slot that is held.
    #[must_use]
    pub fn new(slot: Slot, store: Arc<Store>, sizes: TransactionSettings, rules: KeepRules) -> Self {
        Self {
            slot,
            store,
            sizes,
            tally: Tally::default(),
            deferred: Vec::new(),
            deferred_at: Duration::ZERO,
            upkeep: Upkeep::new(rules),
            spoken: SpokenDates::default(),
            trouble: None,
            said: Repetition::new(),
        }
    }

    /// Goes on under another configuration of the same bridge. Files that were put aside are looked at anew.
    ///
    /// # Errors
    /// As for [`crate::ledger::LedgerIndex::drops`].
    pub fn reconfigure(
        &mut self,
        context: Context,
        sizes: TransactionSettings,
        rules: KeepRules,
        plans: &Plans,
    ) -> Result<()> {
        self.slot.reconfigure(context)?;
        self.sizes = sizes;
        self.upkeep.set_rules(rules);
        let deferred = std::mem::take(&mut self.deferred);
        self.deferred = deferred.into_iter().filter_map(|file| adopt(file, plans)).collect();
        Ok(())
    }

    /// What was done so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The slot.
    pub fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// Ends, and gives the slot up.
    ///
    /// # Errors
    /// Of the log.
    pub fn release(self) -> Result<Tally> {
        self.slot.release()?;
        Ok(self.tally)
    }

    pub(super) fn context(&self) -> Context {
        self.slot.context().clone()
    }

    /// Deals with files until each is committed, in their order, or we are asked to stop: the others come again at the
    /// next start.
    ///
    /// # Errors
    /// `Fenced` when another instance holds the slot; `Transient` only when asked to stop; `Corrupt`, `Refused`, `Bug`.
    pub fn publish(&mut self, files: Vec<Prepared>) -> Result<()> {
        let mut queue = VecDeque::from(files);
        let mut backoff = Backoff::default();
        // After an event that the log refuses, each file goes alone, so that it shows whose it was.
        let mut together = self.sizes.max_files;
        while !queue.is_empty() && !self.slot.context().stop.is_raised() {
            let mut group = self.gather(&mut queue, together)?;
            let answer = match group.as_slice() {
                [(file, Step::Chunks { through })] => self.publish_chunks(file, *through),
                _ => self.publish_group(&group),
            };
            let Err(error) = answer else {
                backoff = Backoff::default();
                continue;
            };
            // A file whose bytes are read while it is published is alone.
            if error.operation == CAPTURE_OPERATION
                && let Some((file, _)) = group.pop()
            {
                self.abort_or_reclaim()?;
                self.set_apart(file, error)?;
                continue;
            }
            if error.kind == ErrorKind::Unacceptable {
                together = 1;
            }
            let retried = matches!(error.kind, ErrorKind::Transient | ErrorKind::Unacceptable);
            self.slot.context().health.log_failed(error.kind.as_str(), &error.to_string(), retried);
            self.recover(error, &mut group, &mut backoff)?;
            for (file, _) in group.into_iter().rev() {
                queue.push_front(file);
            }
        }
        Ok(())
    }

    /// Takes files out of the queue that can share a transaction, with what is to be written for each.
    fn gather(&mut self, queue: &mut VecDeque<Prepared>, together: usize) -> Result<Vec<(Prepared, Step)>> {
        let mut group: Vec<(Prepared, Step)> = Vec::new();
        // Events of those that were put aside are made only now, and have to find room in memory too.
        let mut weight = 0;
        while weight < self.sizes.chunk_bytes
            && let Some(mut file) = queue.pop_front()
        {
            let now = self.slot.context().clock.elapsed();
            file.way.seen.get_or_insert(now);
            file.way.picked = Some(now);
            let same_key = |other: &(Prepared, Step)| {
                other.0.plan.id() == file.plan.id() && other.0.identity.key == file.identity.key
            };
            if group.len() >= together || group.iter().any(same_key) {
                queue.push_front(file);
                break;
            }
            let step = match self.decide(&mut file) {
                Ok(step) => step,
                Err(error) => {
                    self.set_apart(file, error)?;
                    continue;
                }
            };
            if let Step::Chunks { .. } = step {
                if group.is_empty() {
                    group.push((file, step));
                } else {
                    queue.push_front(file);
                }
                break;
            }
            weight += file.weight();
            group.push((file, step));
        }
        Ok(group)
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.slot.commit()?;
        self.spoken.committed();
        // From here on the answer is known; a failpoint that asks for an error is one that comes too late.
        let _answered = pass(Failpoint::CommitAnswered, "transaction");
        Ok(())
    }

    /// After the commit of what became of a file. `summary`: what was read beside its events, where it is published.
    pub(super) fn take_in(
        &mut self,
        file: &Prepared,
        entry: &LedgerEntry,
        summary: Option<&FileSummary>,
    ) -> Result<()> {
        self.account(entry, file.entry.size, &file.way, summary);
        if matches!(entry.state, DropState::Quarantined { .. } | DropState::Held { .. }) {
            let _answered = pass(Failpoint::Quarantined, &file.entry.path);
        }
        let context = self.context();
        let census = context.ledger().census().of(file.plan.id());
        context.health.set_feed_census(file.plan.id(), census);
        self.keep_what_is_needed(file)
    }

    /// The store keeps a file's bytes as long as the ledger says that somebody may ask for them.
    fn keep_what_is_needed(&self, file: &Prepared) -> Result<()> {
        let Some(hash) = file.hash else { return Ok(()) };
        // Most captures were never there: asking the ledger, which is slow, comes last.
        if !self.store.contains(hash) {
            return Ok(());
        }
        self.let_go(hash, file.plan.id(), &file.identity.key)
    }
}

/// A file that was made ready under an older configuration, to be looked at anew under this one. `None`: its feed is
/// gone, and the file stays where it is.
#[must_use]
pub fn adopt(mut file: Prepared, plans: &Plans) -> Option<Prepared> {
    let Some(plan) = plans.get(file.plan.id()) else {
        tracing::warn!(feed = file.plan.id(), path = %file.entry.path, "not published: its feed is not configured any more");
        return None;
    };
    if !Arc::ptr_eq(plan, &file.plan) {
        file.plan = Arc::clone(plan);
        if matches!(file.outcome, Outcome::Events { .. }) {
            file.outcome = Outcome::Unexamined;
        }
    }
    Some(file)
}

pub(super) fn topic_of<'t>(topics: &'t crate::ledger::Topics, plan: &FeedPlan, event: usize) -> Result<&'t str> {
    let event_type = plan.mapping.events().get(event).map_or("", |event| event.event_type());
    topics.event(event_type).ok_or_else(|| {
        PortError::new(ErrorKind::Bug, "publish", plan.id(), format!("no topic for event type `{event_type}`"))
    })
}
