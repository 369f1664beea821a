//! Finding manifests in their topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{ErrorKind, EventLog, FetchedRecord, Isolation, Polled, PortError, Reader, Result, StartAt};

use crate::domain::{BusinessDate, LogicalKey};
use crate::inbound::manifest::{FORMAT, Manifest, ManifestStatus};
use crate::ledger::Topics;
use crate::ledger::replay::read_partition;

/// Which files of a feed are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// That with this key.
    Key(LogicalKey),
    /// Those of this business date, as their names say.
    Date(BusinessDate),
}

impl Wanted {
    fn fits(&self, manifest: &Manifest) -> bool {
        match self {
            Self::All => true,
            Self::Key(key) => manifest.key == *key,
            Self::Date(date) => manifest.business_date == Some(*date),
        }
    }
}

/// The newest complete manifest of each key of a feed that is wanted, by key.
///
/// # Errors
/// Of the log; `Corrupt` for a manifest that cannot be read.
pub fn find(log: &dyn EventLog, topics: &Topics, feed: &str, wanted: &Wanted) -> Result<Vec<Manifest>> {
    let mut found: BTreeMap<LogicalKey, Manifest> = BTreeMap::new();
    read_partition(log, &topics.manifests, 0, |record| {
        let Some(manifest) = decode(&record)? else { return Ok(()) };
        if manifest.feed == feed && manifest.status == ManifestStatus::Complete && wanted.fits(&manifest) {
            found.insert(manifest.key.clone(), manifest);
        }
        Ok(())
    })?;
    Ok(found.into_values().collect())
}

/// Reads a record of the manifests topic.
///
/// # Errors
/// `Corrupt` where it is none, or of a newer format.
pub fn decode(record: &FetchedRecord) -> Result<Option<Manifest>> {
    let Some(value) = &record.value else { return Ok(None) };
    let subject = || format!("{}, partition {}, offset {}", record.topic, record.partition, record.offset);
    let corrupt = |message: String| PortError::new(ErrorKind::Corrupt, "read manifest", subject(), message);
    let manifest: Manifest = serde_json::from_slice(value).map_err(|error| corrupt(error.to_string()))?;
    if manifest.format > FORMAT {
        let message =
            format!("format {} is newer than this build ({FORMAT}): use the newer dropbridge", manifest.format);
        return Err(corrupt(message));
    }
    Ok(Some(manifest))
}

/// How long one look for a new manifest waits.
const POLL: Duration = Duration::from_millis(200);

/// How many looks a single manifest is waited for.
const LOOKS: u32 = 300;

/// Reads one manifest by its offset.
///
/// # Errors
/// Of the log; `Corrupt` where there is none.
pub fn read_at(log: &dyn EventLog, topic: &str, offset: i64) -> Result<Manifest> {
    let mut reader = reader_at(log, topic, offset)?;
    for _ in 0..LOOKS {
        match reader.poll(POLL)? {
            Polled::Record(record) if record.offset == offset => {
                if let Some(manifest) = decode(&record)? {
                    return Ok(manifest);
                }
                break;
            }
            Polled::Record(_) | Polled::End { .. } => break,
            Polled::Idle => {}
        }
    }
    let subject = format!("{topic}, offset {offset}");
    Err(PortError::new(ErrorKind::Corrupt, "read manifest", subject, "there is no manifest here any more"))
}

fn reader_at(log: &dyn EventLog, topic: &str, offset: i64) -> Result<Box<dyn Reader>> {
    log.reader(Isolation::ReadCommitted, &[(topic, StartAt::Offset { partition: 0, offset })])
}

/// Follows the topic of manifests from an offset.
pub struct Follower {
    log: Arc<dyn EventLog>,
    topic: String,
    reader: Option<Box<dyn Reader>>,
    next: i64,
    ahead: Option<(i64, Manifest)>,
    is_at_end: bool,
}

impl Follower {
    /// From the manifest at this offset.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, topic: &str, next: i64) -> Self {
        Self { log, topic: topic.to_owned(), reader: None, next, ahead: None, is_at_end: false }
    }

    /// The manifest that comes next, with its offset; it stays until [`Follower::advance`]. `None` where none came in a
    /// moment.
    ///
    /// # Errors
    /// Of the log; `Corrupt` for one that cannot be read.
    pub fn peek(&mut self) -> Result<Option<(i64, &Manifest)>> {
        if self.ahead.is_none() {
            self.fetch()?;
        }
        Ok(self.ahead())
    }

    /// The manifest that was looked at and not passed.
    #[must_use]
    pub fn ahead(&self) -> Option<(i64, &Manifest)> {
        self.ahead.as_ref().map(|(offset, manifest)| (*offset, manifest))
    }

    fn fetch(&mut self) -> Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(reader_at(&*self.log, &self.topic, self.next)?),
        };
        match reader.poll(POLL)? {
            Polled::Record(record) => {
                self.is_at_end = false;
                let manifest = decode(&record)?;
                self.next = record.offset + 1;
                self.ahead = manifest.map(|manifest| (record.offset, manifest));
            }
            Polled::End { .. } => self.is_at_end = true,
            Polled::Idle => {}
        }
        Ok(())
    }

    /// Goes on behind the manifest that was looked at.
    pub fn advance(&mut self) {
        self.ahead = None;
    }

    /// The offset behind everything that was looked at.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.ahead.as_ref().map_or(self.next, |(offset, _)| *offset)
    }

    /// Opens the topic anew: its end, when it is reached then, is one of now.
    pub fn look_again(&mut self) {
        self.reader = None;
        self.is_at_end = false;
    }

    /// Whether the end was reached, and nothing came since.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.is_at_end && self.ahead.is_none()
    }
}
