//! Who holds the slot.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Count, Level};

/// Numbers about the slot.
#[derive(Debug)]
pub struct SlotMetrics {
    held: Gauge,
    standby: Gauge,
    takeovers: Count,
    heartbeat_age: Level,
}

impl SlotMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            held: Gauge::default(),
            standby: Gauge::default(),
            takeovers: Count::default(),
            heartbeat_age: Level::default(),
        };
        registry.register("slot_held", "1 while this process holds the slot", metrics.held.clone());
        registry.register("slot_standby", "1 while this process stands by", metrics.standby.clone());
        registry.register("slot_taken", "How often this process took the slot", metrics.takeovers.clone());
        let age = "Time since the holder's last heartbeat: our own, or the one that a standby has seen";
        registry.register_with_unit("heartbeat_age", age, Unit::Seconds, metrics.heartbeat_age.clone());
        metrics
    }

    /// Whether we hold the slot, or stand by, or neither.
    pub fn set(&self, held: bool, standby: bool) {
        self.held.set(i64::from(held));
        self.standby.set(i64::from(standby));
    }

    /// We took the slot.
    pub fn taken(&self) {
        self.takeovers.inc();
    }

    /// How old the holder's heartbeat is.
    pub fn set_heartbeat_age(&self, age: Duration) {
        self.heartbeat_age.set(age.as_secs_f64());
    }
}
