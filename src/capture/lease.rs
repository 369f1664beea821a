//! Who still needs an object of the store for work in hand: it is not removed under their hands.
//!
//! Two drops may have the same bytes. The one that is dealt with first lets go of the object that the other still waits
//! to be published from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dropbridge_port::Result;

use super::objects::Objects;
use crate::domain::ContentHash;

/// The leases of a store's objects.
#[derive(Debug)]
pub(super) struct Leases {
    objects: Arc<Objects>,
    leased: Mutex<HashMap<ContentHash, Leased>>,
}

#[derive(Debug)]
struct Leased {
    count: usize,
    /// It is to be removed when the last lease ends.
    unwanted: bool,
}

/// Keeps an object from being removed as long as it lives. The object need not be there yet.
#[derive(Debug)]
pub struct Lease {
    leases: Arc<Leases>,
    hash: ContentHash,
}

impl Lease {
    /// The object's hash.
    #[must_use]
    pub const fn hash(&self) -> ContentHash {
        self.hash
    }
}

impl Leases {
    pub(super) fn new(objects: Arc<Objects>) -> Self {
        Self { objects, leased: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContentHash, Leased>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(self: &Arc<Self>, hash: ContentHash) -> Lease {
        self.lock().entry(hash).or_insert(Leased { count: 0, unwanted: false }).count += 1;
        Lease { leases: Arc::clone(self), hash }
    }

    /// The object is needed beyond its leases after all.
    pub(super) fn keep(&self, hash: ContentHash) {
        if let Some(leased) = self.lock().get_mut(&hash) {
            leased.unwanted = false;
        }
    }

    /// Removes the object, now or when its last lease ends.
    pub(super) fn remove(&self, hash: ContentHash) -> Result<()> {
        // Held while the file is removed: a lease that is taken meanwhile comes before its object is put there.
        let mut leased = self.lock();
        match leased.get_mut(&hash) {
            Some(leased) => {
                leased.unwanted = true;
                Ok(())
            }
            None => self.objects.remove(hash),
        }
    }

    /// Removes the object now, or leaves it as it is when it is leased. Answers whether it is gone.
    pub(super) fn remove_unleased(&self, hash: ContentHash) -> Result<bool> {
        let leased = self.lock();
        if leased.contains_key(&hash) {
            return Ok(false);
        }
        self.objects.remove(hash).map(|()| true)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.leases.lock();
        let Some(leased) = leases.get_mut(&self.hash) else { return };
        leased.count -= 1;
        if leased.count > 0 {
            return;
        }
        let unwanted = leases.remove(&self.hash).is_some_and(|leased| leased.unwanted);
        if unwanted && let Err(error) = self.leases.objects.remove(self.hash) {
            // It only takes room, until the store is purged.
            tracing::warn!(%error, "an object of the store that nobody needs stays");
        }
    }
}
