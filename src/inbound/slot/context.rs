//! What the threads of a bridge share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dropbridge_port::{CacheUse, EventLog, RecordCaches, Result};

use crate::clock::Clock;
use crate::domain::{ContentHash, LogicalKey};
use crate::health::Health;
use crate::inbound::arrivals::Arrivals;
use crate::inbound::authorities::Authorities;
use crate::inbound::forward::ForwardingProgress;
use crate::inbound::plan::FeedPlan;
use crate::ledger::control::Genesis;
use crate::ledger::{DeliveryIndex, LedgerIndex, LedgerSource, Recognised, Topics};
use crate::metrics::Metrics;
use crate::stop::Stop;
use crate::traces::Traces;

/// What every part of the forward path works with.
#[derive(Clone)]
pub struct Context {
    /// The bridge's name.
    pub bridge: String,
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Names of topics.
    pub topics: Arc<Topics>,
    /// What the ledger says, shared with the feeds.
    pub ledger: Arc<Mutex<LedgerIndex>>,
    /// Where its cache is.
    pub caches: Arc<dyn RecordCaches>,
    /// Deliveries in memory, shared with the feeds: what arrives may be one of them.
    pub deliveries: Arc<Mutex<DeliveryIndex>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Files that are expected.
    pub arrivals: Arc<Arrivals>,
    /// Who speaks for which dates.
    pub authorities: Arc<Authorities>,
    /// How far candidate events were forwarded.
    pub forwarding: Arc<ForwardingProgress>,
    /// Numbers about what is done.
    pub metrics: Arc<Metrics>,
    /// Where spans go, where traces are on.
    pub traces: Option<Arc<Traces>>,
    /// How the process stands.
    pub health: Arc<Health>,
    /// Raised when everything has to end.
    pub stop: Stop,
    /// How long a holder may be silent.
    pub takeover_after: Duration,
}

impl Context {
    /// What the ledger says. Whoever holds this keeps all others waiting.
    pub fn ledger(&self) -> MutexGuard<'_, LedgerIndex> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger as it is in the log now, for looking into it without the slot.
    ///
    /// # Errors
    /// As for [`LedgerSource::open`].
    pub fn look_into_ledger(&self, slot: u32, genesis: &Genesis) -> Result<LedgerIndex> {
        self.ledger_source(slot, genesis).open(CacheUse::Look)
    }

    pub(super) fn ledger_source<'c>(&'c self, slot: u32, genesis: &'c Genesis) -> LedgerSource<'c> {
        LedgerSource { log: &*self.log, topics: &self.topics, slot, genesis, caches: &*self.caches }
    }

    /// Deliveries in memory.
    pub fn deliveries(&self) -> MutexGuard<'_, DeliveryIndex> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a file that arrives for a feed is to our deliveries.
    #[must_use]
    pub fn recognise(&self, plan: &FeedPlan, path: &str, key: &LogicalKey, hash: ContentHash) -> Recognised {
        self.deliveries().recognise(plan.id(), key, hash, &plan.place_of(path))
    }

    /// The transactional id of a slot.
    #[must_use]
    pub fn transactional_id(bridge: &str, slot: u32) -> String {
        format!("dropbridge-{bridge}-slot-{slot}")
    }
}
