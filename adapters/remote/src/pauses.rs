//! Pauses between attempts to reach a server.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result};

/// After a server could not be reached.
const TROUBLE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// After it refused us: each attempt with a wrong password may bring the account nearer to being locked.
const REFUSED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// When a server may be tried again, and what is said until then.
#[derive(Debug, Default)]
pub struct Pauses {
    failed: Option<(PortError, Instant)>,
    /// The last one.
    pause: Duration,
}

impl Pauses {
    /// Whether the server may be tried.
    ///
    /// # Errors
    /// That of the last attempt, for a growing time after it.
    pub fn require_over(&self) -> Result<()> {
        match self.failed.as_ref().filter(|(_, until)| Instant::now() < *until) {
            Some((error, _)) => Err(same(error)),
            None => Ok(()),
        }
    }

    /// It was reached.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// It was not: the next pause is longer.
    pub fn begin(&mut self, error: &PortError) {
        let (first, most) = if error.kind == ErrorKind::Transient { TROUBLE } else { REFUSED };
        self.pause = (self.pause * 2).clamp(first, most);
        self.failed = Some((same(error), Instant::now() + with_jitter(self.pause)));
    }
}

/// Between half of it and all.
pub(crate) fn with_jitter(pause: Duration) -> Duration {
    // Each state has random keys of its own.
    let random = RandomState::new().hash_one(0) % 1024;
    pause / 2 + (pause / 2).mul_f64(random as f64 / 1024.0)
}

fn same(error: &PortError) -> PortError {
    PortError {
        kind: error.kind,
        operation: error.operation,
        subject: error.subject.clone(),
        message: error.message.clone(),
        hint: error.hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_shortens_by_half_at_most() {
        let pause = Duration::from_secs(8);
        let pauses: Vec<Duration> = (0..100).map(|_| with_jitter(pause)).collect();
        assert!(pauses.iter().all(|found| (pause / 2..=pause).contains(found)), "{pauses:?}");
        assert!(pauses.iter().any(|found| *found != pauses[0]), "no jitter at all");
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut pauses = Pauses::default();
        assert!(pauses.require_over().is_ok());
        let error = |kind| PortError::new(kind, "connect", "sftp://u@h:22", "no");
        for expected_ms in [200, 400, 800] {
            pauses.begin(&error(ErrorKind::Transient));
            assert_eq!(pauses.pause, Duration::from_millis(expected_ms));
        }
        (0..20).for_each(|_| pauses.begin(&error(ErrorKind::Transient)));
        assert_eq!(pauses.pause, TROUBLE.1);
        // Who is refused waits longer from the first time on.
        pauses.end();
        pauses.begin(&error(ErrorKind::Refused));
        assert_eq!(pauses.pause, REFUSED.0);
        assert_eq!(pauses.require_over().map_err(|error| error.kind), Err(ErrorKind::Refused));
        pauses.end();
        assert!(pauses.require_over().is_ok());
    }
}
