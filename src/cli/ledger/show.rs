//! `dropbridge ledger show`: drops, their events by the bytes they were made from, and the drop of an event.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, copy, sink};
use std::ops::ControlFlow;

use clap::Args;
use serde::Serialize;

use super::carriers::{self, Carrier};
use super::{SHORTEST_HASH, is_called};
use crate::cli::output::counted;
use crate::cli::place::EventPlace;
use crate::cli::quarantine::show_drop;
use crate::cli::{Answer, Output, check_known};
use crate::domain::LogicalKey;
use crate::ledger::trace::{Traced, TracedEvent, event_at, event_with_id, events_of};
use crate::ledger::{LedgerEntry, LedgerIndex};
use crate::wiring::Bridge;

/// Of a record that is shown, at most so many bytes.
const MOST_RECORD_BYTES: u64 = 4096;

/// Arguments of `ledger show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArguments {
    /// Logical key, hash or its beginning, or file name.
    #[arg(required_unless_present_any = ["at", "event"])]
    what: Option<String>,
    /// The feed, where several have such a key or name.
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// List the events that this byte of the file became, the first byte being 0.
    #[arg(long, value_name = "N", conflicts_with = "bytes")]
    byte: Option<u64>,
    /// List the events that these bytes of the file became: from A to before B.
    #[arg(long, value_name = "A..B", value_parser = parse_bytes)]
    bytes: Option<Bytes>,
    /// Show from which file, and which bytes of it, the event was made that stands there.
    #[arg(long, value_name = "TOPIC/PARTITION/OFFSET", value_parser = EventPlace::parse, conflicts_with_all = ["what", "byte", "bytes"])]
    at: Option<EventPlace>,
    /// The same for the event with this id, wherever it stands.
    #[arg(long, value_name = "ID", conflicts_with_all = ["what", "byte", "bytes", "at"])]
    event: Option<String>,
}

/// Bytes of a file, half-open.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    from: u64,
    to: u64,
}

fn parse_bytes(text: &str) -> Result<Bytes, String> {
    let parsed = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match parsed {
        Some((from, to)) if from < to => Ok(Bytes { from, to }),
        _ => Err("write A..B with A below B, such as 0..140".to_owned()),
    }
}

/// Runs it.
///
/// # Errors
/// Of the log.
pub(super) fn show(
    bridge: &Bridge,
    index: &LedgerIndex,
    arguments: &ShowArguments,
    output: Output,
) -> anyhow::Result<Answer> {
    if let Some(EventPlace { topic, partition, offset }) = &arguments.at {
        let event = event_at(&*bridge.context.log, topic, *partition, *offset)?;
        let missing = || format!("no event of a bridge stands in {topic}, partition {partition}, at offset {offset}");
        return show_origin(bridge, index, event, missing, output);
    }
    if let Some(id) = &arguments.event {
        let context = &bridge.context;
        let topics: BTreeSet<&str> = context.topics.events().map(|(_, topic)| topic).collect();
        let event = event_with_id(&*context.log, topics, id)?;
        let missing = || format!("no event in the bridge's topics has the id `{id}`");
        return show_origin(bridge, index, event, missing, output);
    }
    let what = arguments.what.as_deref().unwrap_or_default();
    let feeds = bridge.feeds.iter().map(|plan| plan.id()).chain(index.groups().map(|(feed, _)| feed));
    check_known("feed", arguments.feed.as_deref(), feeds)?;
    let mut found = find(index, what)?;
    found.retain(|entry| arguments.feed.as_deref().is_none_or(|feed| feed == entry.feed));
    if found.is_empty() {
        output.line(format!("the ledger knows no drop with the key, name or hash `{what}`"))?;
        return Ok(Answer::No);
    }
    let wanted = arguments.byte.map(|byte| Bytes { from: byte, to: byte.saturating_add(1) }).or(arguments.bytes);
    let Some(wanted) = wanted else {
        let deliveries = carriers::read(bridge)?;
        for entry in found {
            show_drop(&entry, &carriers::of(&deliveries, &entry.feed, &entry.key, entry.sha256), output)?;
        }
        return Ok(Answer::Fine);
    };
    let mut answer = Answer::No;
    for entry in found {
        if show_events(bridge, &entry, wanted, output)? {
            answer = Answer::Fine;
        }
    }
    Ok(answer)
}

/// The events of some bytes of a drop; `false` where there are none.
fn show_events(bridge: &Bridge, entry: &LedgerEntry, wanted: Bytes, output: Output) -> anyhow::Result<bool> {
    output.line(format!("{}  {}  {}, {}", entry.feed, entry.key, entry.entry.path, entry.state.as_str()))?;
    if wanted.from >= entry.entry.size {
        output.line(format!("  the file has {}", counted(entry.entry.size, "byte")))?;
    }
    let Traced { events, lost, elsewhere } = events_of(&*bridge.context.log, entry, Some((wanted.from, wanted.to)))?;
    let mut rows = Vec::new();
    for event in &events {
        output.object(event)?;
        rows.push(vec![
            event.topic.clone(),
            event.partition.to_string(),
            event.offset.to_string(),
            event.ordinal.to_string(),
            format!("{}..{}", event.from, event.to),
            event.event_type.clone(),
            event.subject.clone(),
        ]);
    }
    if !rows.is_empty() {
        output.table(&["topic", "partition", "offset", "ordinal", "bytes", "type", "subject"], rows)?;
    } else if lost + elsewhere == 0 {
        output.line("  no event was made from these bytes")?;
    }
    if lost > 0 {
        let text =
            format!("{} of this file are not in the log any more, some of them may be meant", counted(lost, "event"));
        tracing::warn!("{text}");
    }
    if elsewhere > 0 {
        tracing::warn!("{} of this file are in the log that the ledger was imported from", counted(elsewhere, "event"));
    }
    Ok(!events.is_empty())
}

/// From where an event comes.
#[derive(Serialize)]
struct Origin<'o> {
    #[serde(flatten)]
    event: &'o TracedEvent,
    /// Its path below the inbox.
    file: Option<&'o str>,
    state: Option<&'static str>,
    /// The bytes themselves, where the store has them and they may be shown.
    record: Option<&'o str>,
    /// Deliveries that carry the file.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    deliveries: &'o [Carrier],
}

fn show_origin(
    bridge: &Bridge,
    index: &LedgerIndex,
    event: Option<TracedEvent>,
    missing: impl FnOnce() -> String,
    output: Output,
) -> anyhow::Result<Answer> {
    let Some(event) = event else {
        output.line(missing())?;
        return Ok(Answer::No);
    };
    let entry = index.drop_with(&event.feed, &event.key, event.sha256)?;
    let record = read_record(bridge, &event)?;
    let state = entry.as_ref().map(|entry| entry.state.as_str());
    let file = entry.as_ref().map(|entry| entry.entry.path.as_str());
    let deliveries = carriers::of(&carriers::read(bridge)?, &event.feed, &event.key, Some(event.sha256));
    output.object(&Origin { event: &event, file, state, record: record.as_deref(), deliveries: &deliveries })?;
    let mut lines = vec![
        ("feed", event.feed.clone()),
        ("key", event.key.to_string()),
        ("file", file.unwrap_or("the ledger does not know it").to_owned()),
        ("sha256", event.sha256.to_string()),
        ("state", state.unwrap_or("-").to_owned()),
        ("bytes", format!("{}..{}", event.from, event.to)),
        ("ordinal", event.ordinal.to_string()),
        ("event", format!("{}, {}", event.event_type, event.subject)),
        ("id", event.id.clone()),
        ("stands in", format!("{}, partition {}, offset {}", event.topic, event.partition, event.offset)),
    ];
    lines.extend(deliveries.iter().map(|carrier| ("delivery", carrier.line())));
    for (name, value) in lines {
        output.line(format!("{name:>13}  {value}"))?;
    }
    if let Some(record) = record {
        for line in record.lines() {
            output.line(format!("{:>13}  {line}", "record"))?;
        }
    }
    Ok(if entry.is_some() { Answer::Fine } else { Answer::No })
}

/// The bytes that an event was made from, where the store has them and its layout hides nothing.
fn read_record(bridge: &Bridge, event: &TracedEvent) -> anyhow::Result<Option<String>> {
    let Some(plan) = bridge.feeds.iter().find(|plan| plan.id() == event.feed) else { return Ok(None) };
    let store = bridge.store()?;
    if plan.settings.layout.masks() || !store.contains(event.sha256) {
        return Ok(None);
    }
    let mut capture = store.read(event.sha256)?;
    copy(&mut capture.by_ref().take(event.from), &mut sink())?;
    let mut bytes = Vec::new();
    capture.take((event.to - event.from).min(MOST_RECORD_BYTES)).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(text.chars().map(|letter| if letter.is_control() && letter != '\n' { '.' } else { letter }).collect()))
}

/// The drops that are called so, the oldest first.
fn find(index: &LedgerIndex, what: &str) -> anyhow::Result<Vec<LedgerEntry>> {
    let mut found: BTreeMap<String, LedgerEntry> = BTreeMap::new();
    let mut take = |entry: LedgerEntry| {
        if is_called(&entry, what) {
            found.insert(entry.record_key(), entry);
        }
        ControlFlow::Continue(())
    };
    let feeds: BTreeSet<&str> = index.groups().map(|(feed, _)| feed).collect();
    let key = LogicalKey::from_text(what);
    for feed in feeds {
        for entry in index.drops(feed, &key)? {
            let _on = take(entry);
        }
        index.each_with_path(feed, what, &mut take)?;
    }
    if let Some((first, last)) = hashes_that_begin(what) {
        index.each_with_hash_between(first, last, &mut take)?;
    }
    if found.is_empty() {
        // A name without its directory is found by looking at all.
        index.each(&mut |entry| {
            if is_called(&entry, what) {
                found.insert(entry.record_key(), entry);
            }
            ControlFlow::Continue(())
        })?;
    }
    let mut found: Vec<LedgerEntry> = found.into_values().collect();
    found.sort_by_key(|entry| entry.recorded_at);
    Ok(found)
}

/// Between which numbers the beginnings of the hashes are that begin so.
fn hashes_that_begin(what: &str) -> Option<(u64, u64)> {
    let digits = what.get(..what.len().min(16)).filter(|digits| digits.len() >= SHORTEST_HASH)?;
    if !what.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return None;
    }
    let first = u64::from_str_radix(&format!("{digits:0<16}"), 16).ok()?;
    let last = u64::from_str_radix(&format!("{digits:f<16}"), 16).ok()?;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn bytes_are_read_or_refused() {
        let bytes = parse_bytes("0..140").unwrap();
        assert_eq!((bytes.from, bytes.to), (0, 140));
        assert!(["0", "3..3", "a..b", "5..4"].iter().all(|text| parse_bytes(text).is_err()));
    }

    #[test]
    fn a_beginning_of_a_hash_is_a_range() {
        assert_eq!(hashes_that_begin("e3b0c4"), Some((0xe3b0_c400_0000_0000, 0xe3b0_c4ff_ffff_ffff)));
        assert_eq!(hashes_that_begin(&"0".repeat(64)), Some((0, 0)));
        assert_eq!(hashes_that_begin("e3b0c"), None);
        assert_eq!(hashes_that_begin("2026-01-31"), None);
    }
}
