//! Who still needs an object of the store for work in hand: it is not removed under their hands.
//!
//! Two drops may have the same bytes. The one that is dealt with first lets go of the object that the other still waits
//! to be published from.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dropbridge_port::{PortError, Result};

use crate::domain::ContentHash;

/// The leases of a store's objects.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<ContentHash, Leased>>);

#[derive(Debug)]
struct Leased {
    count: usize,
    /// Where it is to be removed from when the last lease ends.
    unwanted: Option<PathBuf>,
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
    fn lock(&self) -> MutexGuard<'_, HashMap<ContentHash, Leased>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(self: &Arc<Self>, hash: ContentHash) -> Lease {
        self.lock().entry(hash).or_insert(Leased { count: 0, unwanted: None }).count += 1;
        Lease { leases: Arc::clone(self), hash }
    }

    /// The object is needed beyond its leases after all.
    pub(super) fn keep(&self, hash: ContentHash) {
        if let Some(leased) = self.lock().get_mut(&hash) {
            leased.unwanted = None;
        }
    }

    /// Removes the object, now or when its last lease ends.
    pub(super) fn remove(&self, hash: ContentHash, path: PathBuf) -> Result<()> {
        // Held while the file is removed: a lease that is taken meanwhile comes before its object is put there.
        let mut leased = self.lock();
        match leased.get_mut(&hash) {
            Some(leased) => {
                leased.unwanted = Some(path);
                Ok(())
            }
            None => remove_file(&path),
        }
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
        let unwanted = leases.remove(&self.hash).and_then(|leased| leased.unwanted);
        if let Some(Err(error)) = unwanted.map(|path| remove_file(&path)) {
            // It only takes room, until a start sweeps the store.
            tracing::warn!(%error, "an object of the store that nobody needs stays");
        }
    }
}

fn remove_file(path: &std::path::Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PortError::io("remove", path.display().to_string(), &error))
        }
        _ => Ok(()),
    }
}
