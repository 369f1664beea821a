//! Of which names the ledger's answer has changed lately: whoever remembers that a name is not in the ledger asks for
//! these again, and not for every name of a large directory in every pass.

use std::collections::VecDeque;

/// So many changes are remembered. Who was away for longer asks for everything again.
const MOST_CHANGES: usize = 4096;

/// The newest changes, numbered from 0 since the ledger was opened.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// How many came so far, those that are not remembered included.
    count: u64,
    /// Feed and path of each.
    newest: VecDeque<(String, String)>,
}

impl Changes {
    pub(super) fn add(&mut self, feed: &str, path: &str) {
        if self.newest.len() == MOST_CHANGES {
            self.newest.pop_front();
        }
        self.newest.push_back((feed.to_owned(), path.to_owned()));
        self.count += 1;
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Paths of the feed that changed after the first `seen` changes; `None` where that is no longer known.
    pub(super) fn since<'c>(&'c self, seen: u64, feed: &'c str) -> Option<impl Iterator<Item = &'c str>> {
        let missed = usize::try_from(self.count.checked_sub(seen)?).ok()?;
        let first = self.newest.len().checked_sub(missed)?;
        Some(self.newest.range(first..).filter(move |(of, _)| of == feed).map(|(_, path)| path.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(changes: &Changes, seen: u64) -> Option<Vec<&str>> {
        changes.since(seen, "a").map(Iterator::collect)
    }

    #[test]
    fn changes_are_told_from_where_one_has_seen_them() {
        let mut changes = Changes::default();
        assert_eq!(since(&changes, 0), Some(vec![]));
        changes.add("a", "one");
        changes.add("b", "two");
        changes.add("a", "three");
        assert_eq!(since(&changes, 0), Some(vec!["one", "three"]));
        assert_eq!(since(&changes, 1), Some(vec!["three"]));
        assert_eq!(since(&changes, 3), Some(vec![]));
        assert_eq!(since(&changes, 4), None, "of another ledger");
    }

    #[test]
    fn who_was_away_for_long_is_told_so() {
        let mut changes = Changes::default();
        for number in 0..=MOST_CHANGES {
            changes.add("a", &number.to_string());
        }
        assert_eq!(since(&changes, 0), None);
        assert_eq!(since(&changes, 1).map(|paths| paths.len()), Some(MOST_CHANGES));
        assert_eq!(since(&changes, changes.count()), Some(vec![]));
    }
}
