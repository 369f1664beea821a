//! Everything that can fail about a file, done before a transaction is opened.

use std::io::Read;
use std::sync::Arc;

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, PortError, Result};
use sha2::{Digest, Sha256};

use super::manifest::FileSummary;
use super::plan::{FeedPlan, Identity};
use super::publish::ticket::Ticket;
use super::translate::Translator;
use super::way::Way;
use crate::capture::read_ahead::ReadAhead;
use crate::capture::{Account, Body, Store};
use crate::cutover::CutoverJournal;
use crate::domain::event::Origin;
use crate::domain::name_pattern::NameFacts;
use crate::domain::{BusinessDate, ContentHash, EntryFacts, Moment};
use crate::layout::{ParseError, Parser, Record, Reject, RejectCode};
use crate::mapping::FileNaming;

/// What was tried when a capture could not be read: by it errors of the store's objects are told from those of the log
/// and the ledger.
pub(super) const CAPTURE_OPERATION: &str = "read capture of";

/// Whether an error says that the store has lost or damaged the bytes of a capture.
pub(super) fn is_damage(error: &PortError) -> bool {
    error.operation == CAPTURE_OPERATION && matches!(error.kind, ErrorKind::Corrupt | ErrorKind::NotFound)
}

/// A file on its way to the log.
#[derive(Debug)]
pub struct Prepared {
    /// Its feed.
    pub plan: Arc<FeedPlan>,
    /// Its identity.
    pub identity: Identity,
    /// The entry it was taken from.
    pub entry: EntryFacts,
    /// Hash of its bytes; an entry that vanished unread has none.
    pub hash: Option<ContentHash>,
    /// Its bytes; they stay at hand until the file is dealt with.
    pub body: Option<Body>,
    /// The revision that its events were made as.
    pub revision: u32,
    /// What they were made to correct.
    pub supersedes: Option<ContentHash>,
    /// What it came to.
    pub outcome: Outcome,
    /// How many transitions its department's journal had when its events were made.
    pub transitions: usize,
    /// The request that asked for it.
    pub request: Option<Asked>,
    /// When it passed each stage so far.
    pub way: Way,
    /// Given back when the file is dealt with.
    pub ticket: Option<Ticket>,
    /// Lives as long as this: by it the scanner sees that the file is dealt with.
    pub on_its_way: Arc<()>,
}

/// The request behind a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request's id.
    pub id: String,
    /// Publish it even though other bytes are known under its key.
    pub as_correction: bool,
}

impl Prepared {
    /// What its events are made from. `journal`: that of its department.
    #[must_use]
    pub fn source<'a>(&'a self, bridge: &'a str, journal: Option<&'a CutoverJournal>) -> Option<Source<'a>> {
        Some(Source {
            plan: &self.plan,
            bridge,
            identity: &self.identity,
            entry: &self.entry,
            hash: self.hash?,
            revision: self.revision,
            supersedes: self.supersedes,
            journal,
        })
    }

    /// Roughly how many bytes of memory it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let body = if let Some(Body::Memory(bytes)) = &self.body { bytes.len() } else { 0 };
        let events = if let Outcome::Events { body: Events::Held(held), .. } = &self.outcome { held.size() } else { 0 };
        body + events + 4096
    }
}

/// What a file came to.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing was looked at yet: the ledger has known it before, or a person has to decide first.
    Unexamined,
    /// It is fine.
    Events {
        /// The events, or how to make them again.
        body: Events,
        /// What was read beside them.
        file: Box<FileSummary>,
        /// How many records.
        records: u64,
        /// How many events there are to publish.
        events: u64,
        /// How many more it made, of dates for which the new service speaks.
        withheld: u64,
        /// The newest date of all of them.
        newest_date: Option<BusinessDate>,
    },
    /// It is not: its bytes are in the store.
    Reject(Reject),
    /// It disappeared unread.
    Vanished,
}

/// The events of a file.
#[derive(Debug)]
pub enum Events {
    /// Few enough to be held.
    Held(HeldEvents),
    /// To be made again from the store, in chunks.
    Streamed,
}

/// Events in memory, in one piece each of keys and values.
#[derive(Debug, Default)]
pub struct HeldEvents {
    bytes: Vec<u8>,
    events: Vec<HeldEvent>,
}

#[derive(Debug)]
struct HeldEvent {
    /// Index into the mapping's events.
    plan: usize,
    key_end: usize,
    value_end: usize,
}

impl HeldEvents {
    /// Adds an event; `false` when there would be more of them than the limits allow.
    fn push(&mut self, plan: usize, key: &[u8], value: &[u8], limits: HoldLimits) -> bool {
        let needed = self.bytes.len() + key.len() + value.len();
        if self.events.len() == limits.events || needed > limits.bytes {
            return false;
        }
        if needed > self.bytes.capacity() {
            // A vector that doubles by itself would take up to twice the limit.
            let capacity = (self.bytes.capacity() * 2).clamp(needed, limits.bytes);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.append(plan, key, value);
        true
    }

    /// Adds an event, whatever there is already.
    pub(super) fn append(&mut self, plan: usize, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.events.push(HeldEvent { plan, key_end, value_end: self.bytes.len() });
    }

    /// Index of the mapping's event, key and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8], &[u8])> {
        let mut start = 0;
        self.events.iter().map(move |event| {
            let key = &self.bytes[start..event.key_end];
            let value = &self.bytes[event.key_end..event.value_end];
            start = event.value_end;
            (event.plan, key, value)
        })
    }

    /// How many bytes of memory they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.events.capacity() * size_of::<HeldEvent>()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none: an empty day.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Beyond what a file's events are no longer held in memory.
#[derive(Clone, Copy, Debug)]
pub struct HoldLimits {
    /// Events.
    pub events: usize,
    /// Bytes of events.
    pub bytes: usize,
}

/// What a file is, for making its events.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its feed.
    pub plan: &'a FeedPlan,
    /// The bridge's name.
    pub bridge: &'a str,
    /// Its identity.
    pub identity: &'a Identity,
    /// The entry it was taken from.
    pub entry: &'a EntryFacts,
    /// Hash of its bytes.
    pub hash: ContentHash,
    /// 1, or more for a correction.
    pub revision: u32,
    /// What it corrects.
    pub supersedes: Option<ContentHash>,
    /// Says which dates are whose.
    pub journal: Option<&'a CutoverJournal>,
}

impl<'a> Source<'a> {
    /// Its common envelope.
    #[must_use]
    pub fn origin(&self) -> Origin<'a> {
        Origin {
            bridge: self.bridge,
            feed: &self.plan.settings.id,
            department: &self.plan.settings.department,
            key: &self.identity.key,
            hash: self.hash,
            revision: self.revision,
            supersedes: self.supersedes,
            modified: Moment::from_unix_ns(self.entry.modified_ns),
        }
    }

    /// What its name says.
    #[must_use]
    pub fn naming(&self) -> FileNaming {
        naming(self.entry, &self.identity.facts)
    }
}

fn naming(entry: &EntryFacts, facts: &NameFacts) -> FileNaming {
    FileNaming {
        name: entry.path.rsplit('/').next().unwrap_or(&entry.path).to_owned(),
        business_date: facts.business_date.map(|date| date.to_string()),
        sequence: facts.sequence.clone(),
    }
}

/// The bytes of a capture, hashed again while they are read where they come from a disk: ahead, by a thread of their own.
///
/// # Errors
/// When the store does not have them.
pub fn open_body<'a>(body: &'a Body, hash: ContentHash, store: &Store) -> Result<Box<dyn Read + Send + 'a>> {
    Ok(match body {
        Body::Memory(bytes) => Box::new(bytes.as_slice()),
        Body::Stored(_) => {
            let inner = store.read(hash).map_err(|error| PortError { operation: CAPTURE_OPERATION, ..error })?;
            let verified = VerifiedReader { inner, hasher: Sha256::new(), expected: hash };
            let ahead =
                ReadAhead::new(verified).map_err(|error| PortError::io(CAPTURE_OPERATION, hash.to_string(), &error))?;
            Box::new(ahead)
        }
    })
}

/// Reads a capture to its end, to see whether the store has the bytes of its hash.
///
/// # Errors
/// When it has not.
pub fn verify(body: &Body, hash: ContentHash, store: &Store) -> Result<()> {
    if let Body::Memory(_) = body {
        return Ok(());
    }
    let mut reader = open_body(body, hash, store)?;
    match std::io::copy(&mut reader, &mut std::io::sink()) {
        Ok(_) => Ok(()),
        Err(error) => Err(PortError::io(CAPTURE_OPERATION, hash.to_string(), &error)),
    }
}

/// Fails at the end when the bytes were not those of the hash.
struct VerifiedReader<R> {
    inner: R,
    hasher: Sha256,
    expected: ContentHash,
}

impl<R: Read> Read for VerifiedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        if length == 0 && !buffer.is_empty() {
            let found = ContentHash::finish(self.hasher.clone());
            if found != self.expected {
                let message = format!("the store has other bytes ({}) under the hash {}", found.short(), self.expected);
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
            }
        }
        Ok(length)
    }
}

/// Parses, maps and validates a whole file.
///
/// # Errors
/// Of the store; what is wrong with the file is an [`Outcome::Reject`].
pub fn examine(source: &Source<'_>, body: &Body, store: &Store, limits: HoldLimits) -> Result<Outcome> {
    match try_examine(source, body, store, limits) {
        Ok(outcome) => Ok(outcome),
        Err(Failure::Reject(reject)) => {
            // It was not read to its end: that the store has other bytes by now is no fault of the file.
            verify(body, source.hash, store)?;
            Ok(Outcome::Reject(reject))
        }
        Err(Failure::Port(error)) => Err(error),
    }
}

/// Why a file could not be examined.
#[derive(Debug)]
pub enum Failure {
    /// Its content.
    Reject(Reject),
    /// Something outside.
    Port(PortError),
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Reject(reject) => Self::Reject(reject),
            ParseError::Io(error) => Self::Port(PortError::io(CAPTURE_OPERATION, "a file", &error)),
        }
    }
}

fn try_examine(
    source: &Source<'_>,
    body: &Body,
    store: &Store,
    limits: HoldLimits,
) -> std::result::Result<Outcome, Failure> {
    let plan = source.plan;
    let trailer = read_trailer(source, body, store)?;
    let naming = source.naming();
    let reader = open_body(body, source.hash, store)?;
    let mut translator =
        Translator::new(plan, reader, source.origin(), &naming, trailer.as_ref()).spoken_by(source.journal).proving();
    let mut held = Some(HeldEvents::default());
    while let Some(event) = translator.next_event()? {
        let index = plan_index(plan, event.event_type);
        if held.as_mut().is_some_and(|events| !events.push(index, event.key, event.value, limits)) {
            // There are too many: they are made again when they are sent.
            held = None;
            translator.only_examine();
        }
    }
    let translated = translator.finish().map_err(Failure::Reject)?;
    let (withheld, newest_date) = (translated.withheld, translated.newest_date);
    let events = translator.ordinal() - withheld;
    let facts = translator.facts();
    let file = FileSummary::new(&plan.settings.layout, &plan.digest, facts, translated);
    let records = facts.records;
    let body = held.map_or(Events::Streamed, Events::Held);
    Ok(Outcome::Events { body, file: Box::new(file), records, events, withheld, newest_date })
}

/// The trailer, where the mapping needs it before the first event is made.
///
/// # Errors
/// As for [`examine`].
pub fn read_trailer(source: &Source<'_>, body: &Body, store: &Store) -> std::result::Result<Option<Record>, Failure> {
    if !source.plan.mapping.needs_trailer() {
        return Ok(None);
    }
    trailer_of(source.plan, open_body(body, source.hash, store)?)
}

/// The trailer of a file, read to its end; bad records are passed over where the feed allows some.
///
/// # Errors
/// As for [`examine`].
pub fn trailer_of(plan: &FeedPlan, reader: impl Read) -> std::result::Result<Option<Record>, Failure> {
    let mut parser = Parser::new(&plan.settings.layout, reader);
    let mut record = Record::new();
    loop {
        match parser.read(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(parser.facts().trailer.clone()),
            Err(ParseError::Reject(_)) if plan.settings.rejects.is_some() && parser.pass_over(&mut record) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The index of an event type's first plan: where an event goes depends on its type alone.
#[must_use]
pub fn plan_index(plan: &FeedPlan, event_type: &str) -> usize {
    plan.mapping.events().iter().position(|event| event.event_type() == event_type).unwrap_or_default()
}

/// Makes sure that bytes are in the store.
///
/// # Errors
/// Of the store.
pub fn keep(body: &Body, hash: ContentHash, store: &Store, account: Account<'_>) -> Result<()> {
    match body {
        Body::Memory(bytes) => store.put(hash, bytes, account),
        Body::Stored(_) => Ok(()),
    }
}

/// A reject that is about the whole file.
#[must_use]
pub fn whole_file(code: RejectCode, reason: impl Into<String>) -> Reject {
    Reject { code, reason: reason.into(), byte: 0, line: 1, record: 1, record_type: None, field: None }
}

/// Passes a failpoint before publishing.
///
/// # Errors
/// When the failpoint asks for one.
pub fn pass(point: Failpoint, subject: &str) -> Result<()> {
    if reach(point) {
        return Err(PortError::new(ErrorKind::Transient, "pass failpoint", subject, point.name()));
    }
    Ok(())
}
