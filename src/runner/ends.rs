//! The ends of the topics, for the metrics.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::wiring::Bridge;

/// How often the ends of the topics are asked for.
const WATERMARKS_INTERVAL: Duration = Duration::from_secs(15);

/// The ends of the topics, looked at from time to time for the metrics.
#[derive(Default)]
pub(super) struct Ends {
    looked_at: Option<Duration>,
}

impl Ends {
    pub(super) fn look_if_due(&mut self, bridge: &Bridge) {
        let context = &bridge.context;
        let now = context.clock.elapsed();
        if self.looked_at.is_some_and(|at| now < at + WATERMARKS_INTERVAL) {
            return;
        }
        self.looked_at = Some(now);
        let topics = context.topics.events().map(|(_, topic)| topic);
        let topics: BTreeSet<&str> = topics.chain([context.topics.ledger.as_str()]).collect();
        for topic in topics {
            // A log that does not answer is noticed by whoever writes.
            let Ok(partitions) = context.log.watermarks(topic) else { return };
            for ends in partitions {
                context.metrics.log.set_high_watermark(topic, ends.partition, ends.high);
            }
        }
    }
}
