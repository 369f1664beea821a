//! A local directory does what every share must do.
#![allow(clippy::unwrap_used)]

use dropbridge_conformance::share::DirectoryHarness;
use dropbridge_local::{LocalSettings, LocalShare};

fn harness() -> DirectoryHarness {
    DirectoryHarness::new(true, |root| Box::new(LocalShare::open(root, LocalSettings::default()).unwrap()))
}

dropbridge_conformance::share_conformance!(harness());
