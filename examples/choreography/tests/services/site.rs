//! Topics and states of a test's own, and the programs that work with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{Broker, Record};

/// The events of the chain, in the order of the work.
pub(crate) const TYPES: [&str; 3] = ["BidProcessed", "WorkOrderCreated", "WorkOrderCompleted"];

/// Every so manieth bid is above what is awarded.
pub(crate) const ONE_IS_REJECTED_IN: usize = 5;

/// A place of a test's own.
pub(crate) struct Site {
    pub(crate) broker: Broker,
    /// Stands before the names of its topics, and is in those of its groups.
    pub(crate) prefix: String,
    directory: TempDir,
}

impl Site {
    /// With all topics, of so many partitions. `None` when there is no broker.
    pub(crate) fn new(partitions: i32) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let broker = Broker::find()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let prefix = format!("choreography-{now:x}-{}.", NEXT.fetch_add(1, Ordering::Relaxed));
        let site = Self { broker, prefix, directory: tempfile::tempdir().unwrap() };
        site.broker.create_topic(&site.bids(), partitions);
        for event_type in TYPES {
            site.broker.create_topic(&site.candidates(event_type), partitions);
            site.broker.create_topic(&site.topic(event_type), partitions);
        }
        Some(site)
    }

    pub(crate) fn bids(&self) -> String {
        format!("{}bids", self.prefix)
    }

    pub(crate) fn topic(&self, event_type: &str) -> String {
        format!("{}{event_type}", self.prefix)
    }

    pub(crate) fn candidates(&self, event_type: &str) -> String {
        format!("{}{event_type}.candidate", self.prefix)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The consumer group of a service here.
    pub(crate) fn group(&self, service: &str) -> String {
        format!("{}{service}", self.prefix)
    }

    /// A service, with a state of this name.
    pub(crate) fn command(&self, service: &str, state: &str) -> Command {
        self.command_at(&self.broker.address, &self.group(service), service, state)
    }

    /// A service that comes by this address, as a member of this group.
    pub(crate) fn command_at(&self, address: &str, group: &str, service: &str, state: &str) -> Command {
        let mut command = Command::new(program(service));
        command
            .env_remove("KAFKA_BOOTSTRAP_SERVERS")
            .args(["--bootstrap-servers", address, "--prefix", &self.prefix, "--state"])
            .arg(self.path(state));
        if service != "monitor" {
            command.args(["--group", group]);
        }
        if service == "bid-processor" {
            command.args(["--bids", &self.bids()]);
        }
        command
    }

    /// Lets a service do everything that there is to do.
    pub(crate) fn run_until_idle(&self, service: &str) {
        let output = self.command(service, service).arg("--until-idle").output().unwrap();
        assert_success(&output);
    }

    /// What the monitor says of everything that is there, and its exit code.
    pub(crate) fn monitor(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let output =
            self.command("monitor", "monitor").args(["--until-idle", "--json"]).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{told}")), output.status.code())
    }

    /// Makes the candidates authoritative, as a bridge would: each as it is.
    pub(crate) fn forward(&self, event_type: &str) {
        self.broker.write(&self.topic(event_type), &self.broker.read(&self.candidates(event_type)));
    }

    /// A number from a state, as whoever looks at it meanwhile sees it; 0 where the table is not there yet.
    pub(crate) fn number(&self, state: &str, sql: &str) -> i64 {
        let path = self.path(state);
        if !path.exists() {
            return 0;
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        match connection.query_row(sql, [], |row| row.get(0)) {
            Err(error) if error.to_string().contains("no such table") => 0,
            number => number.unwrap(),
        }
    }

    /// The events of a topic by their ids. An event that is there several times must be the same each time.
    pub(crate) fn events(&self, topic: &str) -> BTreeMap<String, Value> {
        let mut events = BTreeMap::new();
        for record in self.broker.read(topic) {
            let event: Value = serde_json::from_slice(&record.value).unwrap();
            let id = event["id"].as_str().unwrap().to_owned();
            if let Some(before) = events.insert(id, event.clone()) {
                assert_eq!(before, event, "one id, two events");
            }
        }
        events
    }

    /// What a field of the events' data holds, for each event.
    pub(crate) fn data_of(&self, topic: &str, field: &str) -> BTreeSet<String> {
        let events = self.events(topic);
        let found: BTreeSet<_> =
            events.values().map(|event| event["data"][field].as_str().unwrap().to_owned()).collect();
        assert_eq!(found.len(), events.len(), "{topic}: two events about one {field}");
        found
    }
}

/// The executable of a service.
pub(crate) fn program(service: &str) -> &'static str {
    match service {
        "bid-processor" => env!("CARGO_BIN_EXE_bid-processor"),
        "work-order-service" => env!("CARGO_BIN_EXE_work-order-service"),
        "completion-desk" => env!("CARGO_BIN_EXE_completion-desk"),
        "invoicer" => env!("CARGO_BIN_EXE_invoicer"),
        "monitor" => env!("CARGO_BIN_EXE_monitor"),
        other => panic!("there is no {other}"),
    }
}

/// Ended with 0; otherwise what it said is shown.
pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// The number of the bid with this index.
pub(crate) fn bid_number(index: usize) -> String {
    format!("B-{index:05}")
}

/// Bids with these indices, as they are submitted.
pub(crate) fn bids(indices: impl IntoIterator<Item = usize>) -> Vec<Record> {
    indices.into_iter().map(bid).collect()
}

fn bid(index: usize) -> Record {
    let total = if is_awarded(index) { format!("{}.50", 100 + index) } else { "50000.01".to_owned() };
    let event = json!({
        "specversion": "1.0", "id": format!("bid-{index}"), "type": "BidSubmitted", "source": "/portal",
        "department": "parks", "businessdate": "2026-01-31",
        "data": {
            "bid_number": bid_number(index), "project": {"number": "P-7"}, "vendor": {"id": "00012345"},
            "submitted_on": "2026-01-20", "total": {"value": total, "currency": "EUR"},
            "lines": [{"number": 1, "description": "benches, oak", "quantity": "4", "unit": "pc"}],
        },
    });
    Record { key: bid_number(index), value: event.to_string().into_bytes(), headers: BTreeMap::new() }
}

/// Whether the bid with this index is awarded.
pub(crate) const fn is_awarded(index: usize) -> bool {
    !index.is_multiple_of(ONE_IS_REJECTED_IN)
}

/// How many of the first bids are awarded.
pub(crate) fn awarded(bids: usize) -> usize {
    (0..bids).filter(|index| is_awarded(*index)).count()
}
