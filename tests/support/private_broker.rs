//! A Kafka broker of a test's own, which may be stopped and killed.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use super::{FeedOptions, LogKind, Site, wait_for};

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

    /// A site on it.
    pub fn uninitialised_site(&self, options: &FeedOptions) -> Site {
        let mut site = Site::uninitialised(LogKind::Kafka, options);
        site.brokers = self.brokers();
        site.configure(options);
        site
    }

    /// An initialised site on it.
    pub fn site(&self, options: &FeedOptions) -> Site {
        let site = self.uninitialised_site(options);
        site.ok(&["init", "--baseline", "take"]);
        site
    }

    /// Where it listens.
    pub fn brokers(&self) -> String {
        self.exports["DROPBRIDGE_TEST_KAFKA"].clone()
    }

    /// Stops it where it stands; when this returns, every thread of it is stopped.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid());
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            // proc(5): the state comes after the name, which may hold anything, in parentheses.
            stat.map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
        };
        wait_for("the broker to stop", || std::fs::read_dir(&tasks).unwrap().all(is_stopped));
    }

    /// Lets it go on after [`PrivateBroker::stop`], and waits until it answers.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
        let asked = || Command::new(&self.xtask).args(["kafka", "status", "--name", &self.name]).output().unwrap();
        wait_for("the broker to answer", || asked().status.success());
    }

    /// `kill -9`; when this returns, it is dead.
    pub fn kill(&self) {
        // Of a dead process the command line is empty, or not there any more.
        let command_line = format!("/proc/{}/cmdline", self.pid());
        self.signal(Signal::KILL);
        wait_for("the broker to die", || std::fs::read(&command_line).map_or(true, |line| line.is_empty()));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    fn pid(&self) -> i32 {
        let pid = std::fs::read_to_string(&self.exports["DROPBRIDGE_TEST_KAFKA_PID_FILE"]).unwrap();
        pid.trim().parse().unwrap()
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
