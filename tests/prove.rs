//! `prove` tells, without publishing anything, whether events are enough to write a file again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use serde_json::Value;
use support::{FeedOptions, LogKind, ORDERS_LAYOUT, Site};

/// A file beside the inbox, proven by the feed: exit code and report.
fn proven(site: &Site, content: &str, by: &[&str]) -> (i32, Value) {
    let sample = site.path("sample.dat");
    fs::write(&sample, content).unwrap();
    let output = site.output(&[&["prove", sample.to_str().unwrap(), "--json"], by].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    (output.status.code().unwrap(), report)
}

fn site() -> Site {
    Site::uninitialised(LogKind::Embedded, &FeedOptions::default())
}

#[test]
fn each_verdict_says_what_differs_and_where() {
    let site = site();
    let by_feed = ["--feed", "orders"];
    let (code, report) = proven(&site, "a|1.00\nb|-2.50\n", &by_feed);
    assert_eq!((code, &report["verdict"], &report["records"]), (0, &"exact".into(), &2.into()), "{report}");

    let (code, report) = proven(&site, "a|1.00\nb|+2.50\nc|03.00\n", &by_feed);
    assert_eq!((code, &report["verdict"]), (0, &"exact_with_exceptions".into()), "{report}");
    let first = &report["first_difference"];
    let place = ["byte", "line", "record", "field"].map(|name| first[name].clone());
    assert_eq!(place, [Value::from(9), 2.into(), 2.into(), "amount".into()], "{report}");
    assert_eq!(report["differences"], serde_json::json!({ "order.amount": 2 }));

    let many: String = (0..40).map(|number| format!("{number}|+1.00\n")).collect();
    let (code, report) = proven(&site, &many, &by_feed);
    assert_eq!((code, &report["verdict"], &report["exceptions"]), (1, &"replay_only".into(), &0.into()), "{report}");
    assert_eq!(report["differences"], serde_json::json!({ "order.amount": 40 }), "it still says what to change");

    let (code, report) = proven(&site, "a|1.00\nb|1x\n", &by_feed);
    assert_eq!((code, &report["verdict"]), (1, &"refused".into()), "{report}");
    assert_eq!((&report["reject"]["byte"], &report["reject"]["field"]), (&9.into(), &"amount".into()));
}

#[test]
fn what_no_event_carries_is_told() {
    let layout =
        ORDERS_LAYOUT.replace("{ name = \"amount\",", "{ name = \"note\", type = \"text\" }, { name = \"amount\",");
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions { layout, ..FeedOptions::default() });
    let rows: String = (0..40).map(|number| format!("{number}|n{number}|1.00\n")).collect();
    let (code, report) = proven(&site, &rows, &["--feed", "orders"]);
    assert_eq!((code, &report["verdict"]), (1, &"replay_only".into()), "{report}");
    assert_eq!(report["differences"], serde_json::json!({ "order.note": 40 }));
    // The layout alone keeps it.
    let layout = site.path("config/layouts/orders.toml");
    let (code, report) = proven(&site, &rows, &["--layout", layout.to_str().unwrap()]);
    assert_eq!((code, &report["verdict"]), (0, &"exact".into()), "{report}");
}

#[test]
fn nothing_is_written() {
    let site = site();
    proven(&site, "a|1.00\n", &["--feed", "orders"]);
    assert!(!site.path("state").exists(), "no log and no state");
    assert!(!site.path("store").exists(), "and no store");
}

#[test]
fn a_misspelt_feed_and_a_wrong_layout_are_errors() {
    let site = site();
    fs::write(site.path("sample.dat"), "a|1.00\n").unwrap();
    let sample = site.path("sample.dat").display().to_string();
    let said = site.output(&["prove", &sample, "--feed", "order"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8(said.stderr).unwrap().contains("orders"), "it suggests the feed that was meant");
    let layout = site.path("wrong.toml");
    fs::write(&layout, ORDERS_LAYOUT.replace("\"orders\"", "\"wrong\"").replace("delimiter =", "delimeter =")).unwrap();
    let said = site.output(&["prove", &sample, "--layout", layout.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(2));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("wrong.toml:") && said.contains("delimeter") && said.contains("delimiter"), "{said}");
}
