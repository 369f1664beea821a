//! The files of windows: which cut-off is due, which files it makes, and what is in one of them.
//!
//! | the journal says | then |
//! |---|---|
//! | a date is to be cut off by now | its cut-off is journaled, with the ends of the partitions |
//! | files are planned | the first of them is made, and over when it is delivered or given up |
//! | a cut-off has no plan | its events are gathered, and its files are planned and journaled |
//!
//! What is gathered is kept while the files of a cut-off are made. After a restart it is gathered again, from the same
//! ranges: the same events in the same order, and so the same bytes.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result};

use super::assembler::{Read, WindowAssembler, ends, of_no_file, planned_of};
use super::gather::Gathered;
use super::plan::WindowPlan;
use crate::cutover::Authority;
use crate::domain::policy::{EventProvenance, SequenceReset};
use crate::domain::{BusinessDate, LogicalKey};
use crate::inbound::slot::Context;
use crate::ledger::DropFilter;
use crate::ledger::delivery::{Delivery, DeliveryState, FORMAT, Position, WindowedFile};
use crate::outbound::journal::Entry;
use crate::outbound::mirror::{AssemblyError, Rendered, check_topics};
use crate::outbound::mirroring::CHECK_TOPICS;
use crate::outbound::plan::RenderingPlan;
use crate::outbound::source::{Behind, Source, Upcoming};
use crate::outbound::stage::Sink;
use crate::window::{Cut, DueCut, EmptyDay, PlannedFile, WindowJournal, WindowRules, beside_legacy};

/// How soon a cut-off is noticed.
const LOOK: Duration = Duration::from_millis(500);

/// Looks after the windows of a rendering.
pub(in crate::outbound) struct Windowing {
    plan: Arc<RenderingPlan>,
    window: Arc<WindowPlan>,
    context: Context,
    assembler: WindowAssembler,
    /// The cut-off whose files are being made, and what was gathered for it.
    gathered: Option<(BusinessDate, Gathered)>,
    topics_checked: Option<Duration>,
    /// The date whose cut-off waits for forwarding.
    waits_for: Option<BusinessDate>,
}

impl Windowing {
    /// For a rendering that has a journal.
    pub(in crate::outbound) fn new(
        plan: Arc<RenderingPlan>,
        window: Arc<WindowPlan>,
        context: Context,
        directory: PathBuf,
    ) -> Self {
        let sources = window.sources(&context.topics);
        let assembler = WindowAssembler::new(Arc::clone(&context.log), Arc::clone(&window), sources, directory);
        Self { plan, window, context, assembler, gathered: None, topics_checked: None, waits_for: None }
    }

    fn journal(&self) -> Result<WindowJournal> {
        let journal = self.context.deliveries().window(self.plan.id()).cloned();
        journal.ok_or_else(|| PortError::new(ErrorKind::Bug, "deliver", self.plan.id(), "it has no journal of windows"))
    }

    fn delivery(&self, journal: &WindowJournal, cut: &Cut, file: Option<PlannedFile>) -> Delivery {
        let date = file.as_ref().map_or(cut.date, |file| file.date);
        let name = &self.window.settings.rules.name;
        let key = match &file {
            Some(file) if name.has_sequence() => format!("{date}/{}", name.number(file.sequence)),
            Some(_) => date.to_string(),
            None => whole_key(cut),
        };
        let events = file.as_ref().map_or(0, |file| file.events);
        Delivery {
            format: FORMAT,
            rendering: self.plan.id().to_owned(),
            department: self.plan.settings.department.clone(),
            feed: self.window.settings.feed.clone(),
            key: LogicalKey::from_text(&key),
            revision: 1,
            sha256: None,
            business_date: Some(date),
            events,
            ranges: Vec::new(),
            manifest: None,
            window: Some(self.assembler.windowed(journal, cut, file)),
            outbox: self.plan.settings.place.display().to_string(),
            attempt: 1,
            parts: Vec::new(),
            state: DeliveryState::Intended,
            recorded_at: self.context.clock.now(),
        }
    }

    /// Gathers what a cut-off has, and plans its files.
    fn plan_files(&mut self, mut journal: WindowJournal) -> Result<Upcoming> {
        let Some(cut) = journal.unplanned().cloned() else { return Ok(Upcoming::Nothing) };
        let mut whole = self.delivery(&journal, &cut, None);
        match self.planned(&mut journal, &mut whole, &cut) {
            Ok(()) => {
                // What a person has let try again came to something.
                let withdrawn = self.context.deliveries().get(&whole.id()).is_some().then(|| whole.id());
                let points = Some((Failpoint::WindowPlanSent, Failpoint::WindowPlanAnswered));
                let entry = Entry { window: Some(journal), withdrawn, points, ..Entry::default() };
                Ok(Upcoming::Journal(Box::new(entry)))
            }
            Err(AssemblyError::Port(error)) if error.kind != ErrorKind::Corrupt => Err(error),
            Err(error) => Ok(Upcoming::Trouble(Box::new(whole), error.to_string())),
        }
    }

    fn planned(
        &mut self,
        journal: &mut WindowJournal,
        whole: &mut Delivery,
        cut: &Cut,
    ) -> std::result::Result<(), AssemblyError> {
        self.check_topics()?;
        let Some(windowed) = &whole.window else { return Ok(()) };
        let gathered = self.assembler.gather(windowed, &Read::Open(journal), None)?;
        let counts = gathered.counts();
        let authority = self.authority_on(cut.date);
        if let (Authority::Legacy, Some(why)) = (authority, beside_legacy(cut.date, &counts)) {
            // Whatever is decided about it, its record says where they are.
            whole.events = counts.values().sum();
            whole.ranges = gathered.files.values().flat_map(|file| file.ranges.iter().cloned()).collect();
            return Err(AssemblyError::Refused(why));
        }
        if let Some((date, number)) = self.newest_of_legacy(cut.date)? {
            journal.go_on_from(date, number);
        }
        let rules = self.rules_of(authority);
        let planned = journal.plan(&rules, cut.date, &counts, gathered.open_after.clone());
        planned.map_err(AssemblyError::Refused)?;
        self.gathered = Some((cut.date, gathered));
        Ok(())
    }

    /// Date and number of the newest file of the legacy producer that its consumers got, where numbers go on from day to
    /// day: ours go on from there.
    fn newest_of_legacy(&self, before: BusinessDate) -> Result<Option<(BusinessDate, u64)>> {
        let is_daily = self.window.settings.rules.sequence.reset == SequenceReset::Daily;
        if is_daily || !self.context.authorities.follows(&self.plan.settings.department) {
            return Ok(None);
        }
        let feed = Some(self.window.settings.feed.clone());
        let filter = DropFilter { feed, state: Some("published".to_owned()), department: None };
        let newest = self.context.ledger().newest(&filter, 1)?;
        Ok(newest.first().and_then(|entry| {
            let date = entry.business_date.filter(|date| *date < before)?;
            Some((date, entry.sequence.as_ref()?.parse().ok()?))
        }))
    }

    /// Who speaks for a date. Where no department is moved, and where files are made of all events, no legacy producer
    /// has a file beside ours.
    fn authority_on(&self, date: BusinessDate) -> Authority {
        let (authorities, department) = (&self.context.authorities, &self.plan.settings.department);
        let is_native = self.window.settings.provenance == EventProvenance::Native;
        if !is_native || !authorities.follows(department) {
            return Authority::Candidate;
        }
        authorities.journal(department).map_or(Authority::Legacy, |journal| journal.authority_on(date))
    }

    /// The rules of a date. Where the legacy producer speaks for it, the consumer has its file: a day without events of
    /// the new service is no empty day.
    fn rules_of(&self, authority: Authority) -> Cow<'_, WindowRules> {
        let rules = &self.window.settings.rules;
        match authority {
            Authority::Candidate => Cow::Borrowed(rules),
            Authority::Legacy => Cow::Owned(WindowRules { empty: EmptyDay::NoFile, ..rules.clone() }),
        }
    }

    /// Whether what the new service had written until these dates close is among the events that are rolled up: after a
    /// downtime, or while a large file is published, it may still have to be forwarded.
    fn may_cut(&mut self, due: &[DueCut]) -> bool {
        let Some(last) = due.last() else { return true };
        if !self.context.authorities.follows(&self.plan.settings.department) {
            return true;
        }
        let may = self.context.forwarding.is_through(last.closes);
        if !may && self.waits_for != Some(last.date) {
            tracing::info!(rendering = self.plan.id(), date = %last.date, "its cut-off waits until candidate events are forwarded");
        }
        self.waits_for = (!may).then_some(last.date);
        may
    }

    fn check_topics(&mut self) -> std::result::Result<(), AssemblyError> {
        let now = self.context.clock.elapsed();
        if self.topics_checked.is_none_or(|at| now >= at + CHECK_TOPICS) {
            let names = self.assembler.sources.iter().map(|source| source.topic.as_str());
            check_topics(&*self.context.log, &self.context.topics, names)?;
            self.topics_checked = Some(now);
        }
        Ok(())
    }

    /// Writes a planned file for the first time.
    fn write_planned(
        &mut self,
        journal: &WindowJournal,
        delivery: &mut Delivery,
        open: &mut dyn FnMut() -> std::result::Result<Sink, PortError>,
    ) -> std::result::Result<(Sink, Rendered), AssemblyError> {
        let (windowed, planned) = planned_of(delivery)?;
        let is_gathered = self.gathered.as_ref().is_some_and(|(date, _)| *date == windowed.cut.date);
        if !is_gathered {
            self.check_topics()?;
            let gathered = self.assembler.gather(windowed, &Read::Open(journal), None)?;
            self.gathered = Some((windowed.cut.date, gathered));
        }
        let planned = planned.clone();
        let Some((_, gathered)) = &self.gathered else { return Err(of_no_file()) };
        let file = gathered.file(&planned)?;
        // Known from here on, whatever becomes of it.
        delivery.ranges.clone_from(&file.ranges);
        let (out, rendered, counts) = self.assembler.write(&planned, file, open)?;
        delivery.events = counts.events;
        delivery.sha256 = Some(rendered.sha256);
        if let Some(windowed) = &mut delivery.window {
            windowed.repeated = counts.repeated;
        }
        Ok((out, rendered))
    }
}

/// What a cut-off is called as a whole, while it is not known which files it makes.
fn whole_key(cut: &Cut) -> String {
    format!("{}/cut-off", cut.date)
}

impl Source for Windowing {
    fn due(&mut self) -> Result<Option<Entry>> {
        let mut journal = self.journal()?;
        let due = journal.due(&self.window.settings.rules, self.context.clock.now());
        if due.is_empty() {
            return Ok(None);
        }
        if !self.may_cut(&due) {
            return Ok(None);
        }
        // From here on these dates are nobody else's any more.
        let (authorities, department) = (&self.context.authorities, &self.plan.settings.department);
        if !due.iter().all(|cut| authorities.try_take(department, cut.date)) {
            return Ok(None);
        }
        let (_, highs) = ends(&*self.context.log, &self.assembler.sources)?;
        journal.cut(&due, &highs);
        for cut in &due {
            tracing::info!(rendering = self.plan.id(), date = %cut.date, "cut off");
        }
        let points = Some((Failpoint::WindowCutSent, Failpoint::WindowCutAnswered));
        Ok(Some(Entry { window: Some(journal), points, ..Entry::default() }))
    }

    fn upcoming(&mut self, _position: &Position) -> Result<Upcoming> {
        let journal = self.journal()?;
        if let Some(file) = journal.planned.first() {
            let cut = journal.cuts.iter().find(|cut| cut.date == file.cut);
            let wrong = || PortError::new(ErrorKind::Bug, "deliver", &file.name, "its cut-off is not in the journal");
            let cut = cut.ok_or_else(wrong)?;
            return Ok(Upcoming::File(Box::new(self.delivery(&journal, cut, Some(file.clone())))));
        }
        self.gathered = None;
        self.plan_files(journal)
    }

    fn path(&mut self, delivery: &Delivery) -> std::result::Result<String, AssemblyError> {
        Ok(planned_of(delivery)?.1.name.clone())
    }

    fn write(
        &mut self,
        delivery: &mut Delivery,
        open: &mut dyn FnMut() -> std::result::Result<Sink, PortError>,
    ) -> std::result::Result<(Sink, Rendered), AssemblyError> {
        let journal = self.journal()?;
        let is_planned = planned_of(delivery).is_ok_and(|(_, planned)| journal.planned.contains(planned));
        if is_planned {
            self.write_planned(&journal, delivery, open)
        } else {
            self.assembler.write_again(delivery, open)
        }
    }

    fn behind(&self, delivery: &Delivery, _position: &Position) -> Behind {
        let Ok(mut journal) = self.journal() else { return Behind::default() };
        let before = journal.clone();
        match &delivery.window {
            Some(WindowedFile { file: Some(file), .. }) => journal.finish(file),
            Some(WindowedFile { cut, file: None, .. }) => journal.give_up(cut),
            None => {}
        }
        Behind { position: None, window: (journal != before).then_some(journal) }
    }

    fn is_awaited(&self, delivery: &Delivery, _position: &Position) -> bool {
        match &delivery.window {
            Some(WindowedFile { file: Some(file), .. }) => {
                self.journal().is_ok_and(|journal| journal.planned.contains(file))
            }
            Some(WindowedFile { file: None, .. }) => true,
            None => false,
        }
    }

    fn look_again(&mut self) {}

    fn is_at_end(&self) -> bool {
        true
    }

    fn pause(&self) -> Duration {
        LOOK
    }
}
