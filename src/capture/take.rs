//! Taking the bytes of a settled entry: read once, hashed on the way, looked at again afterwards.

use std::io::Read;

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{EntryPath, EntryStat, ErrorKind, OpenEntry, PortError, Result, Share};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::lease::Lease;
use super::quota::Account;
use super::readiness::ChecksumAlgorithm;
use super::staged::StagedObject;
use super::store::Store;
use crate::domain::hash::hex;
use crate::domain::{ContentHash, EntryFacts};

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 18;

/// The last bytes that are kept at hand to look for a trailer.
pub const TAIL_BYTES: usize = 1 << 16;

/// The immutable bytes of one settled entry.
#[derive(Debug)]
pub struct Capture {
    /// Their SHA-256.
    pub hash: ContentHash,
    /// The entry they were taken from.
    pub entry: EntryFacts,
    /// Where they are.
    pub body: Body,
    /// Their last bytes, at most [`TAIL_BYTES`].
    pub tail: Vec<u8>,
    /// Their checksum by the algorithm that was asked for, in hexadecimal digits.
    pub checksum: Option<String>,
}

/// Where the bytes of a capture are.
#[derive(Debug)]
pub enum Body {
    /// In memory.
    Memory(Vec<u8>),
    /// In the store, under the hash.
    Stored(Lease),
}

/// What came of taking.
#[derive(Debug)]
pub enum Taken {
    /// The bytes.
    Capture(Capture),
    /// The entry changed while it was read, or since it was judged settled: settle again from this stat.
    Changed(EntryStat),
}

/// How to take.
#[derive(Clone, Copy, Debug)]
pub struct TakeOptions<'a> {
    /// On whose account they are stored.
    pub account: Account<'a>,
    /// Captures above this go to the store.
    pub memory_bytes: u64,
    /// The stat that the entry has to have still, where the rule is that it does not change.
    pub unchanged_since: Option<EntryStat>,
    /// The name is gone; only the handle can be asked.
    pub gone: bool,
    /// A further checksum to compute.
    pub checksum: Option<ChecksumAlgorithm>,
}

/// Reads an entry through its open handle.
///
/// # Errors
/// Those of the share and of the store.
pub fn take(
    share: &dyn Share,
    path: &EntryPath,
    handle: &mut dyn OpenEntry,
    store: &Store,
    options: TakeOptions<'_>,
) -> Result<Taken> {
    let before = handle.stat()?;
    if options.unchanged_since.is_some_and(|settled| !same_content(settled, before)) {
        return Ok(Taken::Changed(before));
    }
    handle.seek_to(0)?;
    let named = |error: PortError| PortError { subject: format!("{path} in {}", error.subject), ..error };
    let mut sink = Sink::new(options);
    let mut block = vec![0; BLOCK_BYTES.min(usize::try_from(before.size.saturating_add(1)).unwrap_or(BLOCK_BYTES))];
    loop {
        let length = match handle.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PortError::io("read", path.to_string(), &error)),
        };
        sink.write(store, &block[..length]).map_err(named)?;
        if sink.size > before.size {
            break;
        }
    }
    let after = handle.stat()?;
    let stat = if options.gone { None } else { share.stat(path)? };
    let replaced = stat.is_some_and(|named| !same_content(named, after));
    if sink.size != before.size || !same_content(before, after) || replaced {
        return Ok(Taken::Changed(stat.unwrap_or(after)));
    }
    let entry = EntryFacts {
        path: path.to_string(),
        size: after.size,
        modified_ns: after.modified_ns,
        version: stat.unwrap_or(after).version,
    };
    let capture = sink.finish(entry).map_err(named)?;
    if reach(Failpoint::Captured) {
        return Err(PortError::new(ErrorKind::Transient, "capture", path.to_string(), "failpoint"));
    }
    Ok(Taken::Capture(capture))
}

/// Names are given and taken away while we read, and each time the version changes: size and mtime decide.
#[must_use]
pub const fn same_content(one: EntryStat, other: EntryStat) -> bool {
    one.size == other.size && one.modified_ns == other.modified_ns
}

/// Reads bytes that come from no share: a pipe, a file given by hand. They always go to the store.
///
/// # Errors
/// Those of the reader (as `Transient`) and of the store.
pub fn take_stream(mut reader: impl Read, store: &Store, account: Account<'_>) -> Result<(ContentHash, u64)> {
    let mut hasher = Sha256::new();
    let mut staged = store.begin(account)?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut size = 0;
    loop {
        let length = match reader.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PortError::io("read", "input", &error)),
        };
        hasher.update(&block[..length]);
        staged.write(&block[..length])?;
        size += length as u64;
    }
    let hash = ContentHash::finish(hasher);
    staged.place(hash)?;
    Ok((hash, size))
}

/// Hashes bytes and keeps them: in memory while they are few, in the store from then on.
struct Sink<'a> {
    account: Account<'a>,
    memory_bytes: u64,
    size: u64,
    sha256: Sha256,
    md5: Option<Md5>,
    checksum: Option<ChecksumAlgorithm>,
    memory: Vec<u8>,
    staged: Option<(&'a Store, StagedObject<'a>)>,
    tail: Vec<u8>,
}

impl<'a> Sink<'a> {
    fn new(options: TakeOptions<'a>) -> Self {
        let TakeOptions { account, memory_bytes, checksum, .. } = options;
        Self {
            account,
            memory_bytes,
            size: 0,
            sha256: Sha256::new(),
            md5: (checksum == Some(ChecksumAlgorithm::Md5)).then(Md5::new),
            checksum,
            memory: Vec::new(),
            staged: None,
            tail: Vec::new(),
        }
    }

    fn write(&mut self, store: &'a Store, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.keep_tail(bytes);
        if self.staged.is_none() && self.size <= self.memory_bytes {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let staged = match &mut self.staged {
            Some((_, staged)) => staged,
            none => {
                let mut staged = store.begin(self.account)?;
                staged.write(&std::mem::take(&mut self.memory))?;
                &mut none.insert((store, staged)).1
            }
        };
        staged.write(bytes)
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        if bytes.len() >= TAIL_BYTES {
            self.tail.clear();
            self.tail.extend_from_slice(&bytes[bytes.len() - TAIL_BYTES..]);
        } else {
            let excess = (self.tail.len() + bytes.len()).saturating_sub(TAIL_BYTES);
            self.tail.drain(..excess);
            self.tail.extend_from_slice(bytes);
        }
    }

    fn finish(self, entry: EntryFacts) -> Result<Capture> {
        let hash = ContentHash::finish(self.sha256);
        let checksum = self.checksum.map(|algorithm| match (algorithm, self.md5) {
            (ChecksumAlgorithm::Md5, Some(md5)) => hex(&md5.finalize()),
            _ => hash.to_string(),
        });
        let body = match self.staged {
            Some((store, staged)) => {
                let lease = store.lease(hash);
                staged.place(hash)?;
                Body::Stored(lease)
            }
            None => Body::Memory(self.memory),
        };
        Ok(Capture { hash, entry, body, tail: self.tail, checksum })
    }
}
