//! Tickets of files that are on their way: each one's share of memory, and what a feed has put aside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dropbridge_port::{ErrorKind, PortError};
use tokio::sync::OwnedSemaphorePermit;

/// A feed's files that are on their way. It lives as long as one of them, or the feed's thread.
#[derive(Debug, Default)]
pub struct OnTheirWay {
    aside: Mutex<Aside>,
}

/// Those that were put aside, and have not been dealt with since.
#[derive(Debug, Default)]
struct Aside {
    files: usize,
    bytes: usize,
    /// Why the last one was.
    reason: String,
}

impl OnTheirWay {
    /// Why the feed is to take nothing for now: its files that are put aside take more than so many bytes of memory.
    #[must_use]
    pub fn is_crowded(&self, feed: &str, most_bytes: usize) -> Option<PortError> {
        let aside = self.lock();
        (aside.bytes > most_bytes).then(|| {
            let message = format!("{} of its files wait, put aside: {}", aside.files, aside.reason);
            PortError::new(ErrorKind::Transient, "take files of", feed, message)
                .with_hint("`dropbridge store status` says what takes the room; it goes on by itself")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file's share of the memory that files on their way may take, and its place in its feed's count of them.
#[derive(Debug)]
pub struct Ticket {
    memory: OwnedSemaphorePermit,
    /// Held once for each file that is on its way.
    of_feed: Arc<OnTheirWay>,
    /// The bytes that it counts for among those that are put aside.
    aside: usize,
}

impl Ticket {
    /// For a file that sets out.
    #[must_use]
    pub const fn new(memory: OwnedSemaphorePermit, of_feed: Arc<OnTheirWay>) -> Self {
        Self { memory, of_feed, aside: 0 }
    }

    /// Its file is put aside, and takes so many bytes as long as it is: what it took beyond that is for others.
    pub fn put_aside(&mut self, weight: usize, reason: &str) {
        let unneeded = self.memory.num_permits().saturating_sub(weight);
        // What is split off is given back at once.
        drop(self.memory.split(unneeded));
        let mut aside = self.of_feed.lock();
        aside.files += usize::from(self.aside == 0);
        aside.bytes = (aside.bytes + weight).saturating_sub(self.aside);
        reason.clone_into(&mut aside.reason);
        self.aside = weight;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.aside > 0 {
            let mut aside = self.of_feed.lock();
            aside.files = aside.files.saturating_sub(1);
            aside.bytes = aside.bytes.saturating_sub(self.aside);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn what_is_put_aside_gives_memory_back_and_counts_until_it_is_dealt_with() {
        let (budget, feed) = (Arc::new(Semaphore::new(100)), Arc::<OnTheirWay>::default());
        let ticket = |bytes| Ticket::new(Arc::clone(&budget).try_acquire_many_owned(bytes).unwrap(), Arc::clone(&feed));
        let (mut one, mut other) = (ticket(60), ticket(40));
        assert_eq!(budget.available_permits(), 0);
        one.put_aside(10, "no room");
        assert_eq!(budget.available_permits(), 50);
        assert!(feed.is_crowded("orders", 10).is_none());
        // Tried again in vain, it counts once.
        one.put_aside(10, "no room");
        other.put_aside(5, "no room at all");
        let told = feed.is_crowded("orders", 14).unwrap();
        assert_eq!(told.kind, ErrorKind::Transient);
        let told = told.to_string();
        for part in ["orders", "2 of its files wait, put aside: no room at all", "store status"] {
            assert!(told.contains(part), "`{part}` is not in: {told}");
        }
        drop(one);
        assert!(feed.is_crowded("orders", 5).is_none());
        assert_eq!((budget.available_permits(), Arc::strong_count(&feed)), (95, 2));
    }
}
