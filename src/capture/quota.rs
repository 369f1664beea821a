//! How many bytes the store holds, for all and for each feed, and whether there is room for more. Pure counting.

use std::collections::HashMap;

use crate::domain::ContentHash;

/// On whose account an object is stored.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The feed's id.
    pub feed: &'a str,
    /// How many bytes of the disk its objects may take.
    pub quota: Option<u64>,
}

/// What there is no room in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The whole store.
    Store {
        /// Its quota in bytes.
        quota: u64,
    },
    /// The feed's part of it.
    Feed {
        /// Its quota in bytes.
        quota: u64,
    },
}

/// The bytes that objects take on the disk, those that are being written included.
#[derive(Debug, Default)]
pub(super) struct Usage {
    total: u64,
    by_feed: HashMap<String, u64>,
    /// Bytes and feed of each object; the feed of one that was found on the disk is empty until the ledger names it.
    objects: HashMap<ContentHash, (u64, String)>,
}

impl Usage {
    /// Takes room for bytes that are about to be written, or says that there is none.
    pub(super) fn reserve(&mut self, account: Account<'_>, bytes: u64, quota: Option<u64>) -> Result<(), Full> {
        let of_feed = self.by_feed.get(account.feed).copied().unwrap_or_default();
        // Nothing fits into what is full already, not even what has no bytes yet.
        let fits = |used: u64, quota: u64| used < quota && bytes <= quota - used;
        match (quota, account.quota) {
            (Some(quota), _) if !fits(self.total, quota) => Err(Full::Store { quota }),
            (_, Some(quota)) if !fits(of_feed, quota) => Err(Full::Feed { quota }),
            _ => {
                self.count(account.feed, bytes);
                Ok(())
            }
        }
    }

    /// Gives room back.
    pub(super) fn release(&mut self, feed: &str, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(used) = self.by_feed.get_mut(feed) {
            *used = used.saturating_sub(bytes);
        }
    }

    /// An object is there; what stood under its hash before is counted no more.
    pub(super) fn add(&mut self, hash: ContentHash, bytes: u64, feed: &str) {
        self.remove(hash);
        self.count(feed, bytes);
        self.objects.insert(hash, (bytes, feed.to_owned()));
    }

    /// An object was found on the disk.
    pub(super) fn add_unknown(&mut self, hash: ContentHash, bytes: u64) {
        if !self.objects.contains_key(&hash) {
            self.add(hash, bytes, "");
        }
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, hash: ContentHash) {
        if let Some((bytes, feed)) = self.objects.remove(&hash) {
            self.release(&feed, bytes);
        }
    }

    /// An object is held for this feed.
    pub(super) fn attribute(&mut self, hash: ContentHash, feed: &str) {
        if let Some((bytes, known)) = self.objects.get(&hash)
            && known != feed
        {
            self.add(hash, *bytes, feed);
        }
    }

    fn count(&mut self, feed: &str, bytes: u64) {
        self.total += bytes;
        match self.by_feed.get_mut(feed) {
            Some(used) => *used += bytes,
            None => drop(self.by_feed.insert(feed.to_owned(), bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIDS: Account<'_> = Account { feed: "bids", quota: Some(60) };
    const ORDERS: Account<'_> = Account { feed: "orders", quota: None };

    #[test]
    fn room_is_taken_and_given_back() {
        let mut usage = Usage::default();
        let (one, two) = (ContentHash::of(b"1"), ContentHash::of(b"2"));
        usage.add(one, 50, "bids");
        assert_eq!(usage.reserve(BIDS, 10, Some(100)), Ok(()));
        assert_eq!(usage.reserve(BIDS, 1, Some(100)), Err(Full::Feed { quota: 60 }));
        assert_eq!(usage.reserve(BIDS, 0, Some(100)), Err(Full::Feed { quota: 60 }));
        assert_eq!(usage.reserve(ORDERS, 41, Some(100)), Err(Full::Store { quota: 100 }));
        assert_eq!(usage.reserve(ORDERS, 40, Some(100)), Ok(()));
        assert_eq!(usage.reserve(ORDERS, 0, Some(100)), Err(Full::Store { quota: 100 }));
        assert_eq!(usage.reserve(ORDERS, 1_000, None), Ok(()), "nothing bounds it");
        usage.release("orders", 1_000);
        usage.release("orders", 40);
        usage.add(two, 40, "orders");
        usage.remove(one);
        usage.release("bids", 10);
        assert_eq!((usage.total, usage.by_feed["bids"], usage.by_feed["orders"]), (40, 0, 40));
    }

    #[test]
    fn an_object_counts_once_and_for_one_feed() {
        let mut usage = Usage::default();
        let one = ContentHash::of(b"1");
        usage.add(one, 50, "");
        usage.attribute(one, "bids");
        usage.attribute(ContentHash::of(b"2"), "bids");
        usage.add(one, 30, "bids");
        usage.add_unknown(one, 30);
        assert_eq!((usage.total, usage.by_feed["bids"], usage.by_feed[""]), (30, 30, 0));
        usage.remove(one);
        usage.remove(one);
        assert_eq!(usage.total, 0);
    }
}
