//! The events of a cut-off: read from their ranges, told apart by the file that they are in, and brought into its order.

use std::collections::BTreeMap;
use std::path::Path;

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, PortError};

use super::events::{Judged, WindowEvent};
use super::plan::{SourceTopic, WindowPlan};
use super::rows::RowReader;
use super::slice::Slice;
use super::sort::{BUFFER_BYTES, Merge, Sorted, Sorter};
use crate::domain::BusinessDate;
use crate::domain::policy::UnusableEvent;
use crate::ledger::entry::EventRange;
use crate::outbound::mirror::AssemblyError;
use crate::window::{Cut, Cuts, Mark, Member, PlannedFile};

/// Length of the end of a key: the place of the record. What stands before is the same for repeats of an event.
const PLACE_BYTES: usize = 16;

/// What is gathered for a cut-off, and from where.
pub(super) struct Gathering<'g> {
    pub(super) plan: &'g WindowPlan,
    pub(super) log: &'g dyn EventLog,
    /// The topics that it is gathered from, in the order of their names.
    pub(super) sources: &'g [SourceTopic],
    pub(super) slices: &'g [Slice],
    pub(super) cut: &'g Cut,
    pub(super) before: Option<&'g Cut>,
    /// The fields by which files are ordered.
    pub(super) order: &'g [String],
    /// What a person has given up.
    pub(super) given_up: &'g [Mark],
    /// What does not say of which date or whose it is is passed over: it was counted before.
    pub(super) passes_undated: bool,
    /// Only the file of this date, where only one is wanted.
    pub(super) only: Option<BusinessDate>,
    /// Where large files are sorted.
    pub(super) directory: &'g Path,
}

/// The events of one file.
pub(super) struct GatheredFile {
    /// By the file's order.
    pub(super) sorted: Sorted,
    /// Where they are.
    pub(super) ranges: Vec<EventRange>,
    /// How many there are, repeats included.
    pub(super) events: u64,
}

/// The events of a cut-off.
pub(super) struct Gathered {
    /// By the date of the file.
    pub(super) files: BTreeMap<BusinessDate, GatheredFile>,
    /// From where on there are events that are in no file yet.
    pub(super) open_after: Vec<Mark>,
    /// A file without events.
    empty: GatheredFile,
}

impl Gathered {
    /// How many events each file has, by its date.
    pub(super) fn counts(&self) -> BTreeMap<BusinessDate, u64> {
        self.files.iter().map(|(date, file)| (*date, file.events)).collect()
    }

    /// The events of a file.
    ///
    /// # Errors
    /// They are not as many as when it was planned.
    pub(super) fn file(&self, planned: &PlannedFile) -> Result<&GatheredFile, AssemblyError> {
        let file = self.files.get(&planned.date).unwrap_or(&self.empty);
        if file.events == planned.events {
            return Ok(file);
        }
        Err(AssemblyError::Refused(format!(
            "it was planned with {} events, and {} are there: the rendering, its calendar, layout or mapping were changed, \
             or the log has lost some",
            planned.events, file.events
        )))
    }
}

/// A file while its events come.
struct Growing {
    sorter: Sorter,
    ranges: Vec<EventRange>,
    events: u64,
}

impl Gathering<'_> {
    /// Reads all of it.
    ///
    /// # Errors
    /// `Expired`; `Refused` for an event that cannot be in its file; of the log and of the disk.
    pub(super) fn gather(&self) -> Result<Gathered, AssemblyError> {
        let known: Vec<Cut> = self.before.into_iter().chain([self.cut]).cloned().collect();
        let cuts = Cuts::new(&self.plan.settings.rules, &known);
        let mut rows = RowReader::new(self.plan, self.order);
        let mut files: BTreeMap<BusinessDate, Growing> = BTreeMap::new();
        let mut open_after = Vec::new();
        for slice in self.slices {
            let mut open = slice.to;
            slice.read(self.log, self.given_up, &mut |record| {
                let event = match self.plan.judge(record) {
                    Judged::Foreign => return Ok(()),
                    Judged::Unusable(_) if self.passes_undated => return Ok(()),
                    Judged::Unusable(why) => return self.leave_out(record, &why),
                    Judged::Event(event) => event,
                };
                match cuts.of(event.date, &slice.topic, slice.partition, record.offset) {
                    Member::Open => open = open.min(record.offset),
                    member => {
                        let date = member.date_at(self.cut.date, self.plan.settings.rules.late);
                        let date = date.filter(|date| self.only.is_none_or(|only| only == *date));
                        if let Some(date) = date {
                            self.take(&mut rows, &mut files, date, record, &event)?;
                        }
                    }
                }
                Ok(())
            })?;
            open_after.push(Mark { topic: slice.topic.clone(), partition: slice.partition, to: open });
        }
        let finish = |(date, Growing { sorter, ranges, events })| {
            Ok((date, GatheredFile { sorted: sorter.finish()?, ranges, events }))
        };
        let files = files.into_iter().map(finish).collect::<Result<_, PortError>>()?;
        let empty = GatheredFile { sorted: Sorted::empty(), ranges: Vec::new(), events: 0 };
        Ok(Gathered { files, open_after, empty })
    }

    fn take(
        &self,
        rows: &mut RowReader<'_>,
        files: &mut BTreeMap<BusinessDate, Growing>,
        date: BusinessDate,
        record: &FetchedRecord,
        event: &WindowEvent<'_>,
    ) -> Result<(), AssemblyError> {
        let event_type = &self.plan.settings.event_types[event.event_type];
        let mut key = Vec::new();
        if let Err(why) = rows.push_order(event_type, event.data, &mut key) {
            return self.leave_out(record, &why);
        }
        key.extend_from_slice(&event.identity);
        let topic = self.sources.iter().position(|source| source.topic == *record.topic).unwrap_or(usize::MAX);
        key.extend_from_slice(&u32::try_from(topic).unwrap_or(u32::MAX).to_be_bytes());
        key.extend_from_slice(&record.partition.to_be_bytes());
        key.extend_from_slice(&record.offset.to_be_bytes());
        let mut value = u32::try_from(event.event_type).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        value.extend_from_slice(event.data);
        let file = files.entry(date).or_insert_with(|| Growing {
            sorter: Sorter::new(self.directory.to_path_buf(), BUFFER_BYTES),
            ranges: Vec::new(),
            events: 0,
        });
        file.sorter.push(key, value)?;
        file.events += 1;
        extend(&mut file.ranges, record);
        Ok(())
    }

    /// What becomes of an event that cannot be in its file.
    fn leave_out(&self, record: &FetchedRecord, why: &str) -> Result<(), AssemblyError> {
        let place = format!("{}, partition {}, offset {}", record.topic, record.partition, record.offset);
        let is_given_up = record.offset < Mark::of(self.given_up, &record.topic, record.partition);
        if is_given_up || self.plan.settings.unusable == UnusableEvent::LeaveOut {
            tracing::warn!(%place, "an event is in no file: {why}");
            return Ok(());
        }
        Err(AssemblyError::Refused(format!("the event at {place} cannot be in a file: {why}")))
    }
}

/// Adds a record behind those that were read of its partition.
pub(super) fn extend(ranges: &mut Vec<EventRange>, record: &FetchedRecord) {
    let (topic, partition, to) = (record.topic.to_string(), record.partition, record.offset + 1);
    match ranges.last_mut().filter(|last| last.partition == partition && last.topic == topic) {
        Some(last) => (last.to, last.count) = (to, last.count + 1),
        None => ranges.push(EventRange { topic, partition, from: record.offset, to, count: 1, log: None }),
    }
}

/// The events of a file in its order, each once.
pub(super) struct Distinct<'f> {
    merge: Merge<'f>,
    last: Option<(Vec<u8>, Vec<u8>)>,
    /// Records that were passed over, since they repeat an event.
    pub(super) repeated: u64,
}

impl<'f> Distinct<'f> {
    /// From the first on.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn new(file: &'f GatheredFile) -> Result<Self, AssemblyError> {
        Ok(Self { merge: file.sorted.read().map_err(|error| of_disk(&error))?, last: None, repeated: 0 })
    }

    /// The next event: the index of its type, and its payload.
    ///
    /// # Errors
    /// Two events that differ under one id; of the disk.
    pub(super) fn next(&mut self) -> Result<Option<(usize, &[u8])>, AssemblyError> {
        loop {
            let Some((key, value)) = self.merge.next().map_err(|error| of_disk(&error))? else { return Ok(None) };
            let is_repeat = self.last.as_ref().is_some_and(|(last, _)| without_place(last) == without_place(&key));
            if !is_repeat {
                let (_, value) = self.last.insert((key, value));
                let (event_type, data) = value.split_at(4);
                let event_type = event_type.iter().fold(0, |index, byte| index << 8 | usize::from(*byte));
                return Ok(Some((event_type, data)));
            }
            if self.last.as_ref().is_some_and(|(_, last)| *last != value) {
                let place = place_of(&key);
                return Err(AssemblyError::Refused(format!(
                    "the event at {place} has source and id of another one, and is another one"
                )));
            }
            self.repeated += 1;
        }
    }
}

fn without_place(key: &[u8]) -> &[u8] {
    key.split_at_checked(key.len().wrapping_sub(PLACE_BYTES)).map_or(key, |(own, _)| own)
}

fn place_of(key: &[u8]) -> String {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let place = &key[without_place(key).len()..];
    match place.len() {
        PLACE_BYTES => format!("partition {}, offset {}", number(&place[4..8]), number(&place[8..])),
        _ => "an unknown place".to_owned(),
    }
}

pub(super) fn of_disk(error: &std::io::Error) -> PortError {
    PortError::new(ErrorKind::Transient, "read sorted events", "the state directory", error.to_string())
}
