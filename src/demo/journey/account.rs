//! What has to be where in the end: each fact on the topic once, from the side that its date belongs to, and each row in
//! a file of the consumer once.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use dropbridge_port::FetchedRecord;
use serde::Deserialize;

use super::clock::date_of;
use super::estate::DEPARTMENTS;
use super::sides::{bids, file, name};
use crate::demo::estate::Estate;
use crate::ledger::replay::read_partition;
use crate::wiring::Bridge;

/// Counts of a department.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) facts: u32,
    pub(super) from_legacy: u32,
    pub(super) from_service: u32,
    pub(super) lost: u32,
    pub(super) doubled: u32,
    /// By the side that does not own their date, or not as they were generated.
    pub(super) wrong: u32,
    /// Files that the consumer took.
    pub(super) files: u32,
    /// Of these, other bytes than were to be.
    pub(super) wrong_files: u32,
}

/// An event as a consumer of the topic reads it.
#[derive(Deserialize)]
struct Event {
    department: String,
    businessdate: String,
    provenance: String,
    data: Payload,
}

#[derive(Deserialize)]
struct Payload {
    bid_number: String,
    vendor: String,
    total: String,
}

/// Facts of the topic: their rows and provenances, by department and date.
type Facts = BTreeMap<(String, String), Vec<(String, String)>>;

/// Reads the authoritative topic, as consumers do.
///
/// # Errors
/// Of the log.
pub(super) fn read_topic(bridge: &Bridge) -> anyhow::Result<Facts> {
    let mut facts = Facts::new();
    let topic = bridge.context.topics.event("BidProcessed").unwrap_or_default();
    let mut take = |record: FetchedRecord| {
        if let Ok(Event { department, businessdate, provenance, data }) =
            serde_json::from_slice(record.value.as_deref().unwrap_or_default())
        {
            let row = format!("B|{}|{}|{}", data.bid_number, data.vendor, data.total);
            facts.entry((department, businessdate)).or_default().push((row, provenance));
        }
        Ok(())
    };
    for ends in bridge.context.log.watermarks(topic)? {
        read_partition(&*bridge.context.log, topic, ends.partition, &mut take)?;
    }
    Ok(facts)
}

/// The consumer of each department: it takes what it finds, and keeps it.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    taken: BTreeMap<(&'static str, String), Vec<String>>,
}

impl Consumers {
    /// They look into their directories.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn look(&mut self, estate: &Estate) -> anyhow::Result<()> {
        for department in DEPARTMENTS {
            let directory = estate.share().join(department).join("out");
            for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with('.') || !path.is_file() {
                    continue;
                }
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
                self.taken.entry((department, name)).or_default().push(text);
            }
        }
        Ok(())
    }

    /// How often a department's consumer got the file of a day.
    pub(super) fn got(&self, department: &'static str, day: u32) -> usize {
        self.taken.get(&(department, name(day))).map_or(0, Vec::len)
    }
}

/// Holds all against what was generated. `is_live`: the new service spoke for this department and day.
pub(super) fn audit(
    facts: &Facts,
    consumers: &Consumers,
    days: u32,
    is_live: &dyn Fn(&str, u32) -> bool,
) -> Vec<(&'static str, Counts)> {
    DEPARTMENTS
        .into_iter()
        .map(|department| {
            let mut counts = Counts::default();
            for day in 1..=days {
                audit_day(facts, consumers, (department, day), is_live(department, day), &mut counts);
            }
            (department, counts)
        })
        .collect()
}

fn audit_day(
    facts: &Facts,
    consumers: &Consumers,
    (department, day): (&'static str, u32),
    live: bool,
    counts: &mut Counts,
) {
    let none = Vec::new();
    let found = facts.get(&(department.to_owned(), date_of(day).to_string())).unwrap_or(&none);
    let generated = bids(department, day);
    for bid in &generated {
        let same = found.iter().filter(|(row, _)| *row == bid.row()).count();
        counts.facts += 1;
        counts.lost += u32::from(same == 0);
        counts.doubled += u32::try_from(same.saturating_sub(1)).unwrap_or(u32::MAX);
    }
    for (row, provenance) in found {
        let is_native = provenance == "native";
        *(if is_native { &mut counts.from_service } else { &mut counts.from_legacy }) += 1;
        let is_known = generated.iter().any(|bid| bid.row() == *row);
        counts.wrong += u32::from(is_native != live || !is_known);
    }
    let taken = consumers.taken.get(&(department, name(day)));
    let taken = taken.map_or(&[][..], Vec::as_slice);
    counts.files += u32::try_from(taken.len()).unwrap_or(u32::MAX);
    counts.wrong_files += u32::from(taken.len() != 1 || taken.iter().any(|text| *text != file(&generated, day)));
}
