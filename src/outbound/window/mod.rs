//! Windows: events that came from no file, rolled into files.
//!
//! [`windowing`] says what comes next: a cut-off to be journaled, its files to be planned, one of them to be made. For each,
//! the events are read from exactly the ranges that the journal names (`slice`, `events`), told apart and sorted
//! (`gather`, `sort`), turned into records (`rows`) and rendered (`file`). [`assembler`] puts these together, from whatever
//! topics it is told; [`dates`] makes the file of a date whatever is cut off; [`lineage`] says which events are in a file. The rules are in [`crate::window`]: nothing
//! here asks for the time but to see which cut-offs are due.

pub mod assembler;
pub mod dates;
mod events;
mod file;
mod gather;
pub mod lineage;
pub mod plan;
mod rows;
mod slice;
mod sort;
pub mod windowing;
