//! The store: a durable, content-addressed directory for bytes that have to outlive a restart.
//!
//! ```text
//! objects/ab/ab12…   an object under its SHA-256; never changed, only added and removed
//! incoming/*.part    an object being written
//! ```
//!
//! An object is written under a temporary name, synced, renamed into place, and its directory synced: after a power
//! cut it is there whole or not at all. The crash test asserts that order on system calls.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, PortError, Result};

use super::lease::{Lease, Leases};
use crate::domain::ContentHash;

/// Objects younger than this are not swept: a command may have put them there for a request not yet made.
const SWEEP_AGE: Duration = Duration::from_secs(3600);

/// The store.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    staged: AtomicU64,
    leases: Arc<Leases>,
}

/// An object being written.
#[derive(Debug)]
pub struct StagedObject<'a> {
    store: &'a Store,
    file: File,
    path: PathBuf,
}

impl Store {
    /// Opens a store; its directories are made where they are missing, readable by the owner alone: the files carry
    /// other people's data.
    ///
    /// # Errors
    /// `Refused` without permission, `Transient` otherwise.
    pub fn open(root: &Path) -> Result<Self> {
        for directory in [root.join("objects"), root.join("incoming")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .map_err(|error| PortError::io("create directory", directory.display().to_string(), &error))?;
        }
        sync_directory(root)?;
        Ok(Self { root: root.to_path_buf(), staged: AtomicU64::new(0), leases: Arc::default() })
    }

    /// Begins an object.
    ///
    /// # Errors
    /// `Transient` when the disk is full, `Refused` without permission.
    pub fn begin(&self) -> Result<StagedObject<'_>> {
        if reach(Failpoint::StoreBegun) {
            return Err(PortError::new(ErrorKind::Transient, "store", self.root.display().to_string(), "failpoint"));
        }
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("incoming").join(format!("{}-{number}.part", std::process::id()));
        // Left by a killed process that had our number: nobody can be writing it.
        let _absent = fs::remove_file(&path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| PortError::io("create", path.display().to_string(), &error))?;
        Ok(StagedObject { store: self, file, path })
    }

    /// Puts bytes from memory.
    ///
    /// # Errors
    /// As for [`Store::begin`].
    pub fn put(&self, hash: ContentHash, bytes: &[u8]) -> Result<()> {
        // First, or another drop with these bytes could let go of what is found here.
        self.keep(hash);
        if self.contains(hash) {
            return Ok(());
        }
        let mut staged = self.begin()?;
        staged.write(bytes)?;
        staged.place(hash)
    }

    /// Whether an object is there.
    #[must_use]
    pub fn contains(&self, hash: ContentHash) -> bool {
        self.path_of(hash).is_file()
    }

    /// Opens an object for reading.
    ///
    /// # Errors
    /// `NotFound` when it is not there.
    pub fn read(&self, hash: ContentHash) -> Result<BufReader<File>> {
        let path = self.path_of(hash);
        let file = File::open(&path).map_err(|error| PortError::io("open", path.display().to_string(), &error))?;
        Ok(BufReader::with_capacity(1 << 18, file))
    }

    /// Size of an object in bytes.
    ///
    /// # Errors
    /// `NotFound` when it is not there.
    pub fn size(&self, hash: ContentHash) -> Result<u64> {
        let path = self.path_of(hash);
        let metadata =
            fs::metadata(&path).map_err(|error| PortError::io("stat", path.display().to_string(), &error))?;
        Ok(metadata.len())
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
        self.leases.remove(hash, self.path_of(hash))
    }

    /// Removes what nothing needs: objects not in `needed` and unfinished ones, where they are old enough. Returns
    /// how many there were.
    ///
    /// # Errors
    /// `Refused`, `Transient`.
    pub fn sweep(&self, needed: &[ContentHash]) -> Result<usize> {
        let io = |error: &std::io::Error| PortError::io("sweep", self.root.display().to_string(), error);
        let mut removed = 0;
        for directory in fs::read_dir(self.root.join("objects")).map_err(|error| io(&error))? {
            for object in fs::read_dir(directory.map_err(|error| io(&error))?.path()).map_err(|error| io(&error))? {
                let path = object.map_err(|error| io(&error))?.path();
                let hash = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                if hash.is_some_and(|hash| !needed.contains(&hash)) && is_old(&path) {
                    fs::remove_file(&path).map_err(|error| io(&error))?;
                    removed += 1;
                }
            }
        }
        for part in fs::read_dir(self.root.join("incoming")).map_err(|error| io(&error))? {
            let path = part.map_err(|error| io(&error))?.path();
            if is_old(&path) {
                fs::remove_file(&path).map_err(|error| io(&error))?;
            }
        }
        Ok(removed)
    }

    fn path_of(&self, hash: ContentHash) -> PathBuf {
        let name = hash.to_string();
        self.root.join("objects").join(&name[..2]).join(name)
    }
}

impl StagedObject<'_> {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Transient` when the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| {
            PortError::io("write", self.path.display().to_string(), &error)
                .with_hint("is there room on the store's disk?")
        })
    }

    /// Gives the object its name: synced, renamed, its directory synced.
    ///
    /// # Errors
    /// `Transient`, `Refused`.
    pub fn place(self, hash: ContentHash) -> Result<()> {
        let io = |operation, error: &std::io::Error| PortError::io(operation, self.path.display().to_string(), error);
        self.file.sync_all().map_err(|error| io("sync", &error))?;
        if reach(Failpoint::StoreStaged) {
            return Err(PortError::new(ErrorKind::Transient, "store", self.path.display().to_string(), "failpoint"));
        }
        let target = self.store.path_of(hash);
        let directory = target.parent().unwrap_or(&self.store.root);
        if !directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| io("create", &error))?;
            sync_directory(&self.store.root.join("objects"))?;
        }
        // The same name holds the same bytes, so replacing changes nothing.
        fs::rename(&self.path, &target).map_err(|error| io("rename", &error))?;
        sync_directory(directory)?;
        if reach(Failpoint::StorePlaced) {
            return Err(PortError::new(ErrorKind::Transient, "store", target.display().to_string(), "failpoint"));
        }
        Ok(())
    }
}

impl Drop for StagedObject<'_> {
    fn drop(&mut self) {
        // Placed objects have another name by now; anything else is of no use to anyone.
        let _absent = fs::remove_file(&self.path);
    }
}

/// Makes renames and new names in a directory survive a power cut.
fn sync_directory(path: &Path) -> Result<()> {
    let io = |error: &std::io::Error| PortError::io("sync directory", path.display().to_string(), error);
    File::open(path).map_err(|error| io(&error))?.sync_all().map_err(|error| io(&error))
}

fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|age| age > SWEEP_AGE))
}
