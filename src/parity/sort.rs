//! Sorting more than memory holds: runs are sorted in memory, written to scratch files, and merged.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// A file that is written, then read from its beginning; it is gone when it is let go.
pub trait ScratchFile: Read + Write + Seek {}

impl<T: Read + Write + Seek> ScratchFile for T {}

/// Where scratch files are made. What is in them is other people's data: nobody else may read them.
pub trait Scratch {
    /// A new, empty file.
    ///
    /// # Errors
    /// Of the directory that it is made in.
    fn create(&self) -> io::Result<Box<dyn ScratchFile>>;
}

/// As many runs are merged at once; more are merged into one first.
const MOST_RUNS: usize = 64;

/// What is read of a run at once, in bytes.
const READ_BYTES: usize = 1 << 16;

/// What is sorted: by `path`, then by `ordinal`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    pub(super) ordinal: u64,
    pub(super) payload: Vec<u8>,
}

impl Entry {
    fn order(&self, other: &Self) -> Ordering {
        self.path.cmp(&other.path).then(self.ordinal.cmp(&other.ordinal))
    }

    fn read(&mut self, reader: &mut impl Read) -> io::Result<bool> {
        let mut head = [0; 16];
        if !read_head(reader, &mut head)? {
            return Ok(false);
        }
        let [a, b, c, d, e, f, g, h, ordinal @ ..] = head;
        self.ordinal = u64::from_le_bytes(ordinal);
        self.path.resize(u32::from_le_bytes([a, b, c, d]) as usize, 0);
        reader.read_exact(&mut self.path)?;
        self.payload.resize(u32::from_le_bytes([e, f, g, h]) as usize, 0);
        reader.read_exact(&mut self.payload)?;
        Ok(true)
    }
}

/// `false` at the end; an entry that was cut short is an error.
fn read_head(reader: &mut impl Read, head: &mut [u8; 16]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < head.len() {
        match reader.read(&mut head[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn write(writer: &mut impl Write, path: &[u8], ordinal: u64, payload: &[u8]) -> io::Result<()> {
    writer.write_all(&length(path)?.to_le_bytes())?;
    writer.write_all(&length(payload)?.to_le_bytes())?;
    writer.write_all(&ordinal.to_le_bytes())?;
    writer.write_all(path)?;
    writer.write_all(payload)
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a record of four gigabytes"))
}

/// Takes entries in any order. Memory is `budget` and one entry.
pub(super) struct Sorter<'s> {
    scratch: &'s dyn Scratch,
    budget: usize,
    held: Held,
    runs: Vec<Box<dyn ScratchFile>>,
}

/// Entries in memory.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

/// Where an entry stands in the bytes: its path, and behind it its payload.
#[derive(Clone, Copy)]
struct Slot {
    from: usize,
    path: usize,
    payload: usize,
    ordinal: u64,
}

impl Held {
    fn push(&mut self, path: &[u8], ordinal: u64, payload: &[u8]) {
        self.slots.push(Slot { from: self.bytes.len(), path: path.len(), payload: payload.len(), ordinal });
        self.bytes.extend_from_slice(path);
        self.bytes.extend_from_slice(payload);
    }

    fn weight(&self) -> usize {
        self.bytes.len() + self.slots.len() * size_of::<Slot>()
    }

    fn path(&self, slot: Slot) -> &[u8] {
        &self.bytes[slot.from..slot.from + slot.path]
    }

    fn payload(&self, slot: Slot) -> &[u8] {
        let from = slot.from + slot.path;
        &self.bytes[from..from + slot.payload]
    }

    fn sort(&mut self) {
        let mut slots = std::mem::take(&mut self.slots);
        slots.sort_unstable_by(|one, other| {
            self.path(*one).cmp(self.path(*other)).then(one.ordinal.cmp(&other.ordinal))
        });
        self.slots = slots;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
    }
}

impl<'s> Sorter<'s> {
    pub(super) fn new(scratch: &'s dyn Scratch, budget: usize) -> Self {
        Self { scratch, budget, held: Held::default(), runs: Vec::new() }
    }

    pub(super) fn push(&mut self, path: &[u8], ordinal: u64, payload: &[u8]) -> io::Result<()> {
        self.held.push(path, ordinal, payload);
        if self.held.weight() > self.budget { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort();
        let mut run = self.scratch.create()?;
        let mut writer = BufWriter::with_capacity(READ_BYTES, &mut run);
        for slot in &self.held.slots {
            write(&mut writer, self.held.path(*slot), slot.ordinal, self.held.payload(*slot))?;
        }
        writer.flush()?;
        drop(writer);
        self.held.clear();
        self.runs.push(run);
        if self.runs.len() < MOST_RUNS { Ok(()) } else { self.merge_runs() }
    }

    fn merge_runs(&mut self) -> io::Result<()> {
        let mut merged = self.scratch.create()?;
        let mut writer = BufWriter::with_capacity(READ_BYTES, &mut merged);
        let mut stream = Stream::new(&mut self.runs, None)?;
        let mut entry = Entry::default();
        while stream.next(&mut entry)? {
            write(&mut writer, &entry.path, entry.ordinal, &entry.payload)?;
        }
        writer.flush()?;
        drop((stream, writer));
        self.runs = vec![merged];
        Ok(())
    }

    pub(super) fn finish(mut self) -> Sorted {
        self.held.sort();
        Sorted { held: self.held, runs: self.runs }
    }
}

/// All entries, to be read in their order as often as is wanted.
pub(super) struct Sorted {
    held: Held,
    runs: Vec<Box<dyn ScratchFile>>,
}

impl Sorted {
    /// From the first one.
    pub(super) fn stream(&mut self) -> io::Result<Stream<'_>> {
        Stream::new(&mut self.runs, Some(&self.held))
    }
}

/// Entries in their order.
pub(super) struct Stream<'r> {
    heads: BinaryHeap<Head>,
    runs: Vec<BufReader<&'r mut Box<dyn ScratchFile>>>,
    held: Option<&'r Held>,
    /// How many of those in memory were read.
    done: usize,
}

/// The next entry of a run; the one past the last run is memory.
struct Head {
    entry: Entry,
    run: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    /// The least entry is the greatest head: a heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.entry.order(&self.entry).then(other.run.cmp(&self.run))
    }
}

impl<'r> Stream<'r> {
    fn new(runs: &'r mut [Box<dyn ScratchFile>], held: Option<&'r Held>) -> io::Result<Self> {
        for run in &mut *runs {
            run.seek(SeekFrom::Start(0))?;
        }
        let runs: Vec<_> = runs.iter_mut().map(|run| BufReader::with_capacity(READ_BYTES, run)).collect();
        let mut stream = Self { heads: BinaryHeap::new(), runs, held, done: 0 };
        for run in 0..=stream.runs.len() {
            stream.refill(Entry::default(), run)?;
        }
        Ok(stream)
    }

    fn refill(&mut self, mut entry: Entry, run: usize) -> io::Result<()> {
        let found = match self.runs.get_mut(run) {
            Some(reader) => entry.read(reader)?,
            None => self.held.is_some_and(|held| {
                let Some(slot) = held.slots.get(self.done) else { return false };
                self.done += 1;
                entry.path.clear();
                entry.path.extend_from_slice(held.path(*slot));
                entry.payload.clear();
                entry.payload.extend_from_slice(held.payload(*slot));
                entry.ordinal = slot.ordinal;
                true
            }),
        };
        if found {
            self.heads.push(Head { entry, run });
        }
        Ok(())
    }

    /// The next entry; `false` behind the last.
    pub(super) fn next(&mut self, into: &mut Entry) -> io::Result<bool> {
        let Some(Head { entry, run }) = self.heads.pop() else { return Ok(false) };
        let spare = std::mem::replace(into, entry);
        self.refill(spare, run)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::parity::tests::{InMemory, Random};

    fn sorted(entries: &[Entry], budget: usize) -> (Vec<Entry>, usize) {
        let scratch = InMemory::default();
        let mut sorter = Sorter::new(&scratch, budget);
        for entry in entries {
            sorter.push(&entry.path, entry.ordinal, &entry.payload).unwrap();
        }
        let mut sorted = sorter.finish();
        let mut read = || {
            let (mut found, mut entry) = (Vec::new(), Entry::default());
            let mut stream = sorted.stream().unwrap();
            while stream.next(&mut entry).unwrap() {
                found.push(entry.clone());
            }
            found
        };
        let (first, second) = (read(), read());
        assert_eq!(first, second, "it can be read again");
        (first, scratch.made())
    }

    #[test]
    fn what_does_not_fit_is_spilled_and_comes_back_in_order() {
        let mut random = Random::seeded();
        for (count, budget) in [(0, 100), (1, 0), (500, 1 << 20), (500, 2000), (3000, 300)] {
            let entries: Vec<Entry> = (0..count)
                .map(|ordinal| Entry { path: random.bytes(3, 6), ordinal, payload: random.bytes(255, 40) })
                .collect();
            let mut expected = entries.clone();
            expected.sort_by(Entry::order);
            let (found, files) = sorted(&entries, budget);
            assert!(found == expected, "{count} entries, {budget} bytes");
            assert_eq!(files > 0, count > 0 && budget < 1 << 20, "{count} entries, {budget} bytes: {files} files");
        }
    }

    #[test]
    fn a_run_that_was_cut_short_is_an_error() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"path", 7, b"payload").unwrap();
        for cut in 1..bytes.len() {
            let read = Entry::default().read(&mut &bytes[..cut]);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
        assert!(Entry::default().read(&mut &bytes[..]).unwrap());
    }
}
