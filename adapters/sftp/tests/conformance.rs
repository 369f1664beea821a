//! A directory of a real OpenSSH server does what every share and every outbox must do.
#![allow(clippy::unwrap_used)]

mod support;

use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use dropbridge_conformance::outbox::OutboxDirectory;
use dropbridge_conformance::share::DirectoryHarness;

/// Reading over the server touches access times as the server's mount says.
fn harness() -> Option<DirectoryHarness> {
    let server = OpenSsh::start(OpenSshOptions::default())?;
    let connection = support::connection(&server);
    Some(DirectoryHarness::new(false, move |root| {
        let _lives_as_long = &server;
        Box::new(support::share(&connection, root))
    }))
}

dropbridge_conformance::share_conformance!(match harness() {
    Some(harness) => harness,
    None => return,
});

fn outbox(staging: Option<&'static str>) -> Option<OutboxDirectory> {
    let server = OpenSsh::start(OpenSshOptions::default())?;
    let connection = support::connection(&server);
    Some(OutboxDirectory::new(staging, move |share, staging| {
        let _lives_as_long = &server;
        Box::new(support::outbox(&connection, share, staging))
    }))
}

mod staged_within {
    dropbridge_conformance::outbox_conformance!(match super::outbox(None) {
        Some(harness) => harness,
        None => return,
    });
}

mod staged_beside {
    dropbridge_conformance::outbox_conformance!(match super::outbox(Some("staging")) {
        Some(harness) => harness,
        None => return,
    });
}
