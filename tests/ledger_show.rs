//! `ledger show`, from the bytes of a file to its events and back, against what stands in the log.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{FeedOptions, LogKind, Site, logs, order_name, orders};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_ledger_finds_the_events_of_bytes_and_the_bytes_of_events() {
    let site = Site::new(LogKind::Embedded, &FeedOptions::default());
    let (numbers, bytes) = orders(1, 40);
    site.drop_file(&order_name(1), &bytes);
    site.drop_file(&order_name(2), &orders(2, 40).1);
    site.run_until_idle(0);
    let line = bytes.len() as u64 / 40;
    // The third record, by its last byte.
    let last = (3 * line - 1).to_string();
    let found = objects(&site.ok(&["--json", "ledger", "show", &order_name(1), "--byte", &last]));
    let [event] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((event["ordinal"].as_u64(), event["subject"].as_str()), (Some(3), Some(numbers[2].as_str())));
    assert_eq!((event["from"].as_u64(), event["to"].as_u64()), (Some(2 * line), Some(3 * line)));
    // What stands there, read without the bridge.
    let (topic, partition) = (event["topic"].as_str().unwrap(), event["partition"].as_u64().unwrap());
    let offset = event["offset"].as_u64().unwrap();
    let query = format!(
        "SELECT CAST(value AS TEXT) FROM committed_records \
         WHERE topic = '{topic}' AND partition = {partition} AND \"offset\" = {offset}"
    );
    let database = site.path("state/events.sqlite");
    let read = Command::new("sqlite3").arg("-readonly").arg(database).arg(query).output().unwrap();
    let stands: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(
        (&stands["subject"], &stands["byterange"]),
        (&event["subject"], &format!("{}-{}", 2 * line, 3 * line).into())
    );
    // And back.
    let place = format!("{topic}/{partition}/{offset}");
    let origin = &objects(&site.ok(&["--json", "ledger", "show", "--at", &place]))[0];
    assert_eq!((&origin["file"], &origin["ordinal"]), (&order_name(1).into(), &3.into()));
    assert_eq!((&origin["from"], &origin["sha256"]), (&(2 * line).into(), &event["sha256"]));
    assert!(site.ok(&["ledger", "show", "--at", &place]).contains(&order_name(1)));
    // Two records and a byte of the third.
    let range = format!("{line}..{}", 3 * line + 1);
    let found = objects(&site.ok(&["--json", "ledger", "show", &order_name(1), "--bytes", &range]));
    assert_eq!(found.iter().map(|event| event["ordinal"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 4]);
    let table = site.ok(&["ledger", "show", &order_name(1), "--bytes", &range]);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    site.exits(&["ledger", "show", &order_name(1), "--byte", &bytes.len().to_string()], 1);
    site.exits(&["ledger", "show", "--at", &format!("{topic}/{partition}/999999")], 1);
    site.exits(&["ledger", "show", "--at", "nowhere/0/0"], 2);
}

#[test]
fn the_ledger_names_every_file_that_carries_an_event() {
    for log in logs() {
        let after = "[[rendering]]\nid = \"mirror\"\nkind = \"mirror\"\nfeed = \"orders\"\nshare = \"nas\"\n\
                     outbox = \"desk\"\nmarker = \"{name}.done\"";
        let options = FeedOptions { after: after.to_owned(), ..FeedOptions::default() };
        let site = Site::uninitialised(log, &options);
        std::fs::create_dir_all(site.path("share/desk")).unwrap();
        site.ok(&["init", "--baseline", "take"]);
        (1..=2).for_each(|file| site.drop_file(&order_name(file), &orders(file, 5).1));
        site.run_until_idle(0);
        let number = &orders(2, 5).0[3];
        let events = site.events();
        let event = events.iter().find(|event| event["data"]["number"] == number.as_str()).unwrap();
        let event = event["id"].as_str().unwrap();
        let delivered = site.path("share/desk").join(order_name(2));
        let bytes = std::fs::read(&delivered).unwrap();

        // From the event to the legacy file, and to the delivery.
        let origin = &objects(&site.ok(&["--json", "ledger", "show", "--event", event]))[0];
        assert_eq!((&origin["subject"], &origin["file"]), (&number.as_str().into(), &order_name(2).into()), "{origin}");
        let (from, to) = (origin["from"].as_u64().unwrap() as usize, origin["to"].as_u64().unwrap() as usize);
        assert!(bytes[from..to].starts_with(number.as_bytes()), "{log:?}: the delivery has other bytes there");
        let deliveries = origin["deliveries"].as_array().unwrap();
        assert_eq!(deliveries.len(), 1, "{log:?}: {origin}");
        assert_eq!(deliveries[0]["files"][0], delivered.to_str().unwrap(), "{log:?}: {origin}");
        assert_eq!(deliveries[0]["state"], "delivered", "{log:?}: {origin}");
        let place = format!("{}/{}/{}", origin["topic"].as_str().unwrap(), origin["partition"], origin["offset"]);
        assert_eq!(&objects(&site.ok(&["--json", "ledger", "show", "--at", &place]))[0], origin, "{log:?}");

        // From the file to the delivery, and from there back to the legacy file.
        let dropped = &objects(&site.ok(&["--json", "ledger", "show", &order_name(2)]))[0];
        assert_eq!(dropped["deliveries"], origin["deliveries"], "{log:?}: {dropped}");
        let id = deliveries[0]["delivery"].as_str().unwrap();
        let delivery = &objects(&site.ok(&["--json", "deliveries", "show", id]))[0];
        assert_eq!(delivery["origin"]["entry"]["path"], order_name(2), "{log:?}: {delivery}");
        let text = site.ok(&["ledger", "show", &order_name(2)]);
        assert!(text.contains(id) && text.contains(delivered.to_str().unwrap()), "{log:?}: {text}");
        assert!(site.ok(&["ledger", "show", "--event", event]).contains(id), "{log:?}");
        let unknown = "0".repeat(32);
        assert!(site.exits(&["ledger", "show", "--event", &unknown], 1).contains("no event"), "{log:?}");
    }
}
