//! The journal against a model: random histories, cut off and damaged at random places.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use dropbridge_port::ErrorKind;

use super::journal::{Journal, path};
use super::state::{Hold, Intent, Known, Part, Record, RelayState};
use crate::domain::{ContentHash, EntryFacts};

/// SplitMix64 (public domain, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn announced() -> Self {
        let seed = std::env::var("DROPBRIDGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            u64::from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos())
        });
        eprintln!("DROPBRIDGE_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn entry(number: u64, size: u64) -> EntryFacts {
    EntryFacts { path: format!("ORD_{number}.dat"), size, modified_ns: size as i64 * 7, version: size * 31 }
}

/// Something that a relay might do next.
fn next(state: &RelayState, random: &mut Random) -> Record {
    let (file, size) = (entry(random.below(5), random.below(1000)), random.below(3));
    let open = state.open.keys().nth(random.below(state.open.len().max(1) as u64) as usize).copied();
    match (random.below(6), open) {
        (0, Some(delivery)) | (1, Some(delivery)) => Record::Receipt { delivery },
        (2, Some(delivery)) if size == 0 => Record::Withdrawn { delivery },
        (3, _) => Record::Held(Hold { entry: file, reason: "a reason".to_owned() }),
        (4, _) if size == 0 => Record::Released { path: file.path },
        (4, _) if size == 1 => Record::Tidied { path: file.path },
        (4, _) => Record::Known(Known { entry: file, sha256: None, relayed: Vec::new() }),
        _ => {
            let delivery = state.totals.delivery + 1;
            let parts = (0..=size).map(|part| Part {
                staged: format!(".dropbridge-relay.x-1-{}", delivery * 10 + part),
                target: format!("{}.{part}", file.path),
                entry: file.clone(),
                sha256: ContentHash::of(&delivery.to_be_bytes()),
            });
            Record::Intent(Intent { delivery, parts: parts.collect() })
        }
    }
}

fn begun() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let known = Known { entry: entry(9, 9), sha256: None, relayed: Vec::new() };
    assert!(Journal::begin(directory.path(), "x", vec![known]).unwrap());
    assert!(!Journal::begin(directory.path(), "x", Vec::new()).unwrap(), "there is one");
    directory
}

/// Whatever is cut off the end, what is read is the state after some whole number of appends: all that were synced
/// before the cut.
#[test]
fn a_journal_that_was_cut_off_says_what_it_said_before_the_cut() {
    let mut random = Random::announced();
    for _ in 0..60 {
        let directory = begun();
        let file = path(directory.path(), "x");
        let mut lengths = Vec::new();
        {
            let mut journal = Journal::open(directory.path(), "x").unwrap();
            lengths.push((fs::metadata(&file).unwrap().len(), journal.state().clone()));
            for _ in 0..random.below(40) {
                let record = next(journal.state(), &mut random);
                journal.append(vec![record]).unwrap();
                lengths.push((fs::metadata(&file).unwrap().len(), journal.state().clone()));
            }
        }
        let (first, last) = (lengths.first().unwrap().0, lengths.last().unwrap().0);
        let cut = first + random.below(last - first + 1);
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(cut).unwrap();
        let (_, model) = lengths.iter().rev().find(|(length, _)| *length <= cut).unwrap();
        let reopened = Journal::open(directory.path(), "x").unwrap();
        let expected = RelayState { epoch: model.epoch + 1, ..model.clone() };
        assert_eq!(*reopened.state(), expected);
        assert_eq!(Journal::look(directory.path(), "x").unwrap(), expected, "what is on the disk is the same");
    }
}

/// A bit that turned in the middle is noticed; the relay must not go on as if the records behind it were not there.
#[test]
fn a_journal_that_was_damaged_is_refused() {
    let mut random = Random::announced();
    for _ in 0..60 {
        let directory = begun();
        let file = path(directory.path(), "x");
        {
            let mut journal = Journal::open(directory.path(), "x").unwrap();
            for _ in 0..10 {
                let record = next(journal.state(), &mut random);
                journal.append(vec![record]).unwrap();
            }
        }
        let mut bytes = fs::read(&file).unwrap();
        // The last record alone may be taken for one that was cut off.
        let last = bytes.windows(11).rposition(|window| window == b"{\"record\":\"").unwrap() - 8;
        let at = random.below(last as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
        fs::write(&file, bytes).unwrap();
        let error = Journal::open(directory.path(), "x").expect_err("damage");
        assert_eq!(error.kind, ErrorKind::Corrupt, "byte {at}: {error}");
    }
}

/// The fewest records that say the same, say the same.
#[test]
fn a_journal_that_is_written_anew_says_the_same() {
    let mut random = Random::announced();
    for _ in 0..200 {
        let begun = Record::Begun { format: super::state::FORMAT, feed: "x".to_owned() };
        let mut state = RelayState::default();
        state.apply(begun).unwrap();
        for _ in 0..random.below(60) {
            state.apply(next(&state, &mut random)).unwrap();
        }
        let mut again = RelayState::default();
        state.records().into_iter().for_each(|record| again.apply(record).unwrap());
        assert_eq!(again, state);
    }
}

#[test]
fn one_process_has_a_journal_at_a_time() {
    let directory = begun();
    let first = Journal::open(directory.path(), "x").unwrap();
    let error = Journal::open(directory.path(), "x").expect_err("it is taken");
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    drop(first);
    assert_eq!(Journal::open(directory.path(), "x").unwrap().state().epoch, 2);
    assert_eq!(Journal::open(directory.path(), "y").expect_err("none").kind, ErrorKind::NotFound);
}
