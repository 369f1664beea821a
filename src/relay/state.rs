//! What a journal says: which files were relayed, which are on their way, which are held. Pure: records in, state out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{ContentHash, EntryFacts};

/// The version of the records.
pub const FORMAT: u32 = 1;

/// A file on its way: every part is staged and witnessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Counts the deliveries of this journal.
    pub delivery: u64,
    /// In the order in which they are given their names; the file itself comes first.
    pub parts: Vec<Part>,
}

/// One part of a delivery: the file, its checksum sidecar, its marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its temporary name.
    pub staged: String,
    /// Its path in inbox and outbox, escaped.
    pub target: String,
    /// What was read.
    pub entry: EntryFacts,
    /// SHA-256 of the bytes.
    pub sha256: ContentHash,
}

/// A file that needs no relaying: it was relayed, or was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// As it was last seen.
    pub entry: EntryFacts,
    /// SHA-256 of its bytes, where they were read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<ContentHash>,
    /// What may be taken out of the inbox: the parts that were relayed. Empty once that was done.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub relayed: Vec<EntryFacts>,
}

/// A file that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// As it was seen.
    pub entry: EntryFacts,
    /// Why.
    pub reason: String,
}

/// One record of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first of a journal.
    Begun {
        /// Version of the records.
        format: u32,
        /// Whose journal it is.
        feed: String,
    },
    /// A process took the journal.
    Opened {
        /// Counts these.
        epoch: u64,
    },
    /// Which directory the outbox is.
    Outbox {
        /// As [`dropbridge_port::OutboxIdentity`] is written.
        identity: String,
    },
    /// A file needs no relaying (any more).
    Known(Known),
    /// A file is about to be given its names.
    Intent(Intent),
    /// All its names were given.
    Receipt {
        /// Of which delivery.
        delivery: u64,
    },
    /// The delivery is void: the file is relayed anew.
    Withdrawn {
        /// Which delivery.
        delivery: u64,
    },
    /// A file waits for a person.
    Held(Hold),
    /// It waits no more.
    Released {
        /// Path of the file.
        path: String,
    },
    /// What was relayed was taken out of the inbox.
    Tidied {
        /// Path of the file.
        path: String,
    },
    /// Sums over what a shorter journal does not have any more.
    Totals(Totals),
}

/// What was relayed since the journal began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Their bytes, without markers and sidecars.
    pub bytes: u64,
    /// The newest delivery.
    pub delivery: u64,
}

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayState {
    /// Whose it is; `None` before the first record.
    pub feed: Option<String>,
    /// How often it was opened.
    pub epoch: u64,
    /// Which directory the outbox is.
    pub outbox: Option<String>,
    /// Files that need no relaying, by path.
    pub known: BTreeMap<String, Known>,
    /// Files on their way, by delivery.
    pub open: BTreeMap<u64, Intent>,
    /// Files that wait for a person, by path.
    pub held: BTreeMap<String, Hold>,
    /// What was relayed.
    pub totals: Totals,
}

impl Intent {
    /// The file itself, beside its companions.
    #[must_use]
    pub fn file(&self) -> Option<&Part> {
        self.parts.first()
    }
}

impl RelayState {
    /// Takes a record in.
    ///
    /// # Errors
    /// What contradicts the records before it.
    pub fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Begun { format, feed } => {
                if format > FORMAT {
                    return Err(format!("it has format {format}, this program knows {FORMAT}"));
                }
                if self.feed.replace(feed).is_some() {
                    return Err("it begins twice".to_owned());
                }
            }
            _ if self.feed.is_none() => return Err("it has no beginning".to_owned()),
            Record::Opened { epoch } => self.epoch = epoch,
            Record::Outbox { identity } => self.outbox = Some(identity),
            Record::Known(known) => drop(self.known.insert(known.entry.path.clone(), known)),
            Record::Intent(intent) => {
                if intent.delivery <= self.totals.delivery || intent.parts.is_empty() {
                    return Err(format!("delivery {} follows {}", intent.delivery, self.totals.delivery));
                }
                self.totals.delivery = intent.delivery;
                self.open.insert(intent.delivery, intent);
            }
            Record::Receipt { delivery } => self.received(delivery)?,
            Record::Withdrawn { delivery } => drop(self.take_open(delivery)?),
            Record::Held(hold) => drop(self.held.insert(hold.entry.path.clone(), hold)),
            Record::Released { path } => drop(self.held.remove(&path)),
            Record::Tidied { path } => {
                if let Some(known) = self.known.get_mut(&path) {
                    known.relayed.clear();
                }
            }
            Record::Totals(totals) => self.totals = totals,
        }
        Ok(())
    }

    fn take_open(&mut self, delivery: u64) -> Result<Intent, String> {
        self.open.remove(&delivery).ok_or_else(|| format!("delivery {delivery} ends and was never begun"))
    }

    fn received(&mut self, delivery: u64) -> Result<(), String> {
        let intent = self.take_open(delivery)?;
        let Some(file) = intent.file() else { return Ok(()) };
        self.totals.files += 1;
        self.totals.bytes += file.entry.size;
        let known = Known {
            entry: file.entry.clone(),
            sha256: Some(file.sha256),
            relayed: intent.parts.iter().map(|part| part.entry.clone()).collect(),
        };
        self.known.insert(known.entry.path.clone(), known);
        Ok(())
    }

    /// The fewest records that say the same.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let feed = self.feed.clone().unwrap_or_default();
        let mut records = vec![Record::Begun { format: FORMAT, feed }, Record::Opened { epoch: self.epoch }];
        records.extend(self.outbox.clone().map(|identity| Record::Outbox { identity }));
        records.extend(self.known.values().cloned().map(Record::Known));
        // Sums come before what is open: an intent counts its own delivery.
        let delivery = self.open.keys().next().map_or(self.totals.delivery, |first| first - 1);
        records.push(Record::Totals(Totals { delivery, ..self.totals }));
        records.extend(self.open.values().cloned().map(Record::Intent));
        records.push(Record::Totals(self.totals));
        records.extend(self.held.values().cloned().map(Record::Held));
        records
    }

    /// Whether a file of this stat was relayed, is on its way, or was there before.
    #[must_use]
    pub fn knows(&self, entry: &EntryFacts) -> bool {
        let same =
            |known: &EntryFacts| known.same_arrival(entry) && (known.version == entry.version || known.version == 0);
        self.known.get(&entry.path).is_some_and(|known| same(&known.entry))
            // Until its receipt one that was only touched is the same; after that it is looked at again.
            || self.open.values().filter_map(Intent::file).any(|file| file.entry.same_arrival(entry))
    }
}
