//! Which feeds are to be looked after: those that have their baseline and are not paused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::control::FeedSwitch;
use crate::ledger::replay::ControlState;

/// What the control topic says of feeds; the publisher hears it, and the feeds' threads ask. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Attendance {
    shared: Arc<Mutex<Standing>>,
}

#[derive(Debug, Default)]
struct Standing {
    baselines: BTreeSet<String>,
    switches: BTreeMap<String, FeedSwitch>,
}

impl Attendance {
    /// As the control topic says when the slot is taken.
    pub(super) fn new(control: &ControlState) -> Self {
        let attendance = Self::default();
        {
            let mut standing = attendance.standing();
            standing.baselines = control.baselines.keys().cloned().collect();
            standing.switches.clone_from(&control.switches);
        }
        for switch in control.switches.values() {
            say(switch);
        }
        attendance
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was said since; each change is a line in the log.
    pub(super) fn hear(&self, switches: &BTreeMap<String, FeedSwitch>) {
        let mut standing = self.standing();
        for (feed, switch) in switches {
            if standing.switches.get(feed) != Some(switch) {
                say(switch);
                standing.switches.insert(feed.clone(), switch.clone());
            }
        }
    }

    /// A feed has its baseline now.
    pub(super) fn add_baseline(&self, feed: &str) {
        self.standing().baselines.insert(feed.to_owned());
    }

    /// Whether a feed has its baseline.
    pub(super) fn has_baseline(&self, feed: &str) -> bool {
        self.standing().baselines.contains(feed)
    }

    /// Who paused a feed, and why; `None`: it is not paused.
    pub(super) fn paused(&self, feed: &str) -> Option<FeedSwitch> {
        self.standing().switches.get(feed).filter(|switch| switch.paused).cloned()
    }
}

fn say(switch: &FeedSwitch) {
    let (feed, by, at) = (&switch.feed, &switch.by, switch.switched_at.local());
    let reason = switch.reason.as_deref().unwrap_or("no reason given");
    if switch.paused {
        tracing::warn!(%feed, %by, %at, "paused by a person: {reason}");
    } else {
        tracing::info!(%feed, %by, %at, "resumed by a person: {reason}");
    }
}
