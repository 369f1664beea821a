//! The two clocks, as something that can be handed over: the calendar's, and one that only goes forward.

use std::time::{Duration, Instant};

use crate::domain::Moment;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The calendar's time: for records and logs, never for measuring.
    fn now(&self) -> Moment;

    /// Time since some fixed point, never going back: for quiet times and intervals.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Begins to count.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::from(jiff::Timestamp::now())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
