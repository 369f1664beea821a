//! Whole bytes first: two streams side by side, and the hash of each.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::domain::ContentHash;

use super::finding::Side;

const BLOCK_BYTES: usize = 1 << 16;

/// What two files are as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) legacy: Bytes,
    pub(super) candidate: Bytes,
    /// Where the first byte stands that differs, or is in one of them alone.
    pub(super) first_difference: Option<u64>,
}

/// What one file is as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) size: u64,
    pub(super) sha256: ContentHash,
}

/// Reads both to their ends. An error is told with its file.
pub(super) fn compare(mut legacy: impl Read, mut candidate: impl Read) -> Result<Whole, (Side, io::Error)> {
    let (mut one, mut other) = (Hashing::new(&mut legacy), Hashing::new(&mut candidate));
    let (mut block, mut other_block) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    let (mut first, mut from) = (None, 0_u64);
    loop {
        let count = fill(&mut one, &mut block).map_err(|error| (Side::Legacy, error))?;
        let other_count = fill(&mut other, &mut other_block).map_err(|error| (Side::Candidate, error))?;
        if first.is_none() {
            let same = block[..count].iter().zip(&other_block[..other_count]).take_while(|(a, b)| a == b).count();
            first = (same < count.max(other_count)).then_some(from + same as u64);
        }
        from += BLOCK_BYTES as u64;
        if count < BLOCK_BYTES && other_count < BLOCK_BYTES {
            return Ok(Whole { legacy: one.finish(), candidate: other.finish(), first_difference: first });
        }
    }
}

/// Fills a block, but at the end of the stream.
fn fill(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A stream that is hashed as it is read.
pub(super) struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    size: u64,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), size: 0 }
    }

    /// What was read.
    pub(super) fn finish(self) -> Bytes {
        Bytes { size: self.size, sha256: ContentHash::finish(self.hasher) }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hasher.update(&into[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_found() {
        let long = vec![b'x'; 3 * BLOCK_BYTES];
        let changed_at = |at: usize| {
            let mut changed = long.clone();
            changed[at] = b'y';
            changed
        };
        for (one, other, first) in [
            (&b""[..], &b""[..], None),
            (b"ab", b"ab", None),
            (b"ab", b"a", Some(1)),
            (b"a", b"ab", Some(1)),
            (b"", b"a", Some(0)),
            (b"abc", b"axc", Some(1)),
            (&long, &long, None),
            (&long, &changed_at(BLOCK_BYTES), Some(BLOCK_BYTES as u64)),
            (&long, &changed_at(2 * BLOCK_BYTES + 7), Some(2 * BLOCK_BYTES as u64 + 7)),
            (&long, &long[..2 * BLOCK_BYTES], Some(2 * BLOCK_BYTES as u64)),
        ] {
            let whole = compare(one, other).unwrap();
            assert_eq!(whole.first_difference, first, "{} and {} bytes", one.len(), other.len());
            assert_eq!((whole.legacy.size, whole.candidate.size), (one.len() as u64, other.len() as u64));
            assert_eq!((whole.legacy.sha256, whole.candidate.sha256), (ContentHash::of(one), ContentHash::of(other)));
        }
    }
}
