//! Events of a partition that came lately, by which a repeated one is known.

use std::collections::{HashMap, VecDeque};

use crate::domain::envelope::IDENTITY_BYTES;

/// How many records of its partition an event is remembered for: one that a service writes again within so many is
/// dropped. Services that were restarted write again what they wrote last.
pub const HORIZON: i64 = 20_000;

/// What was seen of a partition.
#[derive(Debug, Default)]
pub struct Recent {
    by_identity: HashMap<[u8; IDENTITY_BYTES], u64>,
    in_order: VecDeque<(i64, [u8; IDENTITY_BYTES])>,
}

/// What an event is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first of its source and id.
    First,
    /// The same event again.
    Again,
    /// It says something else than the one before it, under the same source and id.
    Differs,
}

impl Recent {
    /// Remembers the event at an offset, which is behind all that came before, and tells what it is to those.
    pub fn see(&mut self, offset: i64, identity: [u8; IDENTITY_BYTES], content: u64) -> Seen {
        while let Some((oldest, known)) = self.in_order.front() {
            if *oldest >= offset - HORIZON {
                break;
            }
            self.by_identity.remove(known);
            self.in_order.pop_front();
        }
        match self.by_identity.get(&identity) {
            Some(known) if *known == content => Seen::Again,
            Some(_) => Seen::Differs,
            None => {
                self.by_identity.insert(identity, content);
                self.in_order.push_back((offset, identity));
                Seen::First
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_known_within_the_horizon_and_new_behind_it() {
        let mut recent = Recent::default();
        let (one, other) = ([1; IDENTITY_BYTES], [2; IDENTITY_BYTES]);
        assert_eq!(recent.see(5, one, 7), Seen::First);
        assert_eq!(recent.see(6, one, 7), Seen::Again);
        assert_eq!(recent.see(7, one, 8), Seen::Differs);
        assert_eq!(recent.see(8, other, 7), Seen::First);
        assert_eq!(recent.see(5 + HORIZON, one, 7), Seen::Again, "the last record of the horizon");
        assert_eq!(recent.see(6 + HORIZON, one, 7), Seen::First, "and the first behind it");
        assert_eq!(recent.by_identity.len(), 2);
    }
}
