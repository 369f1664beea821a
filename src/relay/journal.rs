//! The journal of a relay: an append-only file on the local disk.
//!
//! ```text
//! record  = length (4 bytes) | CRC-32 of the payload (4 bytes) | payload (`length` bytes)
//! payload = one record as JSON, at most 1 MiB
//! ```
//!
//! Numbers are unsigned and little-endian; the CRC is that of IEEE 802.3. Records are appended with one write and synced
//! before anything is done that they speak of. A record that a crash cut off can only be the last one: it is cut away when
//! the journal is opened. Anything else that does not fit is damage, and the relay stops rather than deliver twice.
//!
//! A journal that has grown is written anew when it is opened: the fewest records that say the same, to a temporary name,
//! synced, renamed. One process has it at a time, by a lock (`flock(2)`) on a file beside it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use dropbridge_port::{ErrorKind, PortError, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::state::{FORMAT, Known, Record, RelayState};

/// Length and CRC.
const HEAD_BYTES: usize = 8;

/// The longest payload.
const MOST_BYTES: usize = 1 << 20;

/// A journal with so many records more than it needs is written anew.
const SLACK_RECORDS: u64 = 10_000;

/// A journal, ours alone.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    _lock: File,
    length: u64,
    state: RelayState,
    /// A write failed: nobody knows what of it is on the disk.
    is_broken: bool,
}

/// The journal of a feed.
#[must_use]
pub fn path(directory: &Path, feed: &str) -> PathBuf {
    directory.join(format!("{feed}.journal"))
}

impl Journal {
    /// Begins the journal of a feed, unless it has one. Files that are `known` are not relayed. Answers whether it is
    /// new.
    ///
    /// # Errors
    /// Of the file system.
    pub fn begin(directory: &Path, feed: &str, known: Vec<Known>) -> Result<bool> {
        let io = |error: &std::io::Error| PortError::io("begin journal in", directory.display().to_string(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| io(&error))?;
        let _lock = lock(directory, feed)?;
        let path = path(directory, feed);
        if path.exists() {
            return Ok(false);
        }
        let mut state = RelayState::default();
        let begun = Record::Begun { format: FORMAT, feed: feed.to_owned() };
        for record in std::iter::once(begun).chain(known.into_iter().map(Record::Known)) {
            state.apply(record).map_err(|message| damaged(&path, 0, &message))?;
        }
        write_anew(&path, &state)?;
        Ok(true)
    }

    /// Opens the journal of a feed for writing, in its next epoch.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Transient` while another process has it, `Corrupt` when it is damaged.
    pub fn open(directory: &Path, feed: &str) -> Result<Self> {
        let path = path(directory, feed);
        if !path.exists() {
            let message = "this state directory has no journal of the relay";
            return Err(PortError::new(ErrorKind::NotFound, "open journal", path.display().to_string(), message)
                .with_hint(
                    "if the relay ran with another state directory, bring its `relay` directory here; otherwise \
                     `dropbridge init --relay skip` (what lies in the inbox was delivered) or `--relay take`",
                ));
        }
        let _lock = lock(directory, feed)?;
        let mut read = read(&path)?;
        if read.state.feed.as_deref() != Some(feed) {
            return Err(damaged(&path, 0, "it is the journal of another feed"));
        }
        let needed = read.state.records().len() as u64;
        if read.is_torn || read.records > needed + SLACK_RECORDS {
            read.length = write_anew(&path, &read.state)?;
        }
        let file = open_for_writing(&path)?;
        let mut journal = Self { file, _lock, length: read.length, state: read.state, path, is_broken: false };
        journal.append(vec![Record::Opened { epoch: journal.state.epoch + 1 }])?;
        Ok(journal)
    }

    /// What a journal says, without taking it. What another process appends meanwhile may be missing.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`.
    pub fn look(directory: &Path, feed: &str) -> Result<RelayState> {
        read(&path(directory, feed)).map(|read| read.state)
    }

    /// After a write that failed: reads what the file has, and writes it anew, so that all of it is on the disk.
    ///
    /// # Errors
    /// Of the file system; `Corrupt`.
    pub fn recover(&mut self) -> Result<()> {
        if !self.is_broken {
            return Ok(());
        }
        let state = read(&self.path)?.state;
        self.length = write_anew(&self.path, &state)?;
        self.file = open_for_writing(&self.path)?;
        (self.state, self.is_broken) = (state, false);
        Ok(())
    }

    /// What it says.
    #[must_use]
    pub const fn state(&self) -> &RelayState {
        &self.state
    }

    /// Appends records: all of them are on the disk when this returns.
    ///
    /// # Errors
    /// `Transient` when the disk is full. [`Journal::recover`] comes before anything else then.
    pub fn append(&mut self, records: Vec<Record>) -> Result<()> {
        if self.is_broken {
            let subject = self.path.display().to_string();
            return Err(PortError::new(ErrorKind::Transient, "append to journal", subject, "a write failed before"));
        }
        let io = |operation, error: &std::io::Error| {
            PortError::io(operation, self.path.display().to_string(), error)
                .with_hint("is there room on the disk of the state directory?")
        };
        let mut bytes = Vec::new();
        for record in &records {
            encode(record, &mut bytes)?;
        }
        self.is_broken = true;
        self.file.write_all_at(&bytes, self.length).map_err(|error| io("append to journal", &error))?;
        self.file.sync_data().map_err(|error| io("sync journal", &error))?;
        self.is_broken = false;
        self.length += bytes.len() as u64;
        for record in records {
            self.state.apply(record).map_err(|message| {
                PortError::new(ErrorKind::Bug, "append to journal", self.path.display().to_string(), message)
            })?;
        }
        Ok(())
    }
}

fn open_for_writing(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().write(true).open(path);
    opened.map_err(|error| PortError::io("open journal", path.display().to_string(), &error))
}

fn lock(directory: &Path, feed: &str) -> Result<File> {
    let path = directory.join(format!("{feed}.lock"));
    let io = |error: &std::io::Error| PortError::io("lock journal", path.display().to_string(), error);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| io(&error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => {
            let message = "another process has it";
            Err(PortError::new(ErrorKind::Transient, "lock journal", path.display().to_string(), message)
                .with_hint("this relay waits until that process ends"))
        }
        Err(errno) => Err(io(&errno.into())),
    }
}

fn encode(record: &Record, bytes: &mut Vec<u8>) -> Result<()> {
    let bug = |message: String| PortError::new(ErrorKind::Bug, "append to journal", "a record", message);
    let payload = serde_json::to_vec(record).map_err(|error| bug(error.to_string()))?;
    let length = u32::try_from(payload.len()).ok().filter(|length| *length as usize <= MOST_BYTES);
    let length = length.ok_or_else(|| bug(format!("it has {} bytes", payload.len())))?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(())
}

/// A journal as it was read.
struct ReadJournal {
    state: RelayState,
    records: u64,
    /// Bytes up to the end of its last whole record.
    length: u64,
    /// A record that a crash cut off follows.
    is_torn: bool,
}

fn read(path: &Path) -> Result<ReadJournal> {
    let bytes = fs::read(path).map_err(|error| PortError::io("read journal", path.display().to_string(), &error))?;
    let mut read = ReadJournal { state: RelayState::default(), records: 0, length: 0, is_torn: false };
    let mut at = 0;
    while at < bytes.len() {
        let Some((record, next)) = record_at(&bytes, at) else {
            if !is_torn_tail(&bytes, at) {
                return Err(damaged(path, at, "a record is not what was written"));
            }
            read.is_torn = true;
            break;
        };
        read.state.apply(record).map_err(|message| damaged(path, at, &message))?;
        read.records += 1;
        at = next;
    }
    read.length = at as u64;
    Ok(read)
}

fn damaged(path: &Path, at: usize, message: &str) -> PortError {
    let message = format!("at byte {at}: {message}");
    PortError::new(ErrorKind::Corrupt, "read journal", path.display().to_string(), message).with_hint(
        "restore it from a backup that is newer than the last delivery, or see what was delivered and begin a new one: \
         docs/operating.md, \"A relay is held\"",
    )
}

/// The record at a byte, and where it ends.
fn record_at(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let head = bytes.get(at..at + HEAD_BYTES)?;
    let number = |at: usize| head.get(at..at + 4).and_then(|four| Some(u32::from_le_bytes(four.try_into().ok()?)));
    let (length, crc) = (number(0)? as usize, number(4)?);
    let end = at + HEAD_BYTES + Some(length).filter(|length| *length <= MOST_BYTES)?;
    let payload = bytes.get(at + HEAD_BYTES..end)?;
    let record = (crc32fast::hash(payload) == crc).then(|| serde_json::from_slice(payload).ok())??;
    Some((record, end))
}

/// Whether what begins here can be an append that was cut off: no whole record follows anywhere behind it. Appends are
/// of a few records at most, so a longer rest is damage.
fn is_torn_tail(bytes: &[u8], at: usize) -> bool {
    bytes.len() - at <= 2 * (MOST_BYTES + HEAD_BYTES)
        && (at + 1..bytes.len()).all(|later| record_at(bytes, later).is_none())
}

/// Writes a journal that says the same in the fewest records; answers its length.
fn write_anew(path: &Path, state: &RelayState) -> Result<u64> {
    let io = |error: &std::io::Error| PortError::io("write journal", path.display().to_string(), error);
    let mut bytes = Vec::new();
    for record in state.records() {
        encode(&record, &mut bytes)?;
    }
    let part = path.with_extension("journal.part");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| io(&error))?;
    Ok(bytes.len() as u64)
}
