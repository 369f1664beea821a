//! A slot: the right to publish for its feeds. One process has it; who takes it fences the one before.

mod claim;
mod context;
mod genesis;
mod identity;

use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{CacheUse, ErrorKind, OutgoingRecord, PortError, Result, Writer};
use serde::Serialize;

use super::arrivals::news;
use crate::arrivals::Arrival;
use crate::health::Pulse;
use crate::ledger::LedgerEntry;
use crate::ledger::control::{Claim, FORMAT, Genesis};
use crate::ledger::replay::{ControlState, read_control, read_settled_control};
use crate::stop::Backoff;

pub use context::Context;
pub use genesis::verify_genesis;
pub use identity::{holder, host, random_id};

/// The header that every record of the bridge's own topics carries.
pub const JSON_HEADER: (&str, &[u8]) = ("content-type", b"application/json");

/// The slot, held.
pub struct Slot {
    context: Context,
    number: u32,
    genesis: Genesis,
    writer: Box<dyn Writer>,
    claim: Claim,
    beat_at: Duration,
    begun_at: Duration,
    pulse: Pulse,
    in_transaction: bool,
    /// What the open transaction tells the ledger of feeds that expect files.
    news: Vec<(String, Arrival)>,
    /// What the open transaction says in the ledger.
    unread: Vec<Unread>,
}

/// A record of the ledger that is sent and not committed.
enum Unread {
    Put(Vec<u8>),
    Remove(String),
}

impl Slot {
    /// Takes a slot: fences its holder, claims it, and reads the ledger to its end.
    ///
    /// # Errors
    /// `Configuration` when the bridge was never initialised, `Corrupt` when the log is not ours, `Transient`.
    pub fn take(context: Context, number: u32, witness: Option<&str>) -> Result<(Self, ControlState)> {
        // Before anybody is fenced: a configuration that points at another bridge's log must not stop that bridge.
        let genesis = verify_genesis(&read_control(&*context.log, &context.topics)?, witness, &context)?;
        let writer = context.log.writer(&Context::transactional_id(&context.bridge, number))?;
        let control = read_settled_control(&*context.log, &context.topics)?;
        let now = context.clock.now();
        let claim = Claim {
            format: FORMAT,
            slot: number,
            instance: random_id(),
            holder: holder(),
            claimed_at: now,
            heartbeat: 0,
            heartbeat_at: now,
            released: false,
        };
        let beat_at = context.clock.elapsed();
        let pulse = context.health.pulse("publisher");
        let mut slot = Self {
            context,
            number,
            genesis,
            writer,
            claim,
            beat_at,
            begun_at: beat_at,
            pulse,
            in_transaction: false,
            news: Vec::new(),
            unread: Vec::new(),
        };
        slot.write_claim().map_err(|error| slot.explain(error))?;
        slot.context.health.heartbeat();
        slot.read_ledger()?;
        slot.begin_arrivals(control.arrivals.clone())?;
        Ok((slot, control))
    }

    /// What it works with.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Goes on under another configuration of the same bridge.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub fn reconfigure(&mut self, context: Context) -> Result<()> {
        let before = std::mem::replace(&mut self.context, context);
        if !Arc::ptr_eq(&before.arrivals, &self.context.arrivals) {
            let now = self.context.clock.now();
            self.context.arrivals.go_on_from(&before.arrivals, &self.context.ledger(), now)?;
        }
        Ok(())
    }

    /// The random id of this holding of the slot's claim.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.claim.instance
    }

    /// The writer.
    pub fn writer(&mut self) -> &mut dyn Writer {
        &mut *self.writer
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// Of the log.
    pub fn begin(&mut self) -> Result<()> {
        if cfg!(feature = "sabotage-skip-abort") && self.in_transaction {
            return Ok(());
        }
        self.pulse.beat();
        self.begun_at = self.context.clock.elapsed();
        self.news.clear();
        self.unread.clear();
        self.writer.begin()?;
        self.in_transaction = true;
        Ok(())
    }

    /// Commits, with what there is to say of the arrivals that the transaction tells of, and takes into the index what it
    /// says in the ledger.
    ///
    /// # Errors
    /// Of the log; `Transient` from the commit itself only when asked to stop, the outcome is not known then, and the
    /// next start will see it.
    pub fn commit(&mut self) -> Result<()> {
        let news = std::mem::take(&mut self.news);
        let said = self.send_arrivals_of(&news)?;
        let end = if self.unread.is_empty() { None } else { Some(self.end_of_ledger()?) };
        self.commit_surely()?;
        self.tell_arrivals(&said);
        end.map_or(Ok(()), |end| self.take_in(end))
    }

    /// The offset after the last record of the ledger in this transaction. The commit would wait for the same.
    fn end_of_ledger(&mut self) -> Result<i64> {
        let written = self.writer.settle()?;
        let topic = &self.context.topics.ledger;
        let own = written.iter().filter(|range| range.topic == *topic && range.partition == self.number);
        own.map(|range| range.to).max().ok_or_else(|| {
            PortError::new(
                ErrorKind::Bug,
                "commit",
                topic,
                "the log does not say where it has put the ledger's records",
            )
        })
    }

    /// An answer that does not come is asked for again, until it comes or the bridge is asked to stop.
    fn commit_surely(&mut self) -> Result<()> {
        let mut backoff = Backoff::default();
        let health = Arc::clone(&self.context.health);
        loop {
            self.pulse.beat();
            match self.writer.commit() {
                Err(error) if error.kind == ErrorKind::Transient => {
                    health.log_failed(error.kind.as_str(), &error.to_string(), true);
                    tracing::warn!(%error, "the commit was not answered: asking again");
                    backoff.wait(&self.context.stop, error)?;
                }
                answer => {
                    self.in_transaction = false;
                    answer?;
                    health.log_answered();
                    let time = self.context.clock.elapsed().saturating_sub(self.begun_at);
                    self.context.metrics.log.committed(time);
                    return Ok(());
                }
            }
        }
    }

    /// What is committed is the newest of the ledger, and nobody else writes there: the last offsets are ours.
    fn take_in(&mut self, end: i64) -> Result<()> {
        let unread = std::mem::take(&mut self.unread);
        let first = end.saturating_sub_unsigned(unread.len() as u64);
        let mut ledger = self.context.ledger();
        for (offset, record) in (first..).zip(unread) {
            match record {
                Unread::Put(record) => ledger
                    .put(offset, record)
                    .map_err(|message| PortError::new(ErrorKind::Bug, "read own record", "ledger", message))?,
                Unread::Remove(key) => ledger.remove(offset, &key),
            }
        }
        if let Err(error) = ledger.save_if_much() {
            // It is committed all the same; whoever asks the ledger next hears of it.
            tracing::warn!(%error, "the ledger's cache is not written");
        }
        Ok(())
    }

    /// Aborts the open transaction, if there is one.
    ///
    /// # Errors
    /// Of the log.
    pub fn abort(&mut self) -> Result<()> {
        if cfg!(feature = "sabotage-skip-abort") {
            return Ok(());
        }
        self.unread.clear();
        let mut backoff = Backoff::default();
        loop {
            self.pulse.beat();
            match self.writer.abort() {
                Err(error) if error.kind == ErrorKind::Transient => {
                    self.context.health.log_failed(error.kind.as_str(), &error.to_string(), true);
                    backoff.wait(&self.context.stop, error)?;
                }
                answer => {
                    self.in_transaction = false;
                    return answer;
                }
            }
        }
    }

    /// Adds a record of one of the bridge's own topics.
    ///
    /// # Errors
    /// Of the log.
    pub fn send_own<T: Serialize>(&mut self, topic: &str, partition: u32, key: &str, value: Option<&T>) -> Result<()> {
        let json = value.map(|value| to_json(topic, value)).transpose()?;
        self.send_json(topic, partition, key, json.as_deref())
    }

    fn send_json(&mut self, topic: &str, partition: u32, key: &str, value: Option<&[u8]>) -> Result<()> {
        let (partition, key) = (Some(partition), Some(key.as_bytes()));
        self.writer.send(OutgoingRecord { topic, partition, key, value, headers: &[JSON_HEADER], tag: u32::MAX })
    }

    /// Adds a record of the ledger.
    ///
    /// # Errors
    /// Of the log.
    pub fn send_ledger(&mut self, entry: &LedgerEntry) -> Result<()> {
        if self.context.arrivals.expects(&entry.feed) {
            let news = news(&self.context.ledger(), entry)?;
            self.news.extend(news.into_iter().map(|arrival| (entry.feed.clone(), arrival)));
        }
        self.restore_to_ledger(entry)
    }

    /// Adds a record of the ledger that is no news: it comes from another log.
    ///
    /// # Errors
    /// Of the log.
    pub fn restore_to_ledger(&mut self, entry: &LedgerEntry) -> Result<()> {
        let topics = Arc::clone(&self.context.topics);
        let json = to_json(&topics.ledger, entry)?;
        self.send_json(&topics.ledger, self.number, &entry.record_key(), Some(&json))?;
        self.unread.push(Unread::Put(json));
        Ok(())
    }

    /// Takes the drop whose record has this key out of the ledger.
    ///
    /// # Errors
    /// Of the log.
    pub fn remove_from_ledger(&mut self, key: String) -> Result<()> {
        let topics = Arc::clone(&self.context.topics);
        self.send_json(&topics.ledger, self.number, &key, None)?;
        self.unread.push(Unread::Remove(key));
        Ok(())
    }

    /// What is to be done from time to time: what came into the ledger is written to its cache.
    ///
    /// # Errors
    /// `Transient` where the cache is damaged: the slot has to be taken anew.
    pub fn look_after_cache(&self) -> Result<()> {
        self.context.ledger().save()
    }

    fn begin_arrivals(&self, journals: std::collections::BTreeMap<String, crate::arrivals::Journal>) -> Result<()> {
        let now = self.context.clock.now();
        self.context.arrivals.begin(journals, &self.context.ledger(), now)
    }

    fn read_ledger(&mut self) -> Result<()> {
        let index = self.context.ledger_source(self.number, &self.genesis).open(CacheUse::Keep)?;
        *self.context.ledger() = index;
        Ok(())
    }
}

fn to_json<T: Serialize>(topic: &str, value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| PortError::new(ErrorKind::Bug, "serialise", topic, error))
}
