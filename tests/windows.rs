//! Windows: events that services wrote become files at the cut-off of their business date, each in one of them, once.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use serde_json::Value;
use support::windowed::{DAY, Window, event, options};
use support::{FeedOptions, LogKind, logs, wait_for_or};

#[test]
fn a_day_is_a_file_at_its_cut_off() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "next-file"));
        let (today, tomorrow) = (window.date(0), window.date(1));
        window.emit(&today, &[("B-2", "2.50"), ("A-1", "10.00")]);
        window.emit(&tomorrow, &[("C-3", "1.00")]);
        window.run(0);
        assert_eq!(window.seen(), [], "{log:?}: it is noon");
        window.set_clock(DAY / 2);
        let run = window.run(0);
        assert_eq!(run["renderings"][0]["delivered"], 1, "{log:?}: {run}");
        // In the order of the key, with header and derived totals.
        let bytes = format!("H|{}|1\nA-1|10.00\nB-2|2.50\nT|2|12.50\n", today.replace('-', ""));
        assert_eq!(window.seen(), [(window.name(&today, 1), bytes)], "{log:?}");
        window.consume();
        window.set_clock(DAY / 2 + DAY);
        window.run(0);
        let bytes = format!("H|{}|1\nC-3|1.00\nT|1|1.00\n", tomorrow.replace('-', ""));
        assert_eq!(window.seen(), [(window.name(&tomorrow, 1), bytes)], "{log:?}");
    }
}

#[test]
fn what_a_file_is_made_of_is_in_its_delivery() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "next-file"));
        window.emit(&window.date(0), &[("A-1", "1.00"), ("A-2", "2.00")]);
        window.set_clock(DAY / 2);
        window.run(0);
        let deliveries = window.deliveries();
        let delivery = &deliveries[0];
        assert_eq!((&delivery["events"], &delivery["state"]), (&Value::from(2), &Value::from("delivered")));
        let counted: u64 =
            delivery["ranges"].as_array().unwrap().iter().map(|range| range["count"].as_u64().unwrap()).sum();
        assert_eq!(counted, 2, "{log:?}: {delivery}");
        assert_eq!(delivery["window"]["cut"]["date"].as_str(), Some(window.date(0).as_str()));
    }
}

/// The file of a day, with its number and its orders.
fn file(window: &Window, day: u64, number: u32, orders: &[(&str, &str)]) -> (String, String) {
    let date = window.date(day);
    let mut cents = 0;
    let mut bytes = format!("H|{}|{number}\n", date.replace('-', ""));
    for (order, amount) in orders {
        bytes.push_str(&format!("{order}|{amount}\n"));
        cents += amount.replace('.', "").parse::<u64>().unwrap();
    }
    bytes.push_str(&format!("T|{}|{}.{:02}\n", orders.len(), cents / 100, cents % 100));
    (window.name(&date, number), bytes)
}

#[test]
fn an_empty_day_has_a_file_without_records_or_none() {
    for log in logs() {
        for (empty_day, has_file) in [("empty-file", true), ("no-file", false)] {
            let window = Window::new(log, &options(empty_day, "next-file"));
            window.set_clock(DAY / 2);
            window.run(0);
            let expected: Vec<_> = has_file.then(|| file(&window, 0, 1, &[])).into_iter().collect();
            assert_eq!(window.seen(), expected, "{log:?} {empty_day}");
        }
    }
}

#[test]
fn an_event_that_comes_late_is_in_the_next_file_or_in_a_correction() {
    for log in logs() {
        for late_event in ["next-file", "correction"] {
            let window = Window::new(log, &options("empty-file", late_event));
            let today = window.date(0);
            window.emit(&today, &[("A-1", "1.00")]);
            window.set_clock(DAY / 2);
            window.run(0);
            window.emit(&today, &[("A-2", "2.00")]);
            window.run(0);
            assert_eq!(window.seen(), [file(&window, 0, 1, &[("A-1", "1.00")])], "{log:?}: it is cut off");
            window.consume();
            window.emit(&window.date(1), &[("B-1", "4.00")]);
            window.set_clock(DAY / 2 + DAY);
            window.run(0);
            let mut expected = match late_event {
                "next-file" => vec![file(&window, 1, 1, &[("A-2", "2.00"), ("B-1", "4.00")])],
                _ => vec![file(&window, 1, 1, &[("B-1", "4.00")]), file(&window, 0, 2, &[("A-2", "2.00")])],
            };
            expected.sort();
            assert_eq!(window.seen(), expected, "{log:?} {late_event}");
        }
    }
}

#[test]
fn dates_that_are_due_at_once_after_a_downtime_have_a_file_each() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "next-file"));
        window.emit(&window.date(1), &[("B-1", "2.00")]);
        window.emit(&window.date(0), &[("A-1", "1.00")]);
        window.emit(&window.date(3), &[("D-1", "8.00")]);
        window.set_clock(DAY / 2 + 2 * DAY);
        let run = window.run(0);
        assert_eq!(run["renderings"][0]["delivered"], 3, "{log:?}: {run}");
        let expected = [
            file(&window, 0, 1, &[("A-1", "1.00")]),
            file(&window, 1, 1, &[("B-1", "2.00")]),
            file(&window, 2, 1, &[]),
        ];
        assert_eq!(window.seen(), expected, "{log:?}");
        window.consume();
        // What came early waits, and the group's position with it.
        assert_eq!(window.partitions_with_open_events(), 1, "{log:?}");
        window.set_clock(DAY / 2 + 3 * DAY);
        window.run(0);
        assert_eq!(window.seen(), [file(&window, 3, 1, &[("D-1", "8.00")])], "{log:?}");
        assert_eq!(window.partitions_with_open_events(), 0, "{log:?}");
    }
}

#[test]
fn numbers_go_on_from_anothers_and_begin_again_behind_the_last() {
    let options = options("empty-file", "next-file");
    let numbered = "cut_off = \"22:00\"\nsequence = { reset = \"wrap\", last = 99, next = 98 }";
    let after = options.after.replace("cut_off = \"22:00\"", numbered);
    let window = Window::new(LogKind::Embedded, &FeedOptions { after, ..options });
    for (day, number) in [(0, 98), (1, 99), (2, 1)] {
        window.set_clock(DAY / 2 + day * DAY);
        window.run(0);
        assert_eq!(window.seen(), [file(&window, day, number, &[])]);
        window.consume();
    }
}

#[test]
fn what_was_made_from_a_file_is_in_no_window() {
    for log in logs() {
        let options = options("empty-file", "next-file");
        let mirror = "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"desk\"\n";
        let after = format!("{}{mirror}", options.after);
        let window = Window::new(log, &FeedOptions { after, ..options });
        let today = window.date(0);
        let legacy = format!("H|{}|1\nL-1|7.00\nT|1|7.00\n", today.replace('-', ""));
        let name = format!("ORD_{}_0001.dat", today.replace('-', ""));
        window.site.drop_file(&name, legacy.as_bytes());
        window.emit(&today, &[("A-1", "1.00")]);
        window.set_clock(DAY / 2);
        window.run(0);
        let mut expected = [(name, legacy), file(&window, 0, 1, &[("A-1", "1.00")])];
        expected.sort();
        assert_eq!(window.seen(), expected, "{log:?}: each event is in one of them");
    }
}

#[test]
fn an_event_that_was_written_twice_is_in_its_file_once() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "next-file"));
        let today = window.date(0);
        window.emit(&today, &[("A-1", "1.00"), ("A-2", "2.00")]);
        window.emit(&today, &[("A-1", "1.00")]);
        window.set_clock(DAY / 2);
        window.run(0);
        assert_eq!(window.seen(), [file(&window, 0, 1, &[("A-1", "1.00"), ("A-2", "2.00")])], "{log:?}");
        let delivery = &window.deliveries()[0];
        assert_eq!((&delivery["events"], &delivery["window"]["repeated"]), (&Value::from(2), &Value::from(1)));
    }
}

#[test]
fn an_event_that_can_be_in_no_file_holds_it_until_a_person_decides() {
    for log in logs() {
        let stated = options("empty-file", "next-file");
        let window = Window::new(log, &stated);
        let today = window.date(0);
        window.emit(&today, &[("A-1", "1.00")]);
        let mut broken = event("broken", &today, "A-2", "2.00");
        broken["data"]["amount"] = Value::from("two");
        window.write(&[("A-2".to_owned(), broken)]);
        window.set_clock(DAY / 2);
        let run = window.run(1);
        let waiting = run["renderings"][0]["waiting"].as_str().unwrap();
        assert!(waiting.contains("OrderTaken, partition ") && waiting.contains("amount"), "{log:?}: {waiting}");
        assert_eq!(window.seen(), []);
        let id = format!("files/{today}/cut-off/1");
        window.site.ok(&["deliveries", "release", &id, "--as", "deliver", "--reason", "tried again"]);
        window.run(1);
        let after = stated.after.replace("empty_day", "unusable = \"leave-out\"\nempty_day");
        window.configure(&FeedOptions { after, ..stated });
        window.site.ok(&["deliveries", "release", &id, "--as", "deliver", "--reason", "without it"]);
        window.run(0);
        assert_eq!(window.seen(), [file(&window, 0, 1, &[("A-1", "1.00")])], "{log:?}");
        let states: Vec<_> = window.deliveries().iter().map(|delivery| delivery["state"].clone()).collect();
        assert_eq!(states, ["delivered"], "{log:?}: nothing is left of what was held");
    }
}

#[test]
fn a_cut_off_that_is_given_up_lets_the_next_one_go_on() {
    let window = Window::new(LogKind::Embedded, &options("empty-file", "next-file"));
    window.write(&[("A-2".to_owned(), serde_json::json!({ "no": "event" }))]);
    window.emit(&window.date(1), &[("B-1", "1.00")]);
    window.set_clock(DAY / 2);
    window.run(1);
    let id = format!("files/{}/cut-off/1", window.date(0));
    window.site.ok(&["deliveries", "release", &id, "--as", "skip", "--reason", "made by hand"]);
    window.set_clock(DAY / 2 + DAY);
    window.run(0);
    assert_eq!(window.seen(), [file(&window, 1, 1, &[("B-1", "1.00")])]);
    window.site.exits(&["deliveries", "redeliver", &id, "--reason", "it has no file"], 2);
}

#[test]
fn a_file_is_rendered_again_with_the_same_bytes_long_after() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "correction"));
        let today = window.date(0);
        window.emit(&today, &[("A-2", "2.00"), ("A-1", "1.00")]);
        window.set_clock(DAY / 2);
        window.run(0);
        let first = window.seen();
        window.consume();
        // Late events, and more dates: the file stays what it was.
        window.emit(&today, &[("A-3", "3.00")]);
        window.set_clock(DAY / 2 + 2 * DAY);
        window.run(0);
        window.consume();
        let id = format!("files/{today}/01/1");
        window.site.ok(&["deliveries", "redeliver", &id, "--reason", "the desk has lost it"]);
        window.run(0);
        assert_eq!(window.seen(), first, "{log:?}");
        window.consume();
        // Another layout is another file, and not delivered as this one.
        let stated = options("empty-file", "correction");
        let layout = stated.layout.replace("delimiter = \"|\"", "delimiter = \";\"");
        window.configure(&FeedOptions { layout, ..stated });
        window.site.ok(&["deliveries", "redeliver", &id, "--reason", "lost again"]);
        window.run(0);
        let held = window.deliveries().into_iter().find(|delivery| delivery["state"] == "held").unwrap();
        assert!(held["reason"].as_str().unwrap().contains("were changed since"), "{log:?}: {held}");
        assert_eq!(window.seen(), []);
    }
}

#[test]
fn what_retention_removed_before_its_cut_off_is_never_a_hole() {
    if !logs().contains(&LogKind::Kafka) {
        return;
    }
    let window = Window::new(LogKind::Kafka, &options("empty-file", "next-file"));
    window.emit(&window.date(0), &[("A-1", "1.00"), ("A-2", "2.00"), ("A-3", "3.00"), ("A-4", "4.00")]);
    window.remove_events();
    window.emit(&window.date(1), &[("B-1", "1.00")]);
    window.set_clock(DAY / 2);
    let run = window.run(1);
    let waiting = run["renderings"][0]["waiting"].as_str().unwrap();
    assert!(waiting.contains("expired: "), "{waiting}");
    assert_eq!(window.seen(), []);
    let id = format!("files/{}/cut-off/1", window.date(0));
    window.site.ok(&["deliveries", "release", &id, "--as", "skip", "--reason", "made by hand"]);
    window.set_clock(DAY / 2 + DAY);
    window.run(0);
    assert_eq!(window.seen(), [file(&window, 1, 1, &[("B-1", "1.00")])], "it goes on behind what is lost");
}

#[test]
fn a_cut_off_is_journaled_in_time_while_deliveries_are_held() {
    let window = Window::new(LogKind::Embedded, &options("empty-file", "correction"));
    let today = window.date(0);
    window.site.ok(&["deliveries", "hold", "files", "--reason", "the desk moves house"]);
    window.emit(&today, &[("A-1", "1.00")]);
    window.set_clock(DAY / 2);
    window.run(1);
    window.emit(&today, &[("A-2", "2.00")]);
    window.site.ok(&["deliveries", "release", "files"]);
    window.run(0);
    assert_eq!(window.seen(), [file(&window, 0, 1, &[("A-1", "1.00")])], "what came behind it is late");
}

#[test]
fn a_file_leads_to_its_events_and_an_event_to_its_file() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "next-file"));
        let today = window.date(0);
        window.emit(&today, &[("A-1", "1.00"), ("A-2", "2.00")]);
        window.emit(&window.date(1), &[("B-1", "4.00")]);
        window.set_clock(DAY / 2);
        window.run(0);
        let name = window.name(&today, 1);
        let shown = window.site.ok(&["--json", "deliveries", "show", &name, "--events"]);
        let lines: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut ids: Vec<&str> = lines[1..].iter().map(|event| event["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [format!("A-1@{today}"), format!("A-2@{today}")], "{log:?}");
        let place =
            |event: &Value| format!("{}/{}/{}", event["topic"].as_str().unwrap(), event["partition"], event["offset"]);
        for event in &lines[1..] {
            let at = window.site.ok(&["--json", "deliveries", "show", "--at", &place(event)]);
            let delivery: Value = serde_json::from_str(at.trim()).unwrap();
            assert_eq!(delivery["parts"][0]["target"].as_str(), Some(name.as_str()), "{log:?}");
        }
        // What is dated ahead is in none, whatever stands around it.
        let events = window.site.ok(&["--json", "events", "--type", "OrderTaken"]);
        assert!(events.contains("B-1"), "{events}");
        window.consume();
        window.set_clock(DAY / 2 + DAY);
        window.run(0);
        let shown = window.site.ok(&["deliveries", "show", &window.name(&window.date(1), 1), "--events"]);
        assert!(shown.contains("B-1") && !shown.contains("A-1") && shown.contains("cut off"), "{log:?}: {shown}");
    }
}

#[test]
fn files_are_rendered_on_demand() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "next-file"));
        let (today, tomorrow) = (window.date(0), window.date(1));
        window.emit(&today, &[("A-1", "1.00")]);
        window.set_clock(DAY / 2);
        window.run(0);
        window.consume();
        window.emit(&tomorrow, &[("B-1", "2.00")]);
        let to = window.site.path("rendered");
        let render = |date: &str, code| {
            let to = to.to_str().unwrap();
            window.site.exits(&["--json", "render", "--rendering", "files", "--date", date, "--to", to], code)
        };
        let read = |day| std::fs::read_to_string(to.join(window.name(&window.date(day), 1))).unwrap();
        assert!(render(&today, 0).contains("\"events\":1"), "{log:?}");
        assert_eq!(read(0), file(&window, 0, 1, &[("A-1", "1.00")]).1, "{log:?}: as it was delivered");
        let said = render(&tomorrow, 0);
        assert!(said.contains("not cut off yet"), "{log:?}: {said}");
        assert_eq!(read(1), file(&window, 1, 1, &[("B-1", "2.00")]).1, "{log:?}: as it would be now");
        assert!(render(&tomorrow, 1).contains("is there already"), "nothing is replaced");
        window.emit(&tomorrow, &[("B-2", "2.00")]);
        window.set_clock(DAY / 2 + DAY);
        window.run(0);
        let expected = file(&window, 1, 1, &[("B-1", "2.00"), ("B-2", "2.00")]);
        assert_eq!(window.seen(), [expected], "{log:?}: a preview decides nothing");
    }
}

#[test]
fn a_transaction_that_is_open_at_the_cut_off_is_waited_for() {
    for log in logs() {
        let window = Window::new(log, &options("empty-file", "correction"));
        let today = window.date(0);
        window.emit(&today, &[("A-1", "1.00")]);
        let mut open = window.begin(&[("A-2".to_owned(), event("open", &today, "A-2", "2.00"))]);
        window.set_clock(DAY / 2);
        let bridge = window.site.spawn(&["run"], None);
        wait_for_or("the cut-off", || bridge.log(), || bridge.log().contains("cut off"));
        assert_eq!(window.seen(), [], "{log:?}: half a file");
        open.commit().unwrap();
        wait_for_or("the file", || bridge.log(), || !window.seen().is_empty());
        assert_eq!(window.seen(), [file(&window, 0, 1, &[("A-1", "1.00"), ("A-2", "2.00")])], "{log:?}");
    }
}
