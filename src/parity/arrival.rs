//! Late and missing files are verdicts too.

use crate::domain::Moment;

use super::outcome::Verdict;

/// When the files of one business date and sequence number came, and when they were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// When the legacy file came; nothing where it did not.
    pub legacy: Option<Moment>,
    /// When the candidate came; nothing where it did not.
    pub candidate: Option<Moment>,
    /// When both were due; nothing where the feed states no time.
    pub due: Option<Moment>,
    /// Until then more may become part of the candidate: what it lacks before says nothing. Nothing where it is whole.
    pub open_until: Option<Moment>,
}

impl Arrival {
    /// The verdict of a file. `compared`: what came of comparing both, where both are there.
    ///
    /// A candidate that is late is none that its consumer would have found, unless the legacy file was late as well.
    #[must_use]
    pub fn verdict(self, compared: Option<Verdict>, now: Moment) -> Verdict {
        let is_open = self.open_until.is_some_and(|until| now < until);
        let is_awaited = is_open || self.due.is_some_and(|due| now <= due);
        match (compared, self.legacy, self.candidate) {
            (Some(compared), ..) if is_open && !compared.is_parity() => Verdict::Pending,
            (Some(compared), Some(legacy), Some(candidate)) => {
                let is_late = self.due.is_some_and(|due| candidate > due && legacy <= due);
                if is_late && compared.is_parity() { Verdict::Late } else { compared }
            }
            (Some(compared), _, _) => compared,
            _ if is_awaited => Verdict::Pending,
            (None, Some(_), _) => Verdict::Missing,
            (None, None, Some(_)) => Verdict::Extra,
            (None, None, None) => Verdict::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Different, Expected, Extra, Identical, Late, Missing, Pending, Undecided, Unreadable};
    use super::*;

    #[test]
    fn files_that_are_late_or_missing() {
        let at = |hour: i64| Moment::from_unix_ns(hour * 3_600_000_000_000);
        // Due at six.
        for (compared, legacy, candidate, due, now, verdict) in [
            (Some(Identical), Some(5), Some(5), Some(6), 9, Identical),
            (Some(Identical), Some(5), Some(7), Some(6), 9, Late),
            (Some(Expected), Some(6), Some(7), Some(6), 9, Late),
            (Some(Different), Some(5), Some(7), Some(6), 9, Different),
            (Some(Identical), Some(7), Some(8), Some(6), 9, Identical),
            (Some(Identical), Some(7), Some(5), Some(6), 9, Identical),
            (Some(Identical), Some(5), Some(7), None, 9, Identical),
            (None, Some(5), None, Some(6), 6, Pending),
            (None, Some(5), None, Some(6), 7, Missing),
            (None, Some(5), None, None, 5, Missing),
            (None, None, Some(5), Some(6), 6, Pending),
            (None, None, Some(5), Some(6), 7, Extra),
            (None, None, Some(5), None, 7, Extra),
        ] {
            let (legacy, candidate) = (legacy.map(at), candidate.map(at));
            let arrival = Arrival { legacy, candidate, due: due.map(at), open_until: None };
            assert_eq!(arrival.verdict(compared, at(now)), verdict, "{arrival:?} {compared:?}");
        }
        for verdict in [Late, Missing, Extra, Pending, Different, Undecided] {
            assert!(!verdict.is_parity(), "{verdict}");
        }
    }
    #[test]
    fn as_long_as_events_may_come_a_difference_says_nothing() {
        let at = |hour: i64| Moment::from_unix_ns(hour * 3_600_000_000_000);
        // Open until ten.
        for (compared, legacy, candidate, due, now, verdict) in [
            (Some(Different), Some(5), Some(5), None, 9, Pending),
            (Some(Different), Some(5), Some(5), None, 10, Different),
            (Some(Unreadable), Some(5), Some(5), None, 9, Pending),
            (Some(Identical), Some(5), Some(5), None, 9, Identical),
            (Some(Identical), Some(5), Some(7), Some(6), 9, Late),
            (None, Some(5), None, None, 9, Pending),
            (None, Some(5), None, Some(6), 9, Pending),
            (None, Some(5), None, Some(6), 10, Missing),
            (None, None, Some(5), None, 9, Pending),
            (None, None, Some(5), None, 10, Extra),
        ] {
            let (legacy, candidate) = (legacy.map(at), candidate.map(at));
            let arrival = Arrival { legacy, candidate, due: due.map(at), open_until: Some(at(10)) };
            assert_eq!(arrival.verdict(compared, at(now)), verdict, "{arrival:?} {compared:?} at {now}");
        }
    }
}
