//! From a delivered file to its events, and from an event to the files that carry it.

use std::sync::Arc;

use anyhow::bail;

use super::super::place::EventPlace;
use super::super::{Answer, Output};
use super::shown;
use crate::ledger::trace::{TracedEvent, event_at, events_of};
use crate::ledger::{Delivery, DeliveryIndex, LedgerEntry};
use crate::outbound::plan::PlanSource;
use crate::outbound::window::assembler::WindowAssembler;
use crate::outbound::window::lineage::FileEvent;
use crate::wiring::Bridge;

/// Lists the events of a delivery's file.
///
/// # Errors
/// Of the log; of a window that is not configured any more.
pub(super) fn show_events(
    bridge: &Bridge,
    delivery: &Delivery,
    origin: Option<&LedgerEntry>,
    output: Output,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    if delivery.window.is_some() {
        let Some(assembler) = assembler(bridge, &delivery.rendering) else {
            bail!(
                "rendering `{}` is not configured as a window any more: its events are in the ranges",
                delivery.rendering
            )
        };
        assembler.events(delivery, &mut |event| {
            rows.push(row(&event));
            Ok(output.object(&event).map_err(|error| {
                dropbridge_port::PortError::new(dropbridge_port::ErrorKind::Refused, "print", "events", error)
            })?)
        })?;
    } else if let Some(entry) = origin {
        for event in events_of(&*bridge.context.log, entry, None)?.events {
            output.object(&event)?;
            let TracedEvent { topic, partition, offset, subject, .. } = event;
            rows.push(vec![topic, partition.to_string(), offset.to_string(), subject, String::new()]);
        }
    }
    output.table(&["topic", "partition", "offset", "key", "id"], rows)
}

fn row(event: &FileEvent) -> Vec<String> {
    let FileEvent { topic, partition, offset, id, subject } = event;
    let subject = subject.clone().unwrap_or_else(|| "-".to_owned());
    vec![topic.clone(), partition.to_string(), offset.to_string(), subject, id.clone()]
}

/// Lists the deliveries that carry the event at a place.
///
/// # Errors
/// Of the log.
pub(super) fn show_at(
    bridge: &Bridge,
    index: &DeliveryIndex,
    place: &EventPlace,
    output: Output,
) -> anyhow::Result<Answer> {
    let EventPlace { topic, partition, offset } = place;
    let mut legacy = None;
    let mut rows = Vec::new();
    for delivery in index.all().filter(|delivery| is_within(delivery, place)) {
        let carries = if delivery.window.is_some() {
            match assembler(bridge, &delivery.rendering) {
                Some(assembler) => assembler.event_at(delivery, topic, *partition, *offset)?.is_some(),
                None => false,
            }
        } else {
            if legacy.is_none() {
                legacy = Some(event_at(&*bridge.context.log, topic, *partition, *offset)?);
            }
            legacy.iter().flatten().any(|event: &TracedEvent| {
                event.feed == delivery.feed && event.key == delivery.key && Some(event.sha256) == delivery.sha256
            })
        };
        if carries {
            output.object(&shown(delivery))?;
            let file = delivery.data().map_or_else(|| "-".to_owned(), |part| part.target.clone());
            let when = delivery.recorded_at.local();
            rows.push(vec![delivery.id(), delivery.state.as_str().to_owned(), file, when]);
        }
    }
    if rows.is_empty() {
        output.line(format!("no delivery carries an event at {topic}, partition {partition}, offset {offset}"))?;
        return Ok(Answer::No);
    }
    output.table(&["delivery", "state", "file", "when"], rows)?;
    Ok(Answer::Fine)
}

fn is_within(delivery: &Delivery, place: &EventPlace) -> bool {
    delivery.ranges.iter().any(|range| {
        range.topic == place.topic
            && range.partition == place.partition
            && (range.from..range.to).contains(&place.offset)
    })
}

/// What makes the files of a window, where it is configured.
pub(in crate::cli) fn assembler(bridge: &Bridge, rendering: &str) -> Option<WindowAssembler> {
    let plan = bridge.renderings.iter().find(|plan| plan.id() == rendering)?;
    let PlanSource::Window(window) = &plan.source else { return None };
    let sources = window.sources(&bridge.context.topics);
    let directory = bridge.settings.state.clone();
    Some(WindowAssembler::new(Arc::clone(&bridge.context.log), Arc::clone(window), sources, directory))
}
