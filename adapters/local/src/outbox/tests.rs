//! The conformance suite: staged in the outbox, beside it, and on a file system that renames in two steps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod two_steps;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use dropbridge_conformance::outbox::OutboxDirectory;

use super::LocalOutbox;
use crate::LocalSettings;

fn harness(staging: Option<&'static str>, in_two_steps: bool) -> OutboxDirectory {
    OutboxDirectory::new(staging, move |share, staging| Box::new(local(share, staging, in_two_steps)))
}

fn local(share: &Path, staging: Option<&str>, in_two_steps: bool) -> LocalOutbox {
    let outbox = LocalOutbox::open(share, Path::new("out"), staging.map(Path::new), LocalSettings::default()).unwrap();
    LocalOutbox { two_steps: AtomicBool::new(in_two_steps), ..outbox }
}

mod staged_within {
    dropbridge_conformance::outbox_conformance!(super::harness(None, false));
}

mod staged_beside {
    dropbridge_conformance::outbox_conformance!(super::harness(Some("staging"), false));
}

mod in_two_steps {
    dropbridge_conformance::outbox_conformance!(super::harness(None, true));
}

mod staged_in_the_outbox_itself {
    dropbridge_conformance::outbox_conformance!(super::harness(Some("out"), false));
}
