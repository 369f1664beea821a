//! Tells readers of this process at once that the log changed.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts the changes that writers of this process made. Other processes are noticed by asking SQLite.
#[derive(Default)]
pub(crate) struct Wake {
    changes: Mutex<u64>,
    changed: Condvar,
}

impl Wake {
    /// How many changes there were.
    pub(crate) fn changes(&self) -> u64 {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there is something new.
    pub(crate) fn notify(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits until there were more changes than `seen`, or for `timeout`.
    pub(crate) fn wait(&self, seen: u64, timeout: Duration) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it was a change or the time makes no difference: the caller looks at the log in either case.
        drop(self.changed.wait_timeout_while(changes, timeout, |changes| *changes == seen));
    }
}
