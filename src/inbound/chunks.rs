//! A file too large for one transaction: chunks `(from, to]`, each committed with its ledger position, the manifest last.

use std::io::Read;
use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result};

use super::manifest::ManifestStatus;
use super::prepare::{open_body, pass, plan_index, read_trailer, Failure, Outcome, Prepared};
use super::publish::{event_record, topic_of, Publisher};
use super::translate::Translator;
use crate::capture::Body;
use crate::ledger::entry::{extend_ranges, EventRange};
use crate::ledger::{DropState, LedgerEntry};

/// How far a file has come.
struct Progress {
    /// Ordinal of the last committed event.
    through: u64,
    ranges: Vec<EventRange>,
}

/// What was handed over since the last commit.
#[derive(Default)]
struct Chunk {
    events: usize,
    bytes: usize,
    last: u64,
}

impl Publisher {
    /// Publishes a file from the store, behind `through`. After an error the ledger says how far it came.
    pub(super) fn publish_chunks(&mut self, file: &Prepared, through: u64) -> Result<()> {
        let begun = self.begun(file);
        if let Some((_, digest)) = &begun {
            if *digest != file.plan.digest {
                let reason = "its layout or mapping was changed after some of its events were published";
                return self.abandon(file, reason);
            }
        }
        let ranges = begun.map(|(ranges, _)| ranges).unwrap_or_default();
        let mut examined = None;
        if !matches!(file.outcome, Outcome::Events { .. }) {
            examined = Some(self.examine(file)?);
        }
        match examined.as_ref().unwrap_or(&file.outcome) {
            Outcome::Events { .. } => {}
            Outcome::Reject(reject) => return self.abandon(file, &format!("it can no longer be read: {reject}")),
            _ => return self.abandon(file, "its bytes are gone"),
        }
        self.stream(file, examined.as_ref().unwrap_or(&file.outcome), Progress { through, ranges })
    }

    fn begun(&self, file: &Prepared) -> Option<(Vec<EventRange>, String)> {
        let ledger = self.slot.context().ledger();
        match &ledger.drop_with(file.plan.id(), &file.identity.key, file.hash?)?.state {
            DropState::Publishing { ranges, plan_digest, .. } => Some((ranges.clone(), plan_digest.clone())),
            _ => None,
        }
    }

    fn stream(&mut self, file: &Prepared, outcome: &Outcome, mut progress: Progress) -> Result<()> {
        let context = self.context();
        let (Some(source), Some(hash)) = (file.source(&context.bridge), file.hash) else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without bytes"));
        };
        let store = Arc::clone(&self.store);
        let trailer = read_trailer(&source, &Body::Stored, &store).map_err(|failure| changed(file, failure))?;
        let naming = source.naming();
        let reader = open_body(&Body::Stored, hash, &store)?;
        let mut translator = Translator::new(&file.plan, reader, source.origin(), &naming, trailer.as_ref());
        let half = self.half_of_a_chunk(outcome);
        let mut chunk = Chunk::default();
        self.slot.begin()?;
        pass(Failpoint::Begun, &file.entry.path)?;
        while let Some(ordinal) = self.send_next(file, &mut translator, progress.through, &mut chunk)? {
            if chunk.events == half {
                pass(Failpoint::HalfProduced, &file.entry.path)?;
            }
            if chunk.events >= self.sizes.chunk_records || chunk.bytes >= self.sizes.chunk_bytes {
                progress.through = ordinal;
                self.commit_chunk(file, &mut progress)?;
                chunk = Chunk::default();
                pass(Failpoint::BetweenChunks, &file.entry.path)?;
                self.slot.beat_if_due()?;
                self.slot.begin()?;
            }
        }
        self.commit_last(file, outcome, progress)
    }

    fn half_of_a_chunk(&self, outcome: &Outcome) -> usize {
        let Outcome::Events { events, .. } = outcome else { return 0 };
        usize::try_from(*events).unwrap_or(usize::MAX).min(self.sizes.chunk_records).div_ceil(2)
    }

    /// Hands the next event over; `None` at the end of the file.
    fn send_next<R: Read>(
        &mut self,
        file: &Prepared,
        translator: &mut Translator<'_, R>,
        through: u64,
        chunk: &mut Chunk,
    ) -> Result<Option<u64>> {
        let topics = Arc::clone(&self.slot.context().topics);
        loop {
            let event = translator.next_event().map_err(|error| changed(file, error.into()))?;
            let Some(event) = event else { return Ok(None) };
            if event.ordinal <= through {
                continue;
            }
            let topic = topic_of(&topics, &file.plan, plan_index(&file.plan, event.event_type))?;
            self.slot.writer().send(event_record(topic, event.key, event.value, 0))?;
            chunk.events += 1;
            chunk.bytes += event.key.len() + event.value.len();
            chunk.last = event.ordinal;
            return Ok(Some(event.ordinal));
        }
    }

    fn commit_chunk(&mut self, file: &Prepared, progress: &mut Progress) -> Result<()> {
        extend_ranges(&mut progress.ranges, &self.slot.writer().settle()?);
        let state = DropState::Publishing {
            through: progress.through,
            plan_digest: file.plan.digest.clone(),
            revision: file.revision,
            supersedes: file.supersedes,
            ranges: progress.ranges.clone(),
        };
        let entry = self.entry_of(file, state);
        self.finish(file, entry)
    }

    fn commit_last(&mut self, file: &Prepared, outcome: &Outcome, mut progress: Progress) -> Result<()> {
        extend_ranges(&mut progress.ranges, &self.slot.writer().settle()?);
        let Outcome::Events { file: summary, records, events, .. } = outcome else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without events"));
        };
        let mut manifest = self.manifest(file, ManifestStatus::Complete, *events, progress.ranges.clone());
        manifest.file = Some(summary.clone());
        self.send_manifest(&manifest)?;
        let state = DropState::Published {
            records: *records,
            events: *events,
            revision: file.revision,
            supersedes: file.supersedes,
            ranges: progress.ranges,
        };
        let entry = self.entry_of(file, state);
        self.send_request_done(file)?;
        self.finish(file, entry)?;
        let _disposed = pass(Failpoint::Disposed, &file.entry.path);
        Ok(())
    }

    /// Ledger entry and commit.
    fn finish(&mut self, file: &Prepared, entry: LedgerEntry) -> Result<()> {
        if cfg!(feature = "sabotage-split-ledger") {
            self.commit()?;
            self.slot.begin()?;
        }
        self.slot.send_ledger(&entry)?;
        pass(Failpoint::Produced, &file.entry.path)?;
        self.commit()?;
        self.take_in(file, entry)
    }

    /// Ends a file that cannot be finished: what is published of it stays, and consumers are told that no more comes.
    pub(super) fn abandon(&mut self, file: &Prepared, reason: &str) -> Result<()> {
        let known = {
            let ledger = self.slot.context().ledger();
            file.hash.and_then(|hash| ledger.drop_with(file.plan.id(), &file.identity.key, hash).cloned())
        };
        let Some(LedgerEntry { state: DropState::Publishing { through, ranges, .. }, .. }) = known else {
            return Err(PortError::new(ErrorKind::Bug, "abandon", &file.entry.path, "nothing of it was published"));
        };
        let manifest = self.manifest(file, ManifestStatus::Abandoned, through, ranges.clone());
        let state = DropState::Abandoned { through, reason: reason.to_owned(), ranges };
        let entry = self.entry_of(file, state);
        self.slot.begin()?;
        self.send_manifest(&manifest)?;
        self.slot.send_ledger(&entry)?;
        self.send_request_done(file)?;
        self.commit()?;
        self.take_in(file, entry)
    }
}

/// A file that was fine when it was examined and is not any more.
fn changed(file: &Prepared, failure: Failure) -> PortError {
    match failure {
        Failure::Port(error) => error,
        Failure::Reject(reject) => PortError::new(
            ErrorKind::Corrupt,
            "read capture",
            &file.entry.path,
            format!("it was examined and found good, and now it reads otherwise: {reject}"),
        ),
    }
}
