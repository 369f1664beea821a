//! What is in time and what is not: pure, so that it can be tried as a table.

use jiff::{SignedDuration, Timestamp};

/// A work order as far as it is known.
#[derive(Clone, Debug)]
pub struct WorkOrder {
    /// The department that ordered.
    pub department: String,
    /// Its number.
    pub number: String,
    /// When its `WorkOrderCreated` was said: its `time`, or else when the record was written.
    pub created: Timestamp,
    /// When the `WorkOrderCompleted` that ends it was said.
    pub completed: Option<Timestamp>,
}

/// A work order that is open for too long.
#[derive(Clone, Debug)]
pub struct Overdue {
    /// Which.
    pub order: WorkOrder,
    /// When it should have been completed.
    pub since: Timestamp,
}

/// How a work order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is open, and there is time.
    Open,
    /// It is open, and should have been completed at this moment.
    Overdue(Timestamp),
    /// It was completed in time.
    InTime,
    /// It was completed, too late.
    Late,
}

/// How a work order stands, where it has to be completed within this time after its creation.
#[must_use]
pub fn verdict(created: Timestamp, completed: Option<Timestamp>, now: Timestamp, within: SignedDuration) -> Verdict {
    // Saturating: a bound beyond the end of the calendar is never passed.
    let due = created.saturating_add(within).unwrap_or(Timestamp::MAX);
    match completed {
        Some(completed) if completed <= due => Verdict::InTime,
        Some(_) => Verdict::Late,
        None if now <= due => Verdict::Open,
        None => Verdict::Overdue(due),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_work_order_is_overdue_when_its_time_has_passed_and_it_is_open() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (created, due, after) = (at("2026-01-31T08:00Z"), at("2026-02-01T08:00Z"), at("2026-02-01T08:00:01Z"));
        let day = SignedDuration::from_hours(24);
        for (completed, now, expected) in [
            (None, created, Verdict::Open),
            (None, due, Verdict::Open),
            (None, after, Verdict::Overdue(due)),
            (Some(created), after, Verdict::InTime),
            (Some(due), after, Verdict::InTime),
            (Some(after), after, Verdict::Late),
        ] {
            assert_eq!(verdict(created, completed, now, day), expected, "{completed:?} at {now}");
        }
        assert_eq!(verdict(created, None, after, SignedDuration::MAX), Verdict::Open);
    }
}
