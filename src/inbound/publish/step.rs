//! What is to be written for a file: what the ledger says decides, anew before each attempt.

use std::sync::Arc;

use dropbridge_port::Result;
use dropbridge_port::failpoint::Failpoint;

use super::Publisher;
use crate::capture::Body;
use crate::cutover::{CutoverJournal, Stage};
use crate::domain::ContentHash;
use crate::domain::policy::Corrections;
use crate::inbound::keeping::is_kept;
use crate::inbound::prepare::{Events, HoldLimits, Outcome, Prepared, examine, keep, pass, verify, whole_file};
use crate::layout::{Reject, RejectCode};
use crate::ledger::admit::{Admission, Candidate, admit};
use crate::ledger::{DropState, Recognised};

/// What is to be written for a file.
pub(super) enum Step {
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
    /// What is to be done for a file, by what the ledger says now.
    pub(super) fn decide(&mut self, file: &mut Prepared) -> Result<Step> {
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
        if let Some(reject) = self.retired(file) {
            file.outcome = Outcome::Reject(reject);
        }
        let transitions = self.journal_of(file).map_or(0, |journal| journal.transitions.len());
        let other = (file.revision, file.supersedes, file.transitions) != (revision, supersedes, transitions);
        if other || matches!(file.outcome, Outcome::Unexamined) {
            (file.revision, file.supersedes) = (revision, supersedes);
            if !matches!(file.outcome, Outcome::Reject(_)) {
                file.transitions = transitions;
                file.outcome = self.examine(file)?;
            }
        }
        match &file.outcome {
            Outcome::Events { body: Events::Held(_), file: summary, .. } => {
                if is_kept(file.plan.settings.keep_captures, summary) {
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

    /// The journal of its department, where that was moved once.
    fn journal_of(&self, file: &Prepared) -> Option<Arc<CutoverJournal>> {
        self.slot.context().authorities.journal(&file.plan.settings.department)
    }

    /// Why a file is not expected at all any more.
    fn retired(&self, file: &Prepared) -> Option<Reject> {
        let (date, department) = (file.identity.facts.business_date?, &file.plan.settings.department);
        let stage = self.journal_of(file)?.stage_on(date);
        (stage == Stage::Retired).then(|| {
            let reason = format!("{department} is retired for {date}: nobody is to write such a file any more");
            whole_file(RejectCode::Retired, reason)
        })
    }

    /// Looks at a file's content. No transaction may be open.
    pub(in crate::inbound) fn examine(&mut self, file: &Prepared) -> Result<Outcome> {
        let (context, journal) = (self.context(), self.journal_of(file));
        let (Some(source), Some(body)) = (file.source(&context.bridge, journal.as_deref()), &file.body) else {
            return Ok(Outcome::Vanished);
        };
        let (store, limits) = (Arc::clone(&self.store), self.hold_limits());
        let examine = || examine(&source, body, &store, limits);
        match body {
            Body::Memory(_) => examine(),
            Body::Stored(_) => self.beside(&file.entry.path, examine),
        }
    }

    /// Whether the store still has the bytes of a file: an error where it has not. No transaction may be open.
    pub(in crate::inbound) fn verify(&mut self, file: &Prepared) -> Result<()> {
        let (Some(body), Some(hash)) = (&file.body, file.hash) else { return Ok(()) };
        let store = Arc::clone(&self.store);
        self.beside(&file.entry.path, || verify(body, hash, &store))
    }

    /// What is held in memory of one file.
    #[must_use]
    pub const fn hold_limits(&self) -> HoldLimits {
        HoldLimits { events: self.sizes.chunk_records, bytes: self.sizes.chunk_bytes }
    }
}
