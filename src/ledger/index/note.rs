//! What the cache keeps beside the records.

use std::collections::BTreeMap;

use dropbridge_port::CacheChange;
use serde::{Deserialize, Serialize};

use crate::ledger::census::LastDrop;
use crate::ledger::keys::{Keyring, RecordFacts, checksum};

/// What is kept beside the records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::ledger) struct Note {
    /// Feed and department of each group.
    pub(super) groups: Vec<(String, String)>,
    /// Generation and number of the newest drop with a sequence, by feed.
    pub(super) sequences: BTreeMap<String, (u64, u64)>,
    /// The drop of each feed that came last.
    pub(super) last: BTreeMap<String, LastDrop>,
    /// The newest record: its offset and checksum. Where the topic has another one there, it is another topic.
    pub(in crate::ledger) newest: Option<(i64, u64)>,
}

impl Note {
    /// Takes a record in; answers its change of the cache.
    pub(in crate::ledger) fn put(&mut self, keyring: &Keyring, offset: i64, record: Vec<u8>) -> Result<Put, String> {
        let facts = RecordFacts::read(&record)?;
        let group = self.group_of(&facts.feed, &facts.department);
        if let Some(sequence) = facts.sequence() {
            match self.sequences.get_mut(facts.feed.as_ref()) {
                Some(newest) => *newest = sequence.max(*newest),
                None => _ = self.sequences.insert(facts.feed.to_string(), sequence),
            }
        }
        if let Some(last) = facts.last() {
            let is_newest =
                self.last.get(facts.feed.as_ref()).is_none_or(|known| known.recorded_at <= last.recorded_at);
            if is_newest {
                self.last.insert(facts.feed.to_string(), last);
            }
        }
        self.newest = Some((offset, checksum(&record)));
        let keys = keyring.keys(&facts, group)?;
        let place = (facts.feed.to_string(), facts.arrival().path);
        Ok(Put { change: CacheChange::Put { offset, keys, record }, place })
    }

    fn group_of(&mut self, feed: &str, department: &str) -> u32 {
        let known = self.groups.iter().position(|(own, of)| own == feed && of == department);
        let group = known.unwrap_or_else(|| {
            self.groups.push((feed.to_owned(), department.to_owned()));
            self.groups.len() - 1
        });
        u32::try_from(group).unwrap_or(u32::MAX)
    }

    /// As it is kept.
    pub(in crate::ledger) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A record that was taken in.
pub(in crate::ledger) struct Put {
    pub(in crate::ledger) change: CacheChange,
    /// Feed and path.
    pub(super) place: (String, String),
}
