//! The real Apache Kafka that the tests talk to: `cargo xtask test` starts it and says where it is.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use dropbridge_conformance::event_log::Bench;
use dropbridge_conformance::event_log::bench::wait_until;
use dropbridge_kafka::{KafkaLog, KafkaSettings};
use dropbridge_port::{EventLog, OutgoingRecord};
use rustix::process::{Pid, Signal, kill_process};

/// The variable, or `None` when this test is skipped for want of it, said by name. Where nothing may be skipped, it
/// panics.
pub fn variable(name: &str) -> Option<String> {
    if let Ok(value) = std::env::var(name) {
        return Some(value);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let message = format!("skipped: {test}: {name} is not set; `cargo xtask test` starts Apache Kafka and sets it");
    let disallowed = std::env::var("CI").is_ok_and(|value| value == "true")
        || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
    assert!(!disallowed, "{message}");
    // Not by `eprintln!`: what a test prints by that is shown only when it fails.
    std::io::stderr().write_all(format!("{message}\n").as_bytes()).unwrap();
    None
}

/// A name that nothing else on the broker has.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{stem}-{now:x}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The shared broker, over its plain listener.
pub struct KafkaBench {
    address: String,
}

impl KafkaBench {
    /// `None` when there is none.
    pub fn find() -> Option<Self> {
        variable("DROPBRIDGE_TEST_KAFKA").map(Self::at)
    }

    /// The broker at this address.
    pub fn at(address: String) -> Self {
        Self { address }
    }

    /// Settings for this broker.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings::new(&self.address)
    }
}

impl Bench for KafkaBench {
    fn open(&self) -> Box<dyn EventLog> {
        Box::new(KafkaLog::connect(self.settings()).unwrap())
    }

    fn unique(&self, stem: &str) -> String {
        unique(stem)
    }

    fn compaction_properties(&self) -> BTreeMap<String, String> {
        [("segment.ms", "50"), ("min.cleanable.dirty.ratio", "0.001"), ("delete.retention.ms", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// The cleaner goes round by itself, but never touches the segment that is written to: a record that comes later
    /// than `segment.ms` makes a new one.
    fn compact(&self, topic: &str) {
        let log = self.open();
        let mut writer = log.writer(&self.unique("filler")).unwrap();
        writer.begin().unwrap();
        for partition in 0..log.topics(&[topic]).unwrap()[0].partitions {
            let (partition, key, value) = (Some(partition), Some(&b"filler"[..]), Some(&b"filler"[..]));
            writer.send(OutgoingRecord { topic, partition, key, value, headers: &[], tag: 0 }).unwrap();
        }
        writer.commit().unwrap();
    }
}

/// A broker of a test's own, which may be killed.
pub struct PrivateNode {
    xtask: String,
    name: String,
    exports: BTreeMap<String, String>,
}

impl PrivateNode {
    /// Starts one; `None` when there is no program to do so.
    pub fn start(stem: &str) -> Option<Self> {
        let xtask = variable("DROPBRIDGE_TEST_XTASK")?;
        let mut node = Self { xtask, name: unique(stem), exports: BTreeMap::new() };
        let output = node.run(&["start"]);
        node.exports = output.lines().filter_map(parse_export).collect();
        Some(node)
    }

    /// A bench on it.
    pub fn bench(&self) -> KafkaBench {
        KafkaBench::at(self.exports["DROPBRIDGE_TEST_KAFKA"].clone())
    }

    /// `kill -9`; when this returns, it is dead.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(&self.exports["DROPBRIDGE_TEST_KAFKA_PID_FILE"]).unwrap();
        kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        // The command line of a dead process is empty, or not there any more.
        let command_line = format!("/proc/{}/cmdline", pid.trim());
        wait_until("the broker is dead", || std::fs::read(&command_line).map_or(true, |line| line.is_empty()));
    }

    /// Starts it again with its data, on its port, and waits until it answers.
    pub fn restart(&self) {
        self.run(&["start", "--keep-data"]);
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.xtask);
        let output = command.arg("kafka").args(arguments).args(["--name", &self.name]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for PrivateNode {
    fn drop(&mut self) {
        let _ = Command::new(&self.xtask).args(["kafka", "stop", "--remove", "--name", &self.name]).status();
    }
}

fn parse_export(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
    Some((name.to_owned(), value.trim_matches('\'').to_owned()))
}
