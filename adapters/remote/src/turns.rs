//! How many files of a server are read beside each other.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The files that may be read beside each other.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Waiting>);

#[derive(Debug)]
struct Waiting {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    /// So many, and one at least.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Waiting { free: Mutex::new(most.max(1)), freed: Condvar::new() }))
    }

    /// Waits until another file may be read.
    #[must_use]
    pub fn take(&self) -> Turn {
        let free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.0.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn(Arc::clone(&self.0))
    }
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Turn(Arc<Waiting>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_are_given_than_there_are() {
        let (turns, now, most) = (Turns::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _turn = turns.take();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        let _both = (turns.take(), turns.take());
    }
}
