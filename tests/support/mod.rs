//! A site for black-box tests: a bridge with its own configuration, inbox and topics, on either event log, run as the
//! real program and read by consumers that share no code with it (`sqlite3`, `kcat`).
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

pub mod account;
pub mod browser;
pub mod desk;
pub mod estate;
pub mod feeds;
pub mod fixtures;
pub mod ftp;
pub mod http;
pub mod lanes;
pub mod long_orders;
pub mod memory;
pub mod places;
pub mod private_broker;
pub mod relayed;
pub mod remote;
pub mod sftp;
pub mod smb;
pub mod stages;
pub mod strace;
pub mod tampering;
pub mod three_departments;
pub mod watching;
pub mod windowed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take that a test waits for. Generous: it bounds hangs, it measures nothing.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Which event log a site uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    Embedded,
    Kafka,
}

/// Both event logs, or only those that are there; `None` is a skip that was said by name.
pub fn logs() -> Vec<LogKind> {
    let mut logs = vec![LogKind::Embedded];
    logs.extend(kafka_brokers("the Kafka half of this test").map(|_| LogKind::Kafka));
    logs
}

/// The brokers that `cargo xtask test` started. Without them the test is skipped by name; in CI that is a failure.
pub fn kafka_brokers(what: &str) -> Option<String> {
    if let Ok(brokers) = std::env::var("DROPBRIDGE_TEST_KAFKA") {
        return Some(brokers);
    }
    let strict = std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
    assert!(!strict, "{what} needs Apache Kafka: run `cargo xtask test`");
    eprintln!("skipped: {what}: no Apache Kafka; `cargo xtask test` brings it");
    None
}

/// A bridge of its own.
pub struct Site {
    directory: tempfile::TempDir,
    pub log: LogKind,
    pub brokers: String,
    pub prefix: String,
    environment: Vec<(String, PathBuf)>,
}

/// What a test wants of its feed; the rest is the simplest that works.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// Lines of `[store]` after its path.
    pub store: String,
    /// Lines of `[share.nas]`.
    pub share: String,
    /// Lines of the `[[feed]]` table after its fixed ones (`id`, `share`, `inbox`, `layout`).
    pub feed: String,
    /// Lines of `[feed.ready]`.
    pub ready: String,
    /// Further lines of the `[[feed.event]]` table, such as `business_date`.
    pub event: String,
    /// Lines of `[transaction]`.
    pub transaction: String,
    /// Milliseconds after which a silent holder loses its slot.
    pub takeover_after_ms: u64,
    /// Lines behind the feed's tables: `[[rendering]]`.
    pub after: String,
    /// More tables of the layout (controls, …) and its own lines.
    pub layout: String,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            feed: "include = [\"ORD_{business_date:YYYYMMDD}_{sequence:4}.dat\"]\npoll_ms = 50".to_owned(),
            ready: "quiet_ms = 50".to_owned(),
            event: String::new(),
            store: String::new(),
            share: "address = \"../share\"".to_owned(),
            transaction: String::new(),
            takeover_after_ms: 30_000,
            after: String::new(),
            layout: ORDERS_LAYOUT.to_owned(),
        }
    }
}

/// Orders: `number|amount`, one a line.
pub const ORDERS_LAYOUT: &str = r#"
name = "orders"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
[delimited]
delimiter = "|"
quote = ""
quoting = "none"
[[record]]
name = "order"
field = [ { name = "number", type = "text" }, { name = "amount", type = "decimal", scale = 2 } ]
"#;

static SITES: AtomicU32 = AtomicU32::new(0);

impl Site {
    /// A site with one feed `orders` of department `sales` that makes `OrderTaken` events; initialised, nothing taken
    /// as baseline.
    pub fn new(log: LogKind, options: &FeedOptions) -> Self {
        let site = Self::uninitialised(log, options);
        site.ok(&["init", "--baseline", "take"]);
        site
    }

    pub fn uninitialised(log: LogKind, options: &FeedOptions) -> Self {
        let site = Self::bare(log);
        fs::create_dir_all(site.inbox()).unwrap();
        site.configure(options);
        site
    }

    /// A directory and a prefix of its own, and nothing in it.
    fn bare(log: LogKind) -> Self {
        let directory = tempfile::Builder::new().prefix("dropbridge-test-").tempdir().unwrap();
        let brokers =
            if log == LogKind::Kafka { std::env::var("DROPBRIDGE_TEST_KAFKA").unwrap() } else { String::new() };
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        let prefix = format!("t{}-{number}-{stamp}.", std::process::id());
        Self { directory, log, brokers, prefix, environment: Vec::new() }
    }

    /// Writes the configuration (again).
    pub fn configure(&self, options: &FeedOptions) {
        let root = self.path("config");
        for directory in ["departments", "layouts", "schemas"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let name = self.prefix.trim_end_matches('.');
        let log = match self.log {
            LogKind::Embedded => "kind = \"embedded\"".to_owned(),
            LogKind::Kafka => format!("kind = \"kafka\"\n[log.kafka]\nbrokers = \"{}\"", self.brokers),
        };
        fs::write(
            root.join("bridge.toml"),
            format!(
                "departments = \"departments/*.toml\"\nlayouts = \"layouts/*.toml\"\n\
                 [bridge]\nname = \"{name}\"\nstate = \"../state\"\n[store]\npath = \"../store\"\n{}\n\
                 [log]\n{log}\n[topics]\nprefix = \"{}\"\npartitions = 3\n\
                 [transaction]\n{}\n[slot]\ntakeover_after_ms = {}\n\
                 [share.nas]\n{}\n\
                 [event.OrderTaken]\nschema = \"schemas/OrderTaken.schema.json\"\n",
                options.store, self.prefix, options.transaction, options.takeover_after_ms, options.share
            ),
        )
        .unwrap();
        fs::write(
            root.join("departments/sales.toml"),
            format!(
                "department = \"sales\"\n[[feed]]\nid = \"orders\"\nshare = \"nas\"\ninbox = \"orders\"\n\
                 layout = \"orders\"\n{}\n[feed.ready]\n{}\n\
                 [[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\nkey = \"order.number\"\n{}\n\
                 [feed.event.data]\nnumber = \"order.number\"\namount = \"order.amount\"\n{}\n",
                options.feed, options.ready, options.event, options.after
            ),
        )
        .unwrap();
        fs::write(root.join("layouts/orders.toml"), &options.layout).unwrap();
        fs::write(
            root.join("schemas/OrderTaken.schema.json"),
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://dropbridge.dev/test/OrderTaken/1",
               "type":"object","required":["number","amount"],"additionalProperties":false,
               "properties":{"number":{"type":"string","minLength":1},"amount":{"type":"string","pattern":"^-?[0-9]+\\.[0-9]{2}$"}}}"#,
        )
        .unwrap();
    }

    /// A variable for every run of the program from now on.
    pub fn set_environment(&mut self, name: &str, value: PathBuf) {
        self.environment.push((name.to_owned(), value));
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub fn inbox(&self) -> PathBuf {
        self.path("share/orders")
    }

    /// Drops a file into the inbox at once (renamed into place).
    pub fn drop_file(&self, name: &str, content: &[u8]) {
        let part = self.path("arriving");
        fs::write(&part, content).unwrap();
        fs::rename(&part, self.inbox().join(name)).unwrap();
    }

    /// The program, with this site's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dropbridge"));
        command.arg("--config").arg(self.path("config/bridge.toml")).args(arguments);
        command.env_remove("DROPBRIDGE_FAILPOINT").env_remove("DROPBRIDGE_LOG").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that has to exit 0, and answers its standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.exits(arguments, 0)
    }

    /// Runs a command that has to exit with this code, and answers its standard output.
    pub fn exits(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {errors}\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Takes what is there; the exit code has to be this one.
    pub fn run_until_idle(&self, code: i32) -> Value {
        let output = self.exits(&["--json", "run", "--until-idle"], code);
        serde_json::from_str(output.lines().last().unwrap_or("{}")).unwrap()
    }

    /// Starts the program in the background; its log goes to a file.
    pub fn spawn(&self, arguments: &[&str], failpoint: Option<&str>) -> Running {
        static LOGS: AtomicU32 = AtomicU32::new(0);
        let log = self.path(&format!("log-{}", LOGS.fetch_add(1, Ordering::Relaxed)));
        let file = fs::File::create(&log).unwrap();
        let mut command = self.command(arguments);
        if let Some(failpoint) = failpoint {
            command.env("DROPBRIDGE_FAILPOINT", failpoint);
        }
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Running { child, log }
    }

    /// Values of the committed events of `OrderTaken`, read by a consumer that shares no code with the bridge.
    pub fn events(&self) -> Vec<Value> {
        self.committed("OrderTaken")
    }

    /// Values of the committed records of a topic (its name without the prefix), as JSON.
    pub fn committed(&self, topic: &str) -> Vec<Value> {
        let topic = format!("{}{topic}", self.prefix);
        let output = match self.log {
            LogKind::Embedded => Command::new("sqlite3")
                .arg("-readonly")
                .arg(self.path("state/events.sqlite"))
                .arg(".timeout 60000")
                .arg(format!(
                    "SELECT CAST(value AS TEXT) FROM committed_records WHERE topic = '{topic}' AND value IS NOT NULL \
                     ORDER BY partition, \"offset\""
                ))
                .output()
                .expect("the test needs Debian's sqlite3"),
            LogKind::Kafka => Command::new("kcat")
                .args(["-C", "-q", "-e", "-b", &self.brokers, "-t", &topic, "-o", "beginning"])
                // The broker answers at the end of a partition only when this time is over.
                .args(["-X", "isolation.level=read_committed", "-X", "fetch.wait.max.ms=10"])
                .output()
                .expect("the test needs Debian's kcat"),
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The bytes of an object in the store, whatever its form, read without the bridge.
    pub fn stored(&self, hash: &str) -> Option<Vec<u8>> {
        let path = self.path("store/objects").join(&hash[..2]).join(hash);
        let compressed = fs::File::open(path.with_extension("zst"));
        compressed.map_or_else(|_| fs::read(&path).ok(), |file| Some(zstd::decode_all(file).unwrap()))
    }

    /// The objects in the store.
    pub fn objects(&self) -> Vec<PathBuf> {
        let directories = fs::read_dir(self.path("store/objects")).unwrap();
        directories
            .flat_map(|directory| fs::read_dir(directory.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }

    /// Order numbers of the committed events, sorted: what went in has to come out, each once.
    pub fn numbers(&self) -> Vec<String> {
        let mut numbers: Vec<String> =
            self.events().iter().map(|event| event["data"]["number"].as_str().unwrap().to_owned()).collect();
        numbers.sort();
        numbers
    }

    /// The ledger, as the program shows it.
    pub fn ledger(&self) -> Vec<Value> {
        let text = self.ok(&["--json", "ledger", "list", "--limit", "1000000"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The state of each drop, by file name.
    pub fn states(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.ledger().iter().map(|entry| (text(&entry["entry"]["path"]), text(&entry["state"]))).collect()
    }
}

/// `count` orders, `ORD-<file>-<line>`, and the bytes of their file.
pub fn orders(file: u32, count: u32) -> (Vec<String>, Vec<u8>) {
    let numbers: Vec<String> = (0..count).map(|line| format!("ORD-{file:05}-{line:06}")).collect();
    let text: String = numbers.iter().map(|number| format!("{number}|12.50\n")).collect();
    (numbers, text.into_bytes())
}

/// A name that the default feed takes.
pub fn order_name(file: u32) -> String {
    format!("ORD_202601{:02}_{:04}.dat", 1 + file / 1000, file % 1000)
}

/// A program that runs in the background; it is killed when the test ends.
pub struct Running {
    pub child: Child,
    pub log: PathBuf,
}

impl Running {
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// What it has logged and printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has stopped itself (a failpoint `stop`).
    pub fn wait_until_stopped(&mut self) {
        let stat = format!("/proc/{}/stat", self.child.id());
        wait_for("the process to stop itself", || {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended instead: {}",
                fs::read_to_string(&self.log).unwrap()
            );
            fs::read_to_string(&stat).is_ok_and(|stat| stat.rsplit(')').next().unwrap().trim().starts_with('T'))
        });
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        let log = self.log.clone();
        wait_for_or(
            "the process to end",
            || fs::read_to_string(&log).unwrap_or_default(),
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
        );
        status.unwrap()
    }

    pub fn kill(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for a condition.
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_for_or(what, String::new, condition);
}

/// Waits for a condition; when it does not come, `detail` says more.
pub fn wait_for_or(what: &str, detail: impl Fn() -> String, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "gave up waiting for {what}\n{}", detail());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A generator of reproducible random numbers; its seed is printed.
pub struct Random(u64);

impl Random {
    /// Seeded from `DROPBRIDGE_TEST_SEED`, or the clock.
    pub fn new(test: &str) -> Self {
        let clock =
            || u64::from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos());
        let seed = std::env::var("DROPBRIDGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
        eprintln!("{test}: DROPBRIDGE_TEST_SEED={seed}");
        Self(seed)
    }

    /// SplitMix64 (public domain, Steele, Lea and Flood 2014).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The tree's root.
pub fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
