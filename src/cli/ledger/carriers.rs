//! Which deliveries carry a file.

use serde::Serialize;

use crate::domain::{ContentHash, LogicalKey, Moment};
use crate::ledger::DeliveryIndex;
use crate::ledger::delivery::Delivery;
use crate::wiring::Bridge;

/// A delivery that carries the events of a drop.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Carrier {
    /// The delivery, as `deliveries show` takes it.
    delivery: String,
    state: &'static str,
    /// Whole paths of its files, in the order in which they are placed.
    files: Vec<String>,
    recorded_at: Moment,
}

impl Carrier {
    fn new(delivery: &Delivery) -> Self {
        let file = |part: &crate::ledger::delivery::Part| format!("{}/{}", delivery.outbox, part.target);
        Self {
            delivery: delivery.id(),
            state: delivery.state.as_str(),
            files: delivery.parts.iter().map(file).collect(),
            recorded_at: delivery.recorded_at,
        }
    }

    /// As a line: which, how it stands, and the file itself.
    pub(in crate::cli) fn line(&self) -> String {
        let Self { delivery, state, files, recorded_at } = self;
        let file = files.first().map(|file| format!(", {file}")).unwrap_or_default();
        format!("{delivery}, {state} {}{file}", recorded_at.local())
    }
}

/// What was delivered, as the log has it now.
///
/// # Errors
/// Of the log.
pub(super) fn read(bridge: &Bridge) -> anyhow::Result<DeliveryIndex> {
    Ok(DeliveryIndex::read(&*bridge.context.log, &bridge.context.topics.deliveries)?)
}

/// The deliveries of a drop, the oldest first.
pub(super) fn of(index: &DeliveryIndex, feed: &str, key: &LogicalKey, sha256: Option<ContentHash>) -> Vec<Carrier> {
    let mut deliveries: Vec<&Delivery> =
        index.of_drop(feed, key).filter(|delivery| delivery.window.is_none() && delivery.sha256 == sha256).collect();
    deliveries.sort_by_key(|delivery| delivery.recorded_at);
    deliveries.into_iter().map(Carrier::new).collect()
}
