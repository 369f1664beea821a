//! Work orders that are completed in time, and those that are not.

use std::fs::File;

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::processes::{Process, wait_until};
use crate::site::{Site, bids};

#[test]
fn a_work_order_that_is_not_completed_in_time_is_flagged_and_one_that_is_is_not() {
    let Some(site) = Site::new(2) else { return };
    let order_work = |index: usize| {
        site.broker.write(&site.bids(), &bids([index]));
        for service in ["bid-processor", "work-order-service"] {
            let output = site.command(service, service).args(["--until-idle", "--topic-suffix", ""]).output().unwrap();
            crate::site::assert_success(&output);
        }
    };
    order_work(1);
    let desk = &mut site.command("completion-desk", "completion-desk");
    crate::site::assert_success(&desk.args(["--until-idle", "--topic-suffix", ""]).output().unwrap());
    // The desk is closed when the second comes.
    order_work(2);
    let now = Timestamp::now();
    let (report, exit_code) = site.monitor(&["--as-of", &now.to_string(), "--within", "24h"]);
    let orders = &report["work_orders"];
    assert_eq!((orders["open"].as_u64(), &orders["overdue"], exit_code), (Some(1), &json!([]), Some(0)));

    let tomorrow = (now + 25.hours()).to_string();
    let (report, exit_code) = site.monitor(&["--as-of", &tomorrow, "--within", "24h"]);
    let events = site.events(&site.topic("WorkOrderCreated"));
    let second = events.values().find(|event| event["data"]["bid_number"] == "B-00002").unwrap();
    let number = second["data"]["work_order_number"].as_str().unwrap();
    let overdue = report["work_orders"]["overdue"].as_array().unwrap();
    let numbers: Vec<_> = overdue.iter().map(|order| order["work_order_number"].as_str().unwrap()).collect();
    assert_eq!((numbers, exit_code), (vec![number], Some(1)));

    assert_is_quiet_without_a_terminal(&site, &tomorrow, number);
}

/// It says once what is overdue, however many reports it makes, and shows the table when it ends.
fn assert_is_quiet_without_a_terminal(site: &Site, as_of: &str, number: &str) {
    let path = site.path("said.txt");
    let said = || std::fs::read_to_string(&path).unwrap();
    let mut command = site.command("monitor", "monitor");
    command.args(["--as-of", as_of, "--every", "1"]).stdout(File::create(&path).unwrap());
    let mut process = Process::start(&mut command);
    wait_until("the monitor flags the work order", || !said().is_empty());
    // A second work order is the sign that another report was made.
    site.broker.write(&site.bids(), &bids([3]));
    for service in ["bid-processor", "work-order-service"] {
        let output = site.command(service, service).args(["--until-idle", "--topic-suffix", ""]).output().unwrap();
        crate::site::assert_success(&output);
    }
    wait_until("the monitor flags the next one", || said().lines().count() > 1);
    process.assert_alive();
    let lines: Vec<_> = said().lines().map(str::to_owned).collect();
    assert!(lines.len() == 2 && lines[0].starts_with(&format!("overdue: {number} of parks, created ")), "{lines:?}");
    assert_eq!(process.terminate().code(), Some(1));
    let last = said();
    assert!(last.contains("2 overdue, 0 completed too late"), "{last}");
    assert!(last.lines().all(|line| line.chars().count() <= 100), "{last}");
}
