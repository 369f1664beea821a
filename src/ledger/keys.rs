//! By which numbers a record of the ledger is found in its cache.
//!
//! They are made with keys of the bridge's own, so that nobody can choose file names whose numbers collide; that they do
//! by chance is put up with, since what is found is compared. Only the identity is trusted: 128 bits.

use std::borrow::Cow;
use std::hash::Hasher;

use dropbridge_port::{CacheKeys, Identity};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;

use super::census::LastDrop;
use super::entry::{DropState, FORMAT, LedgerEntry};
use crate::domain::hash::hex;
use crate::domain::{ContentHash, EntryFacts, Moment};
use crate::layout::Verdict;

/// Version of how numbers are made of records, and of what is noted beside them.
const FORM: u32 = 1;

/// The classes of records: a state and, of what is published, a verdict. Those at the front are what nearly all drops
/// are of.
const CLASSES: [Class; 14] = [
    Class { state: "published", verdict: Some(Verdict::Exact) },
    Class { state: "published", verdict: Some(Verdict::ExactWithExceptions) },
    Class { state: "published", verdict: Some(Verdict::ReplayOnly) },
    Class { state: "published", verdict: None },
    Class { state: "baseline", verdict: None },
    Class { state: "publishing", verdict: None },
    Class { state: "quarantined", verdict: None },
    Class { state: "held", verdict: None },
    Class { state: "discarded", verdict: None },
    Class { state: "vanished", verdict: None },
    Class { state: "abandoned", verdict: None },
    Class { state: "echo", verdict: None },
    Class { state: "withheld", verdict: None },
    // What a record that was damaged may name.
    Class { state: "unknown", verdict: None },
];

/// What a class says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) state: &'static str,
    pub(super) verdict: Option<Verdict>,
}

impl Class {
    /// By its number.
    pub(super) fn of(number: u8) -> Self {
        CLASSES[usize::from(number).min(CLASSES.len() - 1)]
    }

    /// The number of a state and verdict.
    fn number(state: &str, verdict: Option<Verdict>) -> Option<u8> {
        let place = CLASSES.iter().position(|class| class.state == state && class.verdict == verdict);
        place.and_then(|place| u8::try_from(place).ok())
    }

    /// Those of a state.
    pub(super) fn numbers_of(state: &str) -> Vec<u8> {
        (0..).zip(CLASSES).filter(|(_, class)| class.state == state).map(|(number, _)| number).collect()
    }
}

/// What has to be read of a record to find it again; the rest is read when it is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct RecordFacts<'r> {
    format: u32,
    #[serde(borrow)]
    pub(super) feed: Cow<'r, str>,
    #[serde(borrow)]
    pub(super) department: Cow<'r, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'r, str>,
    #[serde(default, borrow)]
    sha256: Option<Cow<'r, str>>,
    #[serde(borrow)]
    entry: Arrival<'r>,
    #[serde(default, borrow)]
    sequence: Option<Cow<'r, str>>,
    #[serde(default)]
    pub(super) generation: u64,
    #[serde(borrow)]
    state: Cow<'r, str>,
    #[serde(default)]
    verdict: Option<Verdict>,
    #[serde(default)]
    rejects: u64,
    recorded_at: Moment,
}

#[derive(Debug, Deserialize)]
struct Arrival<'r> {
    #[serde(borrow)]
    path: Cow<'r, str>,
    size: u64,
    modified_ns: i64,
    #[serde(default)]
    version: u64,
}

impl<'r> RecordFacts<'r> {
    /// All its events are committed.
    pub(super) fn is_published(&self) -> bool {
        self.state == "published"
    }

    /// Reads them.
    ///
    /// # Errors
    /// A message, as for [`LedgerEntry::from_json`].
    pub(super) fn read(value: &'r [u8]) -> Result<Self, String> {
        // Another format has other fields: what it is called comes first.
        let facts: Self = serde_json::from_slice(value)
            .map_err(|error| LedgerEntry::from_json(value).err().unwrap_or_else(|| error.to_string()))?;
        if facts.format > FORMAT {
            return Err(LedgerEntry::from_json(value).err().unwrap_or_default());
        }
        Ok(facts)
    }

    /// Its arrival.
    pub(super) fn arrival(&self) -> EntryFacts {
        let Arrival { path, size, modified_ns, version } = &self.entry;
        EntryFacts { path: path.to_string(), size: *size, modified_ns: *modified_ns, version: *version }
    }

    /// What a census says of the drop that came last; a baseline is no file that came.
    pub(super) fn last(&self) -> Option<LastDrop> {
        (self.state != "baseline").then(|| LastDrop {
            key: self.key.to_string(),
            path: self.entry.path.to_string(),
            state: self.state.to_string(),
            recorded_at: self.recorded_at,
        })
    }

    /// Whether it is of this file.
    pub(super) fn is_of(&self, feed: &str, path: &str) -> bool {
        self.feed == feed && self.entry.path == path
    }

    /// Whether these are its bytes.
    pub(super) fn has_hash(&self, hash: ContentHash) -> bool {
        self.sha256.as_deref().is_some_and(|own| own.parse() == Ok(hash))
    }

    /// Generation and number of its sequence.
    pub(super) fn sequence(&self) -> Option<(u64, u64)> {
        Some((self.generation, self.sequence.as_deref()?.parse().ok()?))
    }
}

/// Makes the numbers of one bridge.
#[derive(Clone, Debug)]
pub(super) struct Keyring {
    first: [u8; 16],
    second: [u8; 16],
}

impl Keyring {
    /// Of the bridge with this genesis.
    pub(super) fn new(genesis: &str) -> Self {
        let digest = Sha256::new().chain_update("dropbridge ledger cache ").chain_update(genesis).finalize();
        let half = |from: usize| std::array::from_fn(|index| digest[from + index]);
        Self { first: half(0), second: half(16) }
    }

    /// What the identities of all drops under a key begin with.
    pub(super) fn beginning(&self, feed: &str, key: &str) -> [u8; 8] {
        digest(&self.first, &[b"key", feed.as_bytes(), key.as_bytes()]).to_be_bytes()
    }

    /// The number of a name in a feed.
    pub(super) fn path(&self, feed: &str, path: &str) -> u64 {
        digest(&self.first, &[b"path", feed.as_bytes(), path.as_bytes()])
    }

    /// The identity of the drop with this key and hash (or the word that stands for one).
    fn identity(&self, feed: &str, key: &str, hash: &str) -> Identity {
        let last = digest(&self.second, &[feed.as_bytes(), key.as_bytes(), hash.as_bytes()]).to_be_bytes();
        let mut identity = [0; 16];
        identity[..8].copy_from_slice(&self.beginning(feed, key));
        identity[8..].copy_from_slice(&last);
        identity
    }

    /// The identity that a record's key in the topic stands for: feed, key and hash, separated by blanks.
    pub(super) fn identity_of_record(&self, record_key: &str) -> Option<Identity> {
        let (feed, rest) = record_key.split_once(' ')?;
        let (key, hash) = rest.rsplit_once(' ')?;
        Some(self.identity(feed, key, hash))
    }

    /// By what a record is found.
    ///
    /// # Errors
    /// A message where a state or a hash is none.
    pub(super) fn keys(&self, facts: &RecordFacts<'_>, group: u32) -> Result<CacheKeys, String> {
        let verdict = facts.verdict.filter(|_| facts.state == "published");
        let class = Class::number(&facts.state, verdict);
        let class = class.ok_or_else(|| format!("no ledger record: unknown state `{}`", facts.state))?;
        let hash = facts.sha256.as_deref();
        let content = hash.map(|hash| hash.parse().map(|hash: ContentHash| hash.beginning())).transpose()?;
        let word = if facts.state == "vanished" { "vanished" } else { "baseline" };
        let identity = self.identity(&facts.feed, &facts.key, hash.unwrap_or(word));
        let path = self.path(&facts.feed, &facts.entry.path);
        let amount = if facts.state == "published" { u32::try_from(facts.rejects).unwrap_or(u32::MAX) } else { 0 };
        Ok(CacheKeys { identity, path, content, group, class, amount })
    }

    /// Changes whenever another build makes other numbers of the same record, or notes something else.
    pub(super) fn form() -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{FORM} {FORMAT} {CLASSES:?}"));
        let own = Self::new("probe");
        for state in DropState::WORDS {
            let hash = if state == "published" { Some(ContentHash::of(b"probe").to_string()) } else { None };
            let facts = RecordFacts {
                format: FORMAT,
                feed: "feed".into(),
                department: "department".into(),
                key: "2026-01-31/0042".into(),
                sha256: hash.map(Cow::from),
                entry: Arrival { path: "A.dat".into(), size: 1, modified_ns: 2, version: 3 },
                sequence: Some("0042".into()),
                generation: 1,
                state: state.into(),
                verdict: Some(Verdict::Exact),
                rejects: 3,
                recorded_at: Moment::from_unix_ns(4),
            };
            hasher.update(format!("{:?} {:?} {:?}", own.keys(&facts, 0), facts.sequence(), facts.last()));
        }
        hex(&hasher.finalize()[..16])
    }
}

/// A number for a list of texts.
fn digest(key: &[u8; 16], parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    for part in parts {
        hasher.write(part);
        // Stands in no text of ours.
        hasher.write_u8(0xFF);
    }
    hasher.finish()
}

/// A number for a record's bytes, by which another one in its place is noticed.
pub(super) fn checksum(record: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(record);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use dropbridge_port::RARE_CLASSES_FROM;

    use super::*;
    use crate::domain::LogicalKey;

    #[test]
    fn what_is_found_by_its_record_is_found_by_its_key_in_the_topic() {
        let keyring = Keyring::new("g");
        for state in [DropState::Baseline, DropState::Vanished, DropState::Held { reason: "r".to_owned() }] {
            for sha256 in [None, Some(ContentHash::of(b"x"))] {
                let entry = LedgerEntry {
                    format: FORMAT,
                    feed: "f".to_owned(),
                    department: "d".to_owned(),
                    // A key may have blanks.
                    key: LogicalKey::from_text("BID 1.dat#e3b0c442"),
                    sha256,
                    entry: EntryFacts { path: "BID 1.dat".to_owned(), size: 3, modified_ns: 4, version: 5 },
                    business_date: None,
                    sequence: Some("0042".to_owned()),
                    generation: 2,
                    state: state.clone(),
                    repeats: 0,
                    recorded_at: Moment::from_unix_ns(0),
                };
                let json = serde_json::to_vec(&entry).unwrap();
                let facts = RecordFacts::read(&json).unwrap();
                let keys = keyring.keys(&facts, 7).unwrap();
                assert_eq!(Some(keys.identity), keyring.identity_of_record(&entry.record_key()));
                assert_eq!(keys.identity[..8], keyring.beginning("f", "BID 1.dat#e3b0c442"));
                assert_eq!(keys.content, sha256.map(|hash| hash.beginning()));
                assert_eq!((facts.arrival(), facts.sequence()), (entry.entry.clone(), Some((2, 42))));
                assert_eq!(Class::of(keys.class).state, entry.state.as_str());
            }
        }
    }

    #[test]
    fn every_state_has_a_class() {
        assert!(DropState::WORDS.iter().all(|word| !Class::numbers_of(word).is_empty()));
        let rare = |word: &str| Class::numbers_of(word).into_iter().all(|number| number >= RARE_CLASSES_FROM);
        assert!(DropState::OPEN_WORDS.iter().all(|word| rare(word)) && rare("publishing"));
    }
}
