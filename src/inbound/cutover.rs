//! Cutovers: the evidence that a decision rests on, and its journal. What is decided, and why not, is decided in
//! [`crate::cutover`].

mod days;
mod newest;

use std::collections::HashMap;
use std::sync::Arc;

use dropbridge_port::Result;
use dropbridge_port::failpoint::Failpoint;

use super::forward::Forwarder;
use super::plan::FeedPlan;
use super::prepare::pass;
use super::publish::Publisher;
use super::slot::Context;
use crate::arrivals::ExpectedDays;
use crate::config::settings::{RenderingKind, RenderingSettings, WindowSettings};
use crate::cutover::{
    Authority, Command, CutoverJournal, Direction, Evidence, Forwarding, Gates, Stage, Transition, decide,
};
use crate::domain::BusinessDate;
use crate::layout::Verdict;
use crate::ledger::control::Request;
use crate::ledger::topics::REQUEST_PARTITION;
use crate::ledger::{DropFilter, DropState, LedgerIndex};
use crate::window::{FileDays, WindowDays};

pub use days::Compared;
use days::FeedEvidence;
pub use newest::newest_date;

/// So many of a feed's newest published files have to be proven.
const PROVEN_FILES: usize = 100;

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
    /// The newest date of the files that its relays have passed on.
    pub newest_relayed: Option<BusinessDate>,
    /// Renderings whose windows are about it.
    pub windows: &'a [String],
}

/// What is known of a department. `newest_date`: the newest that was published or delivered, by either side; `forwards`:
/// its candidate events are forwarded.
///
/// # Errors
/// As for [`LedgerIndex::drops`].
pub fn evidence<'p>(
    department: &str,
    plans: impl Iterator<Item = &'p FeedPlan>,
    ledger: &LedgerIndex,
    newest_date: Option<BusinessDate>,
    forwards: bool,
    compared: &Compared<'_>,
) -> Result<Evidence> {
    let mut evidence = Evidence { newest_date, forwards, ..Evidence::default() };
    let mut feeds: Vec<FeedEvidence<'_>> = Vec::new();
    evidence.file_days = windows(compared.renderings, department).map(|window| window.rules.file_days()).collect();
    for plan in plans.filter(|plan| plan.settings.department == department) {
        evidence.file_days.extend(days_of_feed(plan, compared.renderings));
        evidence.feeds.push(plan.id().to_owned());
        evidence.open_drops += ledger.census().of(plan.id()).open();
        if plan.settings.relay.is_none() {
            evidence.taps.push(plan.id().to_owned());
        }
        if !plan.selection.has_date() {
            evidence.undated.push(plan.id().to_owned());
        }
        if !is_proven(plan.id(), ledger)? {
            evidence.unproven.push(plan.id().to_owned());
        }
        feeds.push(FeedEvidence::new(plan, ledger, compared.renderings)?);
    }
    for list in [&mut evidence.feeds, &mut evidence.taps, &mut evidence.unproven, &mut evidence.undated] {
        list.sort();
    }
    days::add(&mut evidence, &feeds, compared);
    Ok(evidence)
}

/// The windows of a department.
fn windows<'r>(renderings: &'r [Arc<RenderingSettings>], department: &str) -> impl Iterator<Item = &'r WindowSettings> {
    let own = renderings.iter().filter(move |rendering| rendering.department == department);
    own.filter_map(|rendering| match &rendering.kind {
        RenderingKind::Window(window) => Some(&**window),
        RenderingKind::Mirror { .. } => None,
    })
}

/// Which dates have files of a feed, as it states, where a window makes its kind of file.
fn days_of_feed(plan: &FeedPlan, renderings: &[Arc<RenderingSettings>]) -> Option<FileDays> {
    let deadline = plan.settings.expect.as_ref()?.deadline.as_ref()?;
    windows(renderings, &plan.settings.department).find(|window| window.feed == plan.id())?;
    let days = match deadline.days {
        ExpectedDays::Business => WindowDays::Business,
        ExpectedDays::Every => WindowDays::Every,
    };
    Some(FileDays::new(Arc::clone(&deadline.calendar), days))
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

/// Whether a command would give dates to the candidate that were the legacy side's.
#[must_use]
pub fn gives(journal: Option<&CutoverJournal>, direction: Direction) -> bool {
    let from = journal.map_or(Stage::Observe, CutoverJournal::last_stage);
    let to = if direction == Direction::Advance { from.next() } else { from.previous() };
    from.authority() == Authority::Legacy && to.is_some_and(|to| to.authority() == Authority::Candidate)
}

/// The newest date that was cut off of these windows: its file was made, or there is to be none.
fn newest_cut(context: &Context, windows: &[String]) -> Option<BusinessDate> {
    let deliveries = context.deliveries();
    windows.iter().filter_map(|rendering| deliveries.window(rendering)?.last).max()
}

impl Publisher {
    /// Decides what a command asks, and journals it in the transaction that ends the request.
    ///
    /// # Errors
    /// Of the log.
    pub fn cut_over(
        &mut self,
        request: &Request,
        asked: &Asked<'_>,
        gates: Option<&Gates>,
        plans: &HashMap<String, Arc<FeedPlan>>,
        forwarder: &mut Forwarder,
    ) -> Result<()> {
        forwarder.settle_doubt(self)?;
        forwarder.catch_up(self)?;
        let context = self.context();
        let feeds = || plans.values().map(|plan| &**plan);
        let (default, mut refused) = (Gates::default(), None);
        let decided = context.authorities.decide(asked.department, |taken, journal| {
            let cut = newest_cut(&context, asked.windows);
            let dates = [asked.newest_date, self.spoken.newest(asked.department), taken, asked.newest_relayed, cut];
            let newest = dates.into_iter().flatten().max();
            let forwards = gates.is_some() && forwarder.is_ready();
            let ledger = context.ledger();
            let evidence = evidence(asked.department, feeds(), &ledger, newest, forwards, &asked.compared)?;
            drop(ledger);
            let gates = gates.unwrap_or(&default);
            match decide(&journal, gates, &evidence, asked.command, context.clock.now()) {
                Ok(transition) => self.journal_transition(request, journal, transition, forwarder).map(Some),
                Err(blocks) => {
                    refused = Some(blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
                    Ok(None)
                }
            }
        });
        match (decided, refused) {
            (Err(error), _) => {
                forwarder.doubt();
                Err(error)
            }
            (Ok(()), Some(why)) => self.refuse_request(&request.id, &format!("{}: {why}", asked.department)),
            (Ok(()), None) => Ok(()),
        }
    }

    /// Journals a transition. One that gives dates to the candidate has the candidate topics gone through again.
    fn journal_transition(
        &mut self,
        request: &Request,
        mut journal: CutoverJournal,
        transition: Transition,
        forwarder: &mut Forwarder,
    ) -> Result<CutoverJournal> {
        tracing::info!(
            department = journal.department,
            from = transition.from.as_str(),
            to = transition.to.as_str(),
            effective = %transition.effective,
            by = transition.by,
            forced = !transition.forced.is_empty(),
            "another stage"
        );
        let gives =
            (transition.from.authority(), transition.to.authority()) == (Authority::Legacy, Authority::Candidate);
        journal.transitions.push(transition);
        let again = gives.then(|| forwarder.again(&journal)).transpose()?;
        let topic = self.slot.context().topics.control.clone();
        self.begin()?;
        let key = CutoverJournal::record_key(&journal.department);
        self.slot.send_own(&topic, REQUEST_PARTITION, &key, Some(&journal))?;
        if let Some(again) = &again {
            self.slot.send_own(&topic, REQUEST_PARTITION, Forwarding::RECORD_KEY, Some(again))?;
        }
        self.send_request_end(&request.id)?;
        pass(Failpoint::CutoverSent, &journal.department)?;
        self.commit()?;
        // It is committed: a failpoint that asks for an error comes too late.
        let _answered = pass(Failpoint::CutoverAnswered, &journal.department);
        if let Some(again) = again {
            forwarder.resume(again);
        }
        Ok(journal)
    }
}
