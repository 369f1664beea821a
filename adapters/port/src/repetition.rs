//! Saying what keeps happening: at once, and then from time to time, with the number of times it was left out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the same thing is said.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many things are remembered; beyond it, what was said longest ago is forgotten.
const MOST: usize = 1000;

/// Remembers what was said, and when.
#[derive(Debug, Default)]
pub struct Repetition {
    said: Mutex<BTreeMap<String, Said>>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Instant,
    left_out: u64,
}

impl Repetition {
    /// Nothing was said yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { said: Mutex::new(BTreeMap::new()) }
    }

    /// Whether something is to be said now: `None` when it was said a short time ago, otherwise how many times it was
    /// left out since; nothing instead of zero.
    #[must_use]
    pub fn due(&self, what: &str) -> Option<Option<u64>> {
        self.due_at(what, Instant::now())
    }

    fn due_at(&self, what: &str, now: Instant) -> Option<Option<u64>> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = said.get_mut(what) {
            if now.saturating_duration_since(known.at) < INTERVAL {
                known.left_out += 1;
                return None;
            }
            let left_out = std::mem::take(&mut known.left_out);
            known.at = now;
            return Some((left_out > 0).then_some(left_out));
        }
        if said.len() >= MOST {
            let oldest = said.iter().min_by_key(|(_, said)| said.at).map(|(what, _)| what.clone());
            oldest.and_then(|what| said.remove(&what));
        }
        said.insert(what.to_owned(), Said { at: now, left_out: 0 });
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_is_said_once_in_a_minute() {
        let (repetition, start) = (Repetition::new(), Instant::now());
        let at = |what: &str, seconds| repetition.due_at(what, start + Duration::from_secs(seconds));
        assert_eq!(at("a", 0), Some(None));
        assert_eq!((at("a", 1), at("b", 1), at("a", 59)), (None, Some(None), None));
        assert_eq!(at("a", 60), Some(Some(2)));
        assert_eq!((at("a", 61), at("a", 200), at("a", 300)), (None, Some(Some(1)), Some(None)));
        for number in 0..2 * MOST {
            assert_eq!(at(&format!("c{number}"), 400), Some(None));
        }
        assert!(repetition.said.lock().is_ok_and(|said| said.len() <= MOST));
    }
}
