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

/// How many looks a single manifest, or the end of the topic, is waited for.
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
            // Whoever leads the partition anew may not know yet that it is committed.
            Polled::End { offset: end, .. } if end <= offset => {}
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
    /// What was there when it was looked for again; `None` as long as nobody asks for the end.
    end: Option<Sighted>,
}

/// An end that has to come in sight: a broker answers a commit before readers of committed records see it.
struct Sighted {
    /// Offset behind the newest record, committed or not, once it was asked for.
    high: Option<i64>,
    /// How many more looks it is waited for.
    looks: u32,
}

impl Follower {
    /// From the manifest at this offset.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, topic: &str, next: i64) -> Self {
        Self { log, topic: topic.to_owned(), reader: None, next, ahead: None, is_at_end: false, end: None }
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
        let high = self.wanted_end()?;
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
            Polled::End { offset, .. } => self.is_at_end = high.is_none_or(|high| offset >= high),
            Polled::Idle => self.wait_for_end()?,
        }
        Ok(())
    }

    /// Where the topic ended when it was looked for again.
    fn wanted_end(&mut self) -> Result<Option<i64>> {
        let Some(end) = &mut self.end else { return Ok(None) };
        if end.high.is_none() {
            // It has one partition.
            end.high = self.log.watermarks(&self.topic)?.first().map(|ends| ends.high);
        }
        Ok(end.high)
    }

    /// One look more in vain.
    fn wait_for_end(&mut self) -> Result<()> {
        let Some(end) = self.end.as_mut().filter(|_| !self.is_at_end) else { return Ok(()) };
        end.looks = end.looks.saturating_sub(1);
        if end.looks > 0 {
            return Ok(());
        }
        let subject = format!("{}, from offset {}", self.topic, self.next);
        Err(PortError::new(ErrorKind::Transient, "read manifests", subject, "the newest ones do not show yet")
            .with_hint("a transaction that was left open hides them: it ends by its timeout"))
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

    /// Opens the topic anew: its end, when it is reached then, is behind everything that was committed until now.
    pub fn look_again(&mut self) {
        self.reader = None;
        self.is_at_end = false;
        self.end = Some(Sighted { high: None, looks: LOOKS });
    }

    /// Whether the end was reached, and nothing came since.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.is_at_end && self.ahead.is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::VecDeque;
    use std::sync::Mutex;

    use dropbridge_port::{PartitionOffset, TopicSpec, TopicState, Watermarks, Writer};

    use super::*;

    /// A topic that shows what was committed only after a while.
    struct Slow {
        shows: Mutex<VecDeque<Polled>>,
        high: i64,
    }

    impl Slow {
        fn follower(shows: Vec<Polled>, high: i64) -> Follower {
            Follower::new(Arc::new(Self { shows: Mutex::new(shows.into()), high }), "manifests", 5)
        }
    }

    struct SlowReader(VecDeque<Polled>);

    impl Reader for SlowReader {
        fn poll(&mut self, _timeout: Duration) -> Result<Polled> {
            Ok(self.0.pop_front().unwrap_or(Polled::Idle))
        }
    }

    fn unasked<T>() -> Result<T> {
        Err(PortError::new(ErrorKind::Bug, "test", "slow topic", "nobody asks for this"))
    }

    impl EventLog for Slow {
        fn address(&self) -> &'static str {
            "slow"
        }

        fn topics(&self, _names: &[&str]) -> Result<Vec<TopicState>> {
            unasked()
        }

        fn create_topics(&self, _specs: &[TopicSpec]) -> Result<()> {
            unasked()
        }

        fn plan(&self, _specs: &[TopicSpec], _transactional_ids: &[&str], _groups: &[&str]) -> Vec<String> {
            Vec::new()
        }

        fn writer(&self, _transactional_id: &str) -> Result<Box<dyn Writer>> {
            unasked()
        }

        fn reader(&self, _isolation: Isolation, _topics: &[(&str, StartAt)]) -> Result<Box<dyn Reader>> {
            Ok(Box::new(SlowReader(std::mem::take(&mut *self.shows.lock().unwrap()))))
        }

        fn watermarks(&self, _topic: &str) -> Result<Vec<Watermarks>> {
            Ok(vec![Watermarks { partition: 0, low: 0, high: self.high }])
        }

        fn committed(&self, _group: &str, _topic: &str) -> Result<Vec<PartitionOffset>> {
            unasked()
        }
    }

    fn end(offset: i64) -> Polled {
        Polled::End { topic: "manifests".into(), partition: 0, offset }
    }

    fn record(offset: i64) -> Polled {
        let topic = "manifests".into();
        let (key, value, headers) = (None, None, Vec::new());
        Polled::Record(FetchedRecord { topic, partition: 0, offset, timestamp_ms: 0, key, value, headers })
    }

    #[test]
    fn the_end_is_behind_what_was_committed_though_it_shows_late() {
        let mut follower = Slow::follower(vec![end(5), Polled::Idle, record(5), end(7)], 7);
        follower.look_again();
        for step in 0..3 {
            assert!(follower.peek().unwrap().is_none());
            assert!(!follower.is_at_end(), "step {step}");
        }
        assert!(follower.peek().unwrap().is_none());
        assert!(follower.is_at_end());
        assert_eq!(follower.next_offset(), 6);
    }

    #[test]
    fn an_end_that_never_shows_is_an_error() {
        let mut follower = Slow::follower(vec![end(5)], 7);
        follower.look_again();
        let error = (0..=LOOKS).find_map(|_| follower.peek().err()).unwrap();
        assert_eq!(error.kind, ErrorKind::Transient);
        assert!(!follower.is_at_end());
    }
}
