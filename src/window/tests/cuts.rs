//! When dates are cut off.

use super::*;

#[test]
fn dates_that_are_due() {
    let with =
        |closes: &str, holidays: &[&str], days, close_day| WindowRules { days, close_day, ..rules(closes, holidays) };
    let business = |closes: &str| with(closes, &[], WindowDays::Business, CloseDay::Same);
    let every = |closes: &str| with(closes, &[], WindowDays::Every, CloseDay::Same);
    // Rules, the last date that was cut off, now, the dates that are due and when they were to be.
    type Case<'a> = (&'a str, WindowRules, &'a str, &'a str, &'a [(&'a str, &'a str)]);
    let cases: &[Case<'_>] = &[
        ("a second before", business("22:00"), "2026-06-01", "2026-06-02T19:59:59Z", &[]),
        (
            "at the cut-off",
            business("22:00"),
            "2026-06-01",
            "2026-06-02T20:00:00Z",
            &[("2026-06-02", "2026-06-02T20:00:00Z")],
        ),
        ("midnight is not over", business("24:00"), "2026-06-01", "2026-06-02T21:59:59Z", &[]),
        (
            "midnight",
            business("24:00"),
            "2026-06-01",
            "2026-06-02T22:00:00Z",
            &[("2026-06-02", "2026-06-02T22:00:00Z")],
        ),
        (
            "in the night behind the date",
            with("02:00", &[], WindowDays::Business, CloseDay::NextDay),
            "2026-06-04",
            "2026-06-06T12:00:00Z",
            &[("2026-06-05", "2026-06-06T00:00:00Z")],
        ),
        (
            "on the next business day, over Whit Monday",
            with("06:00", &["2026-05-25"], WindowDays::Business, CloseDay::NextBusinessDay),
            "2026-05-21",
            "2026-05-26T04:00:00Z",
            &[("2026-05-22", "2026-05-26T04:00:00Z")],
        ),
        (
            "not before it",
            with("06:00", &["2026-05-25"], WindowDays::Business, CloseDay::NextBusinessDay),
            "2026-05-21",
            "2026-05-25T12:00:00Z",
            &[],
        ),
        (
            "a holiday has no file",
            with("22:00", &["2026-05-25"], WindowDays::Business, CloseDay::Same),
            "2026-05-22",
            "2026-05-25T23:00:00Z",
            &[],
        ),
        (
            "every day has one",
            every("22:00"),
            "2026-05-22",
            "2026-05-24T20:00:00Z",
            &[("2026-05-23", "2026-05-23T20:00:00Z"), ("2026-05-24", "2026-05-24T20:00:00Z")],
        ),
        (
            "summer time begins: 02:30 does not exist",
            every("02:30"),
            "2026-03-28",
            "2026-03-29T01:00:00Z",
            &[("2026-03-29", "2026-03-29T01:00:00Z")],
        ),
        ("nor before the clocks are changed", every("02:30"), "2026-03-28", "2026-03-29T00:59:59Z", &[]),
        ("summer time ends: 02:30 for the first time", every("02:30"), "2026-10-24", "2026-10-25T00:30:00Z", &[]),
        (
            "and for the second",
            every("02:30"),
            "2026-10-24",
            "2026-10-25T01:30:00Z",
            &[("2026-10-25", "2026-10-25T01:30:00Z")],
        ),
        (
            "two at once after a day of downtime",
            business("22:00"),
            "2026-06-01",
            "2026-06-03T21:00:00Z",
            &[("2026-06-02", "2026-06-02T20:00:00Z"), ("2026-06-03", "2026-06-03T20:00:00Z")],
        ),
    ];
    for (name, rules, last, now, expected) in cases {
        let mut journal = WindowJournal::new("invoices", at("2026-01-01T00:00:00Z"));
        journal.last = Some(date(last));
        let due: Vec<_> = journal.due(rules, at(now)).iter().map(|due| (due.date, due.closes)).collect();
        let expected: Vec<_> = expected.iter().map(|(day, closes)| (date(day), at(closes))).collect();
        assert_eq!(due, expected, "{name}");
        if let Some((_, closes)) = expected.first() {
            assert_eq!(journal.next_due(rules), Some(*closes), "{name}");
        } else {
            assert!(journal.next_due(rules).unwrap() > at(now), "{name}");
        }
    }
}

#[test]
fn a_rendering_begins_with_the_first_date_that_closes_behind_its_beginning() {
    for (rules, since, first) in [
        (rules("22:00", &[]), "2026-06-02T19:00:00Z", "2026-06-02"),
        (rules("22:00", &[]), "2026-06-02T20:00:00Z", "2026-06-03"),
        (rules("22:00", &[]), "2026-06-05T20:00:00Z", "2026-06-08"),
        (
            WindowRules { close_day: CloseDay::NextBusinessDay, ..rules("06:00", &[]) },
            "2026-06-08T03:00:00Z",
            "2026-06-05",
        ),
    ] {
        let journal = WindowJournal::new("invoices", at(since));
        let due = journal.due(&rules, at("2026-06-30T00:00:00Z"));
        assert_eq!(due[0].date, date(first), "{since}");
        assert_eq!(journal.next_due(&rules), Some(due[0].closes));
    }
}
