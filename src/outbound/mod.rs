//! The way back: from committed events to files.
//!
//! [`manifests`] finds and follows what files need beside their events; `ranges` reads the events of one file from the
//! partitions that its manifest names, in their order and in bounded memory; [`mirror`] writes the file again and holds it
//! against its hash. [`window`] makes files of events that came from none. A [`plan`] is a rendering made ready, and a
//! `source` its files in their order: `mirroring` by manifests, [`window::windowing`] by cut-offs. [`deliver`] places
//! them: `stage` puts the parts of one under temporary names, [`journal`] says what is intended and what was done, and
//! `decide` tells from both how it goes on. `answer` does what people ask.

mod answer;
mod decide;
pub mod deliver;
pub mod journal;
pub mod manifests;
pub mod mirror;
mod mirroring;
pub mod plan;
mod ranges;
mod source;
mod stage;
pub mod window;
