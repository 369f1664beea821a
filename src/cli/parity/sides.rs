//! What stands for the new service on a business date: the rendering of its candidate events, or, of a date that it speaks
//! for, what was delivered, or would be.

use std::cell::OnceCell;
use std::fs::File;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::days::Days;
use crate::cutover::Authority;
use crate::domain::{BusinessDate, Moment};
use crate::inbound::plan::FeedPlan;
use crate::ledger::DeliveryIndex;
use crate::ledger::delivery::{Delivery, DeliveryState};
use crate::outbound::mirror::AssemblyError;
use crate::outbound::plan::{PlanSource, RenderingPlan};
use crate::outbound::window::assembler::WindowAssembler;
use crate::outbound::window::dates::DatedEvents;
use crate::outbound::window::plan::{SourceTopic, WindowPlan};
use crate::parity::CandidateFrom;
use crate::wiring::Bridge;

/// A feed, and the window that makes its kind of file of events.
pub(super) struct WindowOfFeed<'b> {
    pub(super) plan: &'b Arc<FeedPlan>,
    pub(super) rendering: &'b RenderingPlan,
    pub(super) window: &'b Arc<WindowPlan>,
}

/// The window of each feed: the first that states it.
///
/// # Errors
/// Feeds that have none.
pub(super) fn windows<'b>(bridge: &'b Bridge, plans: &[&'b Arc<FeedPlan>]) -> anyhow::Result<Vec<WindowOfFeed<'b>>> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for &plan in plans {
        let of_feed = bridge.renderings.iter().find_map(|rendering| match &rendering.source {
            PlanSource::Window(window) if window.settings.feed == plan.id() => Some((&**rendering, window)),
            _ => None,
        });
        match of_feed {
            Some((rendering, window)) => found.push(WindowOfFeed { plan, rendering, window }),
            None => without.push(plan.id()),
        }
    }
    if let Some(first) = without.first() {
        bail!(
            "no window makes files of the events of {}, so that there is nothing to compare with. State one: [[rendering]] \
             with kind = \"window\" and feed = \"{first}\" (configuration.md, Windows). Or compare files that the new \
             service has written: --candidates DIRECTORY. Or choose another feed: --feed",
            without.join(", ")
        );
    }
    Ok(found)
}

/// What stands for the new service.
pub(super) enum Ours {
    /// Nothing; with what is to be said of it.
    Nothing(Option<String>),
    /// It cannot be a file, and why.
    NoFile(String),
    /// A file.
    Made(Made),
}

/// A file of the new service's events.
pub(super) struct Made {
    pub(super) file: File,
    pub(super) name: String,
    pub(super) from: CandidateFrom,
    /// When the last of it came.
    pub(super) since: Moment,
    /// Until then more may come.
    pub(super) open_until: Option<Moment>,
    /// There are no events, and the rendering makes an empty file of that.
    pub(super) is_empty: bool,
}

/// The new service's side of one feed.
pub(super) struct Sides<'b> {
    of: &'b WindowOfFeed<'b>,
    candidates: WindowAssembler,
    /// What is on the topics of candidates.
    pub(super) found: DatedEvents,
    authoritative: WindowAssembler,
    /// What is on the topics that consumers act on; read only where it is needed.
    acted_on: OnceCell<DatedEvents>,
}

impl<'b> Sides<'b> {
    /// Reads the candidate topics.
    ///
    /// # Errors
    /// Of the log; of a topic that may have lost events.
    pub(super) fn open(bridge: &Bridge, of: &'b WindowOfFeed<'b>, notes: &mut Vec<String>) -> anyhow::Result<Self> {
        let context = &bridge.context;
        let assembler = |sources| {
            let (log, window) = (Arc::clone(&context.log), Arc::clone(of.window));
            WindowAssembler::new(log, window, sources, bridge.settings.state.clone())
        };
        let sources = there(bridge, of.window.candidate_sources(&context.topics), notes)?;
        let candidates = assembler(sources);
        let what = || format!("candidate events of {}", of.plan.id());
        let found = candidates.survey().with_context(what)?;
        if let Some(first) = &found.first_undated {
            let undated = found.undated;
            notes.push(format!(
                "{}: {undated} candidate events do not say whose or of which date they are, and are in no file; the first: {first}",
                of.plan.id()
            ));
        }
        let authoritative = assembler(of.window.sources(&context.topics));
        Ok(Self { of, candidates, found, authoritative, acted_on: OnceCell::new() })
    }

    /// What stands for the new service on a date for which somebody speaks. `sequence`: the number of the legacy file.
    ///
    /// # Errors
    /// Of the log, and of the disk.
    pub(super) fn on(
        &self,
        days: &Days<'_>,
        deliveries: &DeliveryIndex,
        authority: Authority,
        date: BusinessDate,
        sequence: Option<u64>,
    ) -> anyhow::Result<Ours> {
        match authority {
            Authority::Legacy => self.made(days, &self.candidates, &self.found, date, sequence, |events| {
                CandidateFrom::CandidateEvents { events }
            }),
            Authority::Candidate => match self.delivered(deliveries, date, sequence) {
                Some(delivery) => self.delivered_file(days, delivery),
                None => {
                    let found = match self.acted_on.get() {
                        Some(found) => found,
                        None => {
                            let found = self.authoritative.survey().with_context(|| self.of.plan.id().to_owned())?;
                            self.acted_on.get_or_init(|| found)
                        }
                    };
                    let from = |events| CandidateFrom::Events { events };
                    self.made(days, &self.authoritative, found, date, sequence, from)
                }
            },
        }
    }

    fn made(
        &self,
        days: &Days<'_>,
        assembler: &WindowAssembler,
        found: &DatedEvents,
        date: BusinessDate,
        sequence: Option<u64>,
        from: impl Fn(u64) -> CandidateFrom,
    ) -> anyhow::Result<Ours> {
        let (rules, id) = (&self.of.window.settings.rules, self.of.rendering.id());
        if !rules.has_file(date) {
            let later = rules.file_date(date);
            return Ok(Ours::Nothing(Some(format!("{id} has no file of {date}: its events are in that of {later}"))));
        }
        let (closes, events) = (rules.closes(date), found.of(date));
        if events.is_none() && !(rules.has_empty_files() && days.now() >= closes) {
            return Ok(Ours::Nothing(None));
        }
        let written = assembler.write_date(found, date, sequence, &mut || days.scratch_file());
        Ok(match written {
            Ok(written) => Ours::Made(Made {
                file: written.out,
                name: written.name,
                from: from(written.events),
                since: events.map_or(closes, |events| events.newest),
                open_until: Some(closes),
                is_empty: events.is_none(),
            }),
            Err(AssemblyError::Port(error)) => return Err(error.into()),
            Err(error) => Ours::NoFile(error.to_string()),
        })
    }

    /// The delivered file of a date: that with the number, where several are there.
    fn delivered<'d>(
        &self,
        deliveries: &'d DeliveryIndex,
        date: BusinessDate,
        sequence: Option<u64>,
    ) -> Option<&'d Delivery> {
        let of_date = deliveries.all().filter(|delivery| {
            delivery.rendering == self.of.rendering.id()
                && delivery.business_date == Some(date)
                && matches!(delivery.state, DeliveryState::Delivered { .. })
                && delivery.sha256.is_some()
        });
        let of_date: Vec<&Delivery> = of_date.collect();
        let number = |delivery: &&&Delivery| {
            let file = delivery.window.as_ref().and_then(|window| window.file.as_ref());
            sequence.is_some() && file.map(|file| file.sequence) == sequence
        };
        match &of_date[..] {
            [only] => Some(only),
            several => several.iter().find(number).copied(),
        }
    }

    fn delivered_file(&self, days: &Days<'_>, delivery: &Delivery) -> anyhow::Result<Ours> {
        let written = self.authoritative.write_again(delivery, &mut || days.scratch_file());
        let name = delivery.window.as_ref().and_then(|window| Some(window.file.as_ref()?.name.clone()));
        Ok(match written {
            Ok((file, _)) => Ours::Made(Made {
                file,
                name: name.unwrap_or_else(|| delivery.id()),
                from: CandidateFrom::Delivery,
                since: delivery.recorded_at,
                open_until: None,
                is_empty: false,
            }),
            Err(AssemblyError::Port(error)) => return Err(error.into()),
            Err(error) => Ours::NoFile(format!("{} cannot be made again: {error}", delivery.id())),
        })
    }
}

/// Those topics of candidates that there are.
fn there(bridge: &Bridge, sources: Vec<SourceTopic>, notes: &mut Vec<String>) -> anyhow::Result<Vec<SourceTopic>> {
    let mut names: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
    names.dedup();
    let states = bridge.context.log.topics(&names)?;
    for name in names {
        match states.iter().find(|state| state.name == name) {
            None => {
                let note = format!("there is no topic {name}, so that no new service has written anything to it");
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            Some(state) if state.cleanup.as_deref().is_some_and(|cleanup| cleanup.contains("compact")) => {
                bail!(
                    "topic {name} is compacted, so that events of one key may be gone: nobody can tell what was written"
                )
            }
            Some(_) => {}
        }
    }
    let is_there = |source: &SourceTopic| states.iter().any(|state| state.name == source.topic);
    Ok(sources.into_iter().filter(is_there).collect())
}
