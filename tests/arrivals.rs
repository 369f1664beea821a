//! Files that are expected: what is said when they do not come, once, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::http::{address, get, metrics};
use support::{FeedOptions, LogKind, Site, logs, orders, wait_for};

/// A site whose clock the test sets, in a zone without summer time; the calendar's days are all days, so that it does
/// not matter on which one the test runs.
struct Expecting {
    site: Site,
    /// By so many seconds the program's clock is fast when a test begins: it is noon then, so that no day ends by itself.
    base: u64,
}

const DAY: u64 = 86_400;

impl Expecting {
    fn new(log: LogKind, expect: &str) -> Self {
        let options = FeedOptions {
            // Tables of a feed come after its own keys.
            ready: format!("quiet_ms = 50\n[feed.expect]\n{expect}"),
            store: String::new(),
            ..FeedOptions::default()
        };
        let mut site = Site::uninitialised(log, &options);
        let bridge = site.path("config/bridge.toml");
        let text = fs::read_to_string(&bridge).unwrap();
        fs::write(&bridge, format!("{text}[calendar.city]\nzone = \"UTC\"\n")).unwrap();
        let clock = site.path("clock");
        site.set_environment("DROPBRIDGE_TEST_CLOCK", clock);
        let base = (DAY + DAY / 2 - unix_seconds() % DAY) % DAY;
        let expecting = Self { site, base };
        expecting.set_clock(0);
        expecting.site.ok(&["init", "--baseline", "take"]);
        expecting
    }

    /// So many seconds later, by the program's clock.
    fn set_clock(&self, seconds: u64) {
        let part = self.site.path("clock.part");
        fs::write(&part, (self.base + seconds).to_string()).unwrap();
        fs::rename(part, self.site.path("clock")).unwrap();
    }

    /// The business date so many days from today.
    fn date(&self, days: u64) -> String {
        let seconds = unix_seconds() + self.base + days * DAY;
        let output =
            std::process::Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%d"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    }

    /// A file of a business date, last written so many seconds later.
    fn drop_file(&self, date: &str, number: u32, written: u64) {
        let name = format!("ORD_{}_{number:04}.dat", date.replace('-', ""));
        let part = self.site.path("arriving");
        fs::write(&part, orders(number, 2).1).unwrap();
        let file = fs::File::options().write(true).open(&part).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(self.base + written)).unwrap();
        fs::rename(&part, self.site.inbox().join(name)).unwrap();
    }

    fn said(&self) -> Vec<Value> {
        self.site.committed("arrivals")
    }

    /// Kind and business date of each finding, in order.
    fn findings(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.said().iter().map(|event| (text(&event["data"]["kind"]), text(&event["businessdate"]))).collect()
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, date)| ((*kind).to_owned(), (*date).to_owned())).collect()
}

const EVERY_DAY: &str = "calendar = \"city\"\nby = \"24:00\"\ndays = \"every\"\n";

#[test]
fn what_does_not_come_is_said_once_by_a_bridge_that_runs_and_resolved_when_it_comes() {
    for log in logs() {
        let feed = Expecting::new(log, EVERY_DAY);
        let (today, tomorrow) = (feed.date(0), feed.date(1));
        let mut bridge = feed.site.spawn(&["run"], None);
        feed.drop_file(&today, 1, 0);
        wait_for("the file", || feed.site.numbers().len() == 2);
        // Two midnights later: today's file was there, tomorrow's was not.
        feed.set_clock(2 * DAY);
        wait_for("the finding", || !feed.said().is_empty());
        assert_eq!(feed.findings(), pairs(&[("missing", &tomorrow)]), "{log:?}: {}", bridge.log());
        let standing = feed.site.exits(&["--json", "arrivals"], 1);
        let standing: Value = serde_json::from_str(standing.lines().next().unwrap()).unwrap();
        assert_eq!(standing["overdue"][0]["business_date"], tomorrow.as_str());
        assert_eq!(standing["overdue"][0]["said"], true);
        assert_eq!(standing["next"]["business_date"], feed.date(2).as_str());
        let table = feed.site.exits(&["arrivals", "--feed", "orders", "--date", &tomorrow], 1);
        assert!(table.contains("MISSING") && table.contains("no file came until"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        feed.drop_file(&tomorrow, 1, 0);
        wait_for("the late file", || feed.site.numbers().len() == 4);
        wait_for("that it was late", || feed.said().len() == 2);
        assert_eq!(feed.findings(), pairs(&[("missing", &tomorrow), ("late", &tomorrow)]), "{log:?}");
        assert_eq!(feed.said()[1]["data"]["was_missing"], true);
        feed.site.ok(&["arrivals"]);
        bridge.signal(rustix::process::Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
        // Another start has nothing to add.
        feed.site.run_until_idle(0);
        assert_eq!(feed.said().len(), 2, "{log:?}");
    }
}

#[test]
fn after_days_of_downtime_all_that_became_due_is_said_in_order_and_what_came_in_time_is_not() {
    for log in logs() {
        let feed = Expecting::new(log, EVERY_DAY);
        let dates: Vec<String> = (0..5).map(|days| feed.date(days)).collect();
        feed.drop_file(&dates[0], 1, 0);
        feed.site.run_until_idle(0);
        // Down for four days. One file came in time, one late; the last day is not over.
        feed.drop_file(&dates[1], 1, DAY / 2);
        feed.drop_file(&dates[2], 1, 4 * DAY);
        feed.set_clock(4 * DAY);
        feed.site.run_until_idle(0);
        let expected = pairs(&[("late", &dates[2]), ("missing", &dates[3])]);
        assert_eq!(feed.findings(), expected, "{log:?}");
        feed.site.run_until_idle(0);
        assert_eq!(feed.findings(), expected, "{log:?}: said once");
    }
}

#[test]
fn a_kill_at_any_moment_says_nothing_twice_and_forgets_nothing() {
    for log in logs() {
        let feed = Expecting::new(log, EVERY_DAY);
        let dates: Vec<String> = (0..7).map(|days| feed.date(days)).collect();
        feed.site.run_until_idle(0);
        let mut expected = Vec::new();
        // One more day is missed each time; the bridge is killed before, in and after the commit that says so. The
        // commits before are those of the slot's claim.
        let points = ["arrivals_due=kill", "arrivals_said=kill", "commit_begun:2=kill", "commit_sent:2=kill"];
        for (day, failpoint) in points.into_iter().enumerate() {
            feed.set_clock((day as u64 + 1) * DAY);
            let mut victim = feed.site.spawn(&["run", "--until-idle"], Some(failpoint));
            assert_eq!(victim.wait().signal(), Some(9), "{failpoint} was not reached: {}", victim.log());
            feed.site.run_until_idle(0);
            expected.push(("missing".to_owned(), dates[day].clone()));
            assert_eq!(feed.findings(), expected, "{log:?}: after {failpoint}");
        }
        // A failure that passes is tried again by the bridge that met it.
        feed.set_clock(5 * DAY);
        let mut bridge = feed.site.spawn(&["run"], Some("arrivals_due=error;arrivals_said=error"));
        expected.push(("missing".to_owned(), dates[4].clone()));
        wait_for("the finding", || feed.said().len() >= expected.len());
        bridge.signal(rustix::process::Signal::TERM);
        assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
        feed.site.run_until_idle(0);
        assert_eq!(feed.findings(), expected, "{log:?}: after errors");
    }
}

#[test]
fn what_a_file_brings_is_said_in_the_transaction_that_publishes_it() {
    for log in logs() {
        let feed = Expecting::new(log, "gapless = true\ngap_grace_ms = 60000\nmax_records = 1\n");
        let today = feed.date(0);
        feed.drop_file(&today, 1, 0);
        feed.site.run_until_idle(0);
        for (number, failpoint) in [(2, "produced=kill"), (3, "commit_begun:2=kill"), (4, "commit_answered=kill")] {
            feed.drop_file(&today, number, 0);
            let mut victim = feed.site.spawn(&["run", "--until-idle"], Some(failpoint));
            assert_eq!(victim.wait().signal(), Some(9), "{failpoint} was not reached: {}", victim.log());
            feed.site.run_until_idle(0);
        }
        feed.drop_file(&today, 7, 0);
        feed.site.run_until_idle(0);
        let large = || vec![("large".to_owned(), today.clone()); 5];
        assert_eq!(feed.findings(), large(), "{log:?}: each of five files is large, and said so once");
        let mut ids: Vec<String> = feed.said().iter().map(|event| event["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5, "{log:?}: each is a finding of its own");
        feed.site.ok(&["arrivals"]);
        // A minute later the hole is a gap.
        feed.set_clock(120);
        feed.site.run_until_idle(0);
        let gap = &feed.said()[5]["data"];
        assert_eq!((&gap["kind"], &gap["from"], &gap["to"]), (&"gap".into(), &5.into(), &6.into()), "{log:?}");
        feed.site.exits(&["arrivals"], 1);
        feed.drop_file(&today, 6, 0);
        feed.drop_file(&today, 5, 0);
        feed.site.run_until_idle(0);
        let mut after: Vec<String> = feed.findings()[6..].iter().map(|(kind, _)| kind.clone()).collect();
        after.sort();
        assert_eq!(after, ["gap_filled", "gap_filled", "large", "large"], "{log:?}");
        feed.site.ok(&["arrivals"]);
        // The same bytes again.
        feed.drop_file(&today, 7, 60);
        feed.site.run_until_idle(0);
        assert_eq!(feed.findings().last().unwrap().0, "repeated", "{log:?}");
    }
}

#[test]
fn a_standby_that_takes_over_says_what_became_due_and_nothing_twice() {
    for log in logs() {
        let feed = Expecting::new(log, EVERY_DAY);
        let (today, tomorrow) = (feed.date(0), feed.date(1));
        let mut holder = feed.site.spawn(&["run"], None);
        wait_for("the holder", || holder.log().contains("holding the slot"));
        feed.set_clock(DAY);
        wait_for("the first finding", || feed.said().len() == 1);
        let mut standby = feed.site.spawn(&["run"], None);
        wait_for("the takeover", || standby.log().contains("holding the slot"));
        holder.kill();
        feed.set_clock(2 * DAY);
        wait_for("the second finding", || feed.said().len() >= 2);
        standby.signal(rustix::process::Signal::TERM);
        assert_eq!(standby.wait().code(), Some(0), "{}", standby.log());
        feed.site.run_until_idle(0);
        assert_eq!(feed.findings(), pairs(&[("missing", &today), ("missing", &tomorrow)]), "{log:?}");
    }
}

#[test]
fn what_is_overdue_shows_in_metrics_and_status() {
    let feed = Expecting::new(LogKind::Embedded, EVERY_DAY);
    let (today, tomorrow) = (feed.date(0), feed.date(1));
    let mut bridge = feed.site.spawn(&["run", "--http", "127.0.0.1:0"], None);
    let address = address(&bridge);
    let of = |name: &str| metrics(&address).get(&format!("dropbridge_{name}{{feed=\"orders\"}}")).copied();
    wait_for("the numbers", || of("overdue_dates") == Some(0.0));
    assert_eq!(of("next_due_timestamp_seconds").map(|seconds| seconds % 86_400.0), Some(0.0), "the next midnight");
    feed.set_clock(DAY);
    wait_for("the date to be overdue", || of("overdue_dates") == Some(1.0));
    let missing = "dropbridge_arrival_findings_total{feed=\"orders\",finding=\"missing\"}";
    assert_eq!(metrics(&address).get(missing), Some(&1.0));
    let report: Value = serde_json::from_str(&get(&address, "/status").1).unwrap();
    let arrivals = &report["feeds"][0]["arrivals"];
    assert_eq!(arrivals["overdue"][0]["business_date"], today.as_str(), "{report:#}");
    assert_eq!(arrivals["next"]["business_date"], tomorrow.as_str(), "{report:#}");
    bridge.signal(rustix::process::Signal::TERM);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
}
