//! Dates that are due.

use super::*;

#[test]
fn what_is_due_and_did_not_come() {
    // Expectation, watched since, what came (business date, written), looked at, what is said.
    type Case<'a> = (&'a str, Expectation, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);
    let yesterday = |by: &str, holidays: &[&str]| Expectation {
        deadline: Some(Deadline { date_offset_days: -1, ..deadline(by, holidays) }),
        ..Expectation::default()
    };
    let every_day = Expectation {
        deadline: Some(Deadline { days: ExpectedDays::Every, ..deadline("06:30", &[]) }),
        ..Expectation::default()
    };
    let graced = Expectation {
        deadline: Some(Deadline { grace: Duration::from_secs(900), ..deadline("06:30", &[]) }),
        ..Expectation::default()
    };
    let cases: &[Case<'_>] = &[
        (
            "before the cut-off nothing is said",
            by("06:30", &[]),
            "2026-06-02T00:00:00Z",
            &[],
            "2026-06-02T04:29:59Z",
            &[],
        ),
        (
            "at the cut-off it is missing",
            by("06:30", &[]),
            "2026-06-02T00:00:00Z",
            &[],
            "2026-06-02T04:30:00Z",
            &["missing 2026-06-02 0/1 2026-06-02T04:30:00Z"],
        ),
        (
            "in time",
            by("06:30", &[]),
            "2026-06-02T00:00:00Z",
            &[("2026-06-02", "2026-06-02T04:00:00Z")],
            "2026-06-02T06:00:00Z",
            &[],
        ),
        (
            "the file of another date does not stand in",
            by("06:30", &[]),
            "2026-06-02T00:00:00Z",
            &[("2026-06-01", "2026-06-02T04:00:00Z"), ("2026-06-03", "2026-06-02T04:00:00Z")],
            "2026-06-02T06:00:00Z",
            &["missing 2026-06-02 0/1 2026-06-02T04:30:00Z"],
        ),
        (
            "a file that came a day early counts on its day",
            by("06:30", &[]),
            "2026-06-01T08:00:00Z",
            &[("2026-06-02", "2026-06-01T20:00:00Z")],
            "2026-06-02T12:00:00Z",
            &[],
        ),
        ("grace is not over", graced.clone(), "2026-06-02T00:00:00Z", &[], "2026-06-02T04:44:59Z", &[]),
        (
            "within the grace is in time",
            graced.clone(),
            "2026-06-02T00:00:00Z",
            &[("2026-06-02", "2026-06-02T04:44:00Z")],
            "2026-06-02T08:00:00Z",
            &[],
        ),
        (
            "grace is over",
            graced,
            "2026-06-02T00:00:00Z",
            &[],
            "2026-06-02T04:45:00Z",
            &["missing 2026-06-02 0/1 2026-06-02T04:45:00Z"],
        ),
        (
            "a weekend and a holiday (Whit Monday) are passed over",
            by("06:30", &["2026-05-25"]),
            "2026-05-22T12:00:00Z",
            &[],
            "2026-05-26T12:00:00Z",
            &["missing 2026-05-26 0/1 2026-05-26T04:30:00Z"],
        ),
        (
            "every day means every day",
            every_day,
            "2026-05-22T12:00:00Z",
            &[("2026-05-24", "2026-05-24T02:00:00Z")],
            "2026-05-25T12:00:00Z",
            &["missing 2026-05-23 0/1 2026-05-23T04:30:00Z", "missing 2026-05-25 0/1 2026-05-25T04:30:00Z"],
        ),
        (
            "on Tuesday after Whit Monday comes Friday's file",
            yesterday("06:30", &["2026-05-25"]),
            "2026-05-22T12:00:00Z",
            &[],
            "2026-05-26T12:00:00Z",
            &["missing 2026-05-22 0/1 2026-05-26T04:30:00Z"],
        ),
        (
            "Friday's file came in the night to Saturday",
            yesterday("06:30", &["2026-05-25"]),
            "2026-05-22T12:00:00Z",
            &[("2026-05-22", "2026-05-22T23:00:00Z")],
            "2026-05-26T12:00:00Z",
            &[],
        ),
        (
            "a day that ends at midnight",
            by("24:00", &[]),
            "2026-06-02T00:00:00Z",
            &[("2026-06-02", "2026-06-02T21:59:59Z")],
            "2026-06-03T22:00:00Z",
            &["missing 2026-06-03 0/1 2026-06-03T22:00:00Z"],
        ),
    ];
    for (name, expectation, since, files, looked, said) in cases {
        let mut feed = Feed::watching_since(expectation.clone(), since);
        for (day, written) in *files {
            feed.file(day, None, written, written);
        }
        feed.look(looked);
        assert_eq!(feed.said(), *said, "{name}");
    }
}

#[test]
fn summer_time_both_ways() {
    // Every day, so that the Sundays of the changes count.
    let at_half_past_two = || Expectation {
        deadline: Some(Deadline { days: ExpectedDays::Every, ..deadline("02:30", &[]) }),
        ..Expectation::default()
    };
    // 29 March: 02:30 does not exist. The clocks are changed at 01:00 UTC, and that is when it is over.
    let mut feed = Feed::watching_since(at_half_past_two(), "2026-03-28T12:00:00Z");
    feed.look("2026-03-29T00:59:59Z");
    assert!(feed.said().is_empty());
    feed.look("2026-03-29T01:00:00Z");
    assert_eq!(feed.said(), ["missing 2026-03-29 0/1 2026-03-29T01:00:00Z"]);
    feed.look("2026-03-30T00:30:00Z");
    assert_eq!(feed.said(), ["missing 2026-03-30 0/1 2026-03-30T00:30:00Z"]);

    // 25 October: 02:30 is at 00:30 UTC and again at 01:30 UTC. Nobody is late by the first.
    let mut feed = Feed::watching_since(at_half_past_two(), "2026-10-24T12:00:00Z");
    feed.look("2026-10-25T00:45:00Z");
    assert!(feed.said().is_empty());
    feed.file("2026-10-25", None, "2026-10-25T01:15:00Z", "2026-10-25T01:20:00Z");
    feed.look("2026-10-25T03:00:00Z");
    assert!(feed.said().is_empty());
    feed.look("2026-10-26T01:30:00Z");
    assert_eq!(feed.said(), ["missing 2026-10-26 0/1 2026-10-26T01:30:00Z"]);
}

#[test]
fn after_a_day_of_downtime_all_that_became_due_is_said_in_order() {
    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    // Down from then until Friday. Thursday's file lies in the inbox, written in time; Wednesday's was late.
    feed.file("2026-06-03", None, "2026-06-03T09:00:00Z", "2026-06-05T07:00:00Z");
    feed.file("2026-06-04", None, "2026-06-04T04:00:00Z", "2026-06-05T07:00:00Z");
    feed.look("2026-06-05T07:00:10Z");
    assert_eq!(
        feed.said(),
        [
            "late 2026-06-03 1/1",
            "missing 2026-06-02 0/1 2026-06-02T04:30:00Z",
            "missing 2026-06-05 0/1 2026-06-05T04:30:00Z"
        ]
    );
    // Said once.
    feed.look("2026-06-05T07:00:20Z");
    assert!(feed.said().is_empty());
}

#[test]
fn nothing_is_missing_before_the_inbox_was_looked_at_and_what_lies_there_was_taken() {
    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    let look = |moment: &str, settling: &[Option<&str>], in_flight: &[Option<&str>]| {
        let dates = |dates: &[Option<&str>]| dates.iter().map(|day| day.map(date)).collect();
        let since = at("2026-06-02T00:00:00Z");
        Look { at: at(moment), since, settling: dates(settling), in_flight: dates(in_flight) }
    };
    let (tuesday, wednesday) = (Some("2026-06-02"), Some("2026-06-03"));
    let now = "2026-06-02T04:35:00Z";
    for (seen, why) in [
        (look("2026-06-02T04:29:00Z", &[], &[]), "nobody has looked since"),
        (look(now, &[tuesday], &[]), "it is there, and may still grow"),
        (look(now, &[None], &[]), "something without a date is there"),
        (look(now, &[], &[tuesday]), "it is complete, and not published yet"),
        (look("2026-06-02T16:00:00Z", &[], &[tuesday]), "it is complete; the log is away for long"),
    ] {
        feed.look_with(&seen, "2026-06-02T16:00:00Z");
        assert_eq!(feed.said(), Vec::<String>::new(), "{why}");
    }
    feed.look_with(&look(now, &[wednesday], &[wednesday]), now);
    assert_eq!(feed.said(), ["missing 2026-06-02 0/1 2026-06-02T04:30:00Z"], "what is there is of another date");

    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    feed.look_with(&look("2026-06-02T04:40:00Z", &[tuesday], &[]), "2026-06-02T04:40:00Z");
    assert_eq!(feed.said(), ["missing 2026-06-02 0/1 2026-06-02T04:30:00Z"], "it grows and grows");

    // After a day of downtime it has been there for long, and is seen for the first time.
    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    let first = Look { since: at("2026-06-02T18:00:00Z"), ..look("2026-06-02T18:00:00Z", &[tuesday], &[]) };
    feed.look_with(&first, "2026-06-02T18:00:00Z");
    assert_eq!(feed.said(), Vec::<String>::new(), "nobody looked before");
}

#[test]
fn missing_is_resolved_when_the_file_comes_late() {
    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    feed.look("2026-06-02T04:30:00Z");
    assert_eq!(feed.said(), ["missing 2026-06-02 0/1 2026-06-02T04:30:00Z"]);
    assert!(standing(&feed.expectation, &feed.journal, at("2026-06-02T05:00:00Z")).is_overdue());
    // A copy that keeps the mtime of before the cut-off came late all the same: it was not there.
    feed.file("2026-06-02", None, "2026-06-02T04:00:00Z", "2026-06-02T06:00:00Z");
    assert_eq!(feed.said(), ["late 2026-06-02 1/1 was missing"]);
    let now = standing(&feed.expectation, &feed.journal, at("2026-06-02T06:01:00Z"));
    assert!(!now.is_overdue());
    assert_eq!(now.next.unwrap().business_date, date("2026-06-03"));
    // Another file of that date is one more than was expected, and no news.
    feed.file("2026-06-02", Some(2), "2026-06-02T08:00:00Z", "2026-06-02T08:00:00Z");
    feed.look("2026-06-02T09:00:00Z");
    assert_eq!(feed.said(), Vec::<String>::new());
    assert!(feed.journal.arrived.is_empty() && feed.journal.missing.is_empty(), "{:?}", feed.journal);
}

#[test]
fn several_files_of_a_date() {
    let three =
        Expectation { deadline: Some(Deadline { files: 3, ..deadline("06:30", &[]) }), ..Expectation::default() };
    let mut feed = Feed::watching_since(three, "2026-06-02T00:00:00Z");
    feed.file("2026-06-02", Some(1), "2026-06-02T03:00:00Z", "2026-06-02T03:00:00Z");
    feed.look("2026-06-02T04:30:00Z");
    assert_eq!(feed.said(), ["missing 2026-06-02 1/3 2026-06-02T04:30:00Z"]);
    feed.file("2026-06-02", Some(2), "2026-06-02T05:00:00Z", "2026-06-02T05:00:00Z");
    assert_eq!(feed.said(), ["late 2026-06-02 2/3 was missing"]);
    let now = standing(&feed.expectation, &feed.journal, at("2026-06-02T05:01:00Z"));
    assert_eq!((now.overdue[0].date.arrived, now.overdue[0].said), (2, true));
    feed.file("2026-06-02", Some(3), "2026-06-02T05:10:00Z", "2026-06-02T05:10:00Z");
    assert_eq!(feed.said(), ["late 2026-06-02 3/3 was missing"]);
    assert!(!standing(&feed.expectation, &feed.journal, at("2026-06-02T05:11:00Z")).is_overdue());
}

#[test]
fn a_file_without_a_date_counts_for_the_day_on_which_it_came() {
    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-01T12:00:00Z");
    feed.file("", None, "2026-06-02T04:00:00Z", "2026-06-02T04:00:00Z");
    feed.look("2026-06-02T05:00:00Z");
    assert_eq!(feed.said(), Vec::<String>::new());
    feed.look("2026-06-03T05:00:00Z");
    assert_eq!(feed.said(), ["missing 2026-06-03 0/1 2026-06-03T04:30:00Z"]);
    feed.file("", None, "2026-06-03T06:00:00Z", "2026-06-03T06:00:00Z");
    assert_eq!(feed.said(), ["late 2026-06-03 1/1 was missing"]);
}

#[test]
fn what_was_before_the_watch_began_is_not_missing() {
    let mut feed = Feed::new(by("06:30", &[]));
    assert_eq!(
        Watch::new(&feed.expectation, feed.journal.clone()).next_due(),
        Some(Moment::from_unix_ns(0)),
        "at once"
    );
    feed.look("2026-06-04T12:00:00Z");
    assert_eq!(feed.said(), Vec::<String>::new());
    assert_eq!(feed.journal.counted_through, Some(date("2026-06-04")));
    assert_eq!(
        Watch::new(&feed.expectation, feed.journal.clone()).next_due(),
        Some(at("2026-06-05T04:30:00Z")),
        "Friday's"
    );
    // A deadline that is taken away and comes back begins anew.
    let stated = std::mem::take(&mut feed.expectation);
    feed.look("2026-06-05T12:00:00Z");
    feed.expectation = stated;
    feed.look("2026-06-30T12:00:00Z");
    assert_eq!(feed.said(), Vec::<String>::new());
}

#[test]
fn a_date_that_never_comes_is_forgotten_and_so_is_one_that_turns_out_not_to_be_worked() {
    let mut feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    feed.look("2026-06-03T06:00:00Z");
    assert_eq!(feed.journal.missing.len(), 2);
    feed.expectation = by("06:30", &["2026-06-03"]);
    let overdue = standing(&feed.expectation, &feed.journal, at("2026-06-03T07:00:00Z")).overdue;
    assert_eq!(overdue.iter().map(|one| one.date.business_date).collect::<Vec<_>>(), [date("2026-06-02")]);
    feed.look("2026-06-04T04:00:00Z");
    assert_eq!(feed.journal.missing.iter().copied().collect::<Vec<_>>(), [date("2026-06-02")]);
    feed.look("2026-08-03T06:00:00Z");
    assert!(!feed.journal.missing.contains(&date("2026-06-02")) && feed.journal.missing.contains(&date("2026-06-04")));
}

#[test]
fn overdue_shows_before_it_is_said() {
    let feed = Feed::watching_since(by("06:30", &[]), "2026-06-02T00:00:00Z");
    let now = standing(&feed.expectation, &feed.journal, at("2026-06-03T05:00:00Z"));
    let overdue: Vec<_> = now.overdue.iter().map(|one| (one.date.business_date.to_string(), one.said)).collect();
    assert_eq!(overdue, [("2026-06-02".to_owned(), false), ("2026-06-03".to_owned(), false)]);
    assert_eq!(now.next.unwrap().due, at("2026-06-04T04:30:00Z"));
}
