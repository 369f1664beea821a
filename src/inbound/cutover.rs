//! Cutovers: the evidence that a decision rests on, and its journal. What is decided, and why not, is decided in
//! [`crate::cutover`].

mod days;
mod newest;

use std::collections::HashMap;
use std::sync::Arc;

use dropbridge_port::Result;

use super::plan::FeedPlan;
use super::publish::Publisher;
use crate::cutover::{Command, CutoverJournal, Evidence, Gates, decide};
use crate::domain::BusinessDate;
use crate::layout::Verdict;
use crate::ledger::control::Request;
use crate::ledger::topics::REQUEST_PARTITION;
use crate::ledger::{DropFilter, DropState, LedgerIndex};

pub use days::Compared;
use days::FeedEvidence;
pub use newest::newest_date;

/// So many of a feed's newest published files have to be proven.
const PROVEN_FILES: usize = 100;

/// This build forwards no candidate events: a department cannot go live.
const FORWARDS: bool = false;

/// What a command asks of a department.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The department.
    pub department: &'a str,
    /// What is asked.
    pub command: &'a Command,
    /// The newest business date of its published files, as the command found it.
    pub newest_date: Option<BusinessDate>,
    /// What was compared.
    pub compared: Compared<'a>,
}

/// What is known of a department. `newest_date`: what [`newest_date`] found.
///
/// # Errors
/// As for [`LedgerIndex::drops`].
pub fn evidence<'p>(
    department: &str,
    plans: impl Iterator<Item = &'p FeedPlan>,
    ledger: &LedgerIndex,
    newest_date: Option<BusinessDate>,
    compared: &Compared<'_>,
) -> Result<Evidence> {
    let mut evidence = Evidence { newest_date, forwards: FORWARDS, ..Evidence::default() };
    let mut feeds: Vec<FeedEvidence<'_>> = Vec::new();
    for plan in plans.filter(|plan| plan.settings.department == department) {
        evidence.feeds.push(plan.id().to_owned());
        evidence.open_drops += ledger.census().of(plan.id()).open();
        if plan.settings.relay.is_none() {
            evidence.taps.push(plan.id().to_owned());
        }
        if !is_proven(plan.id(), ledger)? {
            evidence.unproven.push(plan.id().to_owned());
        }
        feeds.push(FeedEvidence::new(plan, ledger, compared.renderings)?);
    }
    for list in [&mut evidence.feeds, &mut evidence.taps, &mut evidence.unproven] {
        list.sort();
    }
    days::add(&mut evidence, &feeds, compared);
    Ok(evidence)
}

/// The newest files of a feed can all be written again from their events, and there is one.
fn is_proven(feed: &str, ledger: &LedgerIndex) -> Result<bool> {
    let filter = DropFilter { feed: Some(feed.to_owned()), state: Some("published".to_owned()), department: None };
    let newest = ledger.newest(&filter, PROVEN_FILES)?;
    let proven = |state: &DropState| match state {
        DropState::Published { verdict, .. } => {
            matches!(verdict, Some(Verdict::Exact | Verdict::ExactWithExceptions))
        }
        _ => false,
    };
    Ok(!newest.is_empty() && newest.iter().all(|entry| proven(&entry.state)))
}

impl Publisher {
    /// Decides what a command asks, and journals it in the transaction that ends the request. Answers the journal, where
    /// there is something new in it.
    ///
    /// # Errors
    /// Of the log.
    pub fn cut_over(
        &mut self,
        request: &Request,
        asked: &Asked<'_>,
        journal: Option<&CutoverJournal>,
        gates: &Gates,
        plans: &HashMap<String, Arc<FeedPlan>>,
    ) -> Result<Option<CutoverJournal>> {
        let context = self.context();
        let plans = plans.values().map(|plan| &**plan);
        let evidence = evidence(asked.department, plans, &context.ledger(), asked.newest_date, &asked.compared)?;
        let mut journal = journal.cloned().unwrap_or_else(|| CutoverJournal::new(asked.department));
        let transition = match decide(&journal, gates, &evidence, asked.command, context.clock.now()) {
            Ok(transition) => transition,
            Err(blocks) => {
                let why: Vec<String> = blocks.iter().map(ToString::to_string).collect();
                self.refuse_request(&request.id, &format!("{}: {}", asked.department, why.join("; ")))?;
                return Ok(None);
            }
        };
        tracing::info!(
            department = asked.department,
            from = transition.from.as_str(),
            to = transition.to.as_str(),
            effective = %transition.effective,
            by = transition.by,
            forced = !transition.forced.is_empty(),
            "another stage"
        );
        journal.transitions.push(transition);
        let key = CutoverJournal::record_key(asked.department);
        self.slot.begin()?;
        self.slot.send_own(&context.topics.control, REQUEST_PARTITION, &key, Some(&journal))?;
        self.send_request_end(&request.id)?;
        self.commit()?;
        Ok(Some(journal))
    }
}
