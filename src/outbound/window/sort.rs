//! Entries are brought into the order of their keys: in memory as long as there are few, then in sorted runs on disk that
//! are merged while they are read.
//!
//! Memory: [`BUFFER_BYTES`] while entries come, [`READ_BYTES`] for each run while they are read. Disk: the entries
//! themselves, in one file that has no name, so that nothing is left of it whatever happens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use dropbridge_port::PortError;

/// What is sorted in memory at once.
pub(super) const BUFFER_BYTES: usize = 8 << 20;

/// How much of each run is read at once.
const READ_BYTES: usize = 32 << 10;

/// What an entry takes in memory beside its bytes.
const ENTRY_BYTES: usize = 64;

/// A key and what is kept under it; keys of two entries are never the same.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// Takes entries in any order.
pub(super) struct Sorter {
    /// Where the file is made, if one is needed.
    directory: PathBuf,
    buffer_bytes: usize,
    buffer: Vec<Entry>,
    bytes: usize,
    spool: Option<Spool>,
}

/// Runs, one behind the other.
struct Spool {
    file: File,
    /// Where each run ends.
    ends: Vec<u64>,
}

/// Entries in their order, to be read any number of times.
pub(super) struct Sorted {
    entries: Vec<Entry>,
    spool: Option<Spool>,
}

impl Sorter {
    /// Makes its file in this directory, where one is needed.
    pub(super) fn new(directory: PathBuf, buffer_bytes: usize) -> Self {
        Self { directory, buffer_bytes, buffer: Vec::new(), bytes: 0, spool: None }
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// Of the file.
    pub(super) fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), PortError> {
        self.bytes += key.len() + value.len() + ENTRY_BYTES;
        self.buffer.push((key, value));
        if self.bytes >= self.buffer_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), PortError> {
        let failed = |error: &io::Error| PortError::io("sort events in", self.directory.display().to_string(), error);
        self.buffer.sort_unstable();
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none
                .insert(Spool { file: nameless(&self.directory).map_err(|error| failed(&error))?, ends: Vec::new() }),
        };
        let written = spool.append(&self.buffer);
        written.map_err(|error| failed(&error))?;
        self.buffer.clear();
        self.bytes = 0;
        Ok(())
    }

    /// All entries have come.
    ///
    /// # Errors
    /// Of the file.
    pub(super) fn finish(mut self) -> Result<Sorted, PortError> {
        if self.spool.is_some() && !self.buffer.is_empty() {
            self.spill()?;
        }
        self.buffer.sort_unstable();
        Ok(Sorted { entries: self.buffer, spool: self.spool })
    }
}

/// A file for its owner alone, since it carries other people's data, that goes with its handle.
fn nameless(directory: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("window-{}-{number}.sort", std::process::id()));
    // Of a process of the same number that was killed right here.
    let _stale = std::fs::remove_file(&path);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl Spool {
    fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = self.ends.last().copied().unwrap_or(0);
        let mut out = BufWriter::new(&self.file);
        for (key, value) in entries {
            for part in [key, value] {
                let length = u32::try_from(part.len()).map_err(io::Error::other)?;
                out.write_all(&length.to_be_bytes())?;
                out.write_all(part)?;
                bytes += 4 + u64::from(length);
            }
        }
        out.flush()?;
        self.ends.push(bytes);
        Ok(())
    }
}

impl Sorted {
    /// Without entries.
    pub(super) const fn empty() -> Self {
        Self { entries: Vec::new(), spool: None }
    }

    /// From the first entry on.
    ///
    /// # Errors
    /// Of the file.
    pub(super) fn read(&self) -> io::Result<Merge<'_>> {
        let mut runs = Vec::new();
        let mut from = 0;
        for (spool, end) in self.spool.iter().flat_map(|spool| spool.ends.iter().map(move |end| (spool, *end))) {
            let section = Section { file: &spool.file, at: from, end };
            runs.push(BufReader::with_capacity(READ_BYTES, section));
            from = end;
        }
        let mut merge = Merge { entries: self.entries.iter(), heads: BinaryHeap::with_capacity(runs.len()), runs };
        (0..merge.runs.len()).try_for_each(|run| merge.advance(run))?;
        Ok(merge)
    }
}

/// Entries in the order of their keys.
pub(super) struct Merge<'s> {
    entries: std::slice::Iter<'s, Entry>,
    runs: Vec<BufReader<Section<'s>>>,
    /// The next entry of each run.
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
}

impl Merge<'_> {
    /// The next entry.
    ///
    /// # Errors
    /// Of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.runs.is_empty() {
            return Ok(self.entries.next().cloned());
        }
        let Some(Reverse((entry, run))) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some(entry))
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        let reader = &mut self.runs[run];
        let Some(key) = read_part(reader)? else { return Ok(()) };
        let value = read_part(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.heads.push(Reverse(((key, value), run)));
        Ok(())
    }
}

/// A length and so many bytes; `None` at the end.
fn read_part(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut part = vec![0; u32::from_be_bytes(length) as usize];
    reader.read_exact(&mut part)?;
    Ok(Some(part))
}

/// A part of a file, read without moving its position.
struct Section<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sorted(buffer_bytes: usize, count: u32) -> (tempfile::TempDir, Sorted) {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path().to_path_buf(), buffer_bytes);
        // Multiplication by an odd number goes through all of them.
        for number in (0..count).map(|number| number.wrapping_mul(2_654_435_761) % count.next_power_of_two()) {
            sorter.push(number.to_be_bytes().to_vec(), number.to_string().into_bytes()).unwrap();
        }
        (directory, sorter.finish().unwrap())
    }

    fn all(sorted: &Sorted) -> Vec<Entry> {
        let mut merge = sorted.read().unwrap();
        std::iter::from_fn(|| merge.next().unwrap()).collect()
    }

    #[test]
    fn runs_on_disk_are_read_as_what_fits_into_memory() {
        let (directory, large) = sorted(1000, 4096);
        let (_other, small) = sorted(usize::MAX, 4096);
        assert!(large.spool.as_ref().unwrap().ends.len() > 100 && small.spool.is_none());
        let expected: Vec<Entry> =
            (0..4096_u32).map(|number| (number.to_be_bytes().to_vec(), number.to_string().into_bytes())).collect();
        assert_eq!(all(&small), expected);
        assert_eq!(all(&large), expected);
        assert_eq!(all(&large), expected, "and a second time");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "its file has no name");
        assert_eq!(all(&Sorted::empty()), []);
    }
}
