//! A local directory does what every share must do.

mod harness;

use harness::LocalHarness;

dropbridge_conformance::share_conformance!(LocalHarness::new);
