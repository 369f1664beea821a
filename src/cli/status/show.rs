//! How it is shown: a few lines, tables of what comes in and of what goes out, and what needs a person.

use super::gather::{Feed, Live, SlotState, Status};
use super::outgoing::{Relay, Rendering};
use crate::arrivals::Standing;
use crate::cli::Output;
use crate::cli::output::{counted, size};
use crate::domain::Moment;
use crate::ledger::census::UNPROVEN;

/// Shows it.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show(status: &Status, output: Output) -> anyhow::Result<()> {
    output.object(status)?;
    for (name, value) in head(status) {
        output.line(format!("{name:>7}  {value}"))?;
    }
    output.line("")?;
    let rows = status.feeds.iter().map(|feed| standing(status, feed)).collect();
    output.table(&["feed", "state", "waiting", "oldest", "awaited", "last file", "when"], rows)?;
    output.line("")?;
    let rows = status.feeds.iter().map(counts).collect();
    let header =
        ["feed", "published", "exact", "exceptions", "replay", "unproven", "quarantined", "held", "lost", "baseline"];
    output.table(&header, rows)?;
    if !status.relays.is_empty() {
        output.line("")?;
        let rows = status.relays.iter().map(|one| relay(status, one)).collect();
        output.table(&["relay of", "state", "outbox", "relayed", "waiting", "held"], rows)?;
    }
    if !status.renderings.is_empty() {
        output.line("")?;
        let rows = status.renderings.iter().map(|one| rendering(status, one)).collect();
        output.table(&["rendering", "state", "delivered", "held", "last file", "when"], rows)?;
    }
    if !status.findings.is_empty() {
        output.line("\nneeds a person:")?;
        for finding in &status.findings {
            output.line(format!("- {finding}"))?;
        }
    }
    Ok(())
}

fn head(status: &Status) -> Vec<(&'static str, String)> {
    let holder = status.slot.holder.as_deref().unwrap_or("-");
    let since = status.slot.claimed_at.map(Moment::local).unwrap_or_default();
    let heartbeat = status.slot.heartbeat_at.map(Moment::local).unwrap_or_default();
    let age = counted(status.slot.heartbeat_age_s.unwrap_or_default(), "second");
    let slot = match status.slot.state {
        SlotState::Never => "nobody has held it yet: `dropbridge run`".to_owned(),
        SlotState::Free => format!("free: {holder} gave it up at {heartbeat}"),
        SlotState::Held => format!("held by {holder} since {since}, heartbeat {age} ago"),
        SlotState::Silent => format!("{holder} has been silent since {heartbeat}"),
    };
    let store = status.store.as_ref().map_or_else(
        || "nothing in it yet".to_owned(),
        |store| {
            let quota = store.quota_bytes.map_or_else(String::new, |quota| format!(" of {}", size(quota)));
            format!("{}, {}{quota}", counted(store.objects as u64, "object"), size(store.bytes))
        },
    );
    let live = match &status.live {
        Live::NotAsked => "not asked: no [http] in the configuration".to_owned(),
        Live::Silent(why) => why.clone(),
        Live::Answered { address, report } => {
            let ready = if report.unready.is_some() { "not ready" } else { "ready" };
            format!("{ready}, slot {}, version {}, at {address}", report.slot.state, report.version)
        }
    };
    let mut lines = vec![
        ("bridge", format!("{}, at {}", status.bridge, status.at.local())),
        ("log", status.log.clone()),
        ("slot", slot),
        ("store", store),
        ("live", live),
    ];
    if status.requests > 0 {
        lines.push(("waiting", counted(status.requests as u64, "request of a command")));
    }
    lines
}

/// What a feed does now, as far as that can be told.
fn state(status: &Status, feed: &Feed) -> String {
    if !feed.has_baseline {
        return "no baseline".to_owned();
    }
    state_of(status, feed.live.as_ref().map(|live| live.state.as_str()))
}

/// What the running bridge says, or what the slot says of whether one runs.
fn state_of(status: &Status, live: Option<&str>) -> String {
    let state = match (live, status.slot.state) {
        (Some(live), _) => live,
        (None, SlotState::Held) => "running",
        (None, SlotState::Silent) => "silent",
        (None, SlotState::Never | SlotState::Free) => "not running",
    };
    state.to_owned()
}

fn relay(status: &Status, relay: &Relay) -> Vec<String> {
    let live = relay.live.as_ref();
    vec![
        relay.feed.clone(),
        state_of(status, live.map(|live| live.state().as_str())),
        relay.outbox.clone(),
        relay.files.to_string(),
        live.map_or(relay.open, |live| live.waiting.len()).to_string(),
        relay.held.to_string(),
    ]
}

fn rendering(status: &Status, rendering: &Rendering) -> Vec<String> {
    let dash = || "-".to_owned();
    let last = rendering.last.as_ref();
    vec![
        rendering.rendering.clone(),
        state_of(status, rendering.live.as_ref().map(|live| live.state.as_str())),
        rendering.delivered.to_string(),
        rendering.held.to_string(),
        last.map_or_else(dash, |last| last.file.clone()),
        last.map_or_else(dash, |last| last.at.local()),
    ]
}

fn standing(status: &Status, feed: &Feed) -> Vec<String> {
    let dash = || "-".to_owned();
    let waiting = feed.live.as_ref().map(|live| live.waiting_files + live.settling_files + live.in_flight_files);
    let oldest = feed.live.as_ref().and_then(|live| live.oldest_waiting_s);
    let last = feed.drops.last.as_ref();
    vec![
        feed.feed.clone(),
        state(status, feed),
        waiting.map_or_else(dash, |files| files.to_string()),
        oldest.map_or_else(dash, age),
        feed.arrivals.as_ref().map_or_else(dash, awaited),
        last.map_or_else(dash, |last| format!("{} ({})", last.path, last.state)),
        last.map_or_else(dash, |last| last.recorded_at.local()),
    ]
}

/// Seconds in the unit that people read.
fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn awaited(arrivals: &Standing) -> String {
    if arrivals.is_overdue() {
        return "OVERDUE".to_owned();
    }
    match &arrivals.next {
        Some(next) if next.arrived >= next.expected => format!("{} is there", next.business_date),
        Some(next) => format!("{} by {}", next.business_date, next.due.local()),
        None => "-".to_owned(),
    }
}

fn counts(feed: &Feed) -> Vec<String> {
    let drops = &feed.drops;
    let verdict = |word: &str| drops.verdicts.get(word).copied().unwrap_or_default();
    let numbers = [
        drops.in_state("published"),
        verdict("exact"),
        verdict("exact with exceptions"),
        verdict("replay only"),
        verdict(UNPROVEN),
        drops.in_state("quarantined"),
        drops.in_state("held"),
        drops.in_state("vanished") + drops.in_state("abandoned"),
        drops.in_state("baseline"),
    ];
    [feed.feed.clone()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_unit_that_people_read() {
        let ages = [0.4, 119.0, 120.0, 7199.0, 7200.0, 172_799.0, 172_800.0].map(age);
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
