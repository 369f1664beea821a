//! The way back: from committed events to files.
//!
//! [`manifests`] finds and follows what files need beside their events; `ranges` reads the events of one file from the
//! partitions that its manifest names, in their order and in bounded memory; [`mirror`] writes the file again and holds it
//! against its hash. A [`plan`] is a rendering made ready. [`deliver`] places its files: `stage` puts the parts of one under
//! temporary names, [`journal`] says what is intended and what was done, and `decide` tells from both how it goes on.
//! `answer` does what people ask.

mod answer;
mod decide;
pub mod deliver;
pub mod journal;
pub mod manifests;
pub mod mirror;
pub mod plan;
mod ranges;
mod stage;
