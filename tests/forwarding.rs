//! Candidate events become authoritative for the dates that are given to the new service, each once, and the legacy files
//! of these dates become nothing; the consumer's directory has one file of a date, from whoever speaks for it.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;

use dropbridge_port::failpoint::Failpoint;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::stages::{Department, options};
use support::windowed::{DAY, event};
use support::{FeedOptions, LogKind, kafka_brokers, logs, wait_for_or};

#[test]
fn a_department_goes_live_and_back_and_each_date_has_one_speaker() {
    for log in logs() {
        let sales = Department::new(log);
        sales.dump(0, &["A-1", "A-2"]);
        sales.emit(0, &["A-1", "A-2"]);
        // Events of dates that are nobody's yet.
        sales.emit(1, &["B-1"]);
        sales.emit(2, &["C-1"]);
        sales.run();
        let mut expected: Vec<(u64, &[&str], &str)> = vec![(0, &["A-1", "A-2"], "legacy")];
        assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: observed");

        sales.advance(1);
        sales.dump(1, &["B-1", "B-2"]);
        sales.run();
        expected.push((1, &["B-1", "B-2"], "legacy"));
        assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: in shadow");

        sales.advance(2);
        // What came before the switch, and after it; the batch job still runs.
        sales.emit(2, &["C-2", "C-3"]);
        sales.emit(1, &["B-2"]);
        sales.dump(2, &["C-1", "C-2"]);
        let run = sales.run();
        expected.push((2, &["C-1", "C-2", "C-3"], "native"));
        assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: live: {run}");
        let states = sales.window.site.states();
        assert!(states.contains(&(sales.name(2), "withheld".to_owned())), "{states:?}");

        sales.window.set_clock(DAY / 2 + 2 * DAY);
        sales.run();
        let mut delivered: Vec<(String, String)> = vec![
            (sales.name(0), sales.file(0, &["A-1", "A-2"])),
            (sales.name(1), sales.file(1, &["B-1", "B-2"])),
            (sales.name(2), sales.file(2, &["C-1", "C-2", "C-3"])),
        ];
        assert_eq!(sales.delivered().into_iter().collect::<Vec<_>>(), delivered, "{log:?}");

        // Back, from a date of which nothing was said.
        sales.roll_back(3);
        sales.emit(3, &["D-1"]);
        sales.dump(3, &["D-1", "D-2"]);
        sales.window.set_clock(DAY / 2 + 3 * DAY);
        sales.run();
        expected.push((3, &["D-1", "D-2"], "legacy"));
        assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: back");
        delivered.push((sales.name(3), sales.file(3, &["D-1", "D-2"])));
        assert_eq!(sales.delivered().into_iter().collect::<Vec<_>>(), delivered, "{log:?}");

        // And live a second time; in between nothing of the new service is lost.
        sales.advance(5);
        sales.emit(4, &["E-1"]);
        sales.emit(5, &["F-1"]);
        sales.dump(4, &["E-1"]);
        sales.run();
        expected.extend([(4, &["E-1"][..], "legacy"), (5, &["F-1"][..], "native")]);
        assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: live again");
    }
}

#[test]
fn late_events_of_the_new_service_are_in_no_file_of_a_date_for_which_the_legacy_side_speaks() {
    let with_corrections = options();
    let after = with_corrections.after.replace("\"correction\"", "\"next-file\"");
    let sales = Department::with(LogKind::Embedded, &FeedOptions { after, ..options() });
    sales.dump(0, &["A-1"]);
    sales.run();
    (1..=2).for_each(|day| drop(sales.advance(day)));
    sales.emit(2, &["C-1"]);
    sales.run();
    sales.window.set_clock(DAY / 2 + 2 * DAY);
    sales.run();
    sales.roll_back(3);
    sales.emit(2, &["C-2"]);
    sales.dump(3, &["D-1"]);
    sales.run();
    sales.window.set_clock(DAY / 2 + 3 * DAY);
    let waiting = || sales.window.run(1)["renderings"][0]["waiting"].as_str().unwrap().to_owned();
    let said = waiting();
    let expected = format!("the legacy side speaks for {}: 1 event that the legacy producer", sales.date(3));
    assert!(said.contains(&expected), "{said}");
    let mut delivered: Vec<(String, String)> = vec![
        (sales.name(0), sales.file(0, &["A-1"])),
        (sales.name(2), sales.file(2, &["C-1"])),
        (sales.name(3), sales.file(3, &["D-1"])),
    ];
    assert_eq!(sales.delivered().into_iter().collect::<Vec<_>>(), delivered);
    let held = sales.window.deliveries().into_iter().find(|delivery| delivery["state"] == "held").unwrap();
    assert_eq!((&held["events"], &held["ranges"][0]["count"]), (&json!(1), &json!(1)), "it is not lost: {held}");

    let id = format!("files/{}/cut-off/1", sales.date(3));
    let release = ["deliveries", "release", &id, "--as", "deliver", "--reason", "tried again"];
    sales.window.site.ok(&release);
    assert_eq!(waiting(), said, "the same answer");
    // As a correction it is in a file of its own date.
    sales.window.configure(&with_corrections);
    sales.window.site.ok(&release);
    sales.run();
    let correction = sales.file(2, &["C-2"]).replacen("|1\n", "|2\n", 1);
    delivered.insert(2, (sales.name(2).replace("_0001", "_0002"), correction));
    assert_eq!(sales.delivered().into_iter().collect::<Vec<_>>(), delivered);
}

#[test]
fn a_department_changes_hands_where_a_file_begins() {
    let sales = Department::new(LogKind::Embedded);
    let bridge = sales.window.site.path("config/bridge.toml");
    let text = fs::read_to_string(&bridge).unwrap();
    fs::write(&bridge, text.replace(", \"sat\", \"sun\"]", "]")).unwrap();
    sales.dump(0, &["A-1"]);
    sales.run();
    sales.advance(1);
    // A Monday, and the Saturday before it.
    let (monday, saturday) = ("2099-06-01", "2099-05-30");
    let asked = |date| ["cutover", "advance", "sales", "--approved-by", "owner", "--from", date];
    let refused = |arguments: &[&str]| {
        let force = ["--force", "--reason", "the department insists"];
        let said = sales.window.site.exits(&[arguments, force.as_slice()].concat(), 1);
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let said = refused(&asked(monday));
    assert!(said.contains("2099-06-01 shares a file with 2099-05-30"), "{said}");
    assert!(said.contains("say --from 2099-05-30 or --from 2099-06-02"), "{said}");
    sales.window.site.ok(&asked(saturday));
    let said = refused(&["cutover", "rollback", "sales", "--from", "2099-06-07"]);
    assert!(said.contains("say --from 2099-06-06 or --from 2099-06-09"), "{said}");
}

#[test]
fn what_is_committed_while_a_run_ends_is_forwarded_by_it() {
    if kafka_brokers("candidate events that show late").is_none() {
        return;
    }
    let sales = Department::live(LogKind::Kafka);
    let date = sales.date(2);
    let mut open = sales.window.begin_candidates(&[("C-1".to_owned(), event("C-1", &date, "C-1", "1.00"))]);
    let mut bridge = sales.window.site.spawn(&["run", "--until-idle"], None);
    wait_for_or("the open transaction", || bridge.log(), || bridge.log().contains("a transaction that is still open"));
    open.commit().unwrap();
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
    assert_eq!(sales.facts(), sales.expected(&[(0, &["A-1"], "legacy"), (2, &["C-1"], "native")]));
}

#[test]
fn what_is_repeated_is_dropped_and_what_is_unfit_is_said() {
    for log in logs() {
        let sales = Department::live(log);
        let date = sales.date(2);
        let good = event("C-1", &date, "C-1", "1.00");
        let key = || "C-1".to_owned();
        let changed = |name: &str, value: Value| {
            let mut event = event(&format!("bad {name}"), &date, "C-1", "1.00");
            event[name] = value;
            (key(), event)
        };
        sales.write(&[(key(), good.clone())]);
        sales.write(&[
            (key(), good.clone()),
            (key(), event("C-1", &date, "C-1", "2.00")),
            changed("data", json!({ "number": 7 })),
            changed("department", json!("nobody")),
            changed("businessdate", json!("31.01.2026")),
            changed("businessdate", json!("2999-01-31")),
            changed("provenance", json!("legacy")),
            changed("type", json!("Unheard")),
            changed("subject", json!("C-2")),
            (key(), json!("no event")),
        ]);
        let run = sales.run();
        assert_eq!((&run["tally"]["forwarded"], &run["tally"]["candidates_rejected"]), (&json!(1), &json!(9)), "{run}");
        // Within the horizon a repeated one is known after a restart too.
        sales.write(&[(key(), good)]);
        let run = sales.run();
        assert_eq!(run["tally"]["forwarded"], Value::Null, "{run}");
        let expected = sales.expected(&[(0, &["A-1"], "legacy"), (2, &["C-1"], "native")]);
        assert_eq!(sales.facts(), expected, "{log:?}");
        let rejects = sales.window.site.committed("rejects");
        let of_candidates: Vec<&Value> = rejects.iter().filter(|reject| reject["code"] == "candidate").collect();
        assert_eq!(of_candidates.len(), 9, "{rejects:?}");
        for (reason, place) in [("says something else", 2), ("schema", 3), ("is no date", 5), ("days ahead", 6)] {
            let said = of_candidates.iter().any(|reject| reject["reason"].as_str().unwrap().contains(reason));
            assert!(said, "{reason}, of the record {place}: {of_candidates:?}");
        }
    }
}

#[test]
fn a_bridge_that_runs_forwards_at_once_and_is_moved_while_it_runs() {
    for log in logs() {
        let sales = Department::new(log);
        sales.dump(0, &["A-1"]);
        let bridge = sales.window.site.spawn(&["run"], None);
        wait_for_or("the legacy file", || bridge.log(), || sales.facts().len() == 1);
        sales.emit(2, &["C-1"]);
        sales.advance(1);
        sales.advance(2);
        wait_for_or("what came before", || bridge.log(), || sales.facts().len() == 2);
        sales.emit(2, &["C-2"]);
        wait_for_or("what came behind", || bridge.log(), || sales.facts().len() == 3);
        let refused = sales.window.site.exits(&["cutover", "rollback", "sales", "--from", &sales.date(2)], 1);
        assert!(refused.contains("not free"), "{refused}");
        sales.roll_back(3);
        sales.emit(3, &["D-1"]);
        sales.dump(3, &["D-2"]);
        wait_for_or("the legacy file of the day", || bridge.log(), || sales.facts().len() == 4);
        let expected = [(0, &["A-1"][..], "legacy"), (2, &["C-1", "C-2"][..], "native"), (3, &["D-2"][..], "legacy")];
        assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: {}", bridge.log());
        assert!(bridge.log().contains("candidate events forwarded"), "{}", bridge.log());
    }
}

/// Steps from the request to the last forwarded event.
const POINTS: [&str; 5] =
    ["cutover_sent", "cutover_answered", "candidates_sent", "candidates_forwarded", "candidates_sent:2"];

#[test]
fn every_point_of_a_cutover_is_played() {
    let ours = Failpoint::ALL.iter().map(|point| point.name());
    let ours: Vec<_> = ours.filter(|name| name.starts_with("candidates_") || name.starts_with("cutover_")).collect();
    assert!(ours.len() == 4 && ours.iter().all(|name| POINTS.contains(name)), "{ours:?}");
}

/// Killed at each step, and gone on with.
#[test]
fn a_kill_at_any_step_loses_nothing_and_doubles_nothing() {
    for log in logs() {
        for point in POINTS {
            let sales = Department::new(log);
            sales.dump(0, &["A-1"]);
            sales.emit(1, &["B-1"]);
            sales.emit(2, &["C-1", "C-2"]);
            sales.run();
            sales.advance(1);
            let from = sales.date(2);
            // A bridge that runs is asked: it dies at the step, and another one goes on.
            let mut victim = sales.window.site.spawn(&["run"], Some(&format!("{point}=kill")));
            wait_for_or("the slot", || victim.log(), || victim.log().contains("holding the slot"));
            let asked = ["cutover", "advance", "sales", "--from", &from, "--approved-by", "owner"];
            let mut asking = sales.window.site.spawn(&asked, None);
            if point.starts_with("candidates") {
                assert_eq!(asking.wait().code(), Some(0), "{point}: {}", asking.log());
                if point.ends_with(":2") {
                    // Or all of them would go in one.
                    let forwarded = || victim.log().contains("candidate events forwarded");
                    wait_for_or("the first transaction", || victim.log(), forwarded);
                }
                sales.emit(2, &["C-3"]);
                sales.emit(2, &["C-4"]);
            }
            assert!(victim.wait().code().is_none(), "{log:?}: {point} was not reached: {}", victim.log());
            sales.emit(2, &["C-5"]);
            let survivor = sales.window.site.spawn(&["run"], None);
            let late: &[&str] = if point.starts_with("candidates") { &["C-3", "C-4", "C-5"] } else { &["C-5"] };
            let expected = [&["C-1", "C-2"], late].concat();
            let expected = sales.expected(&[(0, &["A-1"], "legacy"), (2, &expected, "native")]);
            let told = || format!("{log:?}, {point}: {:?}\n{}", sales.facts(), survivor.log());
            wait_for_or("all of it", told, || sales.facts().len() >= expected.len());
            sales.dump(2, &["C-1"]);
            drop(survivor);
            sales.run();
            assert_eq!(sales.facts(), expected, "{log:?}: killed at {point}");
            let _ended = asking.wait();
        }
    }
}

#[test]
fn check_refuses_a_tap_and_a_lost_section_of_a_live_department() {
    let sales = Department::new(LogKind::Embedded);
    sales.dump(0, &["A-1"]);
    sales.run();
    (1..=2).for_each(|day| drop(sales.advance(day)));
    let site = &sales.window.site;
    site.ok(&["check"]);
    let usual = options();
    let tap = FeedOptions { feed: FeedOptions::default().feed, ..usual.clone() };
    let without = FeedOptions { after: usual.after.replace("[cutover]\nparity_days = 0\n", ""), ..usual };
    for (options, expected) in [(tap, "is a tap"), (without, "are not forwarded")] {
        sales.window.configure(&options);
        let said = site.exits(&["check"], 1);
        assert!(said.contains("sales is live from") && said.contains(expected), "{said}");
    }
    // Once the log was read, the consumer gets nothing of the batch job that the journal gives to the new service.
    let bridge = site.spawn(&["run"], None);
    wait_for_or("the slot", || bridge.log(), || bridge.log().contains("holding the slot"));
    sales.dump(2, &["C-1"]);
    let is_withheld = || site.states().contains(&(sales.name(2), "withheld".to_owned()));
    wait_for_or("the file to be withheld", || bridge.log(), is_withheld);
    wait_for_or("its relay to say so", || bridge.log(), || bridge.log().contains("not relayed"));
    assert!(!sales.delivered().contains_key(&sales.name(2)), "{:?}", sales.delivered());
}

#[test]
fn a_retired_departments_file_is_refused_and_said() {
    let sales = Department::new(LogKind::Embedded);
    sales.dump(0, &["A-1"]);
    sales.run();
    (1..=3).for_each(|day| drop(sales.advance(day)));
    sales.dump(3, &["D-1"]);
    sales.emit(3, &["D-2"]);
    sales.window.run(1);
    let expected = sales.expected(&[(0, &["A-1"], "legacy"), (3, &["D-2"], "native")]);
    assert_eq!(sales.facts(), expected);
    let quarantined = sales.window.site.exits(&["quarantine", "list"], 1);
    assert!(quarantined.contains("retired"), "{quarantined}");
    assert!(!sales.delivered().contains_key(&sales.name(3)), "and is not passed on");
}

/// Frozen at a step, taken over by a successor that moves the department; woken up, it brings nothing into the world. On
/// Kafka: a process that is frozen while one of its threads writes to the embedded log holds the lock of the file.
#[test]
fn a_frozen_predecessor_brings_nothing_of_what_changed_hands() {
    if kafka_brokers("the frozen predecessor").is_some() {
        let log = LogKind::Kafka;
        for stop in ["prepared", "produced", "candidates_sent", "intent_answered"] {
            let sales = Department::new(log);
            sales.dump(0, &["A-1"]);
            sales.run();
            sales.advance(1);
            sales.advance(2);
            sales.emit(2, &["C-1"]);
            sales.run();
            let mut first = sales.window.site.spawn(&["run"], Some(&format!("{stop}=stop")));
            sales.dump(1, &["B-1"]);
            sales.emit(2, &["C-2"]);
            sales.window.set_clock(DAY / 2 + 2 * DAY);
            sales.dump(3, &["D-1"]);
            first.wait_until_stopped();

            // It was live from day 2 on, and goes back from day 3 or later.
            let second = sales.window.site.spawn(&["run"], None);
            wait_for_or("the successor", || second.log(), || second.log().contains("holding the slot"));
            let reason = ["--force", "--reason", "totals are off"];
            let back = sales.window.site.ok(&[&["--json", "cutover", "rollback", "sales"], reason.as_slice()].concat());
            let back: Value = serde_json::from_str(back.lines().next().unwrap()).unwrap();
            let from = back["effective"].as_str().unwrap().to_owned();
            assert!(from >= sales.date(3), "{stop}: {back}");
            // Its relay is still the first one's: nobody can say what that one passes on when it wakes up.
            let live = ["cutover", "advance", "sales", "--approved-by", "owner"];
            let refused = sales.window.site.exits(&live, 1);
            assert!(refused.contains("was not moved"), "{stop}: {refused}");
            assert!(second.log().contains("what the relay of orders has passed on is not known"), "{}", second.log());

            first.signal(Signal::CONT);
            wait_for_or("the first to give up", || first.log(), || first.log().contains("standing by"));
            let is_published = || sales.facts().iter().filter(|fact| fact.0 == "B-1" || fact.0 == "C-2").count() == 2;
            wait_for_or("the rest", || second.log(), is_published);
            drop((first, second));
            sales.run();
            let of_day_3: &[&str] = if from == sales.date(3) { &["D-1"] } else { &[] };
            let expected = [
                (0, &["A-1"][..], "legacy"),
                (1, &["B-1"][..], "legacy"),
                (2, &["C-1", "C-2"][..], "native"),
                (3, of_day_3, "legacy"),
            ];
            assert_eq!(sales.facts(), sales.expected(&expected), "{log:?}: {stop}");
            let delivered = sales.delivered();
            assert_eq!(delivered.get(&sales.name(1)), Some(&sales.file(1, &["B-1"])), "{log:?}: {stop}");
            // What came behind the cut-off is in a correction, which is not due yet.
            let of_day_2 = [sales.file(2, &["C-1", "C-2"]), sales.file(2, &["C-1"])];
            assert!(delivered.get(&sales.name(2)).is_some_and(|file| of_day_2.contains(file)), "{stop}: {delivered:?}");
        }
    }
}

/// A cut-off comes after what the new service had written by then, also where nobody was there to forward it.
#[test]
fn what_was_written_while_it_was_down_is_in_the_file_of_its_day() {
    for log in logs() {
        let sales = Department::live(log);
        sales.run();
        let file = |day: u64, orders: &[&str]| (sales.name(day), sales.file(day, orders));
        let has = |day: u64| sales.delivered().contains_key(&sales.name(day));

        sales.emit(2, &["C-1", "C-2"]);
        sales.window.set_clock(DAY / 2 + 2 * DAY);
        sales.run();
        let mut expected = vec![file(0, &["A-1"]), file(2, &["C-1", "C-2"])];
        assert_eq!(sales.delivered().into_iter().collect::<Vec<_>>(), expected, "{log:?}: one run");

        sales.emit(3, &["D-1"]);
        sales.window.set_clock(DAY / 2 + 3 * DAY);
        let mut bridge = sales.window.site.spawn(&["run"], None);
        wait_for_or("the file of the day", || bridge.log(), || has(3));
        bridge.signal(Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
        expected.push(file(3, &["D-1"]));
        assert_eq!(sales.delivered().into_iter().collect::<Vec<_>>(), expected, "{log:?}: a service");
    }
}

/// What was wrong with an event may be mended, or be over, and then its service writes it again.
#[test]
fn what_was_refused_once_is_forwarded_when_it_comes_again_and_is_fit() {
    for log in logs() {
        let sales = Department::live(log);
        // Too far ahead, by now.
        let records = [("C-1".to_owned(), event("C-1", &sales.date(45), "C-1", "1.00"))];
        sales.write(&records);
        assert_eq!(sales.run()["tally"]["candidates_rejected"], 1, "{log:?}");
        sales.window.set_clock(20 * DAY);
        sales.run();
        sales.write(&records);
        assert_eq!(sales.run()["tally"]["forwarded"], 1, "{log:?}");
        // It was, so that it is repeated from here on.
        sales.write(&records);
        assert_eq!(sales.run()["tally"]["forwarded"], Value::Null, "{log:?}");
    }
}

/// A topic that `init` has not made yet has no events; those of the others go on.
#[test]
fn a_candidate_topic_that_is_missing_holds_up_no_other() {
    for log in logs() {
        let sales = Department::live(log);
        let configuration = sales.window.site.path("config/bridge.toml");
        let more = "[event.OrderReturned]\nschema = \"schemas/OrderTaken.schema.json\"\n";
        fs::write(&configuration, fs::read_to_string(&configuration).unwrap() + more).unwrap();
        sales.emit(2, &["C-1"]);
        sales.run();
        assert_eq!(sales.facts(), sales.expected(&[(0, &["A-1"], "legacy"), (2, &["C-1"], "native")]), "{log:?}");
    }
}
