//! `parity` without files of the new service: its candidate events are rendered as they would be, by business date, and what
//! is compared becomes evidence.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::windowed::{DAY, Window, event, options};
use support::{FeedOptions, LogKind, Site, logs, wait_for};

/// A legacy file of a day.
fn legacy(window: &Window, date: &str, number: u32, orders: &[(&str, &str)]) -> (String, String) {
    let compact = date.replace('-', "");
    let (mut bytes, mut cents) = (format!("H|{compact}|{number}\n"), 0);
    for (order, amount) in orders {
        bytes.push_str(&format!("{order}|{amount}\n"));
        cents += amount.replace('.', "").parse::<u64>().unwrap();
    }
    bytes.push_str(&format!("T|{}|{}.{:02}\n", orders.len(), cents / 100, cents % 100));
    let name = format!("ORD_{compact}_{number:04}.dat");
    window.site.drop_file(&name, bytes.as_bytes());
    (name, bytes)
}

fn parity(window: &Window, further: &[&str], code: i32) -> Value {
    let said = window.site.exits(&[&["--json", "parity", "sales"], further].concat(), code);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Date, sequence number and verdict of each file.
fn verdicts(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let files = report["files"].as_array().unwrap().iter();
    files.map(|file| (text(&file["business_date"]), text(&file["sequence"]), text(&file["verdict"]))).collect()
}

fn verdict(date: &str, sequence: &str, verdict: &str) -> (String, String, String) {
    (date.to_owned(), sequence.to_owned(), verdict.to_owned())
}

const ORDERS: [(&str, &str); 2] = [("A-1", "10.00"), ("B-2", "2.50")];

#[test]
fn candidate_events_of_a_date_are_the_file_that_is_compared() {
    for log in logs() {
        let window = Window::new(log, &options("no-file", "next-file"));
        let (today, tomorrow) = (window.date(0), window.date(1));
        legacy(&window, &today, 7, &ORDERS);
        window.run(0);
        assert_eq!(verdicts(&parity(&window, &[], 1)), [verdict(&today, "0007", "pending")], "{log:?}: it is noon");
        window.propose(&today, &[ORDERS[1], ORDERS[0]]);
        // Repeated, of another date, on the other topic, given up: none of them is in it.
        window.propose(&today, &ORDERS[..1]);
        window.propose(&tomorrow, &[("C-3", "1.00")]);
        window.emit(&today, &[("Z-9", "1.00")]);
        let given_up = ("X-1".to_owned(), event("X-1", &today, "X-1", "1.00"));
        window.begin_candidates(&[given_up]).abort().unwrap();
        let same = parity(&window, &[], 0);
        assert_eq!(verdicts(&same), [verdict(&today, "0007", "identical")], "{log:?}: {same}");
        let file = &same["files"][0];
        assert_eq!(file["candidate_from"], json!({ "of": "candidate_events", "events": 2 }), "{log:?}");
        assert_eq!(file["candidate_file"], window.name(&today, 7), "{log:?}: under the number of the legacy file");

        window.propose(&today, &[("D-4", "4.00")]);
        assert_eq!(
            verdicts(&parity(&window, &[], 1)),
            [verdict(&today, "0007", "pending")],
            "{log:?}: it may be mended"
        );
        window.set_clock(DAY / 2);
        let other = parity(&window, &["--date", &today], 1);
        assert_eq!(verdicts(&other), [verdict(&today, "0007", "different")], "{log:?}: {other}");
        let findings = other["files"][0]["findings"].as_array().unwrap();
        assert!(findings.iter().any(|one| one["kind"] == "extra" && one["key"] == "D-4"), "{log:?}: {other}");
        let said = window.site.exits(&["parity", "sales"], 1);
        assert!(said.contains("3 candidate events") && said.contains("beyond what the rules expect"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    }
}

#[test]
fn a_file_that_one_side_alone_has_is_missing_or_extra() {
    for log in logs() {
        let window = Window::new(log, &options("no-file", "next-file"));
        let (today, tomorrow) = (window.date(0), window.date(1));
        legacy(&window, &today, 1, &ORDERS);
        window.run(0);
        let said = parity(&window, &[], 1);
        let note = said["notes"][0].as_str().unwrap_or_default();
        assert!(note.contains("no topic") && note.contains("OrderTaken.candidate"), "{log:?}: {said}");
        window.propose(&tomorrow, &ORDERS);
        window.set_clock(DAY / 2);
        assert_eq!(
            verdicts(&parity(&window, &[], 1)),
            [verdict(&today, "0001", "missing")],
            "{log:?}: tomorrow is open"
        );
        let asked = parity(&window, &["--date", &tomorrow], 1);
        assert_eq!(verdicts(&asked), [verdict(&tomorrow, "-", "pending")], "{log:?}");
        window.set_clock(DAY / 2 + DAY);
        let both = parity(&window, &[], 1);
        let expected = [verdict(&today, "0001", "missing"), verdict(&tomorrow, "-", "extra")];
        assert_eq!(verdicts(&both), expected, "{log:?}: {both}");
        assert!(both["files"][1]["why"].as_str().unwrap().contains("2 candidate events"), "{both}");
    }
}

#[test]
fn a_day_without_events_is_an_empty_file_where_the_window_says_so() {
    let window = Window::new(LogKind::Embedded, &options("empty-file", "next-file"));
    let (today, tomorrow) = (window.date(0), window.date(1));
    window.propose("2020-01-01", &ORDERS);
    legacy(&window, &today, 1, &[]);
    legacy(&window, &tomorrow, 2, &ORDERS);
    window.run(0);
    window.set_clock(DAY / 2 + DAY);
    let found = parity(&window, &["--date", &today], 0);
    assert_eq!(verdicts(&found), [verdict(&today, "0001", "identical")], "{found}");
    let found = parity(&window, &["--date", &tomorrow], 1);
    assert_eq!(verdicts(&found), [verdict(&tomorrow, "0002", "missing")], "all of it is missing: {found}");
}

#[test]
fn several_legacy_files_of_a_date_are_not_guessed_apart() {
    let window = Window::new(LogKind::Embedded, &options("no-file", "next-file"));
    let today = window.date(0);
    legacy(&window, &today, 1, &ORDERS[..1]);
    legacy(&window, &today, 2, &ORDERS[1..]);
    window.propose(&today, &ORDERS);
    window.run(0);
    window.set_clock(DAY / 2);
    let found = parity(&window, &[], 1);
    assert_eq!(verdicts(&found), [verdict(&today, "0001", "undecided"), verdict(&today, "0002", "undecided")]);
    assert!(found["files"][0]["why"].as_str().unwrap().contains("one of 2 legacy files"), "{found}");
    // A day like that is no day of parity.
    window.site.exits(&["parity", "sales", "--record"], 1);
    assert_eq!(evidence(&window)["parity_days"], 0);
}

#[test]
fn an_event_that_makes_no_record_is_told_with_its_place() {
    for log in logs() {
        let window = Window::new(log, &options("no-file", "next-file"));
        let today = window.date(0);
        legacy(&window, &today, 1, &ORDERS);
        window.run(0);
        window.propose(&today, &ORDERS);
        let mut undated = event("undated", &today, "U-1", "1.00");
        undated.as_object_mut().unwrap().remove("businessdate");
        window.begin_candidates(&[("U-1".to_owned(), undated)]).commit().unwrap();
        window.set_clock(DAY / 2);
        let found = parity(&window, &[], 0);
        assert_eq!(verdicts(&found), [verdict(&today, "0001", "identical")], "{log:?}: {found}");
        let note = found["notes"][0].as_str().unwrap();
        assert!(
            note.contains("1 candidate events") && note.contains("offset") && note.contains("businessdate"),
            "{note}"
        );
        let mut broken = event("broken", &today, "U-2", "1.00");
        broken["data"]["amount"] = json!("two");
        window.begin_candidates(&[("U-2".to_owned(), broken)]).commit().unwrap();
        let found = parity(&window, &[], 1);
        assert_eq!(verdicts(&found), [verdict(&today, "0001", "unreadable")], "{log:?}: {found}");
        let why = found["files"][0]["why"].as_str().unwrap();
        assert!(why.contains("OrderTaken.candidate, partition ") && why.contains("amount"), "{log:?}: {why}");
    }
}

#[test]
fn a_candidate_is_late_when_its_last_event_came_after_the_feeds_deadline() {
    let stated = options("no-file", "next-file");
    let expect = "quiet_ms = 50\n[feed.expect]\ncalendar = \"city\"\nby = \"23:00\"\ndays = \"every\"".to_owned();
    let window = Window::new(LogKind::Embedded, &FeedOptions { ready: expect, ..stated });
    // Both are there long before the deadline of today, and long after that of a date that is over.
    let (today, over) = (window.date(0), "2026-01-05");
    legacy(&window, &today, 1, &ORDERS);
    let (name, _) = legacy(&window, over, 2, &ORDERS);
    let file = std::fs::File::options().write(true).open(window.site.inbox().join(name)).unwrap();
    let came: jiff::Timestamp = "2026-01-05T20:00:00Z".parse().unwrap();
    file.set_modified(came.into()).unwrap();
    window.site.output(&["run", "--until-idle"]);
    window.propose(&today, &ORDERS);
    window.propose(over, &ORDERS);
    let found = parity(&window, &[], 1);
    assert_eq!(verdicts(&found), [verdict(over, "0002", "late"), verdict(&today, "0001", "identical")], "{found}");
}

#[test]
fn a_feed_without_a_window_says_how_to_get_one() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    for (arguments, said) in [
        (vec!["parity", "sales"], "kind = \"window\" and feed = \"orders\""),
        (vec!["parity", "sales", "--record"], "kind = \"window\" and feed = \"orders\""),
        (vec!["parity", "sales", "--record", "--feed", "orders"], "evidence is of all feeds"),
        (vec!["parity", "sales", "--record", "--candidates", "x"], "cannot be used with"),
        (vec!["parity", "one", "two", "--feed", "orders", "--record"], "--record is for a department"),
    ] {
        let output = site.output(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn of_a_date_that_the_new_service_speaks_for_the_legacy_file_is_compared_with_ours() {
    for log in logs() {
        let stated = options("no-file", "next-file");
        let feed = format!("{}\nkeep_captures = \"all\"", stated.feed);
        let window = Window::new(log, &FeedOptions { feed, ..stated });
        let today = window.date(0);
        window.move_department("shadow", "live", &today);
        legacy(&window, &today, 1, &ORDERS);
        window.run(0);
        // Nobody acts on these.
        window.propose(&today, &ORDERS[..1]);
        assert_eq!(verdicts(&parity(&window, &[], 1)), [verdict(&today, "0001", "pending")], "{log:?}");
        window.emit(&today, &ORDERS);
        let found = parity(&window, &[], 0);
        assert_eq!(verdicts(&found), [verdict(&today, "0001", "identical")], "{log:?}: {found}");
        assert_eq!(found["files"][0]["candidate_from"], json!({ "of": "events", "events": 2 }), "{log:?}");
        window.set_clock(DAY / 2);
        window.run(0);
        // It is in no file any more, and what was delivered counts.
        window.emit(&today, &[("L-9", "1.00")]);
        let found = parity(&window, &[], 0);
        assert_eq!(found["files"][0]["candidate_from"], json!({ "of": "delivery" }), "{log:?}: {found}");
        assert_eq!(found["files"][0]["candidate_file"], window.name(&today, 1), "{log:?}");
    }
}

fn evidence(window: &Window) -> Value {
    let output = window.site.output(&["--json", "cutover", "plan", "sales"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    plan["evidence"].clone()
}

/// Midnight behind a day.
fn end_of(window: &Window, day: u64) {
    window.set_clock(DAY / 2 + day * DAY);
}

#[test]
fn days_in_parity_are_evidence_and_a_later_comparison_takes_the_place_of_an_earlier_one() {
    for log in logs() {
        let window = Window::new(log, &options("no-file", "next-file"));
        let date = |day: u64| window.date(day);
        let record = |code: i32| window.site.exits(&["parity", "sales", "--record"], code);
        let days = || evidence(&window)["parity_days"].as_u64().unwrap();
        for day in 0..2 {
            legacy(&window, &date(day), 1, &ORDERS);
            window.propose(&date(day), &ORDERS);
        }
        window.run(0);
        end_of(&window, 0);
        assert_eq!((days(), evidence(&window)["candidate_lag_ms"].clone()), (0, Value::Null), "{log:?}");
        let said = record(0);
        assert!(said.contains("recorded as evidence: 2 business dates, 2 in parity"), "{log:?}: {said}");
        assert_eq!(days(), 1, "{log:?}: that of the second day is not due yet");
        end_of(&window, 1);
        assert_eq!(days(), 2, "{log:?}");

        legacy(&window, &date(2), 1, &ORDERS);
        window.run(0);
        end_of(&window, 2);
        window.propose(&date(2), &ORDERS[..1]);
        assert_eq!(days(), 0, "{log:?}: the newest day was not compared");
        record(1);
        assert_eq!((days(), evidence(&window)["candidate_lag_ms"].clone()), (0, json!(0)), "{log:?}: not in parity");
        window.propose(&date(2), &ORDERS[1..]);
        record(0);
        assert_eq!(days(), 3, "{log:?}: in parity after all");

        end_of(&window, 3);
        assert_eq!(days(), 0, "{log:?}");
        record(0);
        assert_eq!(days(), 3, "{log:?}: a day without files says nothing");
        assert_eq!(evidence(&window)["legacy_runs"], false, "{log:?}: none of the newest day");

        legacy(&window, &date(4), 1, &ORDERS);
        window.run(0);
        end_of(&window, 4);
        record(1);
        let known = evidence(&window);
        let expected = (json!(0), json!(2 * DAY * 1000), json!(true));
        let found = (&known["parity_days"], &known["candidate_lag_ms"], &known["legacy_runs"]);
        assert_eq!(found, (&expected.0, &expected.1, &expected.2), "{log:?}: {known}");

        let records = window.site.committed("control");
        let day = records.iter().rfind(|record| record["date"] == date(2).as_str()).unwrap();
        assert_eq!((&day["format"], &day["department"]), (&json!(1), &json!("sales")), "{log:?}: {day}");
        let file = &day["files"][0];
        assert_eq!((&file["verdict"], &file["feed"]), (&json!("identical"), &json!("orders")), "{log:?}: {day}");
        assert!(
            file["legacy_sha256"].is_string() && file["legacy_sha256"] == file["candidate_sha256"],
            "{log:?}: {day}"
        );
        assert!(day["by"].as_str().unwrap().contains('@') && day["report"].is_string(), "{log:?}: {day}");
    }
}

#[test]
fn whoever_holds_the_slot_decides_on_the_days_that_were_recorded() {
    let stated = options("no-file", "next-file");
    let after = format!("{}\n[cutover]\nparity_days = 2\n", stated.after);
    let window = Window::new(LogKind::Embedded, &FeedOptions { after, ..stated });
    for day in 0..2 {
        legacy(&window, &window.date(day), 1, &ORDERS);
        window.propose(&window.date(day), &ORDERS);
    }
    window.run(0);
    end_of(&window, 1);
    let journaled = || -> Value {
        let history: Value = serde_json::from_str(&window.site.ok(&["--json", "cutover", "history"])).unwrap();
        history["transitions"].as_array().unwrap().last().unwrap()["evidence"]["parity_days"].clone()
    };
    let mut bridge = window.site.spawn(&["run"], None);
    wait_for("the bridge to hold the slot", || bridge.log().contains("slot"));
    window.site.ok(&["cutover", "advance", "sales"]);
    assert_eq!(journaled(), 0, "nothing was recorded");
    window.site.ok(&["parity", "sales", "--record"]);
    window.site.ok(&["cutover", "rollback", "sales", "--reason", "to be moved again"]);
    assert_eq!(journaled(), 2, "while it runs");
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0));
    window.site.ok(&["cutover", "advance", "sales"]);
    assert_eq!(journaled(), 2, "by a command that takes the slot itself");
    let plan = window.site.exits(&["cutover", "plan", "sales"], 1);
    assert!(plan.contains("2 of 2") && !plan.contains("days of parity in a row"), "{plan}");
    assert!(plan.lines().all(|line| line.chars().count() <= 100), "{plan}");
}
