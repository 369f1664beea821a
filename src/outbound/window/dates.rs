//! The files that business dates would be, whatever is cut off: for whoever compares them with another producer's.

use std::collections::BTreeMap;
use std::io;

use dropbridge_port::Result;

use super::assembler::{WindowAssembler, ends};
use super::events::Judged;
use super::gather::{Gathering, extend};
use super::slice::Slice;
use crate::domain::{BusinessDate, Moment};
use crate::ledger::entry::EventRange;
use crate::outbound::mirror::{AssemblyError, Rendered};
use crate::window::{Cut, Mark, PlannedFile};

/// Which business dates some topics have events of, up to the ends that they had when it was looked.
#[derive(Debug, Default)]
pub struct DatedEvents {
    ends: Vec<Mark>,
    dates: BTreeMap<BusinessDate, DateEvents>,
    /// Events that may be the rendering's, and do not say of which date or whose they are. They are in none of the files.
    pub undated: u64,
    /// Where the first of them is, and what it lacks.
    pub first_undated: Option<String>,
}

/// The events of one date.
#[derive(Debug)]
pub struct DateEvents {
    /// How many there are, repeats included.
    pub events: u64,
    /// When the newest of them was written to the log.
    pub newest: Moment,
    ranges: Vec<EventRange>,
}

/// A date's file that was written.
#[derive(Debug)]
pub struct DateFile<W> {
    /// What it was written to.
    pub out: W,
    /// Its bytes.
    pub rendered: Rendered,
    /// Its name.
    pub name: String,
    /// How many events are in it.
    pub events: u64,
    /// How many records were passed over, since they repeat one of these.
    pub repeated: u64,
}

impl DatedEvents {
    /// The dates of which there are events. Those between two that have files count for the later one.
    pub fn dates(&self) -> impl Iterator<Item = (BusinessDate, &DateEvents)> {
        self.dates.iter().map(|(date, events)| (*date, events))
    }

    /// The events of a date.
    #[must_use]
    pub fn of(&self, date: BusinessDate) -> Option<&DateEvents> {
        self.dates.get(&date)
    }
}

impl WindowAssembler {
    /// Reads the topics once, to the ends that they have now, and answers of which dates there is something. Only what is
    /// committed counts.
    ///
    /// # Errors
    /// Of the log; `Transient` where an open transaction hides the rest.
    pub fn survey(&self) -> std::result::Result<DatedEvents, AssemblyError> {
        let (lows, highs) = ends(&*self.log, &self.sources)?;
        let mut found = DatedEvents::default();
        for (low, high) in lows.iter().zip(&highs) {
            let slice = Slice { topic: low.topic.clone(), partition: low.partition, from: low.to, to: high.to };
            // What the log removes meanwhile is of no date any more.
            slice.read(&*self.log, &highs, &mut |record| {
                match self.window.judge(record) {
                    Judged::Foreign => {}
                    Judged::Unusable(why) => {
                        found.undated += 1;
                        let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
                        let place = || format!("{topic}, partition {partition}, offset {offset}: {why}");
                        found.first_undated.get_or_insert_with(place);
                    }
                    Judged::Event(event) => {
                        let date = self.window.settings.rules.file_date(event.date);
                        let written = Moment::from_unix_ns(record.timestamp_ms.saturating_mul(1_000_000));
                        let none = DateEvents { events: 0, newest: written, ranges: Vec::new() };
                        let of_date = found.dates.entry(date).or_insert(none);
                        of_date.events += 1;
                        of_date.newest = of_date.newest.max(written);
                        extend(&mut of_date.ranges, record);
                    }
                }
                Ok(())
            })?;
        }
        found.ends = highs;
        Ok(found)
    }

    /// Writes the file that a date would be if all its events had come before its cut-off, under a number that somebody
    /// else gave it; without one it has the first that the rules have. A date without events is a file without records.
    ///
    /// # Errors
    /// Why there can be no such file; of the log and the disk.
    pub fn write_date<W: io::Write>(
        &self,
        found: &DatedEvents,
        date: BusinessDate,
        sequence: Option<u64>,
        open: &mut dyn FnMut() -> Result<W>,
    ) -> std::result::Result<DateFile<W>, AssemblyError> {
        let rules = &self.window.settings.rules;
        let closes = rules.closes(date);
        let cut = Cut { date, closes, marks: found.ends.clone() };
        // What is of an earlier date is in an earlier file.
        let before = Cut { date: date.days_later(-1), closes, marks: found.ends.clone() };
        let ranges = found.of(date).map(|events| events.ranges.as_slice()).unwrap_or_default();
        let slices: Vec<Slice> = ranges.iter().map(Slice::of).collect();
        let gathered = Gathering {
            plan: &self.window,
            log: &*self.log,
            sources: &self.sources,
            slices: &slices,
            cut: &cut,
            before: Some(&before),
            order: &self.window.order(),
            given_up: &[],
            passes_undated: true,
            only: Some(date),
            directory: &self.directory,
        }
        .gather()?;
        let sequence = sequence.unwrap_or(rules.sequence.first);
        let name = rules.name.render(date, sequence).map_err(AssemblyError::Refused)?;
        let events = gathered.counts().get(&date).copied().unwrap_or(0);
        let planned = PlannedFile { cut: date, date, correction: 0, sequence, name, clock: closes, events };
        let (out, rendered, counts) = self.write(&planned, gathered.file(&planned)?, open)?;
        Ok(DateFile { out, rendered, name: planned.name, events: counts.events, repeated: counts.repeated })
    }
}
