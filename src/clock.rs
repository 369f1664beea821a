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
        let now = Moment::from(jiff::Timestamp::now());
        #[cfg(feature = "failpoints")]
        let now = now.after(test_offset::read());
        now
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// For tests: `DROPBRIDGE_TEST_CLOCK` names a file with the seconds by which the calendar's clock is fast. It is read each
/// time, so that a test can let days pass while the program runs.
#[cfg(feature = "failpoints")]
mod test_offset {
    use std::time::Duration;

    pub(super) fn read() -> Duration {
        let seconds = std::env::var_os("DROPBRIDGE_TEST_CLOCK").and_then(|path| {
            let text = std::fs::read_to_string(path).ok()?;
            text.trim().parse().ok()
        });
        Duration::from_secs(seconds.unwrap_or(0))
    }
}
