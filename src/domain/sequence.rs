//! Sequence numbers: which one comes next, and what a number that came says about those before it.

use serde::{Deserialize, Serialize};

use super::BusinessDate;
use super::policy::SequenceReset;

/// A number of a sequence with what tells it from its namesakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SequencePoint {
    /// The business date, where numbers begin again each date; elsewhere of no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_date: Option<BusinessDate>,
    /// How often a wrapping sequence had begun again.
    pub generation: u64,
    /// The number.
    pub number: u64,
}

/// How a number follows the highest one so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing came before it in this run of numbers.
    First,
    /// It is the next one.
    Next,
    /// Numbers between are missing: the first of them and how many.
    Gap {
        /// The first number that is missing.
        from: u64,
        /// How many are missing.
        count: u64,
    },
    /// It is the highest number again.
    Same,
    /// It is lower than the highest number.
    Back,
}

/// The number behind another one of the same run.
#[must_use]
pub const fn next_number(reset: SequenceReset, number: u64, first: u64) -> u64 {
    match reset {
        SequenceReset::Wrap { last } if number >= last => first,
        _ => number.saturating_add(1),
    }
}

/// The number that a new file gets: of `date`, after the newest one so far with its date; `first` begins each run.
#[must_use]
pub fn following(reset: SequenceReset, newest: Option<(BusinessDate, u64)>, date: BusinessDate, first: u64) -> u64 {
    match newest {
        None => first,
        Some((of, _)) if reset == SequenceReset::Daily && of != date => first,
        Some((_, number)) => next_number(reset, number, first),
    }
}

/// How `point` follows `highest`. `first` is the number that a wrapped sequence begins with.
#[must_use]
pub fn step(reset: SequenceReset, highest: Option<SequencePoint>, point: SequencePoint, first: u64) -> Step {
    let Some(highest) = highest else { return Step::First };
    if reset == SequenceReset::Daily && highest.business_date != point.business_date {
        return if point.business_date > highest.business_date { Step::First } else { Step::Back };
    }
    let (was, is) = (place(reset, highest, first), place(reset, point, first));
    match is.cmp(&was) {
        std::cmp::Ordering::Equal => Step::Same,
        std::cmp::Ordering::Less => Step::Back,
        std::cmp::Ordering::Greater if is - was == 1 => Step::Next,
        std::cmp::Ordering::Greater => Step::Gap {
            from: next_number(reset, highest.number, first),
            count: u64::try_from(is - was - 1).unwrap_or(u64::MAX),
        },
    }
}

/// Where a number stands when the runs of a wrapping sequence are laid end to end.
fn place(reset: SequenceReset, point: SequencePoint, first: u64) -> u128 {
    let run = match reset {
        SequenceReset::Wrap { last } => u128::from(last.saturating_sub(first)) + 1,
        SequenceReset::Daily | SequenceReset::Never => 0,
    };
    u128::from(point.generation) * run + u128::from(point.number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WRAP: SequenceReset = SequenceReset::Wrap { last: 9999 };

    fn point(date: &str, generation: u64, number: u64) -> SequencePoint {
        SequencePoint { business_date: BusinessDate::parse(date), generation, number }
    }

    #[test]
    fn numbers_of_new_files() {
        let (monday, tuesday) =
            (BusinessDate::parse("2026-01-05").unwrap(), BusinessDate::parse("2026-01-06").unwrap());
        for (reset, newest, date, first, expected) in [
            (SequenceReset::Daily, None, monday, 1, 1),
            (SequenceReset::Daily, Some((monday, 7)), monday, 1, 8),
            (SequenceReset::Daily, Some((monday, 7)), tuesday, 1, 1),
            (SequenceReset::Daily, Some((monday, 7)), tuesday, 0, 0),
            (SequenceReset::Never, Some((monday, 7)), tuesday, 1, 8),
            (SequenceReset::Never, Some((monday, 9999)), tuesday, 1, 10_000),
            (WRAP, Some((monday, 9998)), tuesday, 1, 9999),
            (WRAP, Some((monday, 9999)), tuesday, 1, 1),
            (WRAP, Some((monday, 9999)), tuesday, 0, 0),
        ] {
            assert_eq!(following(reset, newest, date, first), expected, "{reset:?} {newest:?} {date}");
        }
    }

    #[test]
    fn steps() {
        let (mon, tue) = ("2026-01-05", "2026-01-06");
        for (reset, highest, is, first, expected) in [
            (SequenceReset::Daily, None, point(mon, 0, 3), 1, Step::First),
            (SequenceReset::Daily, Some(point(mon, 0, 3)), point(mon, 0, 4), 1, Step::Next),
            (SequenceReset::Daily, Some(point(mon, 0, 3)), point(mon, 0, 6), 1, Step::Gap { from: 4, count: 2 }),
            (SequenceReset::Daily, Some(point(mon, 0, 3)), point(tue, 0, 1), 1, Step::First),
            (SequenceReset::Daily, Some(point(tue, 0, 1)), point(mon, 0, 4), 1, Step::Back),
            (SequenceReset::Daily, Some(point(mon, 0, 3)), point(mon, 0, 3), 1, Step::Same),
            (SequenceReset::Never, Some(point(mon, 0, 3)), point(tue, 0, 4), 1, Step::Next),
            (SequenceReset::Never, Some(point(mon, 0, 3)), point(tue, 0, 2), 1, Step::Back),
            (WRAP, Some(point(mon, 0, 9999)), point(tue, 1, 1), 1, Step::Next),
            (WRAP, Some(point(mon, 0, 9999)), point(tue, 1, 0), 0, Step::Next),
            (WRAP, Some(point(mon, 0, 9998)), point(tue, 1, 1), 1, Step::Gap { from: 9999, count: 1 }),
            (WRAP, Some(point(mon, 0, 9999)), point(tue, 1, 3), 1, Step::Gap { from: 1, count: 2 }),
            (WRAP, Some(point(mon, 1, 2)), point(tue, 0, 9999), 1, Step::Back),
        ] {
            assert_eq!(step(reset, highest, is, first), expected, "{reset:?} {highest:?} {is:?}");
        }
    }
}
