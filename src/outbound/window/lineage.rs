//! Which events are in a file, and whether one is.

use serde::Serialize;

use super::assembler::{WindowAssembler, of_no_file};
use super::events::Judged;
use super::slice::Slice;
use crate::ledger::delivery::Delivery;
use crate::outbound::mirror::AssemblyError;
use crate::window::{Cut, Cuts};

/// An event of a file, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileEvent {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
    /// Its id.
    pub id: String,
    /// Its business key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl WindowAssembler {
    /// Hands over every event of a delivery, by topic, partition and offset; repeats too.
    ///
    /// # Errors
    /// `Expired`; of the log and of `each`.
    pub fn events(
        &self,
        delivery: &Delivery,
        each: &mut dyn FnMut(FileEvent) -> Result<(), AssemblyError>,
    ) -> Result<(), AssemblyError> {
        let slices = delivery.ranges.iter().map(Slice::of);
        slices.into_iter().try_for_each(|slice| self.events_in(delivery, &slice, each))
    }

    /// The event at a place, if it is in a delivery.
    ///
    /// # Errors
    /// As for [`WindowAssembler::events`].
    pub fn event_at(
        &self,
        delivery: &Delivery,
        topic: &str,
        partition: u32,
        offset: i64,
    ) -> Result<Option<FileEvent>, AssemblyError> {
        let is_within = delivery.ranges.iter().any(|range| {
            range.topic == topic && range.partition == partition && (range.from..range.to).contains(&offset)
        });
        let mut found = None;
        if is_within {
            let slice = Slice { topic: topic.to_owned(), partition, from: offset, to: offset + 1 };
            self.events_in(delivery, &slice, &mut |event| {
                found = Some(event);
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn events_in(
        &self,
        delivery: &Delivery,
        slice: &Slice,
        each: &mut dyn FnMut(FileEvent) -> Result<(), AssemblyError>,
    ) -> Result<(), AssemblyError> {
        let windowed = delivery.window.as_ref().ok_or_else(of_no_file)?;
        // What is held before it is known which files it makes has all of its cut-off.
        let is_meant = |date| windowed.file.as_ref().is_none_or(|file| file.date == date);
        let known: Vec<Cut> = windowed.before.iter().chain([&windowed.cut]).cloned().collect();
        let rules = &self.window.settings.rules;
        let cuts = Cuts::new(rules, &known);
        slice.read(&*self.log, &[], &mut |record| {
            let Judged::Event(event) = self.window.judge(record) else { return Ok(()) };
            let member = cuts.of(event.date, &slice.topic, slice.partition, record.offset);
            if !member.date_at(windowed.cut.date, rules.late).is_some_and(is_meant) {
                return Ok(());
            }
            each(FileEvent {
                topic: slice.topic.clone(),
                partition: slice.partition,
                offset: record.offset,
                id: event.id.into_owned(),
                subject: event.subject.map(std::borrow::Cow::into_owned),
            })
        })
    }
}
