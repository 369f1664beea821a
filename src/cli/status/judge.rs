//! What needs a person. Pure: from what was gathered to sentences.

use super::gather::{Feed, Live, SlotState, Status};
use super::outgoing::{Relay, Rendering};
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
    findings.extend(status.relays.iter().flat_map(of_relay));
    findings.extend(status.renderings.iter().flat_map(of_rendering));
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

/// A relay that cannot go on counts from here on: a consumer collects when it polls.
const STUCK_S: f64 = 60.0;

fn of_relay(relay: &Relay) -> Vec<String> {
    let mut findings = Vec::new();
    if relay.held > 0 {
        let files = counted(relay.held as u64, "file");
        findings.push(format!("relay of {}: {files} held: `dropbridge relay list` says why", relay.feed));
    }
    if let Some(live) = &relay.live
        && let Some(reason) = live.trouble.as_ref().or(live.blocked.as_ref())
        && (live.trouble.is_some() || live.stuck_s.is_some_and(|stuck| stuck >= STUCK_S))
    {
        let time = counted(live.stuck_s.unwrap_or_default() as u64, "second");
        findings.push(format!("relay of {}: it does not go on, for {time}: {reason}", relay.feed));
    }
    findings
}

fn of_rendering(rendering: &Rendering) -> Vec<String> {
    let id = &rendering.rendering;
    let mut findings = Vec::new();
    if rendering.held > 0 {
        let held = if rendering.held == 1 { "delivery is" } else { "deliveries are" };
        findings.push(format!("{id}: {} {held} held: `dropbridge deliveries list` says why", rendering.held));
    }
    if let Some(reason) = &rendering.held_because {
        findings.push(format!("{id}: held by a person: {reason}; `dropbridge deliveries release {id}` lets it go on"));
    } else if let Some(live) = rendering.live.as_ref().filter(|live| live.state != "ok" && rendering.held == 0) {
        let reason = live.reason.as_deref().unwrap_or("no reason was given");
        findings.push(format!("{id}: {} since {}: {reason}", live.state, live.since.local()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Moment;
    use crate::health::{RelayFacts, RenderingFacts};

    fn rendering(held: usize, held_because: Option<&str>, live: Option<(&str, &str)>) -> Rendering {
        let live = live.map(|(state, reason)| RenderingFacts {
            rendering: "r".to_owned(),
            department: "d".to_owned(),
            outbox: "/out".to_owned(),
            state: state.to_owned(),
            since: Moment::from_unix_ns(0),
            reason: Some(reason.to_owned()),
            delivered: 0,
            last_at: None,
            held: held as u64,
        });
        Rendering {
            rendering: "r".to_owned(),
            department: "d".to_owned(),
            outbox: "/out".to_owned(),
            delivered: 0,
            held,
            last: None,
            held_because: held_because.map(str::to_owned),
            live,
        }
    }

    #[test]
    fn what_goes_out_is_judged_by_what_a_person_can_do_about_it() {
        assert!(of_rendering(&rendering(0, None, None)).is_empty());
        assert!(of_rendering(&rendering(0, None, Some(("ok", "")))).is_empty());
        let cases = [
            (rendering(1, None, Some(("stopped", "x"))), "r: 1 delivery is held: `dropbridge deliveries list`"),
            (rendering(2, None, None), "r: 2 deliveries are held"),
            (
                rendering(0, Some("moving"), Some(("paused", "x"))),
                "r: held by a person: moving; `dropbridge deliveries release r`",
            ),
            (rendering(0, None, Some(("paused", "disk full"))), "r: paused since"),
        ];
        for (rendering, begins) in cases {
            let findings = of_rendering(&rendering);
            assert!(findings.len() == 1 && findings.iter().all(|one| one.starts_with(begins)), "{findings:?}");
        }
    }

    #[test]
    fn a_relay_that_waits_for_its_consumer_is_given_some_time() {
        let relay = |held, trouble: Option<&str>, blocked: Option<&str>, stuck_s| Relay {
            feed: "f".to_owned(),
            outbox: "nas: out".to_owned(),
            files: 0,
            open: 0,
            held,
            live: Some(RelayFacts {
                trouble: trouble.map(str::to_owned),
                blocked: blocked.map(str::to_owned),
                stuck_s,
                ..RelayFacts::default()
            }),
        };
        assert!(of_relay(&relay(0, None, Some("the consumer"), Some(59.0))).is_empty());
        let told = |relay: &Relay| of_relay(relay).join("; ");
        assert!(told(&relay(0, None, Some("the consumer"), Some(60.0))).contains("for 60 seconds: the consumer"));
        assert!(told(&relay(0, Some("disk full"), None, Some(0.0))).contains("disk full"));
        assert!(told(&relay(1, None, None, None)).contains("1 file held"));
    }
}
