//! What every service does: read events, let each have its effect once, send what follows from it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rusqlite::Transaction;

use crate::contracts::Contract;
use crate::event::{Draft, Event};
use crate::group_reader::{GroupReader, Received};
use crate::inbox::{self, Counts, Output};
use crate::kafka;
use crate::options::ServiceOptions;
use crate::outbox_sender::OutboxSender;
use crate::store::Store;

/// What makes one service differ from another.
pub trait Service {
    /// Its name: in its events' `source`, and its consumer group unless another is given.
    const NAME: &'static str;
    /// The type of the events that it reads.
    const INPUT: &'static str;
    /// The type of the events that it emits.
    const OUTPUT: Option<&'static str>;
    /// SQL that makes its own tables, where they are not there.
    const TABLES: &'static str;
    /// What it takes from an event.
    type Fact;

    /// What follows from an event: a pure decision, the same whenever it is made. `None`: nothing.
    ///
    /// # Errors
    /// Why the event cannot be used, for the operator. It is set aside.
    fn decide(&self, event: &Event) -> Result<Option<Self::Fact>, String>;

    /// Writes the fact down. `false`: it is known, from another event.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn record(&self, store: &Transaction<'_>, event: &Event, fact: &Self::Fact) -> rusqlite::Result<bool>;

    /// The event that tells others of the fact.
    fn announce(&self, fact: &Self::Fact) -> Option<Draft>;
}

/// Where a service's events come from.
#[derive(Clone, Debug)]
pub enum Input {
    /// A topic, as a member of a consumer group.
    Topic(String),
    /// A file with an event on each line, which is read once from its beginning to its end.
    File(std::path::PathBuf),
}

/// Runs a service until it is told to end, by SIGTERM or SIGINT, or has read everything, where that is asked for.
///
/// # Errors
/// What needs a person.
pub fn run<S: Service>(service: &S, options: &ServiceOptions, input: &Input) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listen to signals")?;
    }
    let mut running = Running::<S>::start(service, options)?;
    match input {
        Input::Topic(topic) => running.read_topic(topic, options, &stop)?,
        Input::File(path) => running.read_file(path, options, &stop)?,
    }
    eprintln!("{}: {}", S::NAME, running.counts);
    Ok(())
}

/// A service with its database and its way to Kafka.
struct Running<'a, S: Service> {
    service: &'a S,
    store: Store,
    output: Option<(OutboxSender, Output)>,
    counts: Counts,
}

impl<'a, S: Service> Running<'a, S> {
    fn start(service: &'a S, options: &ServiceOptions) -> Result<Self> {
        let store = Store::open(&options.common.state, S::TABLES)?;
        let output = match S::OUTPUT {
            None => None,
            Some(event_type) => {
                let topic = format!("{}{event_type}{}", options.common.prefix, options.topic_suffix);
                let sender = OutboxSender::connect(kafka::client(&options.common)?, &topic)?;
                Some((sender, Output { topic, contract: Contract::of(event_type)? }))
            }
        };
        Ok(Self { service, store, output, counts: Counts::default() })
    }

    fn read_topic(&mut self, topic: &str, options: &ServiceOptions, stop: &AtomicBool) -> Result<()> {
        let group = options.group.as_deref().unwrap_or(S::NAME);
        // What the last run left comes first: its place in the order is before all that follows.
        if !self.send(stop)? {
            return Ok(());
        }
        let config = kafka::client(&options.common)?;
        let mut reader = GroupReader::join(config, S::NAME, group, &self.store.instance()?, topic)?;
        while !stop.load(Ordering::Relaxed) {
            let batch = reader.read(options.common.batch.get())?;
            if batch.is_empty() {
                if options.common.until_idle && reader.is_at_end() {
                    break;
                }
                continue;
            }
            self.apply(&batch)?;
            if !self.send(stop)? {
                break;
            }
            // Last of all: killed before this, the batch is read again, and does nothing.
            reader.commit(&batch)?;
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, options: &ServiceOptions, stop: &AtomicBool) -> Result<()> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let mut lines = BufReader::new(file).split(b'\n').enumerate();
        while !stop.load(Ordering::Relaxed) {
            let mut batch = Vec::new();
            for (index, line) in lines.by_ref().take(options.common.batch.get()) {
                let line = line.with_context(|| format!("read {}", path.display()))?;
                let place = format!("{}:{}", path.display(), index + 1);
                batch.push(Received { offset: None, place, value: Some(line) });
            }
            let is_end = batch.is_empty();
            batch.retain(|line| line.value.as_ref().is_some_and(|value| !value.trim_ascii().is_empty()));
            self.apply(&batch)?;
            if !self.send(stop)? || is_end {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &[Received]) -> Result<()> {
        let output = self.output.as_ref().map(|(_, output)| output);
        inbox::apply(self.service, output, &mut self.store, batch, Timestamp::now(), &mut self.counts)
    }

    fn send(&mut self, stop: &AtomicBool) -> Result<bool> {
        let Some((sender, _)) = &self.output else { return Ok(true) };
        let all = sender.send_all(&mut self.store, stop)?;
        if !all {
            let waiting = self.store.waiting()?;
            eprintln!("{}: Kafka does not answer; {waiting} events wait for the next start", S::NAME);
        }
        Ok(all)
    }
}
