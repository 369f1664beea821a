//! Records that are in the topic and not yet in the cache.

use std::collections::{BTreeMap, BTreeSet};

use dropbridge_port::{CacheChange, CacheKeys, Find, Identity};

/// What is not yet in the cache, or in none.
#[derive(Debug, Default)]
pub(super) struct Recent {
    records: BTreeMap<Identity, RecentRecord>,
    /// Name, offset and identity of those that are there.
    paths: BTreeSet<(u64, i64, Identity)>,
}

#[derive(Debug)]
struct RecentRecord {
    offset: i64,
    /// None: it is gone.
    content: Option<(CacheKeys, Vec<u8>)>,
}

impl Recent {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Takes a change in.
    pub(super) fn add(&mut self, change: CacheChange) {
        let (identity, record) = match change {
            CacheChange::Put { offset, keys, record } => {
                self.paths.insert((keys.path, offset, keys.identity));
                (keys.identity, RecentRecord { offset, content: Some((keys, record)) })
            }
            CacheChange::Remove { offset, identity } => (identity, RecentRecord { offset, content: None }),
        };
        if let Some(RecentRecord { offset, content: Some((keys, _)) }) = self.records.insert(identity, record) {
            self.paths.remove(&(keys.path, offset, identity));
        }
    }

    /// What the cache says of this record is out of date.
    pub(super) fn hides(&self, identity: &Identity) -> bool {
        self.records.contains_key(identity)
    }

    /// Offset, keys and content of what is meant, the greatest offset first.
    pub(super) fn find(&self, what: Find) -> Vec<(i64, &CacheKeys, &[u8])> {
        let mut found: Vec<&RecentRecord> = match what {
            Find::Identity(identity) => self.records.get(&identity).into_iter().collect(),
            Find::Beginning(beginning) => {
                let bound = |rest: u8| {
                    let mut identity = [rest; 16];
                    identity[..8].copy_from_slice(&beginning);
                    identity
                };
                self.records.range(bound(0)..=bound(u8::MAX)).map(|(_, record)| record).collect()
            }
            Find::Path(path) => {
                let (first, last) = ((path, i64::MIN, [0; 16]), (path, i64::MAX, [u8::MAX; 16]));
                self.paths.range(first..=last).filter_map(|(_, _, identity)| self.records.get(identity)).collect()
            }
            _ => self.records.values().collect(),
        };
        found.sort_by_key(|record| std::cmp::Reverse(record.offset));
        let found = found.into_iter().filter_map(|record| {
            let (keys, bytes) = record.content.as_ref()?;
            what.fits(keys).then_some((record.offset, keys, bytes.as_slice()))
        });
        found.collect()
    }

    /// Takes all out, the smallest offset first.
    pub(super) fn take(&mut self) -> Vec<CacheChange> {
        self.paths.clear();
        let records = std::mem::take(&mut self.records);
        let mut changes: Vec<(i64, CacheChange)> = records
            .into_iter()
            .map(|(identity, RecentRecord { offset, content })| {
                let change = match content {
                    Some((keys, record)) => CacheChange::Put { offset, keys, record },
                    None => CacheChange::Remove { offset, identity },
                };
                (offset, change)
            })
            .collect();
        changes.sort_by_key(|(offset, _)| *offset);
        changes.into_iter().map(|(_, change)| change).collect()
    }
}
