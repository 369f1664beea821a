//! What the bridge does over a connection, step by step: it reads a file, or delivers one.

use std::path::Path;
use std::time::{Duration, Instant};

use dropbridge_port::{
    Attributes, ErrorKind, ListRequest, PortError, Publication, Result, Share, StagedName, Standing,
};

use super::{PATIENCE, ProxiedServer, Route, entry};

/// As the bridge does: what failed for the moment is tried again. A login that was cut may be a refusal, and is tried
/// later.
fn patiently<T>(mut work: impl FnMut() -> Result<T>) -> T {
    let begun = Instant::now();
    loop {
        match work() {
            Ok(done) => return done,
            Err(error) if passes(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("it does not get better: {error}"),
        }
    }
}

fn passes(error: &PortError) -> bool {
    error.kind == ErrorKind::Transient || error.message.contains("did not answer the login")
}

/// Reads a file of the share to its end.
fn read_all(share: &dyn Share, name: &str) -> Result<Vec<u8>> {
    let mut file = share.open(&entry(name))?;
    let size = file.stat()?.size;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| PortError::io("read", name, &error))?;
    assert_eq!(bytes.len() as u64, size, "an end before the announced size");
    Ok(bytes)
}

/// One file through connections of its own: listed, opened, read.
pub(super) fn read_through(server: &dyn ProxiedServer, route: Route, root: &Path, bytes: &[u8]) {
    let share = server.share(route, root);
    let mut listed = patiently(|| share.list(ListRequest::default()));
    if listed.entries.is_empty() && server.cut_listing_looks_shorter() {
        listed = patiently(|| share.list(ListRequest::default()));
    }
    assert_eq!(listed.entries.len(), 1, "{listed:?}");
    assert!(patiently(|| read_all(&*share, "large")) == bytes, "other bytes");
}

/// One file into the outbox as the bridge does it: what was not staged is staged again under another name; what was to
/// be published is, once.
pub(super) fn deliver_through(server: &dyn ProxiedServer, route: Route, root: &Path, target: &str, bytes: &[u8]) {
    let outbox = server.outbox(route, root);
    let mut number = 0;
    let name = patiently(|| {
        number += 1;
        let name = StagedName::new(target, 1, number).expect("a name of a test");
        let mut staged = outbox.stage(&name, Attributes::default())?;
        for block in bytes.chunks(100_000) {
            staged.write(block)?;
        }
        assert_eq!(staged.finish()?.size, bytes.len() as u64);
        outbox.witness(&name)?;
        Ok(name)
    });
    patiently(|| match outbox.standing(&name, &entry(target))? {
        Standing::Published => Ok(()),
        Standing::Staged => match outbox.publish(&name, &entry(target))? {
            Publication::Published => Ok(()),
            Publication::TargetExists => panic!("{target}: somebody else has its name"),
        },
        other => panic!("{target}: {other:?}"),
    });
    patiently(|| outbox.forget(&name));
    for stale in patiently(|| outbox.staged(target)) {
        patiently(|| outbox.discard(&stale));
    }
}
