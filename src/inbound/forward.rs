//! Forwarding: candidate events of those dates that the journal gives to the new service become authoritative.
//!
//! ```text
//! candidate topic → judged (whole? whose? seen before?) → authoritative topic, rejects, the place that was reached
//! ```
//!
//! All of a pass is one transaction of the slot's writer: what is forwarded, what is refused, and how far the candidate
//! topics were gone through. So an event is forwarded once, whatever is killed. Which events go is decided in
//! [`crate::cutover::Forwarding`]; cutovers are decided on the same thread, between two passes.

mod batch;
mod progress;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{
    ErrorKind, FetchedRecord, Isolation, PartitionOffset, Polled, PortError, Reader, Result, StartAt,
};

pub use progress::ForwardingProgress;

use batch::Batch;
use progress::{Surveyor, highs};

use super::candidate::CandidateRules;
use super::plan::FeedPlan;
use super::prepare::pass;
use super::publish::Publisher;
use super::recent::{HORIZON, Recent};
use super::slot::Context;
use crate::cutover::{CutoverJournal, Forwarding};
use crate::domain::Moment;
use crate::ledger::replay::read_settled_control;
use crate::ledger::topics::REQUEST_PARTITION;
use crate::window::Mark;

/// Records of one pass, at most.
const MOST_RECORDS: usize = 1000;
/// Bytes of their values, at most (the last may go beyond).
const MOST_BYTES: usize = 1 << 20;
/// So often the place that was reached is written where nothing was forwarded.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// How long a pass waits for a record where there has to be one.
const PATIENCE: Duration = Duration::from_millis(100);
/// So many times in a row.
const MOST_WAITS: u32 = 600;
/// So often for what others have begun: a commit is answered before it shows, and one that stays open is left for later.
const WAITS_FOR_OTHERS: u32 = 100;
/// So often before a person is told.
const SAID_AFTER: u32 = 10;
/// So often topics are looked for that were missing.
const LOOK_FOR_MISSING: Duration = Duration::from_secs(10);

/// Topic, partition and offset.
type Place = (Arc<str>, u32, i64);

/// Goes through the candidate topics.
pub struct Forwarder {
    context: Context,
    rules: CandidateRules,
    /// Those candidate topics that are there.
    topics: Vec<String>,
    /// Those that are configured and missing.
    missing: Vec<String>,
    looked_for_missing: Duration,
    /// For those who cut dates off.
    surveyor: Surveyor,
    state: Forwarding,
    reader: Option<Box<dyn Reader>>,
    recent: HashMap<(Arc<str>, u32), Recent>,
    /// The end of each partition where it was told, and nothing came since.
    at_end: BTreeMap<(Arc<str>, u32), i64>,
    /// Partitions whose latest record was refused.
    refusing: BTreeSet<(Arc<str>, u32)>,
    /// Behind the newest record of each partition, committed or not, when they were opened.
    highs: BTreeMap<(Arc<str>, u32), i64>,
    /// What was reached differs from what was written.
    is_unsaved: bool,
    saved_at: Duration,
    /// After an event that the log refuses, fewer and fewer go together, so that it shows which it was.
    most_records: usize,
    /// What the log refused, by place.
    refused: BTreeMap<Place, String>,
    /// What a transaction came to is not known: the log has to be asked.
    is_in_doubt: bool,
    /// The first record that the pass is about.
    first_of_pass: Option<Place>,
}

impl Forwarder {
    /// For a slot that is held. `state`: what the log says.
    #[must_use]
    pub fn new(context: &Context, state: Option<Forwarding>) -> Self {
        Self {
            context: context.clone(),
            rules: CandidateRules::default(),
            topics: Vec::new(),
            missing: Vec::new(),
            looked_for_missing: Duration::ZERO,
            surveyor: Surveyor::default(),
            state: state.unwrap_or_default(),
            reader: None,
            recent: HashMap::new(),
            at_end: BTreeMap::new(),
            refusing: BTreeSet::new(),
            highs: BTreeMap::new(),
            is_unsaved: false,
            saved_at: Duration::ZERO,
            most_records: MOST_RECORDS,
            refused: BTreeMap::new(),
            is_in_doubt: false,
            first_of_pass: None,
        }
    }

    /// Goes on under this configuration.
    ///
    /// # Errors
    /// Of the log.
    pub fn prepare<'p>(&mut self, context: &Context, plans: impl Iterator<Item = &'p FeedPlan>) -> Result<()> {
        self.context = context.clone();
        self.rules = CandidateRules::new(&context.topics, plans);
        self.look_for_topics()
    }

    /// Finds those candidate topics that are there. One that is missing has no events, and holds up no other.
    fn look_for_topics(&mut self) -> Result<()> {
        let wanted = self.context.topics.candidates();
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let found = if names.is_empty() { Vec::new() } else { self.context.log.topics(&names)? };
        let is_there = |name: &String| found.iter().any(|topic| topic.name == *name);
        let (topics, missing): (Vec<String>, Vec<String>) = wanted.into_iter().partition(is_there);
        for topic in missing.iter().filter(|topic| !self.missing.contains(topic)) {
            tracing::warn!(topic, "none of its events is forwarded: this topic is missing; run `dropbridge init`");
        }
        if topics != self.topics {
            self.topics = topics;
            self.close();
        }
        self.missing = missing;
        self.looked_for_missing = self.context.clock.elapsed();
        self.context.forwarding.set_needless(self.topics.is_empty());
        Ok(())
    }

    /// Whether candidate events are forwarded at all.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Opens the topics anew, at the place that is written in the log.
    fn close(&mut self) {
        self.reader = None;
        self.recent.clear();
        self.at_end.clear();
        self.refusing.clear();
        self.surveyor.forget();
    }

    /// Takes what has come. Answers whether there was something; `wait` is for the first record.
    ///
    /// # Errors
    /// Of the log. What was not committed is taken again by the next pass.
    pub fn pass(&mut self, publisher: &mut Publisher, wait: Duration) -> Result<bool> {
        if !self.missing.is_empty() && self.context.clock.elapsed() >= self.looked_for_missing + LOOK_FOR_MISSING {
            self.look_for_topics()?;
        }
        if !self.is_ready() {
            return Ok(false);
        }
        self.settle_doubt(publisher)?;
        let passed = self.pass_once(publisher, wait);
        if let Err(error) = &passed {
            self.doubt();
            if error.kind == ErrorKind::Unacceptable {
                publisher.abort_or_reclaim()?;
                return self.blame(error);
            }
        }
        if passed.is_ok() {
            let Context { forwarding, log, clock, .. } = &self.context;
            let now = (clock.now(), clock.elapsed());
            self.surveyor.look(forwarding, &**log, &self.topics, &self.state, now)?;
        }
        passed
    }

    /// What was sent may be committed or not.
    pub(super) fn doubt(&mut self) {
        self.is_in_doubt = true;
    }

    /// Asks the log what became of a transaction that failed, where one did. To be called before anything else is
    /// published: a cutover may be among it.
    ///
    /// # Errors
    /// Of the log.
    pub fn settle_doubt(&mut self, publisher: &mut Publisher) -> Result<()> {
        if !self.is_in_doubt {
            return Ok(());
        }
        let control = read_settled_control(&*self.context.log, &self.context.topics)?;
        self.context.authorities.learn(&control.cutovers);
        publisher.learn_spoken(&control.spoken);
        self.resume(control.forwarding.unwrap_or_default());
        self.is_in_doubt = false;
        Ok(())
    }

    /// The log refuses an event: the next pass takes half as many; the one that is refused alone is rejected.
    fn blame(&mut self, error: &PortError) -> Result<bool> {
        if self.most_records > 1 {
            self.most_records /= 2;
        } else if let Some(place) = self.first_of_pass.take() {
            self.refused.insert(place, format!("the log refuses it: {}", error.message));
        }
        Ok(true)
    }

    fn pass_once(&mut self, publisher: &mut Publisher, wait: Duration) -> Result<bool> {
        let (records, ends) = self.fetch(wait)?;
        let due = self.is_unsaved && self.context.clock.elapsed() >= self.saved_at + SAVE_EVERY;
        if records.is_empty() && ends.is_empty() && !due {
            return Ok(false);
        }
        let batch = self.sort_out(&records);
        // Markers of transactions have offsets too: an end may lie behind the last record.
        ends.iter().for_each(|end| self.state.reach(&end.topic, end.partition, end.to));
        if batch.has_something() || due {
            self.commit(publisher, &records, &batch)?;
        }
        batch.account(publisher);
        if self.first_of_pass.is_some() {
            self.most_records = (2 * self.most_records).min(MOST_RECORDS);
        }
        Ok(!records.is_empty())
    }

    /// Records that have come, in their order, and ends that were reached behind them.
    fn fetch(&mut self, wait: Duration) -> Result<(Vec<FetchedRecord>, Vec<Mark>)> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.open()?,
        };
        let (mut records, mut ends, mut bytes, mut wait) = (Vec::new(), Vec::new(), 0, wait);
        while records.len() < self.most_records && bytes < MOST_BYTES {
            match reader.poll(wait)? {
                Polled::Record(record) => {
                    bytes += record.value.as_ref().map_or(0, Vec::len);
                    self.at_end.remove(&(Arc::clone(&record.topic), record.partition));
                    records.push(record);
                }
                Polled::End { topic, partition, offset } => {
                    ends.push(Mark { topic: topic.to_string(), partition, to: offset });
                    self.at_end.insert((topic, partition), offset);
                }
                Polled::Idle => break,
            }
            wait = Duration::ZERO;
        }
        self.reader = Some(reader);
        Ok((records, ends))
    }

    /// A reader that begins so far before the place that was reached that repeated events are known.
    fn open(&mut self) -> Result<Box<dyn Reader>> {
        let log = Arc::clone(&self.context.log);
        let mut starts = Vec::new();
        self.highs = highs(&*log, &self.topics)?;
        for topic in &self.topics {
            for ends in log.watermarks(topic)? {
                let reached = self.state.position(topic, ends.partition).unwrap_or(ends.low).max(ends.low);
                self.state.reach(topic, ends.partition, reached);
                let offset = reached.saturating_sub(HORIZON).max(ends.low);
                starts.push((topic.as_str(), StartAt::Offset { partition: ends.partition, offset }));
            }
        }
        self.recent.clear();
        self.at_end.clear();
        log.reader(Isolation::ReadCommitted, &starts)
    }

    /// One transaction: what is forwarded and refused, and the place that was reached.
    fn commit(&mut self, publisher: &mut Publisher, records: &[FetchedRecord], batch: &Batch) -> Result<()> {
        publisher.begin()?;
        self.send(publisher, records, batch)?;
        self.send_state(publisher)?;
        pass(Failpoint::CandidatesSent, "candidate topics")?;
        publisher.commit()?;
        self.is_unsaved = false;
        self.saved_at = self.context.clock.elapsed();
        // It is committed: a failpoint that asks for an error comes too late.
        let _forwarded = pass(Failpoint::CandidatesForwarded, "candidate topics");
        Ok(())
    }

    fn send_state(&self, publisher: &mut Publisher) -> Result<()> {
        let topic = self.context.topics.control.clone();
        let slot = publisher.slot();
        slot.send_own(&topic, REQUEST_PARTITION, Forwarding::RECORD_KEY, Some(&self.state))?;
        let offset =
            |mark: &Mark| PartitionOffset { topic: mark.topic.clone(), partition: mark.partition, offset: mark.to };
        let offsets: Vec<_> = self.state.positions.iter().map(offset).collect();
        // For whoever watches lag: what counts is the record, since a broker forgets groups that are silent.
        slot.writer().send_offsets(&group(&self.context.bridge), &offsets)
    }

    /// Goes through all that is there now.
    ///
    /// # Errors
    /// Of the log.
    pub fn finish(&mut self, publisher: &mut Publisher) -> Result<()> {
        if !self.is_ready() {
            return Ok(());
        }
        self.close();
        let (at, mut waits) = (self.context.clock.now(), 0);
        while waits < MOST_WAITS && !self.context.stop.is_raised() {
            let came = self.pass(publisher, PATIENCE)?;
            let shows_all = self.highs.iter().all(|(place, high)| self.at_end.get(place) >= Some(high));
            if !came && shows_all {
                return self.finished(publisher, at);
            }
            if !came && self.at_end.len() == self.highs.len() {
                match waits {
                    SAID_AFTER => tracing::info!("waiting for candidate events in a transaction that is still open"),
                    WAITS_FOR_OTHERS => {
                        tracing::warn!(
                            "candidate events in a transaction that is still open are left for the next run"
                        );
                        return self.finished(publisher, at);
                    }
                    _ => {}
                }
            }
            waits = if came { 0 } else { waits + 1 };
            publisher.slot().beat_if_due()?;
        }
        Ok(())
    }

    /// All was gone through that was there at a moment.
    fn finished(&mut self, publisher: &mut Publisher, at: Moment) -> Result<()> {
        self.save(publisher)?;
        self.context.forwarding.set_through(at);
        Ok(())
    }

    fn save(&mut self, publisher: &mut Publisher) -> Result<()> {
        if !self.is_unsaved {
            return Ok(());
        }
        let saved = self.commit(publisher, &[], &Batch::default());
        if saved.is_err() {
            self.doubt();
        }
        saved
    }

    /// Ends what an earlier transition has begun: the next one must find all of it judged.
    ///
    /// # Errors
    /// Of the log; `Transient` where it does not answer.
    pub(super) fn catch_up(&mut self, publisher: &mut Publisher) -> Result<()> {
        let mut waits = 0;
        while self.is_ready() && self.state.is_catching_up() {
            if self.context.stop.is_raised() {
                return Err(crate::stop::stopped("go through candidate topics"));
            }
            if !self.pass(publisher, PATIENCE)? {
                waits += 1;
            }
            if waits > MOST_WAITS {
                let message = "their end does not come";
                return Err(PortError::new(ErrorKind::Transient, "read", "candidate topics", message));
            }
            publisher.slot().beat_if_due()?;
        }
        Ok(())
    }

    /// What is written with a transition that gives dates to the candidate: the topics are gone through again.
    ///
    /// # Errors
    /// Of the log.
    pub(super) fn again(&self, journal: &CutoverJournal) -> Result<Forwarding> {
        let mut beginnings = Vec::new();
        for topic in &self.topics {
            let marks = self.context.log.watermarks(topic)?.into_iter();
            beginnings.extend(marks.map(|ends| Mark { topic: topic.clone(), partition: ends.partition, to: ends.low }));
        }
        let mut state = self.state.clone();
        state.begin_again(journal, &beginnings);
        Ok(state)
    }

    /// A state that was committed with a transition holds from now on.
    pub(super) fn resume(&mut self, state: Forwarding) {
        self.state = state;
        self.is_unsaved = false;
        self.close();
    }
}

/// The consumer group whose offsets say how far the candidate topics were gone through.
#[must_use]
pub fn group(bridge: &str) -> String {
    format!("dropbridge-{bridge}-forward")
}
