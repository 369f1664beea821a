//! A file too large for one transaction: chunks `(from, to]`, each committed with its ledger position, the manifest last.

use std::io::Read;
use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result};

use super::manifest::{FileSummary, ManifestStatus};
use super::prepare::{Failure, Outcome, Prepared, open_body, pass, plan_index, read_trailer};
use super::publish::{Publisher, event_record, published, topic_of};
use super::translate::{TranslatedEvent, Translator};
use sha2::{Digest, Sha256};

use crate::capture::Body;
use crate::domain::hash::hex;
use crate::ledger::entry::{EventRange, extend_ranges};
use crate::ledger::{DropState, LedgerEntry};

/// How far a file has come.
struct Progress {
    /// Ordinal of the last committed event.
    through: u64,
    /// What the events so far have to hash to when they are made again; `None` when none is committed yet.
    committed_digest: Option<String>,
    /// Over keys and values of all events so far.
    digest: Sha256,
    ranges: Vec<EventRange>,
}

/// What was handed over since the last commit.
#[derive(Default)]
struct Chunk {
    events: usize,
    bytes: usize,
}

impl Publisher {
    /// Publishes a file from the store, behind `through`. After an error the ledger says how far it came.
    pub(super) fn publish_chunks(&mut self, file: &Prepared, through: u64) -> Result<()> {
        let begun = self.begun(file);
        if let Outcome::Reject(reject) = &file.outcome {
            return self.abandon(file, &reject.to_string());
        }
        let mut examined = None;
        if !matches!(file.outcome, Outcome::Events { .. }) {
            examined = Some(self.examine(file)?);
        }
        match examined.as_ref().unwrap_or(&file.outcome) {
            Outcome::Events { events, .. } if *events >= through => {}
            Outcome::Events { .. } => return self.abandon(file, CHANGED),
            Outcome::Reject(reject) => return self.abandon(file, &format!("it can no longer be read: {reject}")),
            _ => return self.abandon(file, "its bytes are gone"),
        }
        let (ranges, committed_digest) = begun.map_or((Vec::new(), None), |(ranges, digest)| (ranges, Some(digest)));
        let progress = Progress { through, committed_digest, digest: Sha256::new(), ranges };
        match self.stream(file, examined.as_ref().unwrap_or(&file.outcome), progress)? {
            Streamed::Whole | Streamed::Interrupted => Ok(()),
            Streamed::Changed => {
                self.slot.abort()?;
                self.abandon(file, CHANGED)
            }
        }
    }

    fn begun(&self, file: &Prepared) -> Option<(Vec<EventRange>, String)> {
        let ledger = self.slot.context().ledger();
        match &ledger.drop_with(file.plan.id(), &file.identity.key, file.hash?)?.state {
            DropState::Publishing { ranges, events_digest, .. } => Some((ranges.clone(), events_digest.clone())),
            _ => None,
        }
    }

    fn stream(&mut self, file: &Prepared, outcome: &Outcome, mut progress: Progress) -> Result<Streamed> {
        let context = self.context();
        let (Some(source), Some(hash)) = (file.source(&context.bridge), file.hash) else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without bytes"));
        };
        let store = Arc::clone(&self.store);
        let body = Body::Stored(store.lease(hash));
        let trailer = read_trailer(&source, &body, &store).map_err(|failure| changed(file, failure))?;
        let naming = source.naming();
        let reader = open_body(&body, hash, &store)?;
        let mut translator = Translator::new(&file.plan, reader, source.origin(), &naming, trailer.as_ref());
        let half = self.half_of_a_chunk(outcome);
        let mut chunk = Chunk::default();
        self.slot.begin()?;
        pass(Failpoint::Begun, &file.entry.path)?;
        if !skip_committed(file, &mut translator, &mut progress)? {
            return Ok(Streamed::Changed);
        }
        while let Some(ordinal) = self.send_next(file, &mut translator, &mut progress.digest, &mut chunk)? {
            if chunk.events == half {
                pass(Failpoint::HalfProduced, &file.entry.path)?;
            }
            if chunk.events >= self.sizes.chunk_records || chunk.bytes >= self.sizes.chunk_bytes {
                progress.through = ordinal;
                self.commit_chunk(file, &mut progress)?;
                chunk = Chunk::default();
                pass(Failpoint::BetweenChunks, &file.entry.path)?;
                if self.slot.context().stop.is_raised() {
                    return Ok(Streamed::Interrupted);
                }
                self.slot.beat_if_due()?;
                self.slot.begin()?;
            }
        }
        self.commit_last(file, outcome, progress)?;
        Ok(Streamed::Whole)
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
        digest: &mut Sha256,
        chunk: &mut Chunk,
    ) -> Result<Option<u64>> {
        let topics = Arc::clone(&self.slot.context().topics);
        let Some(event) = next_event(file, translator, digest)? else { return Ok(None) };
        let topic = topic_of(&topics, &file.plan, plan_index(&file.plan, event.event_type))?;
        self.slot.writer().send(event_record(topic, event.key, event.value, 0))?;
        chunk.events += 1;
        chunk.bytes += event.key.len() + event.value.len();
        Ok(Some(event.ordinal))
    }

    fn commit_chunk(&mut self, file: &Prepared, progress: &mut Progress) -> Result<()> {
        extend_ranges(&mut progress.ranges, &self.slot.writer().settle()?);
        let state = DropState::Publishing {
            through: progress.through,
            events_digest: hex(&progress.digest.clone().finalize()),
            revision: file.revision,
            supersedes: file.supersedes,
            ranges: progress.ranges.clone(),
        };
        let entry = self.entry_of(file, state);
        self.finish(file, entry, None)
    }

    fn commit_last(&mut self, file: &Prepared, outcome: &Outcome, mut progress: Progress) -> Result<()> {
        extend_ranges(&mut progress.ranges, &self.slot.writer().settle()?);
        let Outcome::Events { file: summary, records, events, .. } = outcome else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without events"));
        };
        let mut manifest = self.manifest(file, ManifestStatus::Complete, *events, progress.ranges.clone());
        manifest.file = Some(FileSummary::clone(summary));
        self.send_manifest(&manifest)?;
        self.send_bad_records(file, summary)?;
        let state = published(file, summary, *records, *events, progress.ranges);
        let entry = self.entry_of(file, state);
        self.send_request_done(file)?;
        self.finish(file, entry, Some(summary))?;
        let _disposed = pass(Failpoint::Disposed, &file.entry.path);
        Ok(())
    }

    /// Ledger entry and commit.
    fn finish(&mut self, file: &Prepared, entry: LedgerEntry, summary: Option<&FileSummary>) -> Result<()> {
        if cfg!(feature = "sabotage-split-ledger") {
            self.commit()?;
            self.slot.begin()?;
        }
        self.slot.send_ledger(&entry)?;
        pass(Failpoint::Produced, &file.entry.path)?;
        self.commit()?;
        self.take_in(file, entry, summary)
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
        self.take_in(file, entry, None)
    }
}

/// How a stream ended.
enum Streamed {
    /// The whole file is committed.
    Whole,
    /// We are asked to stop; the next start goes on behind the last chunk.
    Interrupted,
    /// The events that are committed already would be others if they were made today.
    Changed,
}

const CHANGED: &str = "its layout, mapping or schema was changed after some of its events were published";

/// Makes the committed events again, to see that they are the same. `false` when they are not.
fn skip_committed<R: Read>(
    file: &Prepared,
    translator: &mut Translator<'_, R>,
    progress: &mut Progress,
) -> Result<bool> {
    let mut last = 0;
    while last < progress.through {
        let Some(event) = next_event(file, translator, &mut progress.digest)? else { return Ok(false) };
        last = event.ordinal;
    }
    let found = hex(&progress.digest.clone().finalize());
    Ok(progress.committed_digest.as_ref().is_none_or(|committed| *committed == found))
}

fn next_event<'t, R: Read>(
    file: &Prepared,
    translator: &'t mut Translator<'_, R>,
    digest: &mut Sha256,
) -> Result<Option<TranslatedEvent<'t>>> {
    let event = translator.next_event().map_err(|error| changed(file, error.into()))?;
    if let Some(event) = &event {
        digest.update(event.key);
        digest.update(event.value);
    }
    Ok(event)
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
