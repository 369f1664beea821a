//! Asking an inbox whether it still has a file, without waiting for a share that hangs.

use std::sync::mpsc;
use std::time::Duration;

use dropbridge_port::EntryPath;

use crate::ledger::LedgerEntry;
use crate::wiring::Bridge;

/// How long a share may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a feed's inbox may still have the file of a ledger entry: it has, or does not say.
pub(super) fn may_be_in_inbox(bridge: &Bridge, entry: &LedgerEntry) -> bool {
    let Some(plan) = bridge.plans().remove(&entry.feed) else { return true };
    let (Ok(share), Some(path)) = (bridge.share(&plan.settings), EntryPath::parse(&entry.entry.path)) else {
        return true;
    };
    let (sender, answer) = mpsc::channel();
    // One that never answers keeps this thread, and nobody else.
    let asking = std::thread::Builder::new().name("whereabouts".to_owned()).spawn(move || {
        let _nobody_waits_any_more = sender.send(share.stat(&path));
    });
    if asking.is_err() {
        return true;
    }
    match answer.recv_timeout(PATIENCE) {
        Ok(Ok(None)) => false,
        Ok(Ok(Some(stat))) => (stat.size, stat.modified_ns) == (entry.entry.size, entry.entry.modified_ns),
        Ok(Err(_)) | Err(_) => true,
    }
}
