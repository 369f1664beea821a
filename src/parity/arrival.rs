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
}

impl Arrival {
    /// The verdict of a file. `compared`: what came of comparing both, where both are there.
    ///
    /// A candidate that is late is none that its consumer would have found, unless the legacy file was late as well.
    #[must_use]
    pub fn verdict(self, compared: Option<Verdict>, now: Moment) -> Verdict {
        let is_awaited = self.due.is_some_and(|due| now <= due);
        match (compared, self.legacy, self.candidate) {
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
    use super::Verdict::{Different, Expected, Extra, Identical, Late, Missing, Pending};
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
            let arrival = Arrival { legacy: legacy.map(at), candidate: candidate.map(at), due: due.map(at) };
            assert_eq!(arrival.verdict(compared, at(now)), verdict, "{arrival:?} {compared:?}");
        }
        for verdict in [Late, Missing, Extra, Pending, Different] {
            assert!(!verdict.is_parity(), "{verdict}");
        }
    }
}
