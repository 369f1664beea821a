//! Sequence numbers.

use super::*;

/// Numbers of `date/number` that come a minute apart, then a look an hour later; answers what was said.
fn numbers(reset: SequenceReset, come: &[(&str, u64)]) -> Vec<String> {
    let mut feed = Feed::new(gapless(reset));
    for (minute, (day, number)) in come.iter().enumerate() {
        let moment = format!("2026-06-02T08:{minute:02}:00Z");
        feed.file(day, Some(*number), &moment, &moment);
    }
    feed.look("2026-06-02T10:00:00Z");
    feed.said()
}

#[test]
fn sequences() {
    const WRAP: SequenceReset = SequenceReset::Wrap { last: 9999 };
    let (mon, tue) = ("2026-06-01", "2026-06-02");
    type Case<'a> = (&'a str, SequenceReset, &'a [(&'a str, u64)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("in order", SequenceReset::Daily, &[(mon, 1), (mon, 2), (mon, 3)], &[]),
        ("from 0 on", SequenceReset::Daily, &[(mon, 0), (mon, 1)], &[]),
        ("begins again each date", SequenceReset::Daily, &[(mon, 1), (mon, 2), (tue, 1), (tue, 2)], &[]),
        ("a hole", SequenceReset::Daily, &[(mon, 1), (mon, 4)], &["gap 2026-06-01 2-3"]),
        ("a date that begins late", SequenceReset::Daily, &[(mon, 1), (tue, 3)], &["gap 2026-06-02 1-2"]),
        ("out of order within the grace", SequenceReset::Daily, &[(mon, 1), (mon, 4), (mon, 3), (mon, 2)], &[]),
        (
            "filled in part",
            SequenceReset::Daily,
            &[(mon, 1), (mon, 6), (mon, 4)],
            &["gap 2026-06-01 2-3", "gap 2026-06-01 5-5"],
        ),
        ("yesterday's comes after today's", SequenceReset::Daily, &[(mon, 1), (tue, 1), (mon, 2)], &[]),
        ("never begins again", SequenceReset::Never, &[(mon, 41), (tue, 42), (tue, 43)], &[]),
        ("a hole over midnight", SequenceReset::Never, &[(mon, 41), (tue, 43)], &["gap 42-42"]),
        (
            "goes back",
            SequenceReset::Never,
            &[(mon, 41), (mon, 42), (tue, 7), (tue, 43)],
            &["back 2026-06-02 7 after 42"],
        ),
        (
            "begins anew though it never should: said once",
            SequenceReset::Never,
            &[(mon, 41), (tue, 1), (tue, 2), (tue, 3), (tue, 4), (tue, 6)],
            &["back 2026-06-02 1 after 41", "gap 5-5"],
        ),
        ("wraps to 1", WRAP, &[(mon, 9998), (mon, 9999), (tue, 1), (tue, 2)], &[]),
        ("wraps to 0", WRAP, &[(mon, 9999), (tue, 0), (tue, 1)], &[]),
        ("a hole before the wrap", WRAP, &[(mon, 9997), (tue, 1)], &["gap 9998-9999"]),
        ("a hole behind the wrap", WRAP, &[(mon, 9999), (tue, 3)], &["gap 1-2"]),
        ("a hole over the wrap", WRAP, &[(mon, 9998), (tue, 2)], &["gap 9999-9999", "gap 1-1"]),
        ("the last before the wrap comes late", WRAP, &[(mon, 9998), (tue, 1), (mon, 9999)], &[]),
        ("goes back a little", WRAP, &[(mon, 41), (mon, 42), (tue, 40)], &["back 2026-06-02 40 after 42"]),
    ];
    for (name, reset, come, said) in cases {
        assert_eq!(numbers(*reset, come), *said, "{name}");
    }
}

#[test]
fn files_out_of_an_archive_are_not_taken_for_a_sequence_that_goes_back() {
    for reset in [SequenceReset::Daily, SequenceReset::Never, SequenceReset::Wrap { last: 9999 }] {
        for dated in [true, false] {
            // Numbers begin again each date only where names have dates.
            if reset == SequenceReset::Daily && !dated {
                continue;
            }
            let mut feed = Feed::new(gapless(reset));
            let day = |day: &'static str| if dated { day } else { "" };
            feed.file(day("2026-06-02"), Some(4001), "2026-06-02T08:00:00Z", "2026-06-02T08:00:00Z");
            feed.look("2026-06-02T10:00:00Z");
            feed.said();
            // Years of files, in their order, while one more comes in between.
            for (number, written) in
                [(1, "2020-01-01T00:00:00Z"), (2, "2020-01-02T00:00:00Z"), (3, "2020-01-03T00:00:00Z")]
            {
                feed.file(day(&written[..10]), Some(number), written, "2026-06-02T11:00:00Z");
            }
            feed.file(day("2026-06-02"), Some(4002), "2026-06-02T11:30:00Z", "2026-06-02T11:30:00Z");
            feed.look("2026-06-02T13:00:00Z");
            assert_eq!(feed.said(), Vec::<String>::new(), "{reset:?}, dated: {dated}");
        }
    }
}

#[test]
fn a_hole_is_said_when_its_grace_is_over_and_filled_afterwards() {
    let mut feed = Feed::new(gapless(SequenceReset::Daily));
    let day = "2026-06-02";
    feed.file(day, Some(1), "2026-06-02T08:00:00Z", "2026-06-02T08:00:00Z");
    feed.file(day, Some(4), "2026-06-02T08:01:00Z", "2026-06-02T08:01:00Z");
    let due = Watch::new(&feed.expectation, feed.journal.clone()).next_due();
    assert_eq!(due, Some(at("2026-06-02T08:16:00Z")));
    feed.look("2026-06-02T08:15:59Z");
    assert_eq!(feed.said(), Vec::<String>::new());
    feed.look_with(&empty_look("2026-06-02T08:15:59Z"), "2026-06-02T08:20:00Z");
    assert_eq!(feed.said(), Vec::<String>::new(), "nobody has looked since");
    feed.look("2026-06-02T08:16:00Z");
    feed.look("2026-06-02T08:17:00Z");
    assert_eq!(feed.said(), ["gap 2026-06-02 2-3"]);
    assert!(standing(&feed.expectation, &feed.journal, at("2026-06-02T08:20:00Z")).is_overdue());
    feed.file(day, Some(3), "2026-06-02T09:00:00Z", "2026-06-02T09:00:00Z");
    feed.file(day, Some(2), "2026-06-02T09:01:00Z", "2026-06-02T09:01:00Z");
    assert_eq!(feed.said(), ["gap_filled 2026-06-02 3, 1 open", "gap_filled 2026-06-02 2, 0 open"]);
    assert!(!standing(&feed.expectation, &feed.journal, at("2026-06-02T09:20:00Z")).is_overdue());
    feed.look("2026-06-02T12:00:00Z");
    assert_eq!(feed.said(), Vec::<String>::new());
    let mut ids = feed.ids.clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each finding has an id of its own");
}

#[test]
fn namesakes_of_another_turn_have_other_ids() {
    let mut feed = Feed::new(gapless(SequenceReset::Wrap { last: 10 }));
    for turn in 0..2 {
        for number in [1, 3, 4, 5, 6, 7, 8, 9, 10] {
            let moment = format!("2026-06-0{}T08:{number:02}:00Z", turn + 1);
            feed.file("", Some(number), &moment, &moment);
        }
        feed.look(&format!("2026-06-0{}T12:00:00Z", turn + 1));
    }
    assert_eq!(feed.said(), ["gap 2-2", "gap 2-2"]);
    assert_ne!(feed.ids[0], feed.ids[1]);
}

#[test]
fn what_nobody_answers_is_bounded() {
    let mut feed = Feed::new(gapless(SequenceReset::Never));
    for number in 0..2000 {
        feed.file("", Some(2 * number), "2026-06-02T08:00:00Z", "2026-06-02T08:00:00Z");
    }
    assert!(serde_json::to_string(&feed.journal).unwrap().len() < 60_000);
}
