//! Stages of a department by command: what is refused, what is overruled, and what the journal keeps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::feeds::unnamed;
use support::{FeedOptions, LogKind, Site, logs, order_name, orders, wait_for};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn stages(site: &Site) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let status = objects(&site.ok(&["--json", "cutover", "status"]));
    status.iter().map(|row| (text(&row["department"]), text(&row["stage"]))).collect()
}

/// Text whose lines were broken at blanks.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands against a plan, by its words.
fn blocks(site: &Site, arguments: &[&str]) -> Vec<String> {
    let output = site.output(&[&["--json", "cutover", "plan", "sales"], arguments].concat());
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let blocks: Vec<String> =
        plan["blocks"].as_array().unwrap().iter().map(|block| block["block"].as_str().unwrap().to_owned()).collect();
    assert_eq!(output.status.code(), Some(i32::from(!blocks.is_empty())), "{plan}");
    blocks
}

#[test]
fn a_department_is_moved_to_shadow_and_back_and_no_further() {
    for log in logs() {
        let site = Site::new(log, &FeedOptions::default());
        assert_eq!(stages(&site), [("sales".to_owned(), "observe".to_owned())]);
        assert_eq!(blocks(&site, &[]), ["no_date", "unproven"], "nothing was published yet");
        let refused = unbroken(&site.exits(&["cutover", "advance", "sales", "--from", "2026-02-02"], 1));
        assert!(refused.contains("BLOCKED") && refused.contains("see `prove`"), "{refused}");
        let forced = ["cutover", "advance", "sales", "--from", "2026-02-02", "--force", "--reason", "no time"];
        assert!(unbroken(&site.exits(&forced, 1)).contains("see `prove`"), "that cannot be overruled");

        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.run_until_idle(0);
        let date = objects(&site.ok(&["--json", "ledger", "list"]))[0]["business_date"].as_str().unwrap().to_owned();
        assert_eq!(blocks(&site, &[]), [""; 0]);
        let taken = unbroken(&site.exits(&["cutover", "advance", "sales", "--from", &date], 1));
        assert!(taken.contains("is not free"), "{taken}");
        let moved = site.ok(&["--json", "cutover", "advance", "sales", "--reason", "the new service is up"]);
        let moved = &objects(&moved)[0];
        assert_eq!((&moved["from"], &moved["to"]), (&json!("observe"), &json!("shadow")), "{moved}");
        assert_eq!(
            (&moved["evidence"]["newest_date"], &moved["evidence"]["feeds"]),
            (&json!(date), &json!(["orders"]))
        );
        assert!(moved["effective"].as_str().unwrap() > date.as_str(), "{moved}");
        assert_eq!(stages(&site), [("sales".to_owned(), "shadow".to_owned())]);

        assert_eq!(blocks(&site, &[]), ["tap", "no_forwarding", "parity_days", "not_approved"]);
        let live = ["cutover", "advance", "sales", "--approved-by", "owner-of-parks", "--force", "--reason", "now"];
        let refused = site.exits(&live, 1);
        assert!(refused.lines().all(|line| line.chars().count() <= 100), "{refused}");
        let refused = unbroken(&refused);
        assert!(refused.contains("interpose") && refused.contains("nothing forwards"), "{refused}");
        assert_eq!(stages(&site), [("sales".to_owned(), "shadow".to_owned())], "a refusal changes nothing");

        site.ok(&["cutover", "rollback", "sales", "--reason", "not today"]);
        assert_eq!(stages(&site), [("sales".to_owned(), "observe".to_owned())]);
        let history = &objects(&site.ok(&["--json", "cutover", "history"]))[0];
        let transitions = history["transitions"].as_array().unwrap();
        assert_eq!((transitions.len(), &transitions[1]["reason"]), (2, &json!("not today")), "{history}");
        let table = site.ok(&["cutover", "history"]);
        assert!(table.contains("observe → shadow") && table.lines().all(|line| line.chars().count() <= 100), "{table}");
        // The record is what any program finds in the topic.
        let records = site.committed("control");
        let record = records.iter().rfind(|record| record.get("transitions").is_some()).unwrap();
        assert_eq!((&record["format"], &record["department"]), (&json!(1), &json!("sales")));
        assert_eq!(record["transitions"], history["transitions"]);
    }
}

#[test]
fn the_newest_date_is_that_of_events_where_names_carry_none() {
    for log in logs() {
        let site = Site::new(log, &unnamed("*.dat", "new"));
        site.drop_file("orders-1.dat", b"A-1|1.00|20260131\nA-2|1.00|20260203\nA-3|1.00|20260102\n");
        site.drop_file("orders-2.dat", b"B-1|1.00|20260130\n");
        site.run_until_idle(0);
        let output = site.output(&["--json", "cutover", "plan", "sales"]);
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(plan["evidence"]["newest_date"], "2026-02-03", "{log:?}: {plan}");
        let taken = unbroken(&site.exits(&["cutover", "advance", "sales", "--from", "2026-02-03"], 1));
        assert!(taken.contains("is not free"), "{log:?}: {taken}");
        site.ok(&["cutover", "advance", "sales", "--from", "2026-02-04"]);
    }
}

#[test]
fn a_bridge_that_runs_decides_and_goes_on() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let mut bridge = site.spawn(&["run"], None);
    site.drop_file(&order_name(1), &orders(1, 3).1);
    wait_for("the first file", || site.numbers().len() == 3);
    site.ok(&["cutover", "advance", "sales"]);
    assert_eq!(stages(&site), [("sales".to_owned(), "shadow".to_owned())]);
    // Two in a row, each on what the one before has left.
    site.ok(&["cutover", "rollback", "sales"]);
    site.ok(&["cutover", "advance", "sales"]);
    let history = &objects(&site.ok(&["--json", "cutover", "history", "sales"]))[0];
    assert_eq!(history["transitions"].as_array().unwrap().len(), 3, "{history}");
    assert!(bridge.log().contains("another stage"), "{}", bridge.log());
    site.drop_file(&order_name(2), &orders(2, 3).1);
    wait_for("the second file", || site.numbers().len() == 6);
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0));
    assert_eq!(stages(&site), [("sales".to_owned(), "shadow".to_owned())], "it holds through a restart");
}

#[test]
fn gates_are_what_the_department_states_and_what_is_forced_is_marked() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let file = site.path("config/departments/sales.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + "\n[cutover]\nparity_days = 3\napprovers = [\"owner-of-parks\"]\n").unwrap();
    site.drop_file(&order_name(1), &orders(1, 3).1);
    site.run_until_idle(0);
    site.drop_file(&order_name(2), b"broken\n");
    site.run_until_idle(1);
    assert_eq!(blocks(&site, &[]), ["open_drops"]);
    let without_reason = unbroken(&site.exits(&["cutover", "advance", "sales", "--force"], 1));
    assert!(without_reason.contains("needs a reason"), "{without_reason}");
    site.ok(&["cutover", "advance", "sales", "--force", "--reason", "that file is known"]);
    let history = &objects(&site.ok(&["--json", "cutover", "history"]))[0];
    let forced = json!([{ "block": "open_drops", "drops": 1, "most": 0 }]);
    assert_eq!(history["transitions"][0]["forced"], forced, "{history}");
    assert!(site.ok(&["cutover", "history"]).contains("FORCED:"));
    let said = unbroken(&site.exits(&["cutover", "plan", "sales", "--approved-by", "somebody"], 1));
    assert!(said.contains("`somebody` may not approve it; who may: owner-of-parks"), "{said}");
    assert!(said.contains("0 of 3"), "{said}");
    let output = site.output(&["cutover", "plan", "sale"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `sales`?"));
}
