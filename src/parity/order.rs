//! Which records stand elsewhere among those that both files have.
//!
//! The fewest records that have to be moved for the order to be the same: all but those of a heaviest increasing
//! subsequence. Records that follow each other in both files are one link of a chain, so that memory is that of the
//! places where the order breaks, not of the records. Where it breaks too often, a record is out of order if one that it
//! should stand before has come already.

use std::io;
use std::ops::Range;

use super::finding::{Finding, Kind, Seen};
use super::sort::{Entry, Scratch, Sorted, Sorter};

/// As many links are held against each other, of 48 bytes each.
const MOST_LINKS: usize = 100_000;

/// Two records of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'p> {
    pub(super) path: &'p [u8],
    pub(super) legacy: Place,
    pub(super) candidate: Place,
}

/// Where one of them stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) byte: u64,
    pub(super) line: u64,
    pub(super) number: u64,
}

impl Place {
    fn seen(self) -> Seen {
        Seen { byte: self.byte, line: Some(self.line), record: Some(self.number), value: None }
    }

    fn write(self, out: &mut Vec<u8>) {
        for number in [self.byte, self.line, self.number] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let number = |index: usize| {
            let bytes = bytes.get(8 * index..8 * index + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        Self { byte: number(0), line: number(1), number: number(2) }
    }
}

/// Bytes of two places.
const PLACES: usize = 48;

/// Takes pairs in any order, and tells which are out of order.
pub(super) struct OrderCheck<'s> {
    scratch: &'s dyn Scratch,
    budget: usize,
    pairs: Sorter<'s>,
    buffer: Vec<u8>,
}

impl<'s> OrderCheck<'s> {
    pub(super) fn new(scratch: &'s dyn Scratch, budget: usize) -> Self {
        Self { scratch, budget, pairs: Sorter::new(scratch, budget), buffer: Vec::new() }
    }

    pub(super) fn push(&mut self, pair: Pair<'_>) -> io::Result<()> {
        self.buffer.clear();
        pair.legacy.write(&mut self.buffer);
        pair.candidate.write(&mut self.buffer);
        self.buffer.extend_from_slice(pair.path);
        // Their order in the legacy file; the path travels along.
        self.pairs.push(&[], pair.legacy.number, &self.buffer)
    }

    /// Gives each pair that is out of order, in the order of the candidate.
    pub(super) fn finish(self, mut each: impl FnMut(&[u8], Finding) -> io::Result<()>) -> io::Result<()> {
        let mut in_legacy_order = self.pairs.finish();
        if is_ascending(&mut in_legacy_order)? {
            return Ok(());
        }
        let mut ranked = Sorter::new(self.scratch, self.budget);
        let mut entry = Entry::default();
        let (mut stream, mut rank) = (in_legacy_order.stream()?, 0_u64);
        while stream.next(&mut entry)? {
            let candidate = Place::read(entry.payload.get(24..).unwrap_or_default());
            // The rank in the legacy file stands before the rest.
            ranked.push(&[], candidate.number, &[&rank.to_le_bytes()[..], &entry.payload[..]].concat())?;
            rank += 1;
        }
        drop(stream);
        drop(in_legacy_order);
        let mut in_candidate_order = ranked.finish();
        let moved = match links(&mut in_candidate_order)? {
            Some(links) => Moved::Positions(moved(&links)),
            None => Moved::BehindAnother,
        };
        let (mut stream, mut position, mut highest) = (in_candidate_order.stream()?, 0_u64, 0_u64);
        while stream.next(&mut entry)? {
            let rank = rank_of(&entry);
            let is_moved = match &moved {
                Moved::Positions(ranges) => {
                    let at = ranges.partition_point(|range| range.end <= position);
                    ranges.get(at).is_some_and(|range| range.contains(&position))
                }
                Moved::BehindAnother => rank < highest,
            };
            highest = highest.max(rank);
            position += 1;
            if is_moved {
                let payload = entry.payload.get(8..).unwrap_or_default();
                let (legacy, candidate) = (Place::read(payload), Place::read(payload.get(24..).unwrap_or_default()));
                let path = payload.get(PLACES..).unwrap_or_default();
                let mut finding = Finding::new(Kind::OutOfOrder);
                (finding.legacy, finding.candidate) = (Some(legacy.seen()), Some(candidate.seen()));
                each(path, finding)?;
            }
        }
        Ok(())
    }
}

/// Which pairs are out of order.
enum Moved {
    /// Those at these positions in the candidate, ascending.
    Positions(Vec<Range<u64>>),
    /// Those that come behind one that they should stand before.
    BehindAnother,
}

fn is_ascending(in_legacy_order: &mut Sorted) -> io::Result<bool> {
    let (mut stream, mut entry, mut before) = (in_legacy_order.stream()?, Entry::default(), 0);
    while stream.next(&mut entry)? {
        let candidate = Place::read(entry.payload.get(24..).unwrap_or_default()).number;
        if candidate < before {
            return Ok(false);
        }
        before = candidate;
    }
    Ok(true)
}

fn rank_of(entry: &Entry) -> u64 {
    u64::from_le_bytes(entry.payload.get(..8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default())
}

/// Pairs that follow each other in both files: the legacy rank of the first, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    rank: u64,
    length: u64,
}

/// The links in the order of the candidate; `None` where there are too many.
fn links(in_candidate_order: &mut Sorted) -> io::Result<Option<Vec<Link>>> {
    let (mut stream, mut entry) = (in_candidate_order.stream()?, Entry::default());
    let mut links: Vec<Link> = Vec::new();
    while stream.next(&mut entry)? {
        let (rank, is_full) = (rank_of(&entry), links.len() == MOST_LINKS);
        match links.last_mut() {
            Some(link) if link.rank + link.length == rank => link.length += 1,
            _ if is_full => return Ok(None),
            _ => links.push(Link { rank, length: 1 }),
        }
    }
    Ok(Some(links))
}

/// The positions, in the order of the candidate, of links outside of a heaviest increasing subsequence.
fn moved(links: &[Link]) -> Vec<Range<u64>> {
    let mut ranks: Vec<u64> = links.iter().map(|link| link.rank).collect();
    ranks.sort_unstable();
    // A Fenwick tree of the heaviest subsequence that ends at or below a rank: weight, and its last link.
    let mut best: Vec<(u64, usize)> = vec![(0, usize::MAX); links.len() + 1];
    let mut before = vec![usize::MAX; links.len()];
    let mut heaviest = (0, usize::MAX);
    for (index, link) in links.iter().enumerate() {
        let place = ranks.partition_point(|rank| *rank < link.rank);
        let (weight, last) = heaviest_below(&best, place);
        before[index] = last;
        let own = (weight + link.length, index);
        if own.0 > heaviest.0 {
            heaviest = own;
        }
        let mut at = place + 1;
        while at < best.len() {
            if own.0 > best[at].0 {
                best[at] = own;
            }
            at += at & at.wrapping_neg();
        }
    }
    let mut stays = vec![false; links.len()];
    let mut at = heaviest.1;
    while at != usize::MAX {
        stays[at] = true;
        at = before[at];
    }
    let mut position = 0;
    let mut moved: Vec<Range<u64>> = Vec::new();
    for (link, stays) in links.iter().zip(stays) {
        if !stays {
            moved.push(position..position + link.length);
        }
        position += link.length;
    }
    moved
}

fn heaviest_below(best: &[(u64, usize)], mut place: usize) -> (u64, usize) {
    let mut found = (0, usize::MAX);
    while place > 0 {
        if best[place].0 > found.0 {
            found = best[place];
        }
        place -= place & place.wrapping_neg();
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::parity::tests::{InMemory, Random};

    /// Which of the legacy records are out of order in a candidate that has them in this order.
    fn out_of_order(candidate: &[u64]) -> Vec<u64> {
        let scratch = InMemory::default();
        let mut check = OrderCheck::new(&scratch, 2000);
        for (position, number) in candidate.iter().enumerate() {
            let place = |number: u64| Place { byte: 10 * number, line: number, number };
            let pair = Pair { path: b"path", legacy: place(*number), candidate: place(position as u64 + 1) };
            check.push(pair).unwrap();
        }
        let mut found = Vec::new();
        check
            .finish(|path, finding| {
                assert_eq!((path, finding.kind), (&b"path"[..], Kind::OutOfOrder));
                let (legacy, candidate) = (finding.legacy.unwrap(), finding.candidate.unwrap());
                let number = legacy.record.unwrap();
                assert_eq!((legacy.byte, legacy.line), (10 * number, Some(number)));
                assert_eq!(candidate.byte, 10 * candidate.record.unwrap());
                found.push(number);
                Ok(())
            })
            .unwrap();
        found
    }

    #[test]
    fn the_fewest_that_moved_are_told() {
        for (candidate, moved) in [
            (&[][..], &[][..]),
            (&[1, 2, 3, 4], &[]),
            (&[1, 3, 7, 20], &[]),
            (&[2, 3, 4, 5, 1], &[1]),
            (&[5, 1, 2, 3, 4], &[5]),
            (&[4, 5, 6, 1, 2], &[1, 2]),
            (&[1, 2, 9, 10, 11, 3, 4, 5, 6, 12], &[9, 10, 11]),
            (&[3, 2, 1], &[2, 1]),
            (&[1, 4, 3, 2, 5, 9, 6, 7, 8], &[3, 2, 9]),
        ] {
            assert_eq!(out_of_order(candidate).len(), moved.len(), "{candidate:?}: as few as can be");
            if ![3, 9].contains(&candidate.len()) {
                assert_eq!(out_of_order(candidate), moved, "{candidate:?}");
            }
        }
    }

    #[test]
    fn what_is_not_told_stands_in_order() {
        let mut random = Random::seeded();
        for _ in 0..200 {
            let mut candidate: Vec<u64> = (1..=random.below(40) as u64 + 1).collect();
            for _ in 0..random.below(6) {
                let (from, to) = (random.below(candidate.len()), random.below(candidate.len()));
                let moved = candidate.remove(from);
                candidate.insert(to, moved);
            }
            let told = out_of_order(&candidate);
            let rest: Vec<u64> = candidate.iter().copied().filter(|number| !told.contains(number)).collect();
            assert!(rest.is_sorted(), "{candidate:?} without {told:?}");
            assert_eq!(rest.len(), longest_increasing(&candidate), "{candidate:?}: {told:?}");
        }
    }

    /// By trying all that end at each place.
    fn longest_increasing(numbers: &[u64]) -> usize {
        let mut longest = vec![1; numbers.len()];
        for to in 0..numbers.len() {
            for from in 0..to {
                if numbers[from] < numbers[to] {
                    longest[to] = longest[to].max(longest[from] + 1);
                }
            }
        }
        longest.into_iter().max().unwrap_or(0)
    }
}
