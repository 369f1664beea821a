//! The store: a durable, content-addressed directory for bytes that have to outlive a restart.
//!
//! ```text
//! objects/ab/ab12….zst   an object under the SHA-256 of its uncompressed bytes; never changed, only added and removed
//! objects/ab/ab12…       the same, written with compression = "none"
//! incoming/*.part        an object being written
//! ```
//!
//! An object is written under a temporary name, synced, renamed into place, and its directory synced: after a power
//! cut it is there whole or not at all. The crash test asserts that order on system calls.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, PortError, Result};

use super::lease::{Lease, Leases};
use super::objects::{Compression, ObjectReader, Objects, StoredObject};
use super::quota::Account;
use super::staged::StagedObject;
use crate::domain::ContentHash;

/// What was written so long ago, and is neither finished nor claimed by anybody, was left by a process that died. What
/// is younger may be of a command that has put it there for a request not yet made.
pub const LEFT_BEHIND_AGE: Duration = Duration::from_secs(3600);

/// How a store is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// The form of new objects.
    pub compression: Compression,
    /// Bytes that all objects may take on the disk.
    pub quota: Option<u64>,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    pub(super) compression: Compression,
    pub(super) objects: Arc<Objects>,
    staged: AtomicU64,
    leases: Arc<Leases>,
}

impl Store {
    /// Opens a store; its directories are made where they are missing, readable by the owner alone: the files carry
    /// other people's data.
    ///
    /// # Errors
    /// `Refused` without permission, `Transient` otherwise.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self> {
        let objects = Arc::new(Objects::new(root, options.quota));
        for directory in [objects.root(), &root.join("incoming")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| PortError::io("create directory", directory.display().to_string(), &error))?;
        }
        sync_directory(root)?;
        let leases = Arc::new(Leases::new(Arc::clone(&objects)));
        let (root, compression) = (root.to_path_buf(), options.compression);
        Ok(Self { root, compression, objects, staged: AtomicU64::new(0), leases })
    }

    /// Begins an object.
    ///
    /// # Errors
    /// `Transient` when the disk is full or a quota is reached, `Refused` without permission.
    pub fn begin<'a>(&'a self, account: Account<'a>) -> Result<StagedObject<'a>> {
        if reach(Failpoint::StoreBegun) {
            return Err(PortError::new(ErrorKind::Transient, "store", self.root.display().to_string(), "failpoint"));
        }
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("incoming").join(format!("{}-{number}.part", std::process::id()));
        StagedObject::new(self, account, path)
    }

    /// Puts bytes from memory.
    ///
    /// # Errors
    /// As for [`Store::begin`].
    pub fn put(&self, hash: ContentHash, bytes: &[u8], account: Account<'_>) -> Result<()> {
        // First, or another drop with these bytes could let go of what is found here.
        self.keep(hash);
        if self.contains(hash) {
            return Ok(());
        }
        let mut staged = self.begin(account)?;
        staged.write(bytes)?;
        staged.place(hash)
    }

    /// Whether an object is there.
    #[must_use]
    pub fn contains(&self, hash: ContentHash) -> bool {
        self.objects.find(hash).is_some()
    }

    /// Opens an object for reading its uncompressed bytes.
    ///
    /// # Errors
    /// `NotFound` when it is not there.
    pub fn read(&self, hash: ContentHash) -> Result<ObjectReader> {
        self.objects.open(hash)
    }

    /// Size of an object in bytes, uncompressed.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Corrupt` when it was cut off.
    pub fn size(&self, hash: ContentHash) -> Result<u64> {
        self.objects.size(hash)
    }

    /// Every object, by hash.
    ///
    /// # Errors
    /// `Refused`, `Transient`.
    pub fn list(&self) -> Result<Vec<StoredObject>> {
        self.objects.list()
    }

    /// Keeps an object, there already or soon, from being removed while somebody works with it.
    #[must_use]
    pub fn lease(&self, hash: ContentHash) -> Lease {
        self.leases.take(hash)
    }

    /// An object has to stay, whatever was said of it before.
    pub fn keep(&self, hash: ContentHash) {
        self.leases.keep(hash);
    }

    /// Removes an object that nothing needs any more, at the latest when its last lease ends; one that is not there is
    /// fine.
    ///
    /// # Errors
    /// `Refused`, `Transient`.
    pub fn remove(&self, hash: ContentHash) -> Result<()> {
        self.leases.remove(hash)
    }

    /// Removes an object unless somebody works with it. Answers whether it is gone.
    ///
    /// # Errors
    /// `Refused`, `Transient`.
    pub fn remove_unleased(&self, hash: ContentHash) -> Result<bool> {
        self.leases.remove_unleased(hash)
    }

    /// Counts objects that other processes have put there, and says for which feeds objects are held, so that they
    /// count for the right quota.
    ///
    /// # Errors
    /// `Refused`, `Transient`.
    pub fn count<'f>(&self, there: &[StoredObject], held: impl Iterator<Item = (ContentHash, &'f str)>) -> Result<()> {
        self.objects.count(there, held)
    }

    /// Whether somebody found no room since this was asked last.
    #[must_use]
    pub fn room_was_wanted(&self) -> bool {
        self.objects.room_was_wanted()
    }

    /// Removes what processes that died have left unfinished.
    ///
    /// # Errors
    /// `Refused`, `Transient`.
    pub fn clear_unfinished(&self) -> Result<()> {
        let io = |error: &std::io::Error| PortError::io("clear", self.root.display().to_string(), error);
        for part in fs::read_dir(self.root.join("incoming")).map_err(|error| io(&error))? {
            let path = part.map_err(|error| io(&error))?.path();
            if is_left_behind(&path) {
                fs::remove_file(&path).map_err(|error| io(&error))?;
            }
        }
        Ok(())
    }
}

/// Makes renames and new names in a directory survive a power cut.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    let io = |error: &std::io::Error| PortError::io("sync directory", path.display().to_string(), error);
    File::open(path).map_err(|error| io(&error))?.sync_all().map_err(|error| io(&error))
}

fn is_left_behind(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|age| age > LEFT_BEHIND_AGE))
}

#[cfg(test)]
mod tests;
