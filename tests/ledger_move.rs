//! The move of a bridge to another log: the ledger is exported and imported, and nothing is published twice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use serde_json::Value;
use support::{FeedOptions, LogKind, Site, kafka_brokers, order_name, orders};

/// A bridge with a past: a baseline, published files, one that came again, one in quarantine.
struct Move {
    site: Site,
    before: Vec<Value>,
    bad: &'static [u8],
}

impl Move {
    fn new(log: LogKind) -> Self {
        let site = Site::uninitialised(log, &FeedOptions::default());
        site.drop_file(&order_name(1), &orders(1, 3).1);
        site.drop_file(&order_name(2), &orders(2, 3).1);
        site.ok(&["init", "--baseline", "skip"]);
        for file in 3..6 {
            site.drop_file(&order_name(file), &orders(file, 4).1);
        }
        let bad = b"ORD-00006-000000|no amount\n";
        site.drop_file(&order_name(6), bad);
        site.run_until_idle(1);
        site.drop_file(&order_name(3), &orders(3, 4).1);
        site.run_until_idle(0);
        assert_eq!(site.numbers().len(), 12);
        let before = site.ledger();
        assert_eq!(before.len(), 6);
        let exported = site.ok(&["--json", "ledger", "export", site.path("ledger.jsonl.zst").to_str().unwrap()]);
        assert!(serde_json::from_str::<Value>(&exported).unwrap()["records"].as_u64().unwrap() >= 6);
        Self { site, before, bad }
    }

    /// From now on the bridge has another log, with the same inbox, store and state directory.
    fn to(&mut self, log: LogKind) {
        let site = &mut self.site;
        if log == LogKind::Embedded {
            for ending in ["", "-wal", "-shm"] {
                let file = site.path(&format!("state/events.sqlite{ending}"));
                let _nothing_to_move = fs::rename(&file, file.with_file_name(format!("old{ending}")));
            }
        } else {
            site.brokers = std::env::var("DROPBRIDGE_TEST_KAFKA").unwrap();
        }
        site.log = log;
        site.configure(&FeedOptions::default());
    }

    fn import(&self, code: i32) -> String {
        let output = self.site.output(&["ledger", "import", self.site.path("ledger.jsonl.zst").to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }

    fn check(&self, from: LogKind) {
        let site = &self.site;
        let without_places = |mut entry: Value| {
            if let Some(ranges) = entry.get_mut("ranges").and_then(Value::as_array_mut) {
                for range in ranges {
                    let log = range.as_object_mut().unwrap().remove("log");
                    assert!(log.is_none_or(|log| log.as_str().unwrap().contains(match from {
                        LogKind::Embedded => "sqlite",
                        LogKind::Kafka => "kafka",
                    })));
                }
            }
            entry
        };
        let after: Vec<Value> = site.ledger().into_iter().map(without_places).collect();
        assert_eq!(after, self.before);
        assert_eq!(site.run_until_idle(0)["tally"]["events"], 0);
        assert!(site.events().is_empty(), "what is published in the old log is published again");
        let bytes = site.output(&["quarantine", "show", &order_name(6), "--bytes"]).stdout;
        assert_eq!(bytes, self.bad);
        assert!(self.import(2).contains("imported already"));
        // It goes on: a new file is published, one that comes again is not.
        let (numbers, new) = orders(7, 5);
        site.drop_file(&order_name(7), &new);
        site.drop_file(&order_name(4), &orders(4, 4).1);
        site.run_until_idle(0);
        assert_eq!(site.numbers(), numbers);
        let shown = site.exits(&["ledger", "show", &order_name(5), "--byte", "0"], 1);
        assert!(shown.contains(&order_name(5)), "{shown}");
    }
}

#[test]
fn a_moved_ledger_publishes_nothing_again() {
    let mut between = Move::new(LogKind::Embedded);
    between.to(LogKind::Embedded);
    between.import(0);
    between.check(LogKind::Embedded);
    let Some(_) = kafka_brokers("moves from and to Kafka") else { return };
    for (from, to) in [(LogKind::Embedded, LogKind::Kafka), (LogKind::Kafka, LogKind::Embedded)] {
        let mut between = Move::new(from);
        between.to(to);
        between.import(0);
        between.check(from);
    }
}

#[test]
fn an_import_into_a_past_or_of_a_damaged_file_is_refused() {
    let mut between = Move::new(LogKind::Embedded);
    assert!(between.import(2).contains("is the log that it was exported from"));
    between.to(LogKind::Embedded);
    let file = between.site.path("ledger.jsonl.zst");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    between.import(2);
    let output = between.site.output(&["ledger", "list"]);
    assert_eq!(output.status.code(), Some(2), "nothing was begun");
    fs::write(&file, &whole).unwrap();
    // The bridge has begun anew meanwhile.
    fs::remove_file(between.site.path("state/genesis")).unwrap();
    between.site.ok(&["init", "--baseline", "skip"]);
    assert!(between.import(2).contains("has a past"));
}

#[cfg(feature = "failpoints")]
#[test]
fn an_import_that_was_killed_is_done_again() {
    for hit in 1..=5 {
        let mut between = Move::new(LogKind::Embedded);
        between.to(LogKind::Embedded);
        let file = between.site.path("ledger.jsonl.zst");
        let failpoint = format!("commit_sent:{hit}=kill");
        let mut killed = between.site.spawn(&["ledger", "import", file.to_str().unwrap()], Some(&failpoint));
        assert!(!killed.wait().success(), "{failpoint} was not reached: {}", killed.log());
        // Whatever is there: nobody publishes before it is complete.
        let _refused = between.site.output(&["run", "--until-idle"]);
        let output = between.site.output(&["ledger", "import", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || said.contains("imported already"), "{failpoint}: {said}");
        between.check(LogKind::Embedded);
    }
}
