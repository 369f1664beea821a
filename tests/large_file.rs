//! Files that are larger than memory could hold, alone or together: their size costs time, not memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::Command;
use std::time::Instant;

use support::long_orders::{Totals, options, publish_in_bounded_memory};
use support::{LogKind, Site, kafka_brokers};

#[test]
fn a_gigabyte_goes_through_in_bounded_memory() {
    let site = Site::new(LogKind::Embedded, &options());
    let totals = publish(&site, 1, 1 << 30);
    assert_eq!(totals_in_embedded_log(&site), totals);
}

#[test]
fn many_files_that_are_each_held_in_memory_are_bounded_together() {
    let site = Site::new(LogKind::Embedded, &options());
    let totals = publish(&site, 40, 900 << 10);
    assert_eq!(totals_in_embedded_log(&site), totals);
    let site = Site::new(LogKind::Embedded, &options());
    let totals = publish(&site, 30, 3 << 20);
    assert_eq!(totals_in_embedded_log(&site), totals);
}

#[test]
fn a_hundred_megabytes_go_to_kafka_in_bounded_memory() {
    if kafka_brokers("a large file on Kafka").is_none() {
        return;
    }
    let site = Site::new(LogKind::Kafka, &options());
    let totals = publish(&site, 1, 100 << 20);
    assert_eq!(totals_in_kafka(&site), totals);
}

/// Publishes files of about so many bytes each, and checks what memory the program took for them.
fn publish(site: &Site, files: u32, bytes: u64) -> Totals {
    let begun = Instant::now();
    let totals = publish_in_bounded_memory(site, files, bytes);
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{} orders made and published in {seconds:.1} s: {:.0} a second",
        totals.orders,
        totals.orders as f64 / seconds
    );
    totals
}

/// Counted and added up by SQLite itself.
fn totals_in_embedded_log(site: &Site) -> Totals {
    let query = format!(
        "SELECT count(*), sum(CAST(replace(value ->> '$.data.amount', '.', '') AS INTEGER)) FROM \
         (SELECT CAST(value AS TEXT) AS value FROM committed_records WHERE topic = '{}OrderTaken')",
        site.prefix
    );
    let output = Command::new("sqlite3")
        .arg("-readonly")
        .arg(site.path("state/events.sqlite"))
        .arg(query)
        .output()
        .expect("the test needs Debian's sqlite3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (orders, cents) = text.trim().split_once('|').unwrap();
    Totals { orders: orders.parse().unwrap(), cents: cents.parse().unwrap() }
}

fn totals_in_kafka(site: &Site) -> Totals {
    let events = site.events();
    let cents = |event: &serde_json::Value| -> u64 {
        event["data"]["amount"].as_str().unwrap().replace('.', "").parse().unwrap()
    };
    Totals { orders: events.len() as u64, cents: events.iter().map(cents).sum() }
}
