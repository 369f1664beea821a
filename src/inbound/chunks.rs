//! A file too large for one transaction: chunks `(from, to]`, each committed with its ledger position, the manifest last.
//! Its events are made ahead, on another thread; sending and committing stays on this one.

use std::io::Read;
use std::sync::Arc;
use std::thread;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result};

use super::ahead::{self, Next, Steps, next_event};
use super::manifest::{FileSummary, ManifestStatus};
use super::prepare::{CAPTURE_OPERATION, Failure, HeldEvents, Outcome, Prepared, open_body, pass, read_trailer};
use super::publish::{EventHeaders, Publisher, event_record, published, topic_of};
use super::translate::Translator;
use sha2::{Digest, Sha256};

use crate::capture::Body;
use crate::domain::hash::hex;
use crate::ledger::entry::{EventRange, extend_ranges};
use crate::ledger::{DropState, LedgerEntry};

/// After how many events that are made again it is looked whether the heartbeat is due.
const EVENTS_BETWEEN_LOOKS: u64 = 4096;

/// How far a file has come.
struct Progress {
    /// Ordinal of the last committed event.
    through: u64,
    /// What the events so far have to hash to when they are made again; `None` when none is committed yet.
    committed_digest: Option<String>,
    ranges: Vec<EventRange>,
}

impl Publisher {
    /// Publishes a file from the store, behind `through`. After an error the ledger says how far it came.
    pub(super) fn publish_chunks(&mut self, file: &Prepared, through: u64) -> Result<()> {
        let begun = self.begun(file)?;
        if let Outcome::Reject(reject) = &file.outcome {
            return self.abandon(file, &reject.to_string());
        }
        let mut examined = None;
        if !matches!(file.outcome, Outcome::Events { .. }) {
            examined = Some(self.examine(file)?);
        }
        match examined.as_ref().unwrap_or(&file.outcome) {
            Outcome::Events { events, withheld, .. } if events + withheld >= through => {}
            Outcome::Events { .. } => return self.abandon(file, CHANGED),
            Outcome::Reject(reject) => return self.abandon(file, &format!("it can no longer be read: {reject}")),
            _ => return self.abandon(file, "its bytes are gone"),
        }
        let (ranges, committed_digest) = begun.map_or((Vec::new(), None), |(ranges, digest)| (ranges, Some(digest)));
        let progress = Progress { through, committed_digest, ranges };
        match self.stream(file, examined.as_ref().unwrap_or(&file.outcome), progress)? {
            Streamed::Whole | Streamed::Interrupted => Ok(()),
            Streamed::Changed => {
                // Bytes that were damaged meanwhile are no change of ours.
                self.verify(file)?;
                self.abandon(file, CHANGED)
            }
        }
    }

    fn begun(&self, file: &Prepared) -> Result<Option<(Vec<EventRange>, String)>> {
        let ledger = self.slot.context().ledger();
        let known = file.hash.map(|hash| ledger.drop_with(file.plan.id(), &file.identity.key, hash)).transpose()?;
        Ok(known.flatten().and_then(|known| match known.state {
            DropState::Publishing { ranges, events_digest, .. } => Some((ranges, events_digest)),
            _ => None,
        }))
    }

    fn stream(&mut self, file: &Prepared, outcome: &Outcome, mut progress: Progress) -> Result<Streamed> {
        let context = self.context();
        let journal = context.authorities.journal(&file.plan.settings.department);
        let (Some(source), Some(hash)) = (file.source(&context.bridge, journal.as_deref()), file.hash) else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without bytes"));
        };
        let store = Arc::clone(&self.store);
        let body = Body::Stored(store.lease(hash));
        let trailer = self.beside(&file.entry.path, || {
            read_trailer(&source, &body, &store).map_err(|failure| changed(file, failure))
        })?;
        let naming = source.naming();
        let reader = open_body(&body, hash, &store)?;
        let mut translator =
            Translator::new(&file.plan, reader, source.origin(), &naming, trailer.as_ref()).spoken_by(source.journal);
        // Where events were left out, they have to be found and left out again.
        if matches!(outcome, Outcome::Events { file, .. } if file.rejects.is_empty()) {
            translator = translator.examined();
        }
        // It may take long: no transaction is open yet, so that the heartbeat can be written.
        let Some(digest) = self.skip_committed(file, &mut translator, &progress)? else {
            return Ok(Streamed::Changed);
        };
        self.begin()?;
        pass(Failpoint::Begun, &file.entry.path)?;
        let limits = self.hold_limits();
        let (sender, steps) = ahead::channel();
        thread::scope(|scope| {
            let make = move || ahead::make(file, &mut translator, digest, limits, &sender);
            let maker = thread::Builder::new().name("large file".to_owned()).spawn_scoped(scope, make);
            maker.map_err(|error| PortError::io("start thread", &file.entry.path, &error))?;
            // Whatever ends this drops the receiver, and that ends the maker.
            self.follow(file, outcome, &mut progress, steps)
        })
    }

    /// Makes the committed events again, to see that they are the same. Answers the digest over them; `None` when they
    /// are not the same.
    fn skip_committed<R: Read>(
        &mut self,
        file: &Prepared,
        translator: &mut Translator<'_, R>,
        progress: &Progress,
    ) -> Result<Option<Sha256>> {
        let (mut last, mut digest) = (0, Sha256::new());
        while last < progress.through {
            let Some(event) = next_event(file, translator, &mut digest)? else { return Ok(None) };
            let before = std::mem::replace(&mut last, event.ordinal);
            // Some numbers may be left out.
            if before / EVENTS_BETWEEN_LOOKS != last / EVENTS_BETWEEN_LOOKS {
                self.stay_alive()?;
            }
        }
        let found = hex(&digest.clone().finalize());
        let is_same = progress.committed_digest.as_ref().is_none_or(|committed| *committed == found);
        Ok(is_same.then_some(digest))
    }

    /// Sends and commits what is made, to the end of the file.
    fn follow(
        &mut self,
        file: &Prepared,
        outcome: &Outcome,
        progress: &mut Progress,
        steps: Steps,
    ) -> Result<Streamed> {
        let half = self.half_of_a_chunk(outcome);
        let mut sent = 0;
        for step in steps {
            match step? {
                Next::Send(events) => self.send_batch(file, &events, half, &mut sent)?,
                Next::Commit { through, digest } => {
                    progress.through = through;
                    self.commit_chunk(file, outcome, progress, &digest)?;
                    sent = 0;
                    pass(Failpoint::BetweenChunks, &file.entry.path)?;
                    if self.slot.context().stop.is_raised() {
                        return Ok(Streamed::Interrupted);
                    }
                    self.slot.beat_if_due()?;
                    self.begin()?;
                }
                Next::Finish => {
                    self.commit_last(file, outcome, std::mem::take(&mut progress.ranges))?;
                    return Ok(Streamed::Whole);
                }
            }
        }
        Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "its events broke off without an end"))
    }

    fn half_of_a_chunk(&self, outcome: &Outcome) -> usize {
        let Outcome::Events { events, .. } = outcome else { return 0 };
        usize::try_from(*events).unwrap_or(usize::MAX).min(self.sizes.chunk_records).div_ceil(2)
    }

    /// Hands events over; `sent` counts those of the chunk.
    fn send_batch(&mut self, file: &Prepared, events: &HeldEvents, half: usize, sent: &mut usize) -> Result<()> {
        let topics = Arc::clone(&self.slot.context().topics);
        let headers = EventHeaders::of(file, self.slot.context());
        let headers = headers.list();
        for (plan, key, value) in events.iter() {
            let topic = topic_of(&topics, &file.plan, plan)?;
            self.slot.writer().send(event_record(topic, key, value, 0, &headers))?;
            *sent += 1;
            if *sent == half {
                pass(Failpoint::HalfProduced, &file.entry.path)?;
            }
        }
        Ok(())
    }

    fn commit_chunk(
        &mut self,
        file: &Prepared,
        outcome: &Outcome,
        progress: &mut Progress,
        digest: &Sha256,
    ) -> Result<()> {
        extend_ranges(&mut progress.ranges, &self.slot.writer().settle()?);
        let state = DropState::Publishing {
            through: progress.through,
            events_digest: hex(&digest.clone().finalize()),
            revision: file.revision,
            supersedes: file.supersedes,
            ranges: progress.ranges.clone(),
        };
        let entry = self.entry_of(file, state);
        self.send_spoken_of(file, outcome)?;
        self.finish(file, &entry, None)
    }

    fn commit_last(&mut self, file: &Prepared, outcome: &Outcome, mut ranges: Vec<EventRange>) -> Result<()> {
        extend_ranges(&mut ranges, &self.slot.writer().settle()?);
        let Outcome::Events { file: summary, records, events, .. } = outcome else {
            return Err(PortError::new(ErrorKind::Bug, "publish", &file.entry.path, "a file without events"));
        };
        let mut manifest = self.manifest(file, ManifestStatus::Complete, *events, ranges.clone());
        manifest.file = Some(FileSummary::clone(summary));
        self.send_manifest(&manifest)?;
        self.send_bad_records(file, summary)?;
        self.send_spoken_of(file, outcome)?;
        let state = published(file, summary, *records, *events, ranges);
        let entry = self.entry_of(file, state);
        self.send_request_done(file)?;
        self.finish(file, &entry, Some(summary))?;
        let _disposed = pass(Failpoint::Disposed, &file.entry.path);
        Ok(())
    }

    fn send_spoken_of(&mut self, file: &Prepared, outcome: &Outcome) -> Result<()> {
        let Outcome::Events { newest_date, .. } = outcome else { return Ok(()) };
        self.send_spoken(&file.plan.settings.department, *newest_date)
    }

    /// Ledger entry and commit.
    fn finish(&mut self, file: &Prepared, entry: &LedgerEntry, summary: Option<&FileSummary>) -> Result<()> {
        if cfg!(feature = "sabotage-split-ledger") {
            self.commit()?;
            self.begin()?;
        }
        self.slot.send_ledger(entry)?;
        pass(Failpoint::Produced, &file.entry.path)?;
        self.commit()?;
        self.take_in(file, entry, summary)
    }

    /// Ends a file that cannot be finished: what is published of it stays, and consumers are told that no more comes.
    pub(super) fn abandon(&mut self, file: &Prepared, reason: &str) -> Result<()> {
        let known = {
            let ledger = self.slot.context().ledger();
            file.hash.map(|hash| ledger.drop_with(file.plan.id(), &file.identity.key, hash)).transpose()?.flatten()
        };
        let Some(LedgerEntry { state: DropState::Publishing { through, ranges, .. }, .. }) = known else {
            return Err(PortError::new(ErrorKind::Bug, "abandon", &file.entry.path, "nothing of it was published"));
        };
        let manifest = self.manifest(file, ManifestStatus::Abandoned, through, ranges.clone());
        let state = DropState::Abandoned { through, reason: reason.to_owned(), ranges, closed: None };
        let entry = self.entry_of(file, state);
        self.begin()?;
        self.send_manifest(&manifest)?;
        self.slot.send_ledger(&entry)?;
        self.send_request_done(file)?;
        self.commit()?;
        self.take_in(file, &entry, None)
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

/// A file that was fine when it was examined and is not any more.
pub(super) fn changed(file: &Prepared, failure: Failure) -> PortError {
    match failure {
        Failure::Port(error) => error,
        Failure::Reject(reject) => PortError::new(
            ErrorKind::Corrupt,
            CAPTURE_OPERATION,
            &file.entry.path,
            format!("it was examined and found good, and now it reads otherwise: {reject}"),
        ),
    }
}
