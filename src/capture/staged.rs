//! An object of the store while it is written: compressed on its way to a temporary name, synced, renamed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, PortError, Result};
use zstd::stream::write::Encoder;

use super::objects::{Compression, size_frame};
use super::quota::Account;
use super::store::{Store, sync_directory};
use crate::domain::ContentHash;

/// The lowest usual level: a bridge has better things to do, and text becomes a fraction all the same. Its window takes
/// half a megabyte of memory, whatever the size of the object.
const ZSTD_LEVEL: i32 = 1;

/// An object being written.
pub struct StagedObject<'a> {
    store: &'a Store,
    account: Account<'a>,
    path: PathBuf,
    /// Absent when it was finished.
    sink: Option<Sink>,
    /// Uncompressed bytes so far.
    size: u64,
    /// Bytes for which room was taken.
    reserved: u64,
}

/// Bytes on their way to the disk.
enum Sink {
    Plain(Counted),
    Zstd(Encoder<'static, Counted>),
}

/// A file that counts what it is given.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Sink {
    fn new(file: File, compression: Compression) -> std::io::Result<Self> {
        let file = Counted { file, bytes: 0 };
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Zstd => Self::Zstd(Encoder::new(file, ZSTD_LEVEL)?),
        })
    }

    const fn form(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Bytes that have reached the file.
    fn stored_bytes(&self) -> u64 {
        match self {
            Self::Plain(file) => file.bytes,
            Self::Zstd(encoder) => encoder.get_ref().bytes,
        }
    }

    /// Writes what is left. `size`: uncompressed bytes.
    fn finish(self, size: u64) -> std::io::Result<Counted> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Zstd(encoder) => {
                let mut file = encoder.finish()?;
                file.write_all(&size_frame(size))?;
                Ok(file)
            }
        }
    }
}

impl<'a> StagedObject<'a> {
    pub(super) fn new(store: &'a Store, account: Account<'a>, path: PathBuf) -> Result<Self> {
        let io = |operation, error: &std::io::Error| PortError::io(operation, path.display().to_string(), error);
        store.objects.reserve(account, 0)?;
        // Left by a killed process that had our number: nobody can be writing it.
        let _absent = fs::remove_file(&path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| io("create", &error))?;
        let sink = Sink::new(file, store.compression).map_err(|error| io("compress", &error))?;
        Ok(Self { store, account, path, sink: Some(sink), size: 0, reserved: 0 })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Transient` when the disk is full or a quota is reached.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(sink) = &mut self.sink else {
            return Err(PortError::new(ErrorKind::Bug, "write", self.path.display().to_string(), "it is finished"));
        };
        sink.write_all(bytes).map_err(|error| no_room(&self.path, "write", &error))?;
        self.size += bytes.len() as u64;
        let stored = sink.stored_bytes();
        self.reserve(stored)
    }

    /// Takes room for all bytes that were stored so far.
    fn reserve(&mut self, stored: u64) -> Result<()> {
        let more = stored.saturating_sub(self.reserved);
        if more > 0 {
            self.reserved += self.store.objects.reserve(self.account, more)?;
        }
        Ok(())
    }

    /// Gives the object its name: synced, renamed, its directory synced.
    ///
    /// # Errors
    /// `Transient`, `Refused`.
    pub fn place(mut self, hash: ContentHash) -> Result<()> {
        let Some(sink) = self.sink.take() else {
            return Err(PortError::new(ErrorKind::Bug, "store", self.path.display().to_string(), "it is finished"));
        };
        let form = sink.form();
        let Counted { file, bytes } = sink.finish(self.size).map_err(|error| no_room(&self.path, "write", &error))?;
        self.reserve(bytes)?;
        let io = |operation, error: &std::io::Error| PortError::io(operation, self.path.display().to_string(), error);
        file.sync_all().map_err(|error| io("sync", &error))?;
        if reach(Failpoint::StoreStaged) {
            return Err(PortError::new(ErrorKind::Transient, "store", self.path.display().to_string(), "failpoint"));
        }
        let target = self.store.objects.path(hash, form);
        let directory = target.parent().unwrap_or(self.store.objects.root());
        if !directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| io("create", &error))?;
            sync_directory(self.store.objects.root())?;
        }
        // The same name holds the same bytes, so replacing changes nothing.
        fs::rename(&self.path, &target).map_err(|error| io("rename", &error))?;
        self.store.objects.placed(self.account, hash, bytes);
        sync_directory(directory)?;
        if reach(Failpoint::StorePlaced) {
            return Err(PortError::new(ErrorKind::Transient, "store", target.display().to_string(), "failpoint"));
        }
        Ok(())
    }
}

impl Drop for StagedObject<'_> {
    fn drop(&mut self) {
        // Placed objects have another name by now, and are counted under it; anything else is of no use to anyone.
        self.store.objects.release(self.account, self.reserved);
        let _absent = fs::remove_file(&self.path);
    }
}

fn no_room(path: &std::path::Path, operation: &'static str, error: &std::io::Error) -> PortError {
    PortError::io(operation, path.display().to_string(), error).with_hint("is there room on the store's disk?")
}
