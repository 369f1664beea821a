//! Parity: is a file that was made of a new service's events what the batch job wrote?
//!
//! Whole bytes first; where they differ, record by record by business key, field by field. Every difference is found
//! with its kind, its place in both files and both values; what a feed's rules expect is counted by rule and place, and
//! shown all the same. Nothing here opens a file: what is compared is handed in, and so is the place where more than
//! memory holds is sorted.
//!
//! ```text
//! bytes of both (whole) → parse each (Parser) → path of each record (path) → sort (item, sort)
//!   → merge by path (merge) → fields (fields) → order (order) → beside records (beside) → outcome
//! ```
//!
//! This is no round-trip proof. That one compares a file with what its own events make of it, and says that the bridge
//! loses nothing; parity compares two producers.

mod arrival;
mod beside;
mod compare;
mod fields;
mod finding;
mod item;
mod merge;
mod order;
mod outcome;
mod path;
mod report;
mod rules;
mod sort;
#[cfg(test)]
mod tests;
mod tolerance;
mod whole;

pub use arrival::Arrival;
pub use compare::{CompareError, Comparison, Open};
pub use finding::{Finding, Kind, Seen, Side};
pub use outcome::{Compared, Expected, Outcome, Tally, Verdict};
pub use report::{CandidateFrom, FileReport, Report, Totals};
pub use rules::{FieldName, Rules, RulesSpec};
pub use sort::{Scratch, ScratchFile};
pub use tolerance::{Decimal, Tolerance};
