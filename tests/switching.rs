//! Departments are switched and switched back, again and again, while both sides write, bridges are killed and frozen, and
//! the broker is killed: each fact stands on the topic once, from the side that its date belongs to, and each consumer has
//! each row once.
//!
//! `DROPBRIDGE_TEST_SWITCHES=200` plays it at length: 200 switches, 20 kills, 5 takeovers, 5 restarts of the broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use rustix::process::Signal;
use support::private_broker::PrivateBroker;
use support::three_departments::{DEPARTMENTS, ThreeDepartments, options};
use support::{LogKind, Random, Running, Site, wait_for, wait_for_or};

/// How much is played.
struct Play {
    days: i64,
    switches: u64,
    kills: u64,
    takeovers: u64,
    broker_restarts: u64,
}

impl Play {
    /// As often as the variable says, or this often.
    fn of(switches: u64) -> Self {
        let stated = std::env::var("DROPBRIDGE_TEST_SWITCHES").ok().and_then(|text| text.parse().ok());
        let switches: u64 = stated.unwrap_or(switches);
        let several = |part: u64| (switches / part).max(1);
        let days = i64::try_from(switches / 3 + 6).unwrap();
        Self { days, switches, kills: several(10), takeovers: several(40), broker_restarts: several(40) }
    }

    /// Whether something that happens so often happens on a day.
    fn is_due(&self, times: u64, day: i64) -> bool {
        let (day, days) = (day.unsigned_abs(), self.days.unsigned_abs());
        (day * times) / days != ((day + 1) * times) / days
    }
}

/// Two instances, of which one holds the slot.
struct Bridges(Vec<Running>);

impl Bridges {
    fn start(site: &Site) -> Self {
        Self(vec![site.spawn(&["run"], None), site.spawn(&["run", "--standby"], None)])
    }

    fn kill(&mut self, site: &Site, which: usize) {
        self.0[which].kill();
        self.0[which] = site.spawn(&["run", "--standby"], None);
    }

    /// Freezes an instance until the other one holds the slot.
    fn freeze(&self, which: usize) {
        let others = |log: String| log.matches("holding the slot").count();
        let (frozen, other) = (&self.0[which], &self.0[1 - which]);
        let before = others(other.log());
        let holds = frozen.log().rfind("holding the slot") > frozen.log().rfind("standing by");
        frozen.signal(Signal::STOP);
        if holds {
            wait_for_or("the standby to take over", || other.log(), || others(other.log()) > before);
        }
        frozen.signal(Signal::CONT);
    }
}

fn play(log: LogKind) {
    let mut random = Random::new("switching");
    let play = Play::of(if log == LogKind::Kafka { 24 } else { 12 });
    let broker = match log {
        LogKind::Embedded => None,
        LogKind::Kafka => match PrivateBroker::start("switching") {
            None => return,
            some => some,
        },
    };
    let site = match &broker {
        Some(broker) => broker.uninitialised_site(&options()),
        None => Site::uninitialised(log, &options()),
    };
    let mut all = ThreeDepartments::new(site, play.days, &mut random);
    let mut bridges = Bridges::start(&all.site);
    let mut switched = 0;
    all.write(-1);
    for day in 0..play.days + 3 {
        all.set_clock(day, 12);
        all.write(day);
        if day == 0 {
            wait_for("the first files", || all.site.committed("ledger").len() >= DEPARTMENTS.len());
        }
        while switched < play.switches * (day.unsigned_abs() + 1) / play.days.unsigned_abs() && switched < play.switches
        {
            let which = usize::try_from(random.below(3)).unwrap();
            switched += u64::from(switch(&all.site, DEPARTMENTS[which], &bridges));
        }
        if play.is_due(play.kills, day) {
            bridges.kill(&all.site, usize::try_from(random.below(2)).unwrap());
        }
        if play.is_due(play.takeovers, day) {
            bridges.freeze(usize::from(random.below(2) == 1));
        }
        if let Some(broker) = broker.as_ref().filter(|_| play.is_due(play.broker_restarts, day)) {
            broker.kill();
            broker.restart();
        }
        all.set_clock(day, 23);
    }
    for bridge in &mut bridges.0 {
        bridge.signal(Signal::TERM);
        let _ended = bridge.wait();
    }
    // The last corrections have their cut-off.
    for day in 3..6 {
        all.set_clock(play.days + day, 23);
        all.site.run_until_idle(0);
    }
    assert_eq!(switched, play.switches);
    all.check();
}

/// To the other stage, from the first date that is free. Answers whether that was decided.
fn switch(site: &Site, department: &str, bridges: &Bridges) -> bool {
    let history = site.output(&["--json", "cutover", "status"]);
    let text = String::from_utf8(history.stdout).unwrap();
    let status = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let row = status.into_iter().find(|row| row["department"] == department).unwrap();
    let moved = site.output(&["--json", "cutover", "history", department]);
    let moved = String::from_utf8(moved.stdout).unwrap();
    let last = moved.lines().next().and_then(|line| {
        let journal: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(journal["transitions"].as_array()?.last()?["to"].as_str()?.to_owned())
    });
    let command: &[&str] = match last.as_deref() {
        Some("live") => &["rollback", department, "--force", "--reason", "a test"],
        _ => &["advance", department, "--approved-by", "owner"],
    };
    let output = site.output(&[&["cutover"], command].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let logs = || bridges.0.iter().map(Running::log).collect::<String>();
    assert!(output.status.code().is_some_and(|code| code < 2), "{row}: {said}\n{}", logs());
    if output.status.code() == Some(1) {
        eprintln!("{department} was not moved: {said}");
    }
    output.status.code() == Some(0)
}

#[test]
fn each_fact_has_one_speaker_on_the_embedded_log() {
    play(LogKind::Embedded);
}

#[test]
fn each_fact_has_one_speaker_on_kafka() {
    play(LogKind::Kafka);
}
