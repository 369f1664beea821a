//! What the broker said of each record of the open transaction, folded into ranges.

use std::collections::HashMap;

use dropbridge_port::WrittenRange;

use crate::errors::Failure;

/// A topic of this writer, by its place in the writer's list of topics.
pub(crate) type TopicNumber = usize;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    tag: u32,
    topic: TopicNumber,
    partition: i32,
}

struct Range {
    place: Place,
    from: i64,
    to: i64,
    count: u64,
}

/// A record that was refused, or given up.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) topic: TopicNumber,
    pub(crate) partition: i32,
    pub(crate) failure: Failure,
}

/// The delivery reports of one transaction.
#[derive(Default)]
pub(crate) struct Deliveries {
    ranges: Vec<Range>,
    /// Where the range of a place is.
    index: HashMap<Place, usize>,
    /// Reports come in batches of one partition: the range of the one before is mostly the right one.
    latest: usize,
    refusal: Option<Refusal>,
}

impl Deliveries {
    /// A record was taken.
    pub(crate) fn taken(&mut self, tag: u32, topic: TopicNumber, partition: i32, offset: i64) {
        let place = Place { tag, topic, partition };
        if self.ranges.get(self.latest).is_none_or(|range| range.place != place) {
            self.latest = *self.index.entry(place).or_insert_with(|| {
                self.ranges.push(Range { place, from: offset, to: offset, count: 0 });
                self.ranges.len() - 1
            });
        }
        if let Some(range) = self.ranges.get_mut(self.latest) {
            range.from = range.from.min(offset);
            range.to = range.to.max(offset + 1);
            range.count += 1;
        }
    }

    /// A record was refused, or given up. The first failure is the cause; those after it are its consequences.
    pub(crate) fn failed(&mut self, topic: TopicNumber, partition: i32, failure: impl FnOnce() -> Failure) {
        self.refusal.get_or_insert_with(|| Refusal { topic, partition, failure: failure() });
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Where the records went, by tag, topic and partition.
    pub(crate) fn written(&self, topic_name: impl Fn(TopicNumber) -> String) -> Vec<WrittenRange> {
        let told = |range: &Range| WrittenRange {
            tag: range.place.tag,
            topic: topic_name(range.place.topic),
            // The broker numbers partitions from 0.
            partition: range.place.partition.unsigned_abs(),
            from: range.from,
            to: range.to,
            count: range.count,
        };
        let mut written: Vec<_> = self.ranges.iter().map(told).collect();
        written.sort_by(|a, b| (a.tag, &a.topic, a.partition).cmp(&(b.tag, &b.topic, b.partition)));
        written
    }

    /// Forgets all: a new transaction begins.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_half_open_ranges_apart_by_tag_and_partition() {
        let mut deliveries = Deliveries::default();
        for (tag, topic, partition, offset) in
            [(1, 0, 0, 5), (1, 0, 0, 6), (2, 0, 0, 7), (1, 0, 1, 3), (1, 0, 0, 8), (1, 1, 0, 0)]
        {
            deliveries.taken(tag, topic, partition, offset);
        }
        let names = ["bids", "ledger"];
        let written = deliveries.written(|topic| names[topic].to_owned());
        let range = |tag, topic: &str, partition, from, to, count| WrittenRange {
            tag,
            topic: topic.to_owned(),
            partition,
            from,
            to,
            count,
        };
        assert_eq!(
            written,
            [
                range(1, "bids", 0, 5, 9, 3),
                range(1, "bids", 1, 3, 4, 1),
                range(1, "ledger", 0, 0, 1, 1),
                range(2, "bids", 0, 7, 8, 1),
            ]
        );
    }

    #[test]
    fn the_first_failure_is_kept() {
        let mut deliveries = Deliveries::default();
        deliveries.failed(0, 3, || Failure::new(10, "too large"));
        deliveries.failed(1, 0, || Failure::new(-152, "purged"));
        assert!(
            deliveries.refusal().is_some_and(|first| (first.topic, first.partition, first.failure.code) == (0, 3, 10))
        );
        deliveries.clear();
        assert!(deliveries.refusal().is_none());
    }
}
