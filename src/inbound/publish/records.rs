//! What is written for a file: events, manifest, reject, ledger entry, and the end of a request.

use dropbridge_port::{ErrorKind, OutgoingRecord, PortError, Result};

use super::Publisher;
use crate::domain::ContentHash;
use crate::domain::event::CONTENT_TYPE;
use crate::inbound::manifest::{self, FileSummary, Manifest, ManifestStatus, RejectRecord};
use crate::inbound::prepare::{Outcome, Prepared, whole_file};
use crate::inbound::slot::Context;
use crate::layout::{Reject, RejectCode};
use crate::ledger::control::Request;
use crate::ledger::entry::EventRange;
use crate::ledger::{DropState, LedgerEntry};
use crate::traces::TraceContext;

/// The header of events.
pub(in crate::inbound) const EVENT_HEADER: (&str, &[u8]) = ("content-type", CONTENT_TYPE.as_bytes());

impl Publisher {
    /// The manifest of a whole file; answers its ledger entry, still to be sent.
    pub(in crate::inbound) fn send_published(
        &mut self,
        file: &Prepared,
        ranges: Vec<EventRange>,
    ) -> Result<LedgerEntry> {
        let Outcome::Events { file: summary, records, events, newest_date, .. } = &file.outcome else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without events"));
        };
        let mut manifest = self.manifest(file, ManifestStatus::Complete, *events, ranges.clone());
        manifest.file = Some(FileSummary::clone(summary));
        self.send_manifest(&manifest)?;
        self.send_bad_records(file, summary)?;
        self.send_spoken(&file.plan.settings.department, *newest_date)?;
        Ok(self.entry_of(file, published(file, summary, *records, *events, ranges)))
    }

    /// One record in the topic of rejects for each bad record of a file that is published without them.
    pub(in crate::inbound) fn send_bad_records(&mut self, file: &Prepared, summary: &FileSummary) -> Result<()> {
        summary.rejects.iter().try_for_each(|reject| self.send_one_reject(file, reject))
    }

    pub(in crate::inbound) fn manifest(
        &self,
        file: &Prepared,
        status: ManifestStatus,
        events: u64,
        ranges: Vec<EventRange>,
    ) -> Manifest {
        Manifest {
            format: manifest::FORMAT,
            feed: file.plan.id().to_owned(),
            department: file.plan.settings.department.clone(),
            key: file.identity.key.clone(),
            sha256: file.hash.unwrap_or_else(|| ContentHash::of(b"")),
            entry: file.entry.clone(),
            business_date: file.identity.facts.business_date,
            sequence: file.identity.facts.sequence.clone(),
            revision: file.revision,
            supersedes: file.supersedes,
            status,
            events,
            ranges,
            file: None,
            recorded_at: self.slot.context().clock.now(),
        }
    }

    pub(in crate::inbound) fn send_manifest(&mut self, manifest: &Manifest) -> Result<()> {
        let topic = self.slot.context().topics.manifests.clone();
        let key = format!("{} {} {}", manifest.feed, manifest.key, manifest.sha256);
        self.slot.send_own(&topic, 0, &key, Some(manifest))
    }

    pub(in crate::inbound) fn send_reject(&mut self, file: &Prepared, state: &DropState) -> Result<()> {
        let vanished;
        let reject: &Reject = match state {
            DropState::Quarantined { reject, .. } => reject,
            DropState::Vanished => {
                vanished = whole_file(RejectCode::Vanished, "the file disappeared before it could be read");
                &vanished
            }
            _ => return Ok(()),
        };
        self.send_one_reject(file, reject)
    }

    fn send_one_reject(&mut self, file: &Prepared, reject: &Reject) -> Result<()> {
        let record = RejectRecord {
            format: manifest::FORMAT,
            feed: file.plan.id(),
            department: &file.plan.settings.department,
            key: &file.identity.key,
            sha256: file.hash,
            entry: &file.entry,
            reject,
            recorded_at: self.slot.context().clock.now(),
        };
        let topic = self.slot.context().topics.rejects.clone();
        self.slot.send_own(&topic, 0, file.plan.id(), Some(&record))
    }

    pub(in crate::inbound) fn send_request_done(&mut self, file: &Prepared) -> Result<()> {
        match &file.request {
            Some(asked) => self.send_request_end(&asked.id),
            None => Ok(()),
        }
    }

    pub(in crate::inbound) fn send_request_end(&mut self, id: &str) -> Result<()> {
        let topic = self.slot.context().topics.control.clone();
        let partition = crate::ledger::topics::REQUEST_PARTITION;
        self.slot.send_own::<Request>(&topic, partition, &Request::record_key(id), None)
    }

    pub(in crate::inbound) fn repeated(&self, file: &Prepared) -> Result<Option<LedgerEntry>> {
        let context = self.slot.context();
        let Some(hash) = file.hash else { return Ok(None) };
        let known = context.ledger().drop_with(file.plan.id(), &file.identity.key, hash)?;
        let Some(mut entry) = known else { return Ok(None) };
        entry.repeats += 1;
        entry.entry = file.entry.clone();
        entry.recorded_at = context.clock.now();
        Ok(Some(entry))
    }

    pub(in crate::inbound) fn entry_of(&self, file: &Prepared, state: DropState) -> LedgerEntry {
        LedgerEntry {
            format: state.format(),
            feed: file.plan.id().to_owned(),
            department: file.plan.settings.department.clone(),
            key: file.identity.key.clone(),
            sha256: file.hash,
            entry: file.entry.clone(),
            business_date: file.identity.facts.business_date,
            sequence: file.identity.facts.sequence.clone(),
            generation: file.identity.generation,
            state,
            repeats: 0,
            recorded_at: self.slot.context().clock.now(),
        }
    }
}

/// The state of a file whose events are all committed.
pub(in crate::inbound) fn published(
    file: &Prepared,
    summary: &FileSummary,
    records: u64,
    events: u64,
    ranges: Vec<EventRange>,
) -> DropState {
    if events == 0 && summary.withheld > 0 {
        let (withheld, round_trip) = (summary.withheld, summary.verdict);
        let (revision, supersedes) = (file.revision, file.supersedes);
        return DropState::Withheld { records, withheld, round_trip, revision, supersedes };
    }
    DropState::Published {
        records,
        events,
        withheld: summary.withheld,
        verdict: Some(summary.verdict),
        rejects: summary.rejects.len() as u64,
        revision: file.revision,
        supersedes: file.supersedes,
        ranges,
    }
}

/// A record of an event topic.
pub(in crate::inbound) const fn event_record<'a>(
    topic: &'a str,
    key: &'a [u8],
    value: &'a [u8],
    tag: u32,
    headers: &'a [(&'a str, &'a [u8])],
) -> OutgoingRecord<'a> {
    OutgoingRecord { topic, partition: None, key: Some(key), value: Some(value), headers, tag }
}

/// Headers of a file's events: what their values are and, where traces are on, the trace that they belong to. It is no
/// attribute within the value: a file that goes on in the middle has to make the very same values, whatever looks on.
pub(in crate::inbound) struct EventHeaders {
    traceparent: Option<String>,
}

impl EventHeaders {
    pub(in crate::inbound) fn of(file: &Prepared, context: &Context) -> Self {
        let hash = file.hash.map(|hash| hash.to_string()).unwrap_or_default();
        let traceparent = context.traces.as_ref().map(|_| {
            let began = file.way.seen.unwrap_or_default();
            TraceContext::of_file(file.plan.id(), file.identity.key.as_str(), &hash, began).traceparent()
        });
        Self { traceparent }
    }

    pub(in crate::inbound) fn list(&self) -> Vec<(&str, &[u8])> {
        let trace = self.traceparent.as_ref().map(|parent| ("traceparent", parent.as_bytes()));
        [EVENT_HEADER].into_iter().chain(trace).collect()
    }
}
