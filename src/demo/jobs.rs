//! The batch jobs: a thread for each, which drops its files at its own pace and knows nothing of the bridge.
//!
//! The one exception: who drops a file a second time waits until the ledger has the first one, so that there is a
//! second time.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::estate::Estate;
use super::script::{Fate, JOBS, Job, Manner, Step};
use super::story::Story;
use crate::domain::ContentHash;
use crate::inbound::slot::Context;
use crate::ledger::LedgerIndex;
use crate::stop::Stop;

/// Between the pieces of a file that is written slowly: longer than its feed's quiet time, so that quiet alone would
/// take half of it for a whole.
const BETWEEN_PIECES: Duration = Duration::from_millis(500);

/// Between a file and the one beside it that says it is whole.
const BEFORE_COMPANION: Duration = Duration::from_millis(400);

/// How long who drops a file again waits for the first one.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file that was dropped, and what the job knows of it.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    /// Its feed.
    pub(super) feed: &'static str,
    /// Below the inbox.
    pub(super) path: &'static str,
    /// Of its bytes.
    pub(super) hash: ContentHash,
    /// Events that it has to make, counted by the job.
    pub(super) events: u64,
    /// What has to become of it.
    pub(super) fate: Fate,
    /// The ledger knew of it before it was written to its end.
    pub(super) was_taken_early: bool,
}

/// How many files all jobs drop.
pub(super) fn drop_count() -> u64 {
    JOBS.iter().map(|job| job.steps.len() as u64).sum()
}

/// The jobs, running.
pub(super) struct Jobs {
    threads: Vec<JoinHandle<anyhow::Result<Vec<Dropped>>>>,
}

impl Jobs {
    /// Starts them. They end when they are done, or the bridge is asked to stop.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(super) fn start(estate: &Estate, context: &Context, story: &Arc<Story>) -> anyhow::Result<Self> {
        let mut threads = Vec::new();
        for job in &JOBS {
            let worker = Worker {
                job,
                inbox: estate.share().join(job.inbox),
                stop: context.stop.clone(),
                ledger: Arc::clone(&context.ledger),
                story: Arc::clone(story),
            };
            threads.push(std::thread::Builder::new().name(format!("job {}", job.feed)).spawn(move || worker.work())?);
        }
        Ok(Self { threads })
    }

    /// Whether all have ended.
    pub(super) fn are_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for their end. Answers what they dropped, in the order of the jobs.
    ///
    /// # Errors
    /// When one could not write.
    pub(super) fn join(self) -> anyhow::Result<Vec<Dropped>> {
        let mut dropped = Vec::new();
        for thread in self.threads {
            dropped.extend(thread.join().map_err(|_| anyhow!("a job's thread panicked: this is a bug"))??);
        }
        Ok(dropped)
    }
}

/// One job at work.
struct Worker {
    job: &'static Job,
    inbox: PathBuf,
    stop: Stop,
    ledger: Arc<Mutex<LedgerIndex>>,
    story: Arc<Story>,
}

impl Worker {
    fn work(self) -> anyhow::Result<Vec<Dropped>> {
        let mut all = Vec::new();
        for step in self.job.steps {
            let mut dropped = Dropped {
                feed: self.job.feed,
                path: step.path,
                hash: ContentHash::of(step.bytes),
                events: lines_that_begin(step.bytes, self.job.lead),
                fate: step.fate,
                was_taken_early: false,
            };
            if self.stop.wait(Duration::from_millis(step.rest_ms)) {
                break;
            }
            if step.fate == Fate::Repeat {
                self.wait_for_the_first(&dropped);
            }
            self.drop_file(step, &mut dropped).with_context(|| format!("job of {}: {}", self.job.feed, step.path))?;
            self.story.dropped();
            all.push(dropped);
        }
        Ok(all)
    }

    fn drop_file(&self, step: &Step, dropped: &mut Dropped) -> anyhow::Result<()> {
        let path = self.inbox.join(step.path);
        match step.manner {
            Manner::Renamed(ending) => {
                let temporary = self.inbox.join(format!("{}{ending}", step.path));
                fs::write(&temporary, step.bytes)?;
                fs::rename(&temporary, &path)?;
                let again = if step.fate == Fate::Repeat { ", the same bytes again" } else { "" };
                self.tell(step, &format!("renamed into place{again}"))
            }
            Manner::InPlace => {
                fs::write(&path, step.bytes)?;
                self.tell(step, "written in place")
            }
            Manner::Before(companion, bytes) => {
                fs::write(&path, step.bytes)?;
                let ending = companion.rsplit('.').next().unwrap_or(companion);
                self.tell(step, &format!("written, .{ending} follows"))?;
                let _is_raised = self.stop.wait(BEFORE_COMPANION);
                dropped.was_taken_early = self.ledger_knows(dropped);
                Ok(fs::write(self.inbox.join(companion), bytes)?)
            }
            Manner::InPieces(count) => self.write_slowly(step, &path, count, dropped),
        }
    }

    fn write_slowly(&self, step: &Step, path: &Path, count: usize, dropped: &mut Dropped) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = step.bytes.len().div_ceil(count);
        for (index, piece) in step.bytes.chunks(size).enumerate() {
            if index > 0 {
                let _is_raised = self.stop.wait(BETWEEN_PIECES);
                dropped.was_taken_early |= self.ledger_knows(dropped);
            }
            file.write_all(piece)?;
            let waits = if index + 1 < count { "the bridge waits for its trailer" } else { "it is whole now" };
            self.tell(step, &format!("piece {} of {count}, {waits}", index + 1))?;
        }
        Ok(())
    }

    fn tell(&self, step: &Step, text: &str) -> anyhow::Result<()> {
        self.story.tell("job", self.job.feed, format!("{}: {text}", step.path))
    }

    fn wait_for_the_first(&self, dropped: &Dropped) {
        let begun = Instant::now();
        while !self.ledger_knows(dropped) && begun.elapsed() < PATIENCE {
            if self.stop.wait(Duration::from_millis(20)) {
                return;
            }
        }
    }

    /// Whether the ledger has an entry of this file's name.
    fn ledger_knows(&self, dropped: &Dropped) -> bool {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.arrival(dropped.feed, dropped.path).is_ok_and(|arrival| arrival.is_some())
    }
}

/// How many lines begin so.
fn lines_that_begin(bytes: &[u8], lead: &str) -> u64 {
    bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(lead.as_bytes())).count() as u64
}
