//! Candidate events that were refused: what is read again by rules that have changed since must not be taken for what was
//! forwarded.

use serde::{Deserialize, Serialize};

/// So many ranges are kept; of more than that, the oldest are forgotten.
const MOST_RANGES: usize = 500;

/// Places of refused records, as far back as repeated events are known. A record of a partition that lies in a range was
/// refused, like all records in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefusedPlaces(Vec<RefusedRange>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RefusedRange {
    topic: String,
    partition: u32,
    from: i64,
    /// Behind the last of them.
    to: i64,
}

impl RefusedRange {
    fn is_of(&self, topic: &str, partition: u32) -> bool {
        self.partition == partition && self.topic == topic
    }
}

impl RefusedPlaces {
    /// Nothing was refused.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A record was refused. `goes_on`: so was the one before it in its partition.
    pub fn add(&mut self, topic: &str, partition: u32, offset: i64, goes_on: bool) {
        let last = self.0.iter_mut().rev().find(|range| range.is_of(topic, partition));
        match last {
            Some(last) if goes_on => last.to = last.to.max(offset + 1),
            _ => self.0.push(RefusedRange { topic: topic.to_owned(), partition, from: offset, to: offset + 1 }),
        }
        let surplus = self.0.len().saturating_sub(MOST_RANGES);
        self.0.drain(..surplus);
    }

    /// Whether a record was refused.
    #[must_use]
    pub fn hold(&self, topic: &str, partition: u32, offset: i64) -> bool {
        self.0.iter().any(|range| range.is_of(topic, partition) && (range.from..range.to).contains(&offset))
    }

    /// Forgets what lies below an offset of a partition.
    pub fn forget_below(&mut self, topic: &str, partition: u32, offset: i64) {
        self.0.retain(|range| !range.is_of(topic, partition) || range.to > offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_known_until_they_are_forgotten() {
        let mut places = RefusedPlaces::default();
        // Between the first two lies the end of a transaction, between the last two an event that was forwarded.
        for (offset, goes_on) in [(5, false), (7, true), (9, false)] {
            places.add("x", 0, offset, goes_on);
        }
        places.add("x", 1, 3, false);
        assert_eq!(places.0.len(), 3);
        let held = |places: &RefusedPlaces, partition| -> Vec<i64> {
            (0..12).filter(|offset| places.hold("x", partition, *offset)).collect()
        };
        assert_eq!((held(&places, 0), held(&places, 1)), (vec![5, 6, 7, 9], vec![3]));
        assert!(!places.hold("y", 0, 5));
        places.forget_below("x", 0, 8);
        assert_eq!((held(&places, 0), held(&places, 1)), (vec![9], vec![3]));
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut places = RefusedPlaces::default();
        (0..600).for_each(|offset| places.add("x", 0, 2 * offset, false));
        assert_eq!(places.0.len(), MOST_RANGES);
        assert!(!places.hold("x", 0, 0) && places.hold("x", 0, 1198));
    }
}
