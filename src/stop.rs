//! Asking everything to stop, and waiting in a way that can be ended.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError};

/// A flag that every loop looks at. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// A flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it.
    pub fn raise(&self) {
        let (flag, changed) = &*self.shared;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether it is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a time, or until the flag is raised; `true` when it is.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let (flag, changed) = &*self.shared;
        let guard = flag.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) =
            changed.wait_timeout_while(guard, time, |raised| !*raised).unwrap_or_else(PoisonError::into_inner);
        *guard
    }
}

/// Growing pauses between attempts at something that may work again, with jitter, so that many waiters do not come
/// back at once.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    /// From `first`, doubling up to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.most);
        // Between half and all of it; the address of a fresh allocation is random enough to spread waiters.
        let salt = std::ptr::from_ref(&*Box::new(0_u8)) as usize;
        pause / 2 + (pause / 2).mul_f64((salt >> 4) as f64 % 64.0 / 64.0)
    }

    /// Waits for the next pause.
    ///
    /// # Errors
    /// When the flag is raised: the error that is being waited out.
    pub fn wait(&mut self, stop: &Stop, error: PortError) -> Result<(), PortError> {
        if stop.wait(self.pause()) { Err(error) } else { Ok(()) }
    }
}

impl Default for Backoff {
    /// From a fifth of a second to half a minute.
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(30))
    }
}

/// The answer of something that was asked to stop.
#[must_use]
pub fn stopped(operation: &'static str) -> PortError {
    PortError::new(ErrorKind::Transient, operation, "bridge", "asked to stop")
}
