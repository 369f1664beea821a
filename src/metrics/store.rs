//! What the store holds, and the memory of files on their way.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::OfFeed;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    feed: String,
    reason: String,
}

/// Numbers about the store.
#[derive(Debug)]
pub struct StoreMetrics {
    stored: Family<OfReason, Gauge>,
    objects: Family<OfReason, Gauge>,
    quota: Gauge,
    feed_quotas: Family<OfFeed, Gauge>,
    budget: Gauge,
    budget_limit: Gauge,
}

impl StoreMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            stored: Family::default(),
            objects: Family::default(),
            quota: Gauge::default(),
            feed_quotas: Family::default(),
            budget: Gauge::default(),
            budget_limit: Gauge::default(),
        };
        let stored = "Bytes on the disk that the store holds, by feed and reason, when it was last looked through";
        registry.register_with_unit("store", stored, Unit::Bytes, metrics.stored.clone());
        let objects = "Objects that the store holds, by feed and reason, when it was last looked through";
        registry.register("store_objects", objects, metrics.objects.clone());
        let quota = "Bytes that the store may take; 0: no quota";
        registry.register_with_unit("store_quota", quota, Unit::Bytes, metrics.quota.clone());
        let feed_quotas = "Bytes that a feed's part of the store may take; absent: no quota";
        registry.register_with_unit("feed_store_quota", feed_quotas, Unit::Bytes, metrics.feed_quotas.clone());
        let budget = "Memory that files on their way take";
        registry.register_with_unit("in_flight", budget, Unit::Bytes, metrics.budget.clone());
        let limit = "Memory that files on their way may take: feeds wait beyond it";
        registry.register_with_unit("in_flight_limit", limit, Unit::Bytes, metrics.budget_limit.clone());
        metrics
    }

    /// What the store holds for each feed and reason: feed, reason, objects, bytes. Everything else is gone.
    pub fn set_contents<'a>(&self, contents: impl Iterator<Item = (&'a str, &'a str, u64, u64)>) {
        self.stored.clear();
        self.objects.clear();
        for (feed, reason, objects, bytes) in contents {
            let labels = OfReason { feed: feed.to_owned(), reason: reason.to_owned() };
            self.objects.get_or_create(&labels).set(whole(objects));
            self.stored.get_or_create(&labels).set(whole(bytes));
        }
    }

    /// What the store may take.
    pub fn set_quota(&self, bytes: Option<u64>) {
        self.quota.set(whole(bytes.unwrap_or_default()));
    }

    /// What a feed's part of the store may take.
    pub fn set_feed_quota(&self, feed: &str, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => drop(self.feed_quotas.get_or_create(&OfFeed::new(feed)).set(whole(bytes))),
            None => drop(self.feed_quotas.remove(&OfFeed::new(feed))),
        }
    }

    /// What files on their way take in memory, and may take.
    pub fn set_budget(&self, used: usize, limit: usize) {
        self.budget.set(i64::try_from(used).unwrap_or(i64::MAX));
        self.budget_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
