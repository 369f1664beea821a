//! Where the store's objects lie on the disk, in which form, and how many bytes they take.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dropbridge_port::{ErrorKind, PortError, Result};
use zstd::stream::read::Decoder;

use super::quota::{Account, Full, Usage};
use crate::domain::quantity::show_size;
use crate::domain::{ContentHash, Moment};

/// What stands behind the hash in the name of a compressed object.
const ZSTD_SUFFIX: &str = ".zst";

/// The last bytes of a compressed object: a skippable frame (RFC 8878, section 3.1.2), which every decoder passes over,
/// with the number of uncompressed bytes in it, little-endian. It begins with its magic number and its length.
const SIZE_FRAME_HEAD: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0];
const SIZE_FRAME_BYTES: usize = 16;

/// How many bytes are read at a time.
const READ_BYTES: usize = 1 << 18;

/// The largest window that is decompressed, as a power of two: eight megabytes, far above that of our own objects. A
/// damaged one may ask for a gigabyte.
const LARGEST_WINDOW_LOG: u32 = 23;

/// In which form objects are written. Either is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// As a zstd frame (RFC 8878).
    #[default]
    Zstd,
}

/// An object as it lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// SHA-256 of its uncompressed bytes.
    pub hash: ContentHash,
    /// Bytes that it takes.
    pub stored_bytes: u64,
    /// When it was written last.
    pub written_at: Moment,
}

/// The objects of a store.
#[derive(Debug)]
pub(super) struct Objects {
    root: PathBuf,
    /// The quota of all of them.
    quota: Option<u64>,
    /// Counted from the disk when somebody first asks for room that is bounded.
    usage: Mutex<Option<Usage>>,
    wants_room: AtomicBool,
}

impl Objects {
    pub(super) fn new(root: &Path, quota: Option<u64>) -> Self {
        Self { root: root.join("objects"), quota, usage: Mutex::default(), wants_room: AtomicBool::new(false) }
    }

    /// The directory of all of them.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn path(&self, hash: ContentHash, form: Compression) -> PathBuf {
        let mut name = hash.to_string();
        let directory = self.root.join(&name[..2]);
        if form == Compression::Zstd {
            name.push_str(ZSTD_SUFFIX);
        }
        directory.join(name)
    }

    pub(super) fn find(&self, hash: ContentHash) -> Option<(PathBuf, Compression)> {
        let forms = [Compression::Zstd, Compression::None];
        forms.map(|form| (self.path(hash, form), form)).into_iter().find(|(path, _)| path.is_file())
    }

    pub(super) fn open(&self, hash: ContentHash) -> Result<ObjectReader> {
        let form = self.find(hash).map_or(Compression::Zstd, |(_, form)| form);
        let path = self.path(hash, form);
        let io = |error: &std::io::Error| PortError::io("open", path.display().to_string(), error);
        let file = BufReader::with_capacity(READ_BYTES, File::open(&path).map_err(|error| io(&error))?);
        Ok(match form {
            Compression::None => ObjectReader::Plain(file),
            Compression::Zstd => {
                let mut decoder = Decoder::with_buffer(file).map_err(|error| io(&error))?;
                decoder.window_log_max(LARGEST_WINDOW_LOG).map_err(|error| io(&error))?;
                ObjectReader::Zstd { decoder, name: path.display().to_string() }
            }
        })
    }

    /// Number of uncompressed bytes.
    pub(super) fn size(&self, hash: ContentHash) -> Result<u64> {
        let (path, form) = self.find(hash).unwrap_or_else(|| (self.path(hash, Compression::Zstd), Compression::Zstd));
        let io = |error: &std::io::Error| PortError::io("read the size of", path.display().to_string(), error);
        if form == Compression::None {
            return Ok(fs::metadata(&path).map_err(|error| io(&error))?.len());
        }
        let mut frame = [0; SIZE_FRAME_BYTES];
        let mut file = File::open(&path).map_err(|error| io(&error))?;
        let read = file.seek(SeekFrom::End(-(SIZE_FRAME_BYTES as i64))).and_then(|_| file.read_exact(&mut frame));
        let (head, size) = frame.split_at(SIZE_FRAME_HEAD.len());
        match (read, <[u8; 8]>::try_from(size)) {
            (Ok(()), Ok(size)) if head == SIZE_FRAME_HEAD => Ok(u64::from_le_bytes(size)),
            _ => Err(PortError::new(
                ErrorKind::Corrupt,
                "read the size of",
                path.display().to_string(),
                "its end is not that of an object of the store: it was cut off or changed",
            )),
        }
    }

    /// Every object, each once: one that is there in two forms takes the bytes of both.
    pub(super) fn list(&self) -> Result<Vec<StoredObject>> {
        let io = |error: &std::io::Error| PortError::io("list", self.root.display().to_string(), error);
        let mut objects: Vec<StoredObject> = Vec::new();
        for directory in fs::read_dir(&self.root).map_err(|error| io(&error))? {
            let directory = directory.map_err(|error| io(&error))?.path();
            if !directory.is_dir() {
                continue;
            }
            for file in fs::read_dir(&directory).map_err(|error| io(&error))? {
                let file = file.map_err(|error| io(&error))?;
                let Some(hash) = file.file_name().to_str().and_then(hash_of_name) else { continue };
                // What was removed since the directory was read is none.
                let Ok(metadata) = file.metadata() else { continue };
                let written_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
                let written_at = Moment::from_unix_ns(written_ns);
                objects.push(StoredObject { hash, stored_bytes: metadata.len(), written_at });
            }
        }
        objects.sort_by_key(|object| object.hash);
        objects.dedup_by(|second, first| {
            let same = second.hash == first.hash;
            if same {
                first.stored_bytes += second.stored_bytes;
                first.written_at = first.written_at.max(second.written_at);
            }
            same
        });
        Ok(objects)
    }

    /// Removes an object in whatever form it is there.
    pub(super) fn remove(&self, hash: ContentHash) -> Result<()> {
        for form in [Compression::Zstd, Compression::None] {
            let path = self.path(hash, form);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(PortError::io("remove", path.display().to_string(), &error));
                }
                _ => {}
            }
        }
        if let Some(usage) = &mut *self.usage() {
            usage.remove(hash);
        }
        Ok(())
    }

    fn usage(&self) -> MutexGuard<'_, Option<Usage>> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what is on the disk, unless that was done before.
    fn counted<'u>(&self, usage: &'u mut Option<Usage>) -> Result<&'u mut Usage> {
        let found = match usage.take() {
            Some(found) => found,
            None => {
                let mut found = Usage::default();
                self.list()?.iter().for_each(|object| found.add(object.hash, object.stored_bytes, ""));
                found
            }
        };
        Ok(usage.insert(found))
    }

    /// Takes room for bytes that are about to be written, where a quota bounds it. Answers how many were counted.
    pub(super) fn reserve(&self, account: Account<'_>, bytes: u64) -> Result<u64> {
        let mut usage = self.usage();
        if usage.is_none() && self.quota.is_none() && account.quota.is_none() {
            return Ok(0);
        }
        let full = match self.counted(&mut usage)?.reserve(account, bytes, self.quota) {
            Ok(()) => return Ok(bytes),
            Err(full) => full,
        };
        self.wants_room.store(true, Ordering::Relaxed);
        let (message, key) = match full {
            Full::Store { quota } => {
                (format!("the store has reached its quota of {}", show_size(quota)), "store.quota")
            }
            Full::Feed { quota } => {
                let quota = show_size(quota);
                (format!("feed `{}` has reached its quota of {quota} in the store", account.feed), "store_quota")
            }
        };
        Err(PortError::new(ErrorKind::Transient, "store", self.root.display().to_string(), message).with_hint(format!(
            "`dropbridge store status` says what takes the room: settle what is in quarantine, `dropbridge store purge`, or raise {key}"
        )))
    }

    /// Gives room back that was taken.
    pub(super) fn release(&self, account: Account<'_>, bytes: u64) {
        if let Some(usage) = &mut *self.usage() {
            usage.release(account.feed, bytes);
        }
    }

    /// An object has got its name.
    pub(super) fn placed(&self, account: Account<'_>, hash: ContentHash, bytes: u64) {
        if let Some(usage) = &mut *self.usage() {
            usage.add(hash, bytes, account.feed);
        }
    }

    /// Counts what other processes have put there, and says for which feeds objects are held.
    pub(super) fn count<'f>(
        &self,
        there: &[StoredObject],
        held: impl Iterator<Item = (ContentHash, &'f str)>,
    ) -> Result<()> {
        let mut usage = self.usage();
        let usage = self.counted(&mut usage)?;
        there.iter().for_each(|object| usage.add_unknown(object.hash, object.stored_bytes));
        held.for_each(|(hash, feed)| usage.attribute(hash, feed));
        Ok(())
    }

    /// Whether somebody found no room since this was asked last.
    pub(super) fn room_was_wanted(&self) -> bool {
        self.wants_room.swap(false, Ordering::Relaxed)
    }
}

/// What ends a compressed object of so many uncompressed bytes.
pub(super) fn size_frame(size: u64) -> [u8; SIZE_FRAME_BYTES] {
    let mut frame = [0; SIZE_FRAME_BYTES];
    frame[..SIZE_FRAME_HEAD.len()].copy_from_slice(&SIZE_FRAME_HEAD);
    frame[SIZE_FRAME_HEAD.len()..].copy_from_slice(&size.to_le_bytes());
    frame
}

fn hash_of_name(name: &str) -> Option<ContentHash> {
    name.strip_suffix(ZSTD_SUFFIX).unwrap_or(name).parse().ok()
}

/// Reads the uncompressed bytes of an object. What cannot be decompressed is `InvalidData`.
pub enum ObjectReader {
    /// They are stored as they are.
    Plain(BufReader<File>),
    /// They are compressed.
    Zstd {
        /// Decompresses.
        decoder: Decoder<'static, BufReader<File>>,
        /// The object's path, for messages.
        name: String,
    },
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Zstd { decoder, name } => decoder.read(buffer).map_err(|error| {
                use std::io::ErrorKind::{InvalidData, Other, UnexpectedEof};
                // An error of the disk has a code, one of the decoder has none.
                if error.raw_os_error().is_none() && matches!(error.kind(), InvalidData | Other | UnexpectedEof) {
                    return std::io::Error::new(InvalidData, format!("the store has damaged bytes in {name}: {error}"));
                }
                error
            }),
        }
    }
}
