//! What commands ask of the holder of the slot: files by hand, retries, discards.

use std::collections::HashMap;
use std::sync::Arc;

use dropbridge_port::{EntryPath, ErrorKind, PortError, Result};

use super::plan::{FeedPlan, Identity};
use super::prepare::{Asked, Outcome, Prepared, whole_file};
use super::publish::Publisher;
use super::way::Way;
use crate::capture::selection::Named;
use crate::capture::{Body, Lease};
use crate::domain::name_pattern::NameFacts;
use crate::domain::{ContentHash, EntryFacts, LogicalKey};
use crate::layout::RejectCode;
use crate::ledger::control::{Request, RequestAction};
use crate::ledger::{DropState, LedgerEntry};

/// Feeds by id.
pub type Plans = HashMap<String, Arc<FeedPlan>>;

impl Publisher {
    /// Does what a request asks; the request ends in the same transaction. One that can't be done ends too, with a
    /// line in the log.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn serve(&mut self, request: &Request, plans: &Plans) -> Result<()> {
        let done = match &request.action {
            RequestAction::Ingest { .. } => {
                self.ingest_all(std::slice::from_ref(request), plans)?;
                Ok(())
            }
            RequestAction::Retry { feed, key, sha256, as_correction } => {
                self.retry(request, plans, feed, key, *sha256, *as_correction)?
            }
            RequestAction::Discard { feed, key, sha256, reason } => {
                self.discard(request, feed, key, *sha256, reason)?
            }
            RequestAction::Notice => {
                self.end_request(&request.id)?;
                Ok(())
            }
            // Whoever runs the feeds does it: it takes a share.
            RequestAction::Baseline { feed, .. } => Err(format!("nobody here can give {feed} a baseline")),
            RequestAction::Purge { feed, older_than_s } => {
                self.purge_on_request(request, feed.as_ref(), *older_than_s)?
            }
            // Whoever keeps the journals does it.
            RequestAction::Cutover { department, .. } => Err(format!("nobody here can move {department}")),
            // Those about renderings that there are went to them.
            RequestAction::Deliveries(action) => Err(format!("there is no rendering `{}`", action.rendering())),
        };
        if let Err(why) = done {
            self.refuse_request(&request.id, &why)?;
        }
        Ok(())
    }

    /// Ends a request that cannot be done, with a line in the log.
    ///
    /// # Errors
    /// Of the log.
    pub fn refuse_request(&mut self, id: &str, why: &str) -> Result<()> {
        tracing::error!(request = %id, "a request cannot be done: {why}");
        self.end_request(id)
    }

    /// Ends a request that was done.
    ///
    /// # Errors
    /// Of the log.
    pub fn end_request(&mut self, id: &str) -> Result<()> {
        self.begin()?;
        self.send_request_end(id)?;
        self.commit()
    }

    /// Publishes files that are asked for one after the other; each request ends in the transaction of its file.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn ingest_all(&mut self, requests: &[Request], plans: &Plans) -> Result<()> {
        let mut files = Vec::new();
        for request in requests {
            let RequestAction::Ingest { feed, entry, sha256 } = &request.action else { continue };
            match self.ingested(request, plans, feed, entry, *sha256)? {
                Ok(file) => files.push(file),
                Err(why) => self.refuse_request(&request.id, &why)?,
            }
        }
        self.publish(files)
    }

    /// A file that is asked for.
    fn ingested(
        &self,
        request: &Request,
        plans: &Plans,
        feed: &str,
        entry: &EntryFacts,
        hash: ContentHash,
    ) -> Result<std::result::Result<Prepared, String>> {
        let Some(plan) = plans.get(feed) else { return Ok(Err(format!("there is no feed `{feed}`"))) };
        if !self.store.contains(hash) {
            return Ok(Err(format!("the bytes of `{}` are not in the store", entry.path)));
        }
        let name = EntryPath::parse(&entry.path);
        let said = match name.map(|name| plan.selection.classify(name.file_name())) {
            Some(Named::Entry(said)) => said,
            _ => Err("the name does not fit the feed's patterns".to_owned()),
        };
        let fault = said.as_ref().err().map(|message| whole_file(RejectCode::FileName, message.clone()));
        let identity = {
            let context = self.context();
            let ledger = context.ledger();
            plan.identify(entry, said.unwrap_or_default(), hash, &ledger)?
        };
        let asked = Asked { id: request.id.clone(), as_correction: false };
        let outcome = fault.map_or(Outcome::Unexamined, Outcome::Reject);
        Ok(Ok(stored(plan, identity, entry.clone(), self.store.lease(hash), outcome, Some(asked))))
    }

    fn retry(
        &mut self,
        request: &Request,
        plans: &Plans,
        feed: &str,
        key: &LogicalKey,
        hash: ContentHash,
        as_correction: bool,
    ) -> Result<std::result::Result<(), String>> {
        let Some(plan) = plans.get(feed) else { return Ok(Err(format!("there is no feed `{feed}`"))) };
        let known = self.context().ledger().drop_with(feed, key, hash)?;
        let Some(known) = known.filter(|known| known.state.needs_store()) else {
            return Ok(Err(format!("`{key}` of {feed} is neither quarantined nor held")));
        };
        if !self.store.contains(hash) {
            return Ok(Err(format!("the bytes of `{key}` are not in the store: drop the file again")));
        }
        let asked = Asked { id: request.id.clone(), as_correction };
        let identity = identity_of(&known);
        self.publish(vec![stored(
            plan,
            identity,
            known.entry,
            self.store.lease(hash),
            Outcome::Unexamined,
            Some(asked),
        )])?;
        Ok(Ok(()))
    }

    fn discard(
        &mut self,
        request: &Request,
        feed: &str,
        key: &LogicalKey,
        hash: Option<ContentHash>,
        reason: &str,
    ) -> Result<std::result::Result<(), String>> {
        let context = self.context();
        let known = {
            let ledger = context.ledger();
            ledger.drops(feed, key)?.into_iter().find(|entry| entry.sha256 == hash && entry.state.is_open())
        };
        let Some(mut entry) = known else { return Ok(Err(format!("`{key}` of {feed} is not open"))) };
        if let DropState::Abandoned { closed, .. } = &mut entry.state {
            // Its events stay where they are, and the ledger goes on saying so.
            *closed = Some(reason.to_owned());
        } else if entry.sha256.is_some() {
            entry.state = DropState::Discarded { reason: reason.to_owned() };
        } else {
            // The record of a vanished entry goes by its state: a discarded one would stand beside it.
            return self.forget_vanished(request, &entry).map(Ok);
        }
        entry.recorded_at = context.clock.now();
        self.begin()?;
        self.slot.send_ledger(&entry)?;
        self.send_request_end(&request.id)?;
        self.commit()?;
        self.account(&entry, 0, &Way::default(), None);
        self.tell_census(feed);
        if let Some(hash) = hash {
            self.let_go(hash, feed, key)?;
        }
        Ok(Ok(()))
    }

    fn forget_vanished(&mut self, request: &Request, entry: &LedgerEntry) -> Result<()> {
        self.begin()?;
        self.slot.remove_from_ledger(entry.record_key())?;
        self.send_request_end(&request.id)?;
        self.commit()?;
        self.tell_census(&entry.feed);
        Ok(())
    }

    fn tell_census(&self, feed: &str) {
        let context = self.context();
        let census = context.ledger().census().of(feed);
        context.health.set_feed_census(feed, census);
    }

    /// Has the feeds take files again that are half published and that the store has lost: their inbox may still have
    /// them. To be called before the feeds begin.
    ///
    /// # Errors
    /// As for [`crate::ledger::LedgerIndex::drops`].
    pub fn ask_inboxes_for_missing(&self) -> Result<()> {
        let context = self.context();
        let mut ledger = context.ledger();
        for entry in ledger.unfinished()? {
            if entry.sha256.is_some_and(|hash| !self.store.contains(hash)) {
                tracing::warn!(feed = %entry.feed, key = %entry.key, "half published, and the store has lost it: looking for it in the inbox");
                ledger.forget_arrival(&entry.feed, &entry.entry.path);
            }
        }
        Ok(())
    }

    /// Files that were in the middle of their chunks when the last holder ended: finished first, from the store.
    /// Answers those whose bytes are not there, or were damaged; their inbox may still have them.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn finish_unfinished(&mut self, plans: &Plans) -> Result<Vec<LedgerEntry>> {
        let unfinished = self.context().ledger().unfinished()?;
        let mut missing = Vec::new();
        for entry in unfinished {
            let (Some(plan), Some(hash)) = (plans.get(&entry.feed), entry.sha256) else {
                tracing::error!(feed = %entry.feed, key = %entry.key, "half published, and its feed is not configured any more");
                continue;
            };
            if !self.store.contains(hash) {
                missing.push(entry);
                continue;
            }
            tracing::info!(feed = %entry.feed, key = %entry.key, "going on with a file that was being published in chunks");
            let (identity, facts) = (identity_of(&entry), entry.entry.clone());
            self.publish(vec![stored(plan, identity, facts, self.store.lease(hash), Outcome::Unexamined, None)])?;
            // Finished, or lost: whoever gives up what is missing asks first.
            if !self.store.contains(hash) {
                missing.push(entry);
            }
        }
        Ok(missing)
    }

    /// Those files of `missing` that are still half published.
    ///
    /// # Errors
    /// As for [`crate::ledger::LedgerIndex::drops`].
    pub fn still_missing(&self, missing: Vec<LedgerEntry>) -> Result<Vec<LedgerEntry>> {
        let mut still = Vec::new();
        for entry in missing {
            let Some(hash) = entry.sha256 else { continue };
            let known = self.context().ledger().drop_with(&entry.feed, &entry.key, hash)?;
            if matches!(known.map(|known| known.state), Some(DropState::Publishing { .. })) {
                still.push(entry);
            }
        }
        Ok(still)
    }

    /// Ends half published files: neither the store nor the inbox has their bytes.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn abandon_missing(&mut self, gone: Vec<LedgerEntry>, plans: &Plans) -> Result<()> {
        for entry in gone {
            let (Some(plan), Some(hash)) = (plans.get(&entry.feed), entry.sha256) else { continue };
            let file = stored(plan, identity_of(&entry), entry.entry, self.store.lease(hash), Outcome::Vanished, None);
            self.abandon(&file, "neither the store nor the inbox has its bytes any more")?;
        }
        Ok(())
    }
}

fn identity_of(entry: &LedgerEntry) -> Identity {
    let facts = NameFacts { business_date: entry.business_date, sequence: entry.sequence.clone() };
    Identity { key: entry.key.clone(), facts, generation: entry.generation }
}

fn stored(
    plan: &Arc<FeedPlan>,
    identity: Identity,
    entry: EntryFacts,
    lease: Lease,
    outcome: Outcome,
    request: Option<Asked>,
) -> Prepared {
    Prepared {
        plan: Arc::clone(plan),
        identity,
        entry,
        hash: Some(lease.hash()),
        body: Some(Body::Stored(lease)),
        revision: 1,
        supersedes: None,
        outcome,
        transitions: 0,
        request,
        way: Way::default(),
        ticket: None,
        on_its_way: Arc::default(),
    }
}

/// An error for a command that names a feed which is not configured.
#[must_use]
pub fn no_such_feed(feed: &str) -> PortError {
    PortError::new(ErrorKind::Configuration, "find feed", feed, "no feed has this id")
}
