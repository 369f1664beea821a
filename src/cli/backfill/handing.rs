//! Handing files over to whoever holds the slot, a bounded number at a time.
//!
//! Each file goes to the store, and a request to publish it into the control topic; the holder removes the request in
//! the transaction that publishes it. Where no bridge runs, this process holds the slot for as long as it takes, and
//! does what it asks for itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use dropbridge_port::{ErrorKind, Isolation, Polled, PortError, Reader, StartAt, Writer};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::task::JoinHandle;

use super::HandedFile;
use super::rate::Rate;
use crate::capture::take::take_stream;
use crate::cli::Output;
use crate::cli::requests::{Silence, send, transactional_id_prefix};
use crate::inbound::archive::Archived;
use crate::inbound::plan::FeedPlan;
use crate::inbound::slot::random_id;
use crate::ledger::control::{FORMAT, Request, RequestAction};
use crate::ledger::replay::{ControlState, apply_control, read_control};
use crate::ledger::topics::REQUEST_PARTITION;
use crate::runner::{self, RunOptions, RunSummary};
use crate::wiring::Bridge;

/// How many files may wait for the holder.
const OUTSTANDING: usize = 100;

/// How many are asked for in one transaction.
const TOGETHER: usize = 25;

/// How often it is looked whether anybody is there who does what is asked.
const LOOK_FOR_HOLDER: Duration = Duration::from_secs(1);

/// What was handed over.
pub(super) struct Handed<'a> {
    /// In their order.
    pub(super) files: Vec<HandedFile<'a>>,
    /// All of them, and all are dealt with.
    pub(super) is_whole: bool,
}

/// Hands files over in their order, and waits until they are dealt with or we are asked to stop.
///
/// # Errors
/// Of the archive, the store and the log.
pub(super) async fn hand_over<'a>(
    bridge: &Arc<Bridge>,
    plan: &FeedPlan,
    files: &'a [Archived],
    rate: Option<Rate>,
    output: Output,
) -> anyhow::Result<Handed<'a>> {
    let stop = bridge.context.stop.clone();
    let signals = tokio::spawn(async move {
        let terminated = async {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut terminate) = signal(SignalKind::terminate()) { terminate.recv().await } else { None }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            Some(()) = terminated => {}
        }
        stop.raise();
    });
    let bar = if output.shows_progress() { ProgressBar::new(files.len() as u64) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {rate}  {eta} left  {msg}")?;
    bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _nowhere_to_write = write!(out, "{:.1}/s", state.per_sec());
    }));
    let mut handing = Handing::new(bridge, files.len())?;
    let answer = handing.all(plan, files, rate, &bar).await;
    bar.finish_and_clear();
    signals.abort();
    let stopped = bridge.context.stop.is_raised();
    handing.leave_slot().await?;
    answer?;
    Ok(Handed { is_whole: !stopped && handing.open.is_empty(), files: handing.handed })
}

struct Handing<'a> {
    bridge: Arc<Bridge>,
    writer: Box<dyn Writer>,
    reader: Box<dyn Reader>,
    /// What begins the ids of our requests; their numbers keep their order.
    id: String,
    /// Requests that are not done.
    open: BTreeMap<String, ()>,
    handed: Vec<HandedFile<'a>>,
    silence: Silence,
    looked_at: Instant,
    /// The holder in this process.
    own: Option<JoinHandle<anyhow::Result<RunSummary>>>,
}

impl<'a> Handing<'a> {
    fn new(bridge: &Arc<Bridge>, files: usize) -> anyhow::Result<Self> {
        let context = &bridge.context;
        let id = random_id();
        let prefix = transactional_id_prefix(&bridge.settings.name);
        let writer = context.log.writer(&format!("{prefix}-{id}"))?;
        let ends = context.log.watermarks(&context.topics.control)?;
        let end = ends.iter().find(|ends| ends.partition == REQUEST_PARTITION).map_or(0, |ends| ends.high);
        let from = StartAt::Offset { partition: REQUEST_PARTITION, offset: end };
        let reader = context.log.reader(Isolation::ReadCommitted, &[(&context.topics.control, from)])?;
        Ok(Self {
            bridge: Arc::clone(bridge),
            writer,
            reader,
            id,
            open: BTreeMap::new(),
            handed: Vec::with_capacity(files),
            silence: Silence::new(bridge),
            looked_at: Instant::now(),
            own: None,
        })
    }

    async fn all(
        &mut self,
        plan: &FeedPlan,
        files: &'a [Archived],
        rate: Option<Rate>,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let store = self.bridge.store()?;
        let stop = self.bridge.context.stop.clone();
        let (begun, mut bytes) = (Instant::now(), 0);
        self.look_for_holder().await?;
        while !stop.is_raised() && (self.handed.len() < files.len() || !self.open.is_empty()) {
            let mut requests = Vec::new();
            while self.open.len() + requests.len() < OUTSTANDING && requests.len() < TOGETHER {
                let number = self.handed.len();
                let Some(file) = files.get(number) else { break };
                let due = rate.map_or(Duration::ZERO, |rate| rate.due(number as u64, bytes));
                if begun.elapsed() < due || stop.is_raised() {
                    break;
                }
                let shown = || file.path.display().to_string();
                let opened = File::open(&file.path).with_context(shown)?;
                let (hash, size) = take_stream(opened, &store, plan.settings.account()).with_context(shown)?;
                let entry = crate::domain::EntryFacts { size, ..file.entry.clone() };
                let action = RequestAction::Ingest { feed: plan.id().to_owned(), entry, sha256: hash };
                let requested_at = self.bridge.context.clock.now();
                let id = format!("{}-{number:09}", self.id);
                requests.push(Request { format: FORMAT, id, requested_at, action });
                self.handed.push((file, hash));
                bytes += size;
            }
            self.leave(&requests)?;
            self.read_ends()?;
            bar.set_position((self.handed.len() - self.open.len()) as u64);
            self.look_for_holder().await?;
            tokio::time::sleep(Duration::from_millis(if requests.is_empty() { 20 } else { 1 })).await;
        }
        Ok(())
    }

    fn leave(&mut self, requests: &[Request]) -> anyhow::Result<()> {
        if requests.is_empty() {
            return Ok(());
        }
        self.writer.begin()?;
        for request in requests {
            send(&mut *self.writer, &self.bridge.context.topics.control, request)?;
        }
        self.writer.commit()?;
        self.open.extend(requests.iter().map(|request| (request.id.clone(), ())));
        Ok(())
    }

    /// Which requests are done.
    fn read_ends(&mut self) -> anyhow::Result<()> {
        let mut state = ControlState::default();
        loop {
            match self.reader.poll(Duration::ZERO) {
                Ok(Polled::Record(record)) => {
                    if let (Some(key), None) = (&record.key, &record.value) {
                        let key = String::from_utf8_lossy(key);
                        self.open.remove(key.strip_prefix("request/").unwrap_or_default());
                    }
                    apply_control(&mut state, &self.bridge.context.topics.control, &record)?;
                }
                Ok(Polled::End { .. }) => {}
                Ok(Polled::Idle) => return Ok(()),
                // It comes back; whoever holds the slot waits for it too.
                Err(PortError { kind: ErrorKind::Transient, .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Holds the slot in this process while nobody else does.
    async fn look_for_holder(&mut self) -> anyhow::Result<()> {
        if let Some(own) = self.own.take_if(|own| own.is_finished()) {
            // A bridge that was started meanwhile has taken the slot: it goes on with what we ask for.
            if let Err(error) = own.await?
                && error.downcast_ref::<PortError>().is_none_or(|error| error.kind != ErrorKind::Fenced)
            {
                return Err(error);
            }
            self.silence = Silence::new(&self.bridge);
        }
        if self.own.is_some() || (self.looked_at.elapsed() < LOOK_FOR_HOLDER && !self.handed.is_empty()) {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let control = read_control(&*self.bridge.context.log, &self.bridge.context.topics)?;
        control.genesis.as_ref().ok_or_else(|| anyhow!("the bridge is not initialised: run `dropbridge init`"))?;
        if self.silence.is_over(&self.bridge, &control) {
            let options = RunOptions { without_feeds: true, ..RunOptions::default() };
            self.own = Some(tokio::spawn(runner::run(Arc::clone(&self.bridge), options)));
        }
        Ok(())
    }

    async fn leave_slot(&mut self) -> anyhow::Result<()> {
        self.bridge.context.stop.raise();
        if let Some(own) = self.own.take() {
            own.await??;
        }
        Ok(())
    }
}
