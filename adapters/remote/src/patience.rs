//! How long an answer is waited for.

use std::time::{Duration, Instant};

/// While other answers come, a slow line may take so many times as long as a server may be silent. What is asked ahead of
/// need comes piece by piece, so that one answer has no more before it than what others ask for; beyond that it never
/// comes, and whoever waits for it holds up other files.
const MOST_STALLS: u32 = 10;

/// Waiting for one answer.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    since: Instant,
    stall_timeout: Duration,
}

impl Patience {
    /// From now on. `stall_timeout` is how long the server may be silent.
    #[must_use]
    pub fn new(stall_timeout: Duration) -> Self {
        Self { since: Instant::now(), stall_timeout }
    }

    /// How much longer to wait, where nothing was heard of the server for `silent`.
    ///
    /// # Errors
    /// What to say of the session when it was long enough.
    pub fn left(&self, silent: Duration) -> Result<Duration, String> {
        self.left_after(self.since.elapsed(), silent)
    }

    fn left_after(&self, waited: Duration, silent: Duration) -> Result<Duration, String> {
        let stall = self.stall_timeout;
        // What was silent before it was asked owed nothing.
        let left = stall.saturating_sub(silent.min(waited));
        if left.is_zero() {
            return Err(format!("the server was silent for {} ms (stall_timeout_ms)", stall.as_millis()));
        }
        let most = stall.saturating_mul(MOST_STALLS);
        let left = left.min(most.saturating_sub(waited));
        if left.is_zero() {
            return Err(format!(
                "the server was not silent, and left one request unanswered for {} ms ({MOST_STALLS} times \
                 stall_timeout_ms)",
                most.as_millis()
            ));
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_answer_is_not_waited_for_for_ever_though_others_come() {
        let patience = Patience::new(Duration::from_secs(30));
        let left = |waited, silent| patience.left_after(Duration::from_secs(waited), Duration::from_secs(silent));
        assert_eq!(left(0, 100).unwrap(), Duration::from_secs(30), "silence before counts for nothing");
        assert_eq!(left(20, 20).unwrap(), Duration::from_secs(10));
        assert_eq!(left(200, 5).unwrap(), Duration::from_secs(25));
        assert_eq!(left(290, 1).unwrap(), Duration::from_secs(10));
        assert!(left(30, 30).unwrap_err().contains("was silent for 30000 ms"));
        assert!(left(300, 1).unwrap_err().contains("one request unanswered for 300000 ms"));
    }
}
