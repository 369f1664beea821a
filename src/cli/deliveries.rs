//! `dropbridge deliveries`.

mod lineage;

pub(super) use lineage::assembler;

use std::sync::Arc;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output::{counted, size};
use super::place::EventPlace;
use super::{Answer, Output, check_known};
use crate::ledger::control::{DeliveryAction, Release, RequestAction};
use crate::ledger::delivery::{Delivery, DeliveryState};
use crate::ledger::{DeliveryIndex, DropState, LedgerEntry};
use crate::wiring::Bridge;

/// `deliveries list|show|redeliver|hold|release`.
#[derive(Debug, Subcommand)]
pub(super) enum DeliveriesCommand {
    /// List deliveries, and how far each rendering has come.
    #[command(after_help = "Example:\n  dropbridge deliveries list --state held\n\n\
        Exit code 0: nothing is held. 1: something is.")]
    List(ListArguments),
    /// Show everything about a delivery: its files, the events that they carry, and the legacy bytes behind these.
    #[command(
        after_help = "Examples:\n  dropbridge deliveries show BID_20260131_0042.dat\n  dropbridge deliveries show 2026-01-31/0042 --events --json\n  \
            dropbridge deliveries show --at work.BidProcessed/3/1207"
    )]
    Show {
        /// Delivery, logical key, file name, or the beginning of the hash.
        #[arg(required_unless_present = "at")]
        what: Option<String>,
        /// List the events of its file, too.
        #[arg(long)]
        events: bool,
        /// Show the deliveries that carry the event that stands there.
        #[arg(long, value_name = "TOPIC/PARTITION/OFFSET", value_parser = EventPlace::parse, conflicts_with_all = ["what", "events"])]
        at: Option<EventPlace>,
    },
    /// Deliver a file again that is over: the consumer has lost it, say. It is rendered anew, and nothing is replaced.
    #[command(
        after_help = "Example:\n  dropbridge deliveries redeliver public_works.bids.mirror/2026-01-31/0042/1 --reason 'disk of the desk died, see mail of 1 Feb'"
    )]
    Redeliver {
        /// The delivery, as `deliveries list` calls it.
        delivery: String,
        /// Why; the topic keeps it.
        #[arg(long)]
        reason: String,
    },
    /// Deliver nothing more of a rendering until it is released.
    #[command(
        after_help = "Example:\n  dropbridge deliveries hold public_works.bids.mirror --reason 'the desk moves house'"
    )]
    Hold {
        /// The rendering.
        rendering: String,
        /// Why; the topic keeps it.
        #[arg(long)]
        reason: String,
    },
    /// Let a rendering go on, or decide about a delivery that is held.
    #[command(after_help = "Examples:\n  dropbridge deliveries release public_works.bids.mirror\n  \
            dropbridge deliveries release public_works.bids.mirror/2026-01-31/0042/1 --as delivered --reason 'the desk has it'")]
    Release {
        /// The delivery, or the rendering.
        what: String,
        /// A delivery: what becomes of it.
        #[arg(long = "as", value_name = "FATE", value_enum)]
        fate: Option<Fate>,
        /// A delivery: why; the topic keeps it.
        #[arg(long, requires = "fate")]
        reason: Option<String>,
        /// A rendering: the directory that is at its outbox's place now is the right one.
        #[arg(long, conflicts_with = "fate")]
        new_outbox: bool,
    },
}

/// Filters of `deliveries list`.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only this rendering.
    #[arg(long)]
    rendering: Option<String>,
    /// Only this state.
    #[arg(long, value_parser = PossibleValuesParser::new(DeliveryState::WORDS))]
    state: Option<String>,
    /// At most this many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What becomes of a delivery that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Fate {
    /// The consumer did not get it: deliver it.
    Deliver,
    /// The consumer got it.
    Delivered,
    /// The consumer is not to get it.
    Skip,
}

/// Runs it.
///
/// # Errors
/// Of the log.
pub(super) async fn run(bridge: Arc<Bridge>, command: &DeliveriesCommand, output: Output) -> anyhow::Result<Answer> {
    let index = read(&bridge)?;
    match command {
        DeliveriesCommand::List(arguments) => list(&bridge, &index, arguments, output),
        DeliveriesCommand::Show { at: Some(place), .. } => lineage::show_at(&bridge, &index, place, output),
        DeliveriesCommand::Show { what, events, at: None } => {
            show(&bridge, &index, what.as_deref().unwrap_or_default(), *events, output)
        }
        DeliveriesCommand::Redeliver { delivery, reason } => {
            let known = find(&index, delivery)?;
            if known.state.is_open() {
                bail!("`{delivery}` is {}: it is not over yet", known.state.as_str());
            }
            if known.is_whole_cut() {
                bail!("`{delivery}` was given up: it has no file");
            }
            let (rendering, key, revision) = address(known);
            let action = DeliveryAction::Redeliver { rendering, key, revision, reason: reason.clone() };
            ask_and_show(&bridge, action, Some(delivery), output).await
        }
        DeliveriesCommand::Hold { rendering, reason } => {
            check_rendering(&bridge, rendering)?;
            let action = DeliveryAction::HoldRendering { rendering: rendering.clone(), reason: reason.clone() };
            ask_and_show(&bridge, action, None, output).await
        }
        DeliveriesCommand::Release { what, fate, reason, new_outbox } => {
            let (Some(fate), reason) = (fate, reason) else {
                if index.get(what).is_some() {
                    bail!("`{what}` is a delivery: say --as deliver, delivered or skip, and --reason");
                }
                check_rendering(&bridge, what)?;
                let action = DeliveryAction::ReleaseRendering { rendering: what.clone(), new_outbox: *new_outbox };
                return ask_and_show(&bridge, action, None, output).await;
            };
            let Some(reason) = reason else { bail!("say why, with --reason: the topic keeps it") };
            let known = find(&index, what)?;
            if !matches!(known.state, DeliveryState::Held { .. }) {
                bail!("`{what}` is not held: it is {}", known.state.as_str());
            }
            let (rendering, key, revision) = address(known);
            let release = match fate {
                Fate::Deliver => Release::Deliver,
                Fate::Delivered => Release::Delivered,
                Fate::Skip => Release::Skip,
            };
            let action = DeliveryAction::Release { rendering, key, revision, release, reason: reason.clone() };
            ask_and_show(&bridge, action, Some(what), output).await
        }
    }
}

fn read(bridge: &Bridge) -> anyhow::Result<DeliveryIndex> {
    Ok(DeliveryIndex::read(&*bridge.context.log, &bridge.context.topics.deliveries)?)
}

fn check_rendering(bridge: &Bridge, rendering: &str) -> anyhow::Result<()> {
    check_known("rendering", Some(rendering), bridge.renderings.iter().map(|plan| plan.id()))
}

fn find<'i>(index: &'i DeliveryIndex, id: &str) -> anyhow::Result<&'i Delivery> {
    check_known("delivery", Some(id), index.all().map(Delivery::id).collect::<Vec<_>>().iter().map(String::as_str))?;
    index.get(id).ok_or_else(|| anyhow::anyhow!("there is no delivery `{id}`"))
}

fn address(delivery: &Delivery) -> (String, String, u32) {
    (delivery.rendering.clone(), delivery.key.to_string(), delivery.revision)
}

async fn ask_and_show(
    bridge: &Arc<Bridge>,
    action: DeliveryAction,
    delivery: Option<&str>,
    output: Output,
) -> anyhow::Result<Answer> {
    let rendering = action.rendering().to_owned();
    check_rendering(bridge, &rendering)?;
    super::requests::ask(bridge, RequestAction::Deliveries(action)).await?;
    let index = read(bridge)?;
    match delivery.and_then(|id| index.get(id)) {
        Some(delivery) => show_delivery(delivery, None, output)?,
        None => show_positions(&index, Some(&rendering), output)?,
    }
    Ok(Answer::Fine)
}

fn list(bridge: &Bridge, index: &DeliveryIndex, arguments: &ListArguments, output: Output) -> anyhow::Result<Answer> {
    let known = bridge.renderings.iter().map(|plan| plan.id());
    let known = known.chain(index.positions().map(|position| position.rendering.as_str()));
    check_known("rendering", arguments.rendering.as_deref(), known)?;
    let mut found: Vec<&Delivery> = index
        .all()
        .filter(|delivery| arguments.rendering.as_deref().is_none_or(|wanted| wanted == delivery.rendering))
        .filter(|delivery| arguments.state.as_deref().is_none_or(|wanted| wanted == delivery.state.as_str()))
        .collect();
    found.sort_by_key(|delivery| delivery.recorded_at);
    let left_out = found.len().saturating_sub(arguments.limit);
    let mut rows = Vec::new();
    for delivery in found.iter().skip(left_out) {
        output.object(&shown(delivery))?;
        rows.push(vec![
            delivery.id(),
            delivery.state.as_str().to_owned(),
            delivery.data().map_or_else(|| "-".to_owned(), |part| part.target.clone()),
            delivery.recorded_at.local(),
            delivery.state.reason().unwrap_or_default().to_owned(),
        ]);
    }
    if rows.is_empty() {
        output.line("no such deliveries")?;
    } else {
        output.table(&["delivery", "state", "file", "when", "reason"], rows)?;
    }
    if left_out > 0 {
        output.line(format!("{left_out} older ones are not shown: --limit {}", found.len()))?;
    }
    show_positions(index, arguments.rendering.as_deref(), output)?;
    let is_held = |delivery: &&Delivery| matches!(delivery.state, DeliveryState::Held { .. });
    let held = found.iter().any(is_held) || index.positions().any(|position| position.held.is_some());
    Ok(if held { Answer::No } else { Answer::Fine })
}

/// The delivery as it stands in the topic, with what it is called.
fn shown(delivery: &Delivery) -> serde_json::Value {
    let mut value = json!(delivery);
    value["id"] = delivery.id().into();
    value
}

fn show_positions(index: &DeliveryIndex, rendering: Option<&str>, output: Output) -> anyhow::Result<()> {
    for position in index.positions().filter(|position| rendering.is_none_or(|wanted| wanted == position.rendering)) {
        match &position.held {
            Some(reason) => output.line(format!("{} is held: {reason}", position.rendering))?,
            None if rendering.is_some() => output.line(format!("{} delivers", position.rendering))?,
            None => {}
        }
    }
    Ok(())
}

fn show(bridge: &Bridge, index: &DeliveryIndex, what: &str, events: bool, output: Output) -> anyhow::Result<Answer> {
    let fits = |delivery: &&Delivery| {
        delivery.id() == what
            || delivery.key.as_str() == what
            || (what.len() >= 6 && delivery.sha256.is_some_and(|hash| hash.to_string().starts_with(what)))
            || delivery.parts.iter().any(|part| part.target == what || part.target.rsplit('/').next() == Some(what))
    };
    let found: Vec<&Delivery> = index.all().filter(fits).collect();
    if found.is_empty() {
        output.line(format!("no delivery has the name, key, file name or hash `{what}`"))?;
        return Ok(Answer::No);
    }
    let ledger = super::ledger::open(bridge)?;
    for delivery in found {
        let origin = match delivery.sha256 {
            // What a window is made of came from no file.
            Some(hash) if delivery.window.is_none() => ledger.drop_with(&delivery.feed, &delivery.key, hash)?,
            _ => None,
        };
        show_delivery(delivery, origin.as_ref(), output)?;
        if events {
            lineage::show_events(bridge, delivery, origin.as_ref(), output)?;
        }
    }
    Ok(Answer::Fine)
}

fn show_delivery(delivery: &Delivery, origin: Option<&LedgerEntry>, output: Output) -> anyhow::Result<()> {
    let mut object = shown(delivery);
    if let Some(entry) = origin {
        object["origin"] = json!(entry);
    }
    output.object(&object)?;
    let mut lines = vec![
        ("delivery", delivery.id()),
        ("state", delivery.state.as_str().to_owned()),
        ("outbox", delivery.outbox.clone()),
        ("sha256", delivery.sha256.map_or_else(|| "-".to_owned(), |hash| hash.to_string())),
        ("made of", format!("{}, revision {}", counted(delivery.events, "event"), delivery.revision)),
    ];
    lines.extend(delivery.state.reason().map(|reason| ("reason", reason.to_owned())));
    if let Some(window) = &delivery.window {
        let cut = &window.cut;
        lines.push(("cut off", format!("{}, to be at {}", cut.date, cut.closes.local())));
        if window.repeated > 0 {
            lines.push(("left out", format!("{} of an event that it has", counted(window.repeated, "repeat"))));
        }
    }
    if delivery.attempt > 1 {
        lines.push(("attempt", delivery.attempt.to_string()));
    }
    for part in &delivery.parts {
        lines.push(("file", format!("{}, {}", part.target, size(part.bytes))));
    }
    for range in &delivery.ranges {
        let place =
            format!("{}, partition {}, offsets {} to {}", range.topic, range.partition, range.from, range.to - 1);
        lines.push(("events in", place));
    }
    if let Some(entry) = origin {
        let how = match &entry.state {
            DropState::Published { verdict: Some(verdict), .. } => format!(" ({})", verdict.as_str()),
            _ => String::new(),
        };
        lines.push(("legacy file", format!("{}, {}{how}", entry.entry.path, size(entry.entry.size))));
    }
    lines.push(("when", delivery.recorded_at.local()));
    for (name, value) in lines {
        output.line(format!("{name:<13}{value}"))?;
    }
    output.line("")
}
