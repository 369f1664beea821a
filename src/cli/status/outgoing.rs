//! What goes out: relays by their journals, renderings by the topic `deliveries`; what only the process knows comes from
//! the running bridge.

use dropbridge_port::ErrorKind;
use serde::Serialize;

use super::gather::Live;
use crate::domain::Moment;
use crate::health::{RelayFacts, RenderingFacts};
use crate::ledger::DeliveryIndex;
use crate::ledger::delivery::{Delivery, DeliveryState};
use crate::relay;
use crate::relay::journal::Journal;
use crate::relay::state::RelayState;
use crate::wiring::Bridge;

/// The relay of an interposed feed.
#[derive(Debug, Serialize)]
pub(super) struct Relay {
    pub(super) feed: String,
    pub(super) outbox: String,
    /// Files relayed since its journal began.
    pub(super) files: u64,
    /// Files that were begun and have no receipt.
    pub(super) open: usize,
    /// Files that are held for a person.
    pub(super) held: usize,
    /// From the running bridge.
    pub(super) live: Option<RelayFacts>,
}

/// A rendering.
#[derive(Debug, Serialize)]
pub(super) struct Rendering {
    pub(super) rendering: String,
    pub(super) department: String,
    pub(super) outbox: String,
    /// Files that were delivered, ever.
    pub(super) delivered: usize,
    /// Deliveries that are held for a person.
    pub(super) held: usize,
    /// The file that was delivered last.
    pub(super) last: Option<LastDelivered>,
    /// Why a person holds the whole rendering.
    pub(super) held_because: Option<String>,
    /// From the running bridge.
    pub(super) live: Option<RenderingFacts>,
}

/// The file that was delivered last.
#[derive(Debug, Serialize)]
pub(super) struct LastDelivered {
    pub(super) file: String,
    pub(super) at: Moment,
}

/// How relays stand.
///
/// # Errors
/// Of a journal.
pub(super) fn relays(bridge: &Bridge, live: &Live) -> anyhow::Result<Vec<Relay>> {
    let journals = relay::directory(&bridge.settings.state);
    let mut relays = Vec::new();
    for feed in &bridge.settings.feeds {
        let Some(settings) = &feed.relay else { continue };
        // `init` makes the journal; that it is still to be run is said of the feed.
        let state = match Journal::look(&journals, &feed.id) {
            Err(error) if error.kind == ErrorKind::NotFound => RelayState::default(),
            answer => answer?,
        };
        let said = live.report().and_then(|report| report.relays.iter().find(|facts| facts.feed == feed.id));
        relays.push(Relay {
            feed: feed.id.clone(),
            outbox: format!("{}: {}", settings.outbox.share, settings.outbox.directory),
            files: state.totals.files,
            open: state.open.len(),
            held: state.held.len(),
            live: said.cloned(),
        });
    }
    Ok(relays)
}

/// How renderings stand.
///
/// # Errors
/// Of the log.
pub(super) fn renderings(bridge: &Bridge, live: &Live) -> anyhow::Result<Vec<Rendering>> {
    if bridge.renderings.is_empty() {
        return Ok(Vec::new());
    }
    let index = DeliveryIndex::read(&*bridge.context.log, &bridge.context.topics.deliveries)?;
    let rendering = |id: &str| {
        let own = || index.all().filter(|delivery| delivery.rendering == id);
        let delivered = || own().filter(|delivery| matches!(delivery.state, DeliveryState::Delivered { .. }));
        let last = delivered().max_by_key(|delivery| delivery.recorded_at);
        (delivered().count(), own().filter(is_held).count(), last.and_then(last_delivered))
    };
    let all = bridge.renderings.iter().map(|plan| {
        let (delivered, held, last) = rendering(plan.id());
        let said = live.report().filter(|report| report.slot.state == "held");
        let said = said.and_then(|report| report.renderings.iter().find(|facts| facts.rendering == plan.id()));
        Rendering {
            rendering: plan.id().to_owned(),
            department: plan.settings.department.clone(),
            outbox: plan.settings.place.display().to_string(),
            delivered,
            held,
            last,
            held_because: index.position(plan.id()).and_then(|position| position.held.clone()),
            live: said.cloned(),
        }
    });
    Ok(all.collect())
}

fn is_held(delivery: &&Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Held { .. })
}

fn last_delivered(delivery: &Delivery) -> Option<LastDelivered> {
    Some(LastDelivered { file: delivery.data()?.target.clone(), at: delivery.recorded_at })
}
