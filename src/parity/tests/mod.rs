//! Files that differ in known places, and what is found of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clean;
mod day;
mod expected;
mod seeded;
mod unforeseen;

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::config::layout_from_text;
use crate::layout::Layout;

/// Scratch files in memory, counted.
#[derive(Default)]
pub(super) struct InMemory(Cell<usize>);

impl InMemory {
    pub(super) fn made(&self) -> usize {
        self.0.get()
    }
}

impl Scratch for InMemory {
    fn create(&self) -> io::Result<Box<dyn ScratchFile>> {
        self.0.set(self.0.get() + 1);
        Ok(Box::new(Cursor::new(Vec::new())))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014). Prints its seed; `DROPBRIDGE_TEST_SEED` plays one again.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded() -> Self {
        let given = std::env::var("DROPBRIDGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let seed = given.unwrap_or_else(clock);
        println!("DROPBRIDGE_TEST_SEED={seed}");
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Bytes up to a highest one.
    pub(super) fn bytes(&mut self, highest: u8, longest: usize) -> Vec<u8> {
        (0..self.below(longest + 1)).map(|_| (self.next() % (u64::from(highest) + 1)) as u8).collect()
    }
}

pub(super) const LAYOUT: &str = r##"
name = "day"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
final_terminator = "optional"
byte_order_mark = "optional"

[delimited]
delimiter = "|"
quote = "\""
trailing_delimiter = "optional"

[lines]
comment = "#"

[discriminator]
column = 1

[[record]]
name = "header"
role = "header"
match = "H"
field = [
  { name = "record_type", type = "constant", value = "H" },
  { name = "run_date", type = "date", format = "YYYYMMDD" },
  { name = "system", type = "text" },
]

[[record]]
name = "bid"
match = "B"
field = [
  { name = "record_type", type = "constant", value = "B" },
  { name = "number", type = "text" },
  { name = "vendor", type = "text", optional = true },
  { name = "amount", type = "decimal", scale = 2 },
  { name = "opened", type = "date", format = "YYYYMMDD", optional = true },
]

[[record]]
name = "line"
match = "L"
field = [
  { name = "record_type", type = "constant", value = "L" },
  { name = "number", type = "integer" },
  { name = "text", type = "text" },
  { name = "price", type = "decimal", scale = 2 },
]

[[record]]
name = "note"
match = "N"
field = [
  { name = "record_type", type = "constant", value = "N" },
  { name = "text", type = "text" },
]

[[record]]
name = "trailer"
role = "trailer"
match = "T"
field = [
  { name = "record_type", type = "constant", value = "T" },
  { name = "bids", type = "integer" },
  { name = "total", type = "decimal", scale = 2 },
]

[[control]]
count = ["bid"]
equals = "trailer.bids"

[[control]]
sum = "bid.amount"
equals = "trailer.total"
"##;

pub(super) fn layout() -> Layout {
    (*layout_from_text("day.toml", LAYOUT).unwrap_or_else(|problems| panic!("{problems}"))).clone()
}

/// Bids by their number, lines below them by theirs.
pub(super) fn rules_spec() -> RulesSpec {
    let key = |record: &str| (record.to_owned(), vec!["number".to_owned()]);
    RulesSpec {
        keys: [key("bid"), key("line")].into(),
        leads: [("line".to_owned(), "bid".to_owned())].into(),
        ..RulesSpec::default()
    }
}

/// Both files compared, in so little memory that everything is sorted outside.
pub(super) fn compared(
    layout: &Layout,
    spec: &RulesSpec,
    legacy: &[u8],
    candidate: &[u8],
    memory_bytes: usize,
) -> (Outcome, Vec<Finding>) {
    let rules = Rules::compile(spec, layout).unwrap();
    let comparison = Comparison { layout, rules: &rules, rejects: None, scratch: &InMemory::default(), memory_bytes };
    let mut found = Vec::new();
    let outcome = comparison
        .compare(
            &|| Ok(Box::new(legacy) as Box<dyn Read>),
            &|| Ok(Box::new(candidate) as Box<dyn Read>),
            &mut |finding| found.push(finding),
        )
        .unwrap();
    assert_eq!(outcome.tally.differences(), found.len() as u64, "what is counted is what is told");
    (outcome, found)
}
