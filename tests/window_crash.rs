//! Windows under kills: at each step from the cut-off to the receipt. Each file is seen once, whole, with the same bytes,
//! whatever comes in between.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::thread;

use dropbridge_port::failpoint::Failpoint::{self, *};
use support::windowed::{DAY, Window, options};
use support::{LogKind, logs, wait_for};

const SIGKILL: i32 = 9;

/// What a cut-off passes on its way to one delivered file.
const POINTS: [Failpoint; 11] = [
    WindowCutSent,
    WindowCutAnswered,
    WindowPlanSent,
    WindowPlanAnswered,
    Rendered,
    OutboxWitnessed,
    IntentSent,
    IntentAnswered,
    OutboxRenamed,
    ReceiptSent,
    ReceiptAnswered,
];

/// A day for each point: it is killed there, an event comes late, and the next run ends it.
fn kill_at_each(log: LogKind, points: &[Failpoint]) {
    let window = Window::new(log, &options("no-file", "correction"));
    for (day, point) in (0..).zip(points) {
        let date = window.date(day);
        window.emit(&date, &[("A-2", "2.00"), ("A-1", "1.00")]);
        window.set_clock(DAY / 2 + day * DAY);
        let mut victim = window.site.spawn(&["run", "--until-idle"], Some(&format!("{}=kill", point.name())));
        let status = victim.wait();
        assert_eq!(status.signal(), Some(SIGKILL), "{log:?}: {} was not reached: {}", point.name(), victim.log());
        // Before its cut-off is committed it is in time; behind that it is late.
        let is_late = *point != WindowCutSent;
        window.emit(&date, &[("A-3", "3.00")]);
        window.run(0);
        let (count, total, late) = if is_late { (2, "3.00", "") } else { (3, "6.00", "A-3|3.00\n") };
        let bytes = format!("H|{}|1\nA-1|1.00\nA-2|2.00\n{late}T|{count}|{total}\n", date.replace('-', ""));
        let seen: Vec<_> =
            window.seen().into_iter().filter(|(name, _)| name.contains(&date.replace('-', ""))).collect();
        assert_eq!(seen, [(window.name(&date, 1), bytes)], "{log:?}: {}", point.name());
        window.consume();
    }
    // Those that were late are in corrections, each in one.
    window.set_clock(DAY / 2 + points.len() as u64 * DAY);
    window.run(0);
    let delivered = window.deliveries();
    let events: u64 = delivered.iter().map(|delivery| delivery["events"].as_u64().unwrap()).sum();
    assert_eq!(events, 3 * points.len() as u64, "{log:?}");
    assert!(delivered.iter().all(|delivery| delivery["state"] == "delivered"), "{log:?}: {delivered:?}");
}

#[test]
fn a_kill_at_each_step_changes_no_byte_and_loses_no_event() {
    thread::scope(|scope| {
        for log in logs() {
            for points in POINTS.chunks(4) {
                scope.spawn(move || kill_at_each(log, points));
            }
        }
    });
}

#[test]
fn a_step_that_fails_is_tried_again() {
    for log in logs() {
        let window = Window::new(log, &options("no-file", "next-file"));
        window.emit(&window.date(0), &[("A-1", "1.00")]);
        window.set_clock(DAY / 2);
        let failpoints: Vec<String> = POINTS.iter().map(|point| format!("{}=error", point.name())).collect();
        let bridge = window.site.spawn(&["run"], Some(&failpoints.join(";")));
        wait_for("the file", || window.deliveries().iter().any(|delivery| delivery["state"] == "delivered"));
        assert_eq!(window.seen().len(), 1, "{log:?}: {}", bridge.log());
    }
}

#[test]
fn every_point_of_a_window_is_played() {
    let played: BTreeSet<&str> = POINTS.iter().map(|point| point.name()).collect();
    let windows = Failpoint::ALL.iter().map(|point| point.name()).filter(|name| name.starts_with("window_"));
    assert!(windows.clone().count() > 0 && windows.into_iter().all(|name| played.contains(name)));
}
