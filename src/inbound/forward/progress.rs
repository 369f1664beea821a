//! How far forwarding has come, for those who cut dates off: what the new service had written by then has to be among the
//! authoritative events first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dropbridge_port::{EventLog, Result};

use crate::cutover::Forwarding;
use crate::domain::Moment;

/// How long a transaction that somebody has left open holds cut-offs up: by then it has ended by its timeout.
const PATIENCE: Duration = Duration::from_secs(70);

/// Up to which moment candidate events were forwarded; shared by whoever forwards and whoever cuts off.
#[derive(Debug, Default)]
pub struct ForwardingProgress(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// There are no candidate topics.
    is_needless: bool,
    /// What was written until then was gone through.
    through: Option<Moment>,
    /// Somebody waits for a later moment.
    is_asked: bool,
}

impl ForwardingProgress {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything was gone through that the new service had written by a moment. Where it was not, it will be.
    #[must_use]
    pub fn is_through(&self, moment: Moment) -> bool {
        let mut known = self.known();
        let is_through = known.is_needless || known.through.is_some_and(|through| through >= moment);
        known.is_asked |= !is_through;
        is_through
    }

    /// Whether there is anything to be forwarded at all.
    pub(super) fn set_needless(&self, is_needless: bool) {
        self.known().is_needless = is_needless;
    }

    pub(super) fn set_through(&self, moment: Moment) {
        let mut known = self.known();
        known.through = known.through.max(Some(moment));
        known.is_asked = false;
    }

    fn is_asked(&self) -> bool {
        self.known().is_asked
    }
}

/// What the candidate topics had at a moment, on the way to being gone through.
#[derive(Debug)]
struct Goal {
    at: Moment,
    /// Behind the newest record of each partition, committed or not.
    highs: BTreeMap<(Arc<str>, u32), i64>,
    until: Duration,
}

/// Finds out up to which moment everything was gone through, when somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Surveyor {
    goal: Option<Goal>,
}

impl Surveyor {
    /// The topics are opened anew, or are others.
    pub(super) fn forget(&mut self) {
        self.goal = None;
    }

    /// Looks how far the topics were gone through. To be called when what was read is committed; `now` by the clock of
    /// dates, `elapsed` by the one that only goes on.
    ///
    /// # Errors
    /// Of the log.
    pub(super) fn look(
        &mut self,
        progress: &ForwardingProgress,
        log: &dyn EventLog,
        topics: &[String],
        state: &Forwarding,
        (now, elapsed): (Moment, Duration),
    ) -> Result<()> {
        if self.goal.is_none() && progress.is_asked() {
            self.goal = Some(Goal { at: now, highs: highs(log, topics)?, until: elapsed + PATIENCE });
        }
        let Some(goal) = &self.goal else { return Ok(()) };
        let is_passed = |((topic, partition), high): (&(Arc<str>, u32), &i64)| {
            *high == 0 || state.position(topic, *partition).is_some_and(|position| position >= *high)
        };
        let is_late = elapsed >= goal.until;
        if goal.highs.iter().all(is_passed) || is_late {
            if is_late {
                tracing::warn!("cut-offs wait no longer for candidate events in a transaction that is still open");
            }
            progress.set_through(goal.at);
            self.goal = None;
        }
        Ok(())
    }
}

/// Behind the newest record of each partition, committed or not.
///
/// # Errors
/// Of the log.
pub(super) fn highs(log: &dyn EventLog, topics: &[String]) -> Result<BTreeMap<(Arc<str>, u32), i64>> {
    let mut highs = BTreeMap::new();
    for topic in topics {
        let name: Arc<str> = Arc::from(topic.as_str());
        highs.extend(log.watermarks(topic)?.into_iter().map(|ends| ((Arc::clone(&name), ends.partition), ends.high)));
    }
    Ok(highs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_later_moment_is_told_when_it_is_reached() {
        let (progress, at) =
            (ForwardingProgress::default(), |seconds: i64| Moment::from_unix_ns(seconds * 1_000_000_000));
        assert!(!progress.is_through(at(10)) && progress.is_asked());
        progress.set_through(at(10));
        assert!(progress.is_through(at(10)) && !progress.is_asked());
        progress.set_through(at(5));
        assert!(progress.is_through(at(10)), "it goes back to no earlier one");
        assert!(!progress.is_through(at(11)) && progress.is_asked());
        progress.set_needless(true);
        assert!(progress.is_through(at(1000)));
    }
}
