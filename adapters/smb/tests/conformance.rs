//! A directory of a real Samba server does what every share and every outbox must do.
#![allow(clippy::unwrap_used)]

mod support;

use dropbridge_conformance::outbox::OutboxDirectory;
use dropbridge_conformance::samba::{Samba, SambaOptions};
use dropbridge_conformance::share::DirectoryHarness;
use support::WireNames;

/// Reading over the server touches access times as the server's mount says.
fn harness() -> Option<WireNames> {
    let server = Samba::start(SambaOptions::default())?;
    let connection = support::connection(&server);
    Some(WireNames(DirectoryHarness::new(false, move |root| {
        let _lives_as_long = &server;
        Box::new(support::share(&connection, root))
    })))
}

dropbridge_conformance::share_conformance!(match harness() {
    Some(harness) => harness,
    None => return,
});

fn outbox(staging: Option<&'static str>) -> Option<OutboxDirectory> {
    let server = Samba::start(SambaOptions::default())?;
    // Each outbox over a connection of its own: the server has a process for each.
    Some(OutboxDirectory::new(staging, move |share, staging| {
        Box::new(support::outbox(&support::connection(&server), share, staging))
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
