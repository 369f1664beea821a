//! A Kafka broker of a test's own, which may be stopped and killed.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use super::{FeedOptions, LogKind, Site};

/// The broker. It is removed when the test ends.
pub struct PrivateBroker {
    xtask: String,
    name: String,
    exports: BTreeMap<String, String>,
}

impl PrivateBroker {
    /// Starts one; `None` when the test is skipped for want of it, which is said by name.
    pub fn start(test: &str) -> Option<Self> {
        super::kafka_brokers(test)?;
        let xtask = std::env::var("DROPBRIDGE_TEST_XTASK").expect("it comes with DROPBRIDGE_TEST_KAFKA");
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let name = format!("{test}-{}-{stamp}", std::process::id());
        let mut broker = Self { xtask, name, exports: BTreeMap::new() };
        broker.exports = broker.run(&["start"]).lines().filter_map(export).collect();
        Some(broker)
    }

    /// An initialised site on it.
    pub fn site(&self, options: &FeedOptions) -> Site {
        let mut site = Site::uninitialised(LogKind::Kafka, options);
        site.brokers = self.exports["DROPBRIDGE_TEST_KAFKA"].clone();
        site.configure(options);
        site.ok(&["init", "--baseline", "take"]);
        site
    }

    /// Stops it where it stands (`STOP`), or kills it (`KILL`).
    pub fn signal(&self, signal: Signal) {
        let pid = std::fs::read_to_string(&self.exports["DROPBRIDGE_TEST_KAFKA_PID_FILE"]).unwrap();
        kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
    }

    /// Starts it again after a kill, with its data and on its port, and waits until it answers.
    pub fn restart(&self) {
        self.run(&["start", "--keep-data"]);
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(&self.xtask).arg("kafka").args(arguments).args(["--name", &self.name]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        let _gone = Command::new(&self.xtask).args(["kafka", "stop", "--remove", "--name", &self.name]).status();
    }
}

fn export(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
    Some((name.to_owned(), value.trim_matches('\'').to_owned()))
}
