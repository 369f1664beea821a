//! A local directory does what every share must do, and files are taken out of it as out of every inbox.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use dropbridge_conformance::clearing;
use dropbridge_conformance::share::DirectoryHarness;
use dropbridge_local::{LocalClearing, LocalSettings, LocalShare};

fn harness() -> DirectoryHarness {
    DirectoryHarness::new(true, |root| Box::new(LocalShare::open(root, LocalSettings::default()).unwrap()))
}

dropbridge_conformance::share_conformance!(harness());

#[test]
fn files_are_taken_out_of_an_inbox_if_they_are_as_they_were() {
    let (inbox, settings) = (Path::new("in"), LocalSettings::default());
    clearing::takes_files_that_are_as_they_were(
        |root| Box::new(LocalShare::open_below(root, inbox, settings).unwrap()),
        |root, disposal| Box::new(LocalClearing::open(root, inbox, disposal, settings).unwrap()),
    );
}
