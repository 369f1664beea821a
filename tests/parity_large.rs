//! A million records of each producer, in other orders, compared in bounded memory. On its own, for its memory is counted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{self, Read};

use dropbridge::config::layout_from_text;
use dropbridge::parity::{Comparison, Kind, Rules, RulesSpec, Scratch, ScratchFile, Verdict};

/// Records of each file. A prime, so that each step through them meets every one.
const RECORDS: u64 = 1_000_003;

/// What the comparison may hold of them.
const MEMORY_BYTES: usize = 24 << 20;

/// What it takes beyond: blocks that are read at once of each sorted run, and what the allocator keeps.
const BESIDE_KIB: u64 = 40 << 10;

const LAYOUT: &str = r#"
name = "rows"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
[delimited]
delimiter = "|"
quote = ""
quoting = "none"
[[record]]
name = "row"
field = [
  { name = "number", type = "text" },
  { name = "vendor", type = "text" },
  { name = "amount", type = "decimal", scale = 2 },
]
"#;

/// A file that is made as it is read.
struct Rows {
    step: u64,
    next: u64,
    row: fn(u64) -> Option<String>,
    ready: Vec<u8>,
    given: usize,
}

impl Rows {
    /// All records, each so many behind the one before it.
    fn new(step: u64, row: fn(u64) -> Option<String>) -> Self {
        Self { step, next: 0, row, ready: Vec::new(), given: 0 }
    }
}

impl Read for Rows {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && self.next < RECORDS {
            self.ready.clear();
            self.given = 0;
            let number = (self.next * self.step) % RECORDS;
            self.next += 1;
            self.ready.extend((self.row)(number).unwrap_or_default().bytes());
        }
        let count = into.len().min(self.ready.len() - self.given);
        into[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn legacy(number: u64) -> Option<String> {
    (number % 100_000 != 77).then(|| format!("N{number:08}|Vendor no. {}|{}.50\n", number % 977, number % 5000))
}

/// One in 1000 has another amount; one in 100,000 is missing, and one is extra.
fn candidate(number: u64) -> Option<String> {
    let amount = if number % 1000 == 5 { "51" } else { "50" };
    (number % 100_000 != 99).then(|| format!("N{number:08}|Vendor no. {}|{}.{amount}\n", number % 977, number % 5000))
}

/// Files without a name.
struct OnDisk;

impl Scratch for OnDisk {
    fn create(&self) -> io::Result<Box<dyn ScratchFile>> {
        Ok(Box::new(tempfile::tempfile()?))
    }
}

/// The highest resident size that this process has had so far (`VmHWM` of proc(5)), in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a kernel that counts VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_million_records_are_compared_in_bounded_memory() {
    let layout = layout_from_text("rows.toml", LAYOUT).unwrap();
    let keys = [("row".to_owned(), vec!["number".to_owned()])].into();
    let rules = Rules::compile(&RulesSpec { keys, any_order: true, ..RulesSpec::default() }, &layout).unwrap();
    let comparison =
        Comparison { layout: &layout, rules: &rules, rejects: None, scratch: &OnDisk, memory_bytes: MEMORY_BYTES };
    let mut found = [0_u64; 3];
    let before = peak_kib();
    let outcome = comparison
        .compare(
            &|| Ok(Box::new(Rows::new(7919, legacy))),
            &|| Ok(Box::new(Rows::new(104_729, candidate))),
            &mut |finding| {
                let kind = [Kind::Missing, Kind::Extra, Kind::Different].iter().position(|kind| *kind == finding.kind);
                found[kind.unwrap_or_else(|| panic!("{finding:?}"))] += 1;
            },
        )
        .unwrap();
    let above = peak_kib() - before;
    println!("{} MiB above, of {} MiB of records each", above >> 10, outcome.legacy.bytes >> 20);
    // Of every 100,000 one is missing and one is extra; none of them has another amount.
    assert_eq!(found, [10, 10, 1000]);
    assert_eq!(outcome.verdict, Verdict::Different);
    assert_eq!((outcome.legacy.records, outcome.candidate.records), (Some(RECORDS - 10), Some(RECORDS - 10)));
    assert_eq!(outcome.tally.compared, RECORDS - 20);
    assert_eq!(outcome.tally.equal, RECORDS - 20 - 1000);
    assert!(outcome.expected.iter().all(|expected| expected.rule == "order" && expected.count > RECORDS / 2));
    let most = (MEMORY_BYTES as u64 >> 10) + BESIDE_KIB;
    assert!(above < most, "{} MiB, {} are allowed", above >> 10, most >> 10);
}
