//! The topic `deliveries` in memory, and what it says of a file that arrives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, PortError, Result};
use serde::de::DeserializeOwned;

use super::delivery::{Delivery, DeliveryState, EPOCH_KEY, Epoch, FORMAT, Position};
use super::replay::read_partition;
use crate::domain::{ContentHash, LogicalKey};
use crate::window::WindowJournal;

/// Every delivery and every rendering's position.
#[derive(Debug, Default)]
pub struct DeliveryIndex {
    deliveries: BTreeMap<String, Delivery>,
    /// Deliveries by feed and logical key.
    by_key: HashMap<(String, LogicalKey), Vec<String>>,
    /// Deliveries by the whole paths of their files.
    by_place: HashMap<String, BTreeSet<String>>,
    /// Deliveries that are not over, by id.
    open: BTreeSet<String>,
    positions: BTreeMap<String, Position>,
    /// Cut-offs and numbers of each rendering of windows.
    windows: BTreeMap<String, WindowJournal>,
    epoch: u64,
}

/// What an arriving file is to our deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// None of them.
    Foreign,
    /// This delivery, at the very place where we have put it.
    Echo(String),
    /// The legacy producer's own: the same file as this delivery, at another place.
    Equal(String),
}

impl Recognised {
    /// The delivery that it is.
    #[must_use]
    pub fn echo_of(&self) -> Option<&str> {
        match self {
            Self::Echo(delivery) => Some(delivery),
            Self::Foreign | Self::Equal(_) => None,
        }
    }
}

impl DeliveryIndex {
    /// Reads the topic to the end that it has now. A topic that is not there is an empty one: bridges were initialised
    /// before there were deliveries.
    ///
    /// # Errors
    /// `Transient`; `Corrupt` for a record that cannot be read.
    pub fn read(log: &dyn EventLog, topic: &str) -> Result<Self> {
        let mut index = Self::default();
        let read = read_partition(log, topic, 0, |record| index.apply_record(topic, &record));
        match read {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Self::default()),
            read => read.map(|()| index),
        }
    }

    fn apply_record(&mut self, topic: &str, record: &FetchedRecord) -> Result<()> {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        let Some(value) = &record.value else {
            if let Some(("delivery", id)) = key.split_once('/') {
                self.withdraw(id);
            }
            return Ok(());
        };
        match key.split_once('/') {
            Some(("delivery", _)) => self.apply(decode(topic, record, value)?),
            Some(("position", _)) => self.apply_position(decode(topic, record, value)?),
            Some(("window", _)) => self.apply_window(decode(topic, record, value)?),
            None if key == EPOCH_KEY => self.epoch = decode::<Epoch>(topic, record, value)?.epoch,
            // Records of a newer build that this one has no use for.
            _ => {}
        }
        Ok(())
    }

    /// Takes a delivery's newest record in.
    pub fn apply(&mut self, delivery: Delivery) {
        let id = delivery.id();
        if delivery.state.is_open() {
            self.open.insert(id.clone());
        } else {
            self.open.remove(&id);
        }
        for part in &delivery.parts {
            let place = format!("{}/{}", delivery.outbox, part.target);
            self.by_place.entry(place).or_default().insert(id.clone());
        }
        let of_key = (delivery.feed.clone(), delivery.key.clone());
        if self.deliveries.insert(id.clone(), delivery).is_none() {
            self.by_key.entry(of_key).or_default().push(id);
        }
    }

    /// Forgets a delivery that came to nothing: no part of it was ever to be seen.
    pub fn withdraw(&mut self, id: &str) {
        self.open.remove(id);
        if let Some(delivery) = self.deliveries.remove(id)
            && let Some(ids) = self.by_key.get_mut(&(delivery.feed, delivery.key))
        {
            ids.retain(|known| known != id);
        }
    }

    /// Takes the newest journal of a rendering's windows in.
    pub fn apply_window(&mut self, journal: WindowJournal) {
        self.windows.insert(journal.rendering.clone(), journal);
    }

    /// The journal of a rendering's windows.
    #[must_use]
    pub fn window(&self, rendering: &str) -> Option<&WindowJournal> {
        self.windows.get(rendering)
    }

    /// Takes a rendering's newest position in.
    pub fn apply_position(&mut self, position: Position) {
        self.positions.insert(position.rendering.clone(), position);
    }

    /// Counts the epoch up.
    pub const fn begin_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// The newest epoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A delivery by its id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Delivery> {
        self.deliveries.get(id)
    }

    /// Every delivery, by id.
    pub fn all(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.values()
    }

    /// Deliveries of a rendering that are not over, in their order.
    #[must_use]
    pub fn open(&self, rendering: &str) -> Vec<&Delivery> {
        let open = self.open.iter().filter_map(|id| self.deliveries.get(id));
        let mut open: Vec<&Delivery> = open.filter(|delivery| delivery.rendering == rendering).collect();
        open.sort_by_key(|delivery| delivery.order());
        open
    }

    /// Deliveries of a drop, of whatever rendering.
    pub fn of_drop<'i>(&'i self, feed: &str, key: &LogicalKey) -> impl Iterator<Item = &'i Delivery> {
        let ids = self.by_key.get(&(feed.to_owned(), key.clone()));
        ids.into_iter().flatten().filter_map(|id| self.deliveries.get(id))
    }

    /// How far a rendering has come.
    #[must_use]
    pub fn position(&self, rendering: &str) -> Option<&Position> {
        self.positions.get(rendering)
    }

    /// Every rendering's position.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        self.positions.values()
    }

    /// What a file is to our deliveries that arrives for `feed` under `path`, a whole path as deliveries state it.
    #[must_use]
    pub fn recognise(&self, feed: &str, key: &LogicalKey, hash: ContentHash, path: &str) -> Recognised {
        // An outbox may be the inbox of any feed. Whoever delivers there has said so before the file was there.
        let here = self.by_place.get(path).into_iter().flatten().filter_map(|id| self.deliveries.get(id));
        let ours = |delivery: &&Delivery| {
            let is_same = delivery.parts.iter().any(|part| part.sha256 == hash);
            is_same && !matches!(delivery.state, DeliveryState::Skipped { .. })
        };
        if let Some(delivery) = here.into_iter().find(ours) {
            return Recognised::Echo(delivery.id());
        }
        let delivered = |delivery: &&Delivery| {
            delivery.sha256 == Some(hash) && matches!(delivery.state, DeliveryState::Delivered { .. })
        };
        match self.of_drop(feed, key).find(delivered) {
            Some(delivery) => Recognised::Equal(delivery.id()),
            None => Recognised::Foreign,
        }
    }
}

fn decode<T: DeserializeOwned>(topic: &str, record: &FetchedRecord, value: &[u8]) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
    }
    let subject = || format!("{topic}, partition {}, offset {}", record.partition, record.offset);
    let corrupt = |message: String| PortError::new(ErrorKind::Corrupt, "read", subject(), message);
    let version: Version = serde_json::from_slice(value).map_err(|error| corrupt(error.to_string()))?;
    if version.format > FORMAT {
        let message =
            format!("format {} is newer than this build ({FORMAT}): use the newer dropbridge", version.format);
        return Err(corrupt(message));
    }
    serde_json::from_slice(value).map_err(|error| corrupt(error.to_string()))
}
