//! A share: a place where files live, seen read-only.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use crate::Result;

/// Where an entry is, relative to the root of its share: `/`-separated bytes as the server gave them.
///
/// Names need not be UTF-8. [`fmt::Display`] escapes what a terminal or a log must not see (control characters, line
/// separators, marks that turn the direction of text, invalid UTF-8, `%`) as `%XX`, so that a printed name is one line
/// and can be turned back with [`EntryPath::parse`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath(Vec<u8>);

impl EntryPath {
    /// A path from bytes of a listing, or `None` where it would leave its share: absolute, empty, or with a
    /// component that is empty, `.` or `..`, or a NUL.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        let safe = !bytes.contains(&0)
            && bytes.split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..");
        safe.then_some(Self(bytes))
    }

    /// The reverse of [`fmt::Display`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            if first == b'%' {
                let digits = tail.get(..2)?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = &tail[2..];
            } else {
                bytes.push(first);
                rest = tail;
            }
        }
        Self::new(bytes)
    }

    /// The bytes as the server gave them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or(&self.0)
    }

    /// The directory part, empty at the root.
    #[must_use]
    pub fn parent(&self) -> &[u8] {
        let name = self.file_name().len();
        self.0.get(..self.0.len().saturating_sub(name + 1)).unwrap_or(&[])
    }

    /// A sibling of this entry: the same directory, another name. `None` where the name is not one component.
    #[must_use]
    pub fn sibling(&self, name: &[u8]) -> Option<Self> {
        if name.contains(&b'/') {
            return None;
        }
        let mut bytes = self.parent().to_vec();
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self::new(bytes)
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character == '%' || must_not_show(character) {
                    let mut buffer = [0; 4];
                    for byte in character.encode_utf8(&mut buffer).bytes() {
                        write!(out, "%{byte:02X}")?;
                    }
                } else {
                    write!(out, "{character}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(out, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and what Unicode calls bidirectional formatting.
fn must_not_show(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{self}\"")
    }
}

/// What a share knows of an entry without reading it. Two equal stats mean: nothing was seen to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryStat {
    /// Size in bytes.
    pub size: u64,
    /// Last modification in nanoseconds since the Unix epoch, at the share's precision.
    pub modified_ns: i64,
    /// Changes whenever the share can tell that this is another file or was touched, though size and mtime may be
    /// the same: a digest of inode and change time locally. 0 where the share has nothing of the kind. It may also
    /// change without cause (a remount), so it asks for another look and proves nothing.
    pub version: u64,
}

/// One row of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, relative to the listed directory's share root.
    pub path: EntryPath,
    /// What the listing says of it.
    pub stat: EntryStat,
}

/// Something in a listing that is no regular file, and so is never opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path, escaped for display.
    pub path: String,
    /// Why it was passed over: `symbolic link`, `named pipe`, `unsafe name`.
    pub reason: &'static str,
}

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRequest {
    /// Descend into directories below (never through symbolic links).
    pub recursive: bool,
}

/// A complete listing. A listing that could not be completed is an error, never a short list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Regular files, in no particular order.
    pub entries: Vec<Entry>,
    /// Everything that was passed over.
    pub skipped: Vec<Skipped>,
}

/// What a share can do, as data, so that one conformance suite runs over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Granularity of mtimes in nanoseconds (1 locally, 1_000_000_000 for most servers).
    pub mtime_precision_ns: i64,
    /// An open handle goes on reading after the entry was renamed or removed.
    pub read_survives_removal: bool,
    /// [`Share::watch`] can give wake-ups.
    pub notifies: bool,
}

/// An entry that was opened for reading: the bytes stay reachable where the share allows it, even when the entry is
/// renamed or removed.
pub trait OpenEntry: Read + Send {
    /// The stat of the open file itself, whatever its name points to now.
    ///
    /// # Errors
    /// When the share cannot be asked.
    fn stat(&self) -> Result<EntryStat>;

    /// Goes to an absolute byte offset for the next read.
    ///
    /// # Errors
    /// When the share cannot seek.
    fn seek_to(&mut self, offset: u64) -> Result<()>;
}

/// Why a watch returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed: list again.
    Changed,
    /// Nothing was heard for the whole time.
    TimedOut,
    /// The watch is broken (the directory went away, for one): poll, and ask for a new one later.
    Lost,
}

/// Wake-ups for a directory. They carry no facts: the listing is the truth.
pub trait Watch: Send {
    /// Waits until something may have changed, or the time is over.
    fn wait(&mut self, timeout: Duration) -> Wake;
}

/// A place where files live. Reading it changes nothing there: no write, no lock, no rename; and no probe but
/// [`Share::has_writer`], which is asked only where a feed wants that.
pub trait Share: Send + Sync {
    /// What it is called in logs and errors: an address without secrets.
    fn address(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Lists regular files.
    ///
    /// # Errors
    /// `NotFound` when the directory is not there, `Refused` without permission, `Transient` otherwise.
    fn list(&self, request: ListRequest) -> Result<Listing>;

    /// The stat of a regular file by name, or `None` where there is none (any more).
    ///
    /// # Errors
    /// As for [`Share::list`].
    fn stat(&self, path: &EntryPath) -> Result<Option<EntryStat>>;

    /// Opens a regular file for reading, without blocking its writer, without following a symbolic link, and
    /// without waiting on a pipe or device.
    ///
    /// # Errors
    /// `NotFound` when it is gone, `Refused` when it is no regular file or may not be read.
    fn open(&self, path: &EntryPath) -> Result<Box<dyn OpenEntry>>;

    /// Whether somebody has a file open to write it; `None` where the share cannot tell. Asking may keep writers out for an
    /// instant: who opens the file just then is refused.
    ///
    /// # Errors
    /// As for [`Share::list`].
    fn has_writer(&self, _path: &EntryPath) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Wake-ups, or `None` where the share has none and has to be polled.
    ///
    /// # Errors
    /// When notification exists but cannot be had now (limits, permissions): the caller polls and says so.
    fn watch(&self, request: ListRequest) -> Result<Option<Box<dyn Watch>>>;
}
