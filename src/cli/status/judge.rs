//! What needs a person. Pure: from what was gathered to sentences.

use super::gather::{Feed, Live, SlotState, Status};
use crate::cli::output::counted;
use crate::ledger::DropState;

/// Everything that needs a person, each in a sentence that says what to do.
pub(super) fn findings(status: &Status) -> Vec<String> {
    let mut findings = Vec::new();
    if status.slot.state == SlotState::Silent {
        findings.push(format!(
            "the holder of the slot, {}, has been silent for {}: see whether it lives, and start it again",
            status.slot.holder.as_deref().unwrap_or("-"),
            counted(status.slot.heartbeat_age_s.unwrap_or_default(), "second"),
        ));
    }
    if let Live::Answered { report, .. } = &status.live {
        findings.extend(report.unready.iter().map(|reason| format!("the bridge is not ready: {reason}")));
        findings.extend(report.stuck.iter().cloned());
    }
    if let Some(store) = &status.store
        && let Some(quota) = store.quota_bytes.filter(|quota| store.bytes >= *quota)
    {
        let used = crate::cli::output::size(quota);
        findings.push(format!("the store is full ({used}): `dropbridge store status` says of what"));
    }
    findings.extend(status.feeds.iter().flat_map(of_feed));
    findings
}

fn of_feed(feed: &Feed) -> Vec<String> {
    let mut findings = Vec::new();
    if !feed.has_baseline {
        findings.push(format!("{}: it has no baseline: run `dropbridge init`", feed.feed));
    }
    let open: Vec<String> = DropState::OPEN_WORDS
        .iter()
        .map(|state| (feed.drops.in_state(state), state))
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    if !open.is_empty() {
        findings.push(format!("{}: {}: `dropbridge quarantine list` says why", feed.feed, open.join(", ")));
    }
    if let Some(arrivals) = feed.arrivals.as_ref().filter(|arrivals| arrivals.is_overdue()) {
        let mut missing = Vec::new();
        if !arrivals.overdue.is_empty() {
            missing.push(format!("files of {} are overdue", counted(arrivals.overdue.len() as u64, "business date")));
        }
        if !arrivals.gaps.is_empty() {
            missing.push(counted(arrivals.gaps.len() as u64, "gap in the sequence"));
        }
        findings.push(format!("{}: {}: `dropbridge arrivals` says which", feed.feed, missing.join(", ")));
    }
    if let Some(live) = feed.live.as_ref().filter(|live| live.state != "ok" && feed.has_baseline) {
        let reason = live.reason.as_deref().unwrap_or("no reason was given");
        findings.push(format!("{}: {} since {}: {reason}", feed.feed, live.state, live.since.local()));
    }
    findings
}
