//! Opening the ledger: from its cache where that is of this ledger, and from the topic for what came since; from the
//! topic alone otherwise.

use dropbridge_port::{
    CacheBuilder, CacheChange, CacheLabel, CacheState, CacheUse, ErrorKind, EventLog, FetchedRecord, Polled, PortError,
    RecordCache, RecordCaches, Result, StartAt,
};

use super::control::{GENESIS_KEY, Genesis};
use super::index::{LedgerIndex, Note, Put};
use super::keys::{Keyring, checksum};
use super::replay::{Partition, corrupt, decode};
use super::topics::Topics;

/// Whoever only looks does not keep more than so many records in memory beside a cache that is behind.
const MOST_BEHIND: i64 = 50_000;

/// After so many records of a ledger that is read from its beginning it is said how far it is.
const RECORDS_PER_LINE: u64 = 1_000_000;

/// Where a ledger is read from.
#[derive(Clone, Copy)]
pub struct LedgerSource<'l> {
    /// The log.
    pub log: &'l dyn EventLog,
    /// Names of topics.
    pub topics: &'l Topics,
    /// Whose ledger partition.
    pub slot: u32,
    /// The bridge's birth.
    pub genesis: &'l Genesis,
    /// Where caches are.
    pub caches: &'l dyn RecordCaches,
}

impl LedgerSource<'_> {
    /// Opens the ledger as it is now, to look into it or to keep it.
    ///
    /// # Errors
    /// `Transient`; `Corrupt` when a record cannot be read or the genesis is missing: the ledger was emptied or is
    /// another's.
    pub fn open(&self, intended: CacheUse) -> Result<LedgerIndex> {
        if self.has_genesis_at_its_head()? {
            match self.caches.open(&self.label(), intended) {
                Ok(Some(cache)) => {
                    if let Some(index) = self.resume(cache, intended)? {
                        return Ok(index);
                    }
                    tracing::info!("the ledger's cache is not of this topic as it is now: it is made anew");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the ledger's cache is not used"),
            }
        }
        self.read_all(intended)
    }

    fn label(&self) -> CacheLabel {
        let Self { topics, slot, genesis, .. } = self;
        CacheLabel { origin: format!("{} {} {slot}", genesis.id, topics.ledger), form: Keyring::form() }
    }

    fn partition(&self) -> Partition<'_> {
        Partition { log: self.log, topic: &self.topics.ledger, partition: self.slot }
    }

    /// The first record of a ledger is its genesis. Where it is not, all is read: that says what is wrong.
    fn has_genesis_at_its_head(&self) -> Result<bool> {
        let mut reader = self.partition().reader(StartAt::Partition(self.slot))?;
        match self.partition().next(&mut *reader)? {
            Polled::Record(record) if record.key.as_deref() == Some(GENESIS_KEY.as_bytes()) => {
                let Some(value) = &record.value else { return Ok(false) };
                Ok(decode::<Genesis>(&self.topics.ledger, &record, value)?.id == self.genesis.id)
            }
            _ => Ok(false),
        }
    }

    /// Goes on from a cache; `None` where the topic does not have what the cache has seen.
    fn resume(&self, cache: Box<dyn RecordCache>, intended: CacheUse) -> Result<Option<LedgerIndex>> {
        let position = cache.state().position;
        let watermarks = self.log.watermarks(&self.topics.ledger)?;
        let Some(ends) = watermarks.into_iter().find(|ends| ends.partition == self.slot) else { return Ok(None) };
        let is_far_behind = intended == CacheUse::Look && ends.high - position > MOST_BEHIND;
        if position > ends.high || position < ends.low || is_far_behind {
            return Ok(None);
        }
        let keyring = Keyring::new(&self.genesis.id);
        let Ok(mut index) = LedgerIndex::new(keyring, Some(cache), intended == CacheUse::Keep) else { return Ok(None) };
        let newest = index.note().newest;
        let from = newest.map_or(position, |(offset, _)| offset);
        let mut reader = self.partition().reader(StartAt::Offset { partition: self.slot, offset: from })?;
        let mut is_same = newest.is_none();
        while let Polled::Record(record) = self.partition().next(&mut *reader)? {
            if let Some((offset, sum)) = newest.filter(|_| !is_same) {
                // Compacted away: a newer one took its place, and that comes after it.
                is_same = record.offset > offset || record.value.as_deref().map(checksum) == Some(sum);
                if !is_same {
                    return Ok(None);
                }
            }
            if record.offset >= position {
                self.take_in(&mut index, record)?;
                if !is_sound(index.save_if_much()) {
                    return Ok(None);
                }
            }
        }
        // Damage may show only now, when what came since was held against it.
        let is_whole = is_same && is_sound(index.check()) && is_sound(index.save());
        Ok(is_whole.then_some(index))
    }

    fn take_in(&self, index: &mut LedgerIndex, mut record: FetchedRecord) -> Result<()> {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        match record.value.take() {
            Some(_) if key == GENESIS_KEY => {}
            Some(value) => {
                let put = index.put(record.offset, value);
                put.map_err(|message| corrupt(&self.topics.ledger, &record, message))?;
            }
            None => index.remove(record.offset, &key),
        }
        Ok(())
    }

    /// Reads the whole partition into a new cache.
    fn read_all(&self, intended: CacheUse) -> Result<LedgerIndex> {
        let keyring = Keyring::new(&self.genesis.id);
        let mut builder = self.begin_cache(intended)?;
        let (mut note, mut found, mut position, mut records) = (Note::default(), None, 0, 0_u64);
        self.partition().read(|mut record| {
            position = record.offset + 1;
            records += 1;
            if records.is_multiple_of(RECORDS_PER_LINE) {
                tracing::info!(records, "reading the ledger from its beginning");
            }
            let value = record.value.take();
            if record.key.as_deref() == Some(GENESIS_KEY.as_bytes()) {
                if let Some(value) = &value {
                    found = Some(decode(&self.topics.ledger, &record, value)?);
                }
                return Ok(());
            }
            self.add(&mut *builder, &mut note, &keyring, &record, value)
        })?;
        self.verify(found)?;
        let cache = builder.finish(CacheState { position, note: note.to_bytes() })?;
        LedgerIndex::new(keyring, Some(cache), intended == CacheUse::Keep)
    }

    fn begin_cache(&self, intended: CacheUse) -> Result<Box<dyn CacheBuilder>> {
        match self.caches.build(&self.label(), intended) {
            Err(error) if intended == CacheUse::Keep => {
                tracing::warn!(%error, "the ledger has no cache, and is read from its beginning at each start");
                self.caches.build(&self.label(), CacheUse::Look)
            }
            answer => answer,
        }
    }

    fn add(
        &self,
        builder: &mut dyn CacheBuilder,
        note: &mut Note,
        keyring: &Keyring,
        record: &FetchedRecord,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        match value {
            Some(value) => {
                let put = note.put(keyring, record.offset, value);
                let Put { change, .. } = put.map_err(|message| corrupt(&self.topics.ledger, record, message))?;
                builder.add(change)
            }
            None => {
                let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
                let Some(identity) = keyring.identity_of_record(&key) else { return Ok(()) };
                builder.add(CacheChange::Remove { offset: record.offset, identity })
            }
        }
    }

    fn verify(&self, found: Option<Genesis>) -> Result<()> {
        let (topic, genesis) = (&self.topics.ledger, self.genesis);
        match found {
            Some(found) if found.id == genesis.id => Ok(()),
            Some(found) => Err(PortError::new(
                ErrorKind::Corrupt,
                "read ledger",
                topic,
                format!("it belongs to bridge `{}` (genesis {}), not to ours ({})", found.bridge, found.id, genesis.id),
            )),
            None => Err(PortError::new(
                ErrorKind::Corrupt,
                "read ledger",
                topic,
                "its genesis record is missing, though the bridge has a past: the topic was emptied, made anew, or is not compacted",
            )
            .with_hint("restore the topic before anything is published, or everything in the inboxes would be published again")),
        }
    }
}

/// Hands over each record of a slot's ledger as it stands in the topic, those that were replaced too.
///
/// # Errors
/// Of the log, and of `each`.
pub fn each_record(
    log: &dyn EventLog,
    topics: &Topics,
    slot: u32,
    each: &mut dyn FnMut(&FetchedRecord) -> std::io::Result<()>,
) -> Result<()> {
    let partition = Partition { log, topic: &topics.ledger, partition: slot };
    partition.read(|record| each(&record).map_err(|error| PortError::io("export", &topics.ledger, &error)))
}

/// A cache that turns out to be damaged, or cannot be written, is not gone on with.
fn is_sound(answer: Result<()>) -> bool {
    answer.inspect_err(|error| tracing::warn!(%error, "the ledger's cache is not used")).is_ok()
}
