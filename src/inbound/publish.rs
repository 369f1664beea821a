//! Publishing: events, manifest and ledger entry of a file, all or none.
//!
//! Small files share a transaction. A file with more events than a chunk holds is published in chunks `(from, to]`,
//! each in one transaction with its ledger position; its manifest comes with the last. What the ledger says decides
//! anew before every attempt, so that a takeover, a lost answer or a second file with the same key can do no harm.

mod records;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Repetition, Result, WrittenRange};

use super::keeping::{KeepRules, Upkeep, is_kept};
use super::manifest::FileSummary;
use super::plan::FeedPlan;
use super::prepare::{Events, HoldLimits, Outcome, Prepared, examine, keep, pass, whole_file};
use super::request::Plans;
use super::slot::{Context, Slot};
use super::tally::Tally;
use crate::capture::Store;
use crate::config::settings::TransactionSettings;
use crate::domain::ContentHash;
use crate::domain::policy::Corrections;
use crate::layout::RejectCode;
use crate::ledger::admit::{Admission, Candidate, admit};
use crate::ledger::entry::extend_ranges;
use crate::ledger::{DropState, LedgerEntry, Recognised};
use crate::stop::Backoff;

pub(super) use records::{EventHeaders, event_record, published};

/// How long a file that was put aside rests before it is tried again.
const DEFERRED_PAUSE: Duration = Duration::from_secs(5);

/// Publishes for a slot.
pub struct Publisher {
    pub(super) slot: Slot,
    pub(super) store: Arc<Store>,
    pub(super) sizes: TransactionSettings,
    pub(super) tally: Tally,
    deferred: Vec<Prepared>,
    deferred_at: Duration,
    pub(super) upkeep: Upkeep,
    trouble: Option<PortError>,
    said: Repetition,
}

/// What is to be written for a file.
enum Step {
    /// Nothing.
    Nothing,
    /// Its events are made already, few enough for a shared transaction.
    Small,
    /// Its events are made from the store, behind this ordinal.
    Chunks { through: u64 },
    /// A ledger entry alone.
    Entry(DropState),
    /// The same bytes again.
    Repeat {
        /// They are those of a delivery of ours: the legacy producer wrote the same.
        is_ours: bool,
    },
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
            let mut group: Vec<(Prepared, Step)> = Vec::new();
            while let Some(mut file) = queue.pop_front() {
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
                    Err(error) if matches!(error.kind, ErrorKind::Transient | ErrorKind::Refused) => {
                        self.defer(file, error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if let Step::Chunks { .. } = step {
                    if group.is_empty() {
                        group.push((file, step));
                    } else {
                        queue.push_front(file);
                    }
                    break;
                }
                group.push((file, step));
            }
            let answer = match group.as_slice() {
                [(file, Step::Chunks { through })] => self.publish_chunks(file, *through),
                _ => self.publish_group(&group),
            };
            let Err(error) = answer else {
                backoff = Backoff::default();
                continue;
            };
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

    /// Puts a file aside that cannot be dealt with now (its bytes find no room in the store, for one), so that those
    /// behind it go on.
    fn defer(&mut self, file: Prepared, error: PortError) {
        if let Some(left_out) = self.said.due(&format!("{} {} {error}", file.plan.id(), file.entry.path)) {
            let path = &file.entry.path;
            tracing::error!(feed = file.plan.id(), %path, left_out, "not dealt with, and tried again: {error}");
        }
        self.deferred_at = self.slot.context().clock.elapsed();
        self.deferred.push(file);
        self.trouble = Some(error);
    }

    /// Tries the files again that were put aside, when some time has passed.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn retry_deferred(&mut self) -> Result<()> {
        let due = self.deferred_at + DEFERRED_PAUSE;
        if self.deferred.is_empty() || self.slot.context().clock.elapsed() < due {
            return Ok(());
        }
        let files = std::mem::take(&mut self.deferred);
        self.publish(files)
    }

    /// Tries the files again that were put aside, for the last time.
    ///
    /// # Errors
    /// As for [`Publisher::publish`]; why one of them cannot be dealt with.
    pub fn finish_deferred(&mut self) -> Result<()> {
        let files = std::mem::take(&mut self.deferred);
        self.publish(files)?;
        match self.trouble.take() {
            Some(error) if !self.deferred.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Brings things to where the same files can be tried again.
    fn recover(&mut self, error: PortError, group: &mut [(Prepared, Step)], backoff: &mut Backoff) -> Result<()> {
        match error.kind {
            ErrorKind::Fenced => self.regain(&error),
            ErrorKind::Transient => {
                if let Some(left_out) = self.said.due(&format!("publish {}", error.kind.as_str())) {
                    tracing::warn!(%error, files = group.len(), left_out, "not published: trying again");
                }
                self.abort_or_reclaim()?;
                let stop = self.slot.context().stop.clone();
                backoff.wait(&stop, error)
            }
            ErrorKind::Unacceptable => {
                self.abort_or_reclaim()?;
                let [(file, _)] = group else { return Ok(()) };
                let reject =
                    whole_file(RejectCode::EventTooLarge, format!("the log refuses an event: {}", error.message));
                file.outcome = Outcome::Reject(reject);
                Ok(())
            }
            _ => {
                self.abort_or_reclaim()?;
                Err(error)
            }
        }
    }

    pub(super) fn abort_or_reclaim(&mut self) -> Result<()> {
        match self.slot.abort() {
            Err(error) if error.kind == ErrorKind::Fenced => self.regain(&error),
            answer => answer,
        }
    }

    /// Takes the slot again if nobody else has. A log that is away is waited for: what is on its way stays with us, and
    /// so does what the feeds know of their inboxes.
    fn regain(&mut self, fenced: &PortError) -> Result<()> {
        let stop = self.slot.context().stop.clone();
        let mut backoff = Backoff::default();
        loop {
            match self.slot.reclaim(fenced) {
                Err(error) if error.kind == ErrorKind::Transient => {
                    tracing::warn!(%error, "the log is away: trying again");
                    self.slot.context().health.log_failed(error.kind.as_str(), &error.to_string(), true);
                    backoff.wait(&stop, error)?;
                }
                answer => return answer,
            }
        }
    }

    /// Brings things to where work can go on after an error that was met beside files.
    ///
    /// # Errors
    /// The error, where it does not pass by itself or we are asked to stop; `Fenced` when another instance holds the
    /// slot.
    pub fn weather(&mut self, error: PortError) -> Result<()> {
        match error.kind {
            ErrorKind::Fenced => self.regain(&error),
            ErrorKind::Transient => {
                tracing::warn!(%error, "the log is away: trying again");
                self.slot.context().health.log_failed(error.kind.as_str(), &error.to_string(), true);
                self.abort_or_reclaim()?;
                let stop = self.slot.context().stop.clone();
                Backoff::default().wait(&stop, error)
            }
            _ => Err(error),
        }
    }

    /// What is to be done for a file, by what the ledger says now.
    fn decide(&mut self, file: &mut Prepared) -> Result<Step> {
        let context = self.context();
        let Some(hash) = file.hash else {
            let known = context
                .ledger()
                .drops(file.plan.id(), &file.identity.key)?
                .iter()
                .any(|known| known.entry.same_arrival(&file.entry));
            return Ok(if known { Step::Nothing } else { Step::Entry(DropState::Vanished) });
        };
        let arrival = context.recognise(&file.plan, &file.entry.path, &file.identity.key, hash);
        let admission = {
            let ledger = context.ledger();
            let known = ledger.drops(file.plan.id(), &file.identity.key)?;
            let corrections = match &file.request {
                Some(asked) if asked.as_correction => Corrections::Publish,
                _ => file.plan.settings.corrections,
            };
            let by_request = file.request.is_some();
            let candidate = Candidate { hash, entry: &file.entry, by_request, echo_of: arrival.echo_of() };
            admit(&known.iter().collect::<Vec<_>>(), candidate, corrections)
        };
        match admission {
            Admission::Known => Ok(Step::Nothing),
            Admission::Repeat => Ok(Step::Repeat { is_ours: matches!(arrival, Recognised::Equal(_)) }),
            Admission::Echo { delivery } => Ok(Step::Entry(DropState::Echo { delivery })),
            Admission::Hold { reason } => {
                self.keep(file, hash)?;
                Ok(Step::Entry(DropState::Held { reason }))
            }
            Admission::Publish { revision, supersedes } => self.publish_or_quarantine(file, hash, revision, supersedes),
            Admission::Resume { through } => {
                self.keep(file, hash)?;
                let known = context.ledger().drop_with(file.plan.id(), &file.identity.key, hash)?;
                if let Some(DropState::Publishing { revision, supersedes, .. }) = known.map(|entry| entry.state) {
                    (file.revision, file.supersedes) = (revision, supersedes);
                }
                Ok(Step::Chunks { through })
            }
        }
    }

    fn publish_or_quarantine(
        &mut self,
        file: &mut Prepared,
        hash: ContentHash,
        revision: u32,
        supersedes: Option<ContentHash>,
    ) -> Result<Step> {
        let other = (file.revision, file.supersedes) != (revision, supersedes);
        if other || matches!(file.outcome, Outcome::Unexamined) {
            (file.revision, file.supersedes) = (revision, supersedes);
            if !matches!(file.outcome, Outcome::Reject(_)) {
                file.outcome = self.examine(file)?;
            }
        }
        match &file.outcome {
            Outcome::Events { body: Events::Held(_), .. } => {
                if is_kept(file) {
                    self.keep(file, hash)?;
                }
                Ok(Step::Small)
            }
            Outcome::Events { body: Events::Streamed, .. } => {
                self.keep(file, hash)?;
                Ok(Step::Chunks { through: 0 })
            }
            Outcome::Reject(reject) => {
                let attempts = self.attempts(file, hash)? + 1;
                let state = DropState::Quarantined { reject: reject.clone(), attempts };
                self.keep(file, hash)?;
                pass(Failpoint::QuarantineStored, &file.entry.path)?;
                Ok(Step::Entry(state))
            }
            Outcome::Vanished | Outcome::Unexamined => Ok(Step::Entry(DropState::Vanished)),
        }
    }

    fn attempts(&self, file: &Prepared, hash: ContentHash) -> Result<u32> {
        let known = self.slot.context().ledger().drop_with(file.plan.id(), &file.identity.key, hash)?;
        Ok(match known.map(|entry| entry.state) {
            Some(DropState::Quarantined { attempts, .. }) => attempts,
            _ => 0,
        })
    }

    fn keep(&self, file: &Prepared, hash: ContentHash) -> Result<()> {
        file.body.as_ref().map_or(Ok(()), |body| keep(body, hash, &self.store, file.plan.settings.account()))
    }

    /// Looks at a file's content.
    pub(super) fn examine(&self, file: &Prepared) -> Result<Outcome> {
        let bridge = &self.slot.context().bridge;
        match (file.source(bridge), &file.body) {
            (Some(source), Some(body)) => examine(&source, body, &self.store, self.hold_limits()),
            _ => Ok(Outcome::Vanished),
        }
    }

    /// What is held in memory of one file.
    #[must_use]
    pub const fn hold_limits(&self) -> HoldLimits {
        HoldLimits { events: self.sizes.chunk_records, bytes: self.sizes.chunk_bytes }
    }

    /// One transaction for many files.
    fn publish_group(&mut self, group: &[(Prepared, Step)]) -> Result<()> {
        let writes = group.iter().any(|(file, step)| !matches!(step, Step::Nothing) || file.request.is_some());
        let mut entries = Vec::new();
        if writes {
            self.slot.begin()?;
            pass(Failpoint::Begun, "batch")?;
            let ranges = self.send_events(group)?;
            if cfg!(feature = "sabotage-split-ledger") {
                self.commit()?;
                self.slot.begin()?;
            }
            for (index, (file, step)) in group.iter().enumerate() {
                let ranges: Vec<&WrittenRange> = ranges.iter().filter(|range| range.tag as usize == index).collect();
                entries.extend(self.send_result(file, step, &ranges)?);
            }
            pass(Failpoint::Produced, "batch")?;
            self.commit()?;
        }
        for ((file, step), entry) in group.iter().zip(pad(entries, group)) {
            self.done(file, step, entry)?;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.slot.commit()?;
        // From here on the answer is known; a failpoint that asks for an error is one that comes too late.
        let _answered = pass(Failpoint::CommitAnswered, "transaction");
        Ok(())
    }

    fn send_events(&mut self, group: &[(Prepared, Step)]) -> Result<Vec<WrittenRange>> {
        let held = |(file, step): &(Prepared, Step)| match (&file.outcome, step) {
            (Outcome::Events { body: Events::Held(held), .. }, Step::Small) => held.len(),
            _ => 0,
        };
        let total: usize = group.iter().map(held).sum();
        let topics = Arc::clone(&self.slot.context().topics);
        let mut sent = 0;
        for (tag, (file, step)) in group.iter().enumerate() {
            let (Outcome::Events { body: Events::Held(events), .. }, Step::Small) = (&file.outcome, step) else {
                continue;
            };
            let headers = EventHeaders::of(file, self.slot.context());
            let headers = headers.list();
            for (plan, key, value) in events.iter() {
                let topic = topic_of(&topics, &file.plan, plan)?;
                let tag = u32::try_from(tag).unwrap_or(u32::MAX - 1);
                self.slot.writer().send(event_record(topic, key, value, tag, &headers))?;
                sent += 1;
                if sent == total.div_ceil(2) {
                    pass(Failpoint::HalfProduced, &file.entry.path)?;
                }
            }
        }
        if total == 0 { Ok(Vec::new()) } else { self.slot.writer().settle() }
    }

    /// Manifest or reject, ledger entry, and the end of the request.
    fn send_result(&mut self, file: &Prepared, step: &Step, written: &[&WrittenRange]) -> Result<Option<LedgerEntry>> {
        let mut ranges = Vec::new();
        for range in written {
            extend_ranges(&mut ranges, std::slice::from_ref(*range));
        }
        let entry = match step {
            Step::Nothing | Step::Chunks { .. } => None,
            Step::Small => Some(self.send_published(file, ranges)?),
            Step::Entry(state) => {
                self.send_reject(file, state)?;
                Some(self.entry_of(file, state.clone()))
            }
            Step::Repeat { .. } => self.repeated(file)?,
        };
        if let Some(entry) = &entry {
            self.slot.send_ledger(entry)?;
        }
        self.send_request_done(file)?;
        Ok(entry)
    }

    /// After the commit: counts, and what is no longer needed.
    fn done(&mut self, file: &Prepared, step: &Step, entry: Option<LedgerEntry>) -> Result<()> {
        match entry {
            Some(entry) => {
                self.tally.equal_to_delivery += u64::from(matches!(step, Step::Repeat { is_ours: true }));
                self.take_in(file, &entry, summary_of(&file.outcome))?;
            }
            None if matches!(step, Step::Nothing) => {
                self.slot.context().ledger().refresh_arrival(file.plan.id(), &file.entry);
                self.keep_what_is_needed(file)?;
            }
            None => {}
        }
        // The file stays where it is: letting go of it changes nothing outside yet.
        let _disposed = pass(Failpoint::Disposed, &file.entry.path);
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
        self.let_go(hash, file.plan.id(), &file.identity.key, is_kept(file))
    }
}

/// What was read beside the events of a file.
fn summary_of(outcome: &Outcome) -> Option<&FileSummary> {
    if let Outcome::Events { file, .. } = outcome { Some(file) } else { None }
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

/// One place for each file of the group: the entries that were written, in order, and none where nothing was.
fn pad(entries: Vec<LedgerEntry>, group: &[(Prepared, Step)]) -> Vec<Option<LedgerEntry>> {
    let mut entries = entries.into_iter().peekable();
    let mut padded = Vec::with_capacity(group.len());
    for (file, _) in group {
        let own = entries.next_if(|entry| entry.feed == file.plan.id() && entry.key == file.identity.key);
        padded.push(own);
    }
    padded
}

pub(super) fn topic_of<'t>(topics: &'t crate::ledger::Topics, plan: &FeedPlan, event: usize) -> Result<&'t str> {
    let event_type = plan.mapping.events().get(event).map_or("", |event| event.event_type());
    topics.event(event_type).ok_or_else(|| {
        PortError::new(ErrorKind::Bug, "publish", plan.id(), format!("no topic for event type `{event_type}`"))
    })
}
