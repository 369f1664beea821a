//! Files that share a transaction.

use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Result, WrittenRange};

use super::step::Step;
use super::{EventHeaders, Publisher, event_record, topic_of};
use crate::inbound::manifest::FileSummary;
use crate::inbound::prepare::{Events, Outcome, Prepared, pass};
use crate::ledger::LedgerEntry;
use crate::ledger::entry::extend_ranges;

impl Publisher {
    /// One transaction for many files.
    pub(super) fn publish_group(&mut self, group: &[(Prepared, Step)]) -> Result<()> {
        let writes = group.iter().any(|(file, step)| !matches!(step, Step::Nothing) || file.request.is_some());
        let mut entries = Vec::new();
        if writes {
            self.begin()?;
            pass(Failpoint::Begun, "batch")?;
            let ranges = self.send_events(group)?;
            if cfg!(feature = "sabotage-split-ledger") {
                self.commit()?;
                self.begin()?;
            }
            for (index, (file, step)) in group.iter().enumerate() {
                let ranges: Vec<&WrittenRange> = ranges.iter().filter(|range| range.tag as usize == index).collect();
                entries.extend(self.send_result(file, step, &ranges)?);
            }
            pass(Failpoint::Produced, "batch")?;
            self.commit()?;
        }
        for ((file, step), entry) in group.iter().zip(pad(entries, group)) {
            self.done(file, step, entry)?;
        }
        Ok(())
    }

    fn send_events(&mut self, group: &[(Prepared, Step)]) -> Result<Vec<WrittenRange>> {
        let held = |(file, step): &(Prepared, Step)| match (&file.outcome, step) {
            (Outcome::Events { body: Events::Held(held), .. }, Step::Small) => held.len(),
            _ => 0,
        };
        let total: usize = group.iter().map(held).sum();
        let topics = Arc::clone(&self.slot.context().topics);
        let mut sent = 0;
        for (tag, (file, step)) in group.iter().enumerate() {
            let (Outcome::Events { body: Events::Held(events), .. }, Step::Small) = (&file.outcome, step) else {
                continue;
            };
            let headers = EventHeaders::of(file, self.slot.context());
            let headers = headers.list();
            for (plan, key, value) in events.iter() {
                let topic = topic_of(&topics, &file.plan, plan)?;
                let tag = u32::try_from(tag).unwrap_or(u32::MAX - 1);
                self.slot.writer().send(event_record(topic, key, value, tag, &headers))?;
                sent += 1;
                if sent == total.div_ceil(2) {
                    pass(Failpoint::HalfProduced, &file.entry.path)?;
                }
            }
        }
        if total == 0 { Ok(Vec::new()) } else { self.slot.writer().settle() }
    }

    /// Manifest or reject, ledger entry, and the end of the request.
    fn send_result(&mut self, file: &Prepared, step: &Step, written: &[&WrittenRange]) -> Result<Option<LedgerEntry>> {
        let mut ranges = Vec::new();
        for range in written {
            extend_ranges(&mut ranges, std::slice::from_ref(*range));
        }
        let entry = match step {
            Step::Nothing | Step::Chunks { .. } => None,
            Step::Small => Some(self.send_published(file, ranges)?),
            Step::Entry(state) => {
                self.send_reject(file, state)?;
                Some(self.entry_of(file, state.clone()))
            }
            Step::Repeat { .. } => self.repeated(file)?,
        };
        if let Some(entry) = &entry {
            self.slot.send_ledger(entry)?;
        }
        self.send_request_done(file)?;
        Ok(entry)
    }

    /// After the commit: counts, and what is no longer needed.
    fn done(&mut self, file: &Prepared, step: &Step, entry: Option<LedgerEntry>) -> Result<()> {
        match entry {
            Some(entry) => {
                self.tally.equal_to_delivery += u64::from(matches!(step, Step::Repeat { is_ours: true }));
                self.take_in(file, &entry, summary_of(&file.outcome))?;
            }
            None if matches!(step, Step::Nothing) => {
                self.slot.context().ledger().refresh_arrival(file.plan.id(), &file.entry);
                self.keep_what_is_needed(file)?;
            }
            None => {}
        }
        // The file stays where it is: letting go of it changes nothing outside yet.
        let _disposed = pass(Failpoint::Disposed, &file.entry.path);
        Ok(())
    }
}

/// What was read beside the events of a file.
fn summary_of(outcome: &Outcome) -> Option<&FileSummary> {
    if let Outcome::Events { file, .. } = outcome { Some(file) } else { None }
}

/// One place for each file of the group: the entries that were written, in order, and none where nothing was.
fn pad(entries: Vec<LedgerEntry>, group: &[(Prepared, Step)]) -> Vec<Option<LedgerEntry>> {
    let mut entries = entries.into_iter().peekable();
    let mut padded = Vec::with_capacity(group.len());
    for (file, _) in group {
        let own = entries.next_if(|entry| entry.feed == file.plan.id() && entry.key == file.identity.key);
        padded.push(own);
    }
    padded
}
