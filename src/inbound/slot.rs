//! A slot: the right to publish for its feeds. One process has it; who takes it fences the one before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dropbridge_port::{ErrorKind, EventLog, OutgoingRecord, PortError, Result, Writer};
use serde::Serialize;

use super::arrivals::{Arrivals, news};
use super::plan::FeedPlan;
use crate::arrivals::Arrival;
use crate::clock::Clock;
use crate::domain::{ContentHash, LogicalKey};
use crate::health::{Health, Pulse};
use crate::ledger::control::{Claim, FORMAT, Genesis};
use crate::ledger::replay::{ControlState, read_control, read_ledger};
use crate::ledger::{DeliveryIndex, LedgerIndex, Recognised, Topics};
use crate::metrics::Metrics;
use crate::stop::{Backoff, Stop};

/// The header that every record of the bridge's own topics carries.
pub const JSON_HEADER: (&str, &[u8]) = ("content-type", b"application/json");

/// How long a fenced holder waits for its successor's claim to show, before it believes that there is none.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);

/// What an instance that was fenced did, in its error.
const HOLD: &str = "hold slot";

/// What every part of the forward path works with.
#[derive(Clone)]
pub struct Context {
    /// The bridge's name.
    pub bridge: String,
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Names of topics.
    pub topics: Arc<Topics>,
    /// The ledger in memory, shared with the feeds.
    pub ledger: Arc<Mutex<LedgerIndex>>,
    /// Deliveries in memory, shared with the feeds: what arrives may be one of them.
    pub deliveries: Arc<Mutex<DeliveryIndex>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Files that are expected.
    pub arrivals: Arc<Arrivals>,
    /// Numbers about what is done.
    pub metrics: Arc<Metrics>,
    /// How the process stands.
    pub health: Arc<Health>,
    /// Raised when everything has to end.
    pub stop: Stop,
    /// How long a holder may be silent.
    pub takeover_after: Duration,
}

impl Context {
    /// The ledger, for reading and for taking new entries in.
    pub fn ledger(&self) -> MutexGuard<'_, LedgerIndex> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deliveries in memory.
    pub fn deliveries(&self) -> MutexGuard<'_, DeliveryIndex> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a file that arrives for a feed is to our deliveries.
    #[must_use]
    pub fn recognise(&self, plan: &FeedPlan, path: &str, key: &LogicalKey, hash: ContentHash) -> Recognised {
        self.deliveries().recognise(plan.id(), key, hash, &plan.place_of(path))
    }

    /// The transactional id of a slot.
    #[must_use]
    pub fn transactional_id(bridge: &str, slot: u32) -> String {
        format!("dropbridge-{bridge}-slot-{slot}")
    }
}

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
        let control = read_control(&*context.log, &context.topics)?;
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
        };
        slot.write_claim().map_err(|error| slot.explain(error))?;
        slot.context.health.heartbeat();
        slot.read_ledger()?;
        slot.begin_arrivals(control.arrivals.clone());
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
    pub fn reconfigure(&mut self, context: Context) {
        let before = std::mem::replace(&mut self.context, context);
        if !Arc::ptr_eq(&before.arrivals, &self.context.arrivals) {
            let now = self.context.clock.now();
            self.context.arrivals.go_on_from(&before.arrivals, &self.context.ledger(), now);
        }
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
        self.writer.begin()?;
        self.in_transaction = true;
        Ok(())
    }

    /// Commits, with what there is to say of the arrivals that the transaction tells of; an answer that does not come is asked for again, until it comes or the bridge is asked to stop.
    ///
    /// # Errors
    /// Of the log; `Transient` only when asked to stop, the outcome is not known then, and the next start will see it.
    pub fn commit(&mut self) -> Result<()> {
        let news = std::mem::take(&mut self.news);
        let said = self.send_arrivals_of(&news)?;
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
                    self.tell_arrivals(&said);
                    return Ok(());
                }
            }
        }
    }

    /// Aborts the open transaction, if there is one.
    ///
    /// # Errors
    /// Of the log.
    pub fn abort(&mut self) -> Result<()> {
        if cfg!(feature = "sabotage-skip-abort") {
            return Ok(());
        }
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
        let json = value.map(serde_json::to_vec).transpose();
        let json = json.map_err(|error| PortError::new(ErrorKind::Bug, "serialise", topic, error))?;
        self.writer.send(OutgoingRecord {
            topic,
            partition: Some(partition),
            key: Some(key.as_bytes()),
            value: json.as_deref(),
            headers: &[JSON_HEADER],
            tag: u32::MAX,
        })
    }

    /// Adds a record of the ledger.
    ///
    /// # Errors
    /// Of the log.
    pub fn send_ledger(&mut self, entry: &crate::ledger::LedgerEntry) -> Result<()> {
        let topics = Arc::clone(&self.context.topics);
        if self.context.arrivals.expects(&entry.feed) {
            let news = news(&self.context.ledger(), entry);
            self.news.extend(news.into_iter().map(|arrival| (entry.feed.clone(), arrival)));
        }
        self.send_own(&topics.ledger, self.number, &entry.record_key(), Some(entry))
    }

    /// Says that we are alive, when that is due: a standby watches.
    ///
    /// # Errors
    /// Of the log.
    pub fn beat_if_due(&mut self) -> Result<()> {
        self.pulse.beat();
        let due = self.beat_at + self.context.takeover_after / 4;
        if self.context.clock.elapsed() < due {
            return Ok(());
        }
        self.claim.heartbeat += 1;
        self.claim.heartbeat_at = self.context.clock.now();
        self.write_claim()?;
        self.beat_at = self.context.clock.elapsed();
        self.context.health.heartbeat();
        Ok(())
    }

    /// Gives the slot up, so that nobody has to wait for us.
    ///
    /// # Errors
    /// Of the log.
    pub fn release(mut self) -> Result<()> {
        self.claim.released = true;
        self.claim.heartbeat_at = self.context.clock.now();
        self.write_claim().map_err(|error| self.explain(error))
    }

    /// After `Fenced`: takes the slot again if our claim is still the newest (a producer id expires after days of
    /// silence), and reads the ledger anew; otherwise says who has it now.
    ///
    /// # Errors
    /// `Fenced` when somebody else holds it.
    pub fn reclaim(&mut self, fenced: &PortError) -> Result<()> {
        self.in_transaction = false;
        if let Some(claim) = self.successor()? {
            return Err(taken_over(fenced, &claim));
        }
        tracing::warn!(error = %fenced, "fenced though our claim is the newest: taking the slot again");
        self.writer = self.context.log.writer(&Context::transactional_id(&self.context.bridge, self.number))?;
        self.write_claim()?;
        self.read_ledger()?;
        let control = read_control(&*self.context.log, &self.context.topics)?;
        self.begin_arrivals(control.arrivals);
        Ok(())
    }

    /// Says who holds the slot, when an error is that it is not ours any more; other errors stay as they are.
    #[must_use]
    pub fn explain(&self, error: PortError) -> PortError {
        if error.kind != ErrorKind::Fenced || error.operation == HOLD {
            return error;
        }
        // Where that cannot be found out, being fenced is still the news.
        match self.successor() {
            Ok(Some(claim)) => taken_over(&error, &claim),
            _ => error,
        }
    }

    /// The claim of whoever fenced us: it is written a moment after.
    fn successor(&self) -> Result<Option<Claim>> {
        let patience = self.context.clock.elapsed() + CLAIM_PATIENCE;
        loop {
            let mut control = read_control(&*self.context.log, &self.context.topics)?;
            match control.claims.remove(&self.number) {
                Some(claim) if claim.instance != self.claim.instance => return Ok(Some(claim)),
                _ if self.context.clock.elapsed() >= patience => return Ok(None),
                _ => {
                    if self.context.stop.wait(Duration::from_millis(200)) {
                        return Err(crate::stop::stopped("read claims"));
                    }
                }
            }
        }
    }

    fn write_claim(&mut self) -> Result<()> {
        let topics = Arc::clone(&self.context.topics);
        let claim = self.claim.clone();
        self.begin()?;
        self.send_own(&topics.control, self.number, &Claim::record_key(self.number), Some(&claim))?;
        self.commit()
    }

    fn begin_arrivals(&self, journals: std::collections::BTreeMap<String, crate::arrivals::Journal>) {
        let now = self.context.clock.now();
        self.context.arrivals.begin(journals, &self.context.ledger(), now);
    }

    fn read_ledger(&mut self) -> Result<()> {
        let index = read_ledger(&*self.context.log, &self.context.topics, self.number, &self.genesis)?;
        *self.context.ledger() = index;
        Ok(())
    }
}

/// Holds what the log says of its birth against what the state directory says.
///
/// # Errors
/// `Configuration` when neither knows of one, `Corrupt` when they differ.
pub fn verify_genesis(control: &ControlState, witness: Option<&str>, context: &Context) -> Result<Genesis> {
    let address = context.log.address();
    match (&control.genesis, witness) {
        (Some(genesis), _) if genesis.bridge != context.bridge => Err(PortError::new(
            ErrorKind::Configuration,
            "open log",
            address,
            format!("these topics belong to the bridge `{}`, this one is called `{}`", genesis.bridge, context.bridge),
        )
        .with_hint("a bridge keeps its name for ever: by it one instance fences another; or give the new one another topics.prefix")),
        (Some(genesis), None) => Ok(genesis.clone()),
        (Some(genesis), Some(id)) if genesis.id == id => Ok(genesis.clone()),
        (Some(genesis), Some(id)) => Err(PortError::new(
            ErrorKind::Corrupt,
            "open log",
            address,
            format!(
                "it was initialised as genesis {}, the state directory is of genesis {id}: another log",
                genesis.id
            ),
        )
        .with_hint("point the configuration at the log that belongs to this state directory")),
        (None, Some(id)) => Err(PortError::new(
            ErrorKind::Corrupt,
            "open log",
            address,
            format!("it has no genesis, but this bridge has a past (genesis {id}): the log was emptied or exchanged"),
        )
        .with_hint("restore the log; a fresh start would publish everything in the inboxes again")),
        (None, None) => {
            Err(PortError::new(ErrorKind::Configuration, "open log", address, "the bridge is not initialised")
                .with_hint("run `dropbridge init`"))
        }
    }
}

fn taken_over(fenced: &PortError, claim: &Claim) -> PortError {
    PortError::new(
        ErrorKind::Fenced,
        HOLD,
        format!("slot {}", claim.slot),
        format!("{} took it over at {}; {}", claim.holder, claim.claimed_at.local(), fenced.message),
    )
}

/// An id that nobody else has.
#[must_use]
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    // The kernel's generator is always there; were it not, the process id and the clock still tell instances apart.
    if std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .is_err()
    {
        let fallback = u128::from(std::process::id()) << 64 | jiff::Timestamp::now().as_nanosecond().unsigned_abs();
        bytes = fallback.to_be_bytes();
    }
    crate::domain::hash::hex(&bytes)
}

/// Host and process, for people.
#[must_use]
pub fn holder() -> String {
    format!("{} (process {})", host(), std::process::id())
}

/// This machine's name.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
