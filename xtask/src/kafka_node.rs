//! A real Apache Kafka of one KRaft node on the loopback, for tests.
//!
//! Everything of a node is in `target/kafka/nodes/NAME/`: `ports`, `server.properties`, `pid`, `data/`, `tls/`,
//! `server.log` (warnings) and `start.log` (standard output of the last start). It outlives the program that started
//! it, may be killed at any moment, and comes back on the same ports and data with `start --keep-data`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{certificates, kafka_jars, kafka_protocol, programs, workspace};

const SERVER_PROPERTIES: &str = include_str!("../kafka/server.properties");
const LOGGING: &str = include_str!("../kafka/log4j2.properties");
/// Kafka's own word that it serves.
const STARTED: &str = "Kafka Server started";
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// May do everything.
const USER: &str = "bridge";
/// May log in and nothing else.
const GUEST: &str = "guest";
const PASSWORD: &str = "only-for-tests";

/// How a node is to be started.
#[derive(Clone, Copy, Default)]
pub(crate) struct StartOptions {
    /// Go on with the data and ports of the last start.
    pub(crate) keep_data: bool,
    /// The port of the plain listener.
    pub(crate) port: Option<u16>,
    /// The process for which it is started, and with which it must end.
    pub(crate) owner: Option<u32>,
}

/// Says to those who start nodes below `cargo xtask test` whose nodes they are.
pub(crate) const OWNER_VARIABLE: &str = "DROPBRIDGE_TEST_NODE_OWNER";

/// The owner of nodes that this process starts.
pub(crate) fn owner_from_environment() -> Option<u32> {
    std::env::var(OWNER_VARIABLE).ok()?.parse().ok()
}

/// Stops and removes the nodes of one owner.
pub(crate) fn remove_owned_by(owner: u32) -> Result<()> {
    remove_where(|node| node.owner() == Some(owner))
}

/// Stops and removes the nodes whose owner is gone: it was killed, and could not do it.
pub(crate) fn remove_orphans() -> Result<()> {
    remove_where(|node| node.owner().is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()))
}

fn remove_where(condition: impl Fn(&KafkaNode) -> bool) -> Result<()> {
    let Ok(listing) = fs::read_dir(workspace::kafka().join("nodes")) else { return Ok(()) };
    for entry in listing {
        let Ok(node) = KafkaNode::named(&entry?.file_name().to_string_lossy()) else { continue };
        if condition(&node) {
            node.stop()?;
            node.remove()?;
        }
    }
    Ok(())
}

/// A node by its name, running or not.
pub(crate) struct KafkaNode {
    name: String,
    directory: PathBuf,
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    sasl: u16,
    controller: u16,
}

impl KafkaNode {
    /// The node of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let fits =
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
        ensure!(fits, "`{name}` is no name for a node: letters, digits, `-` and `_` only");
        Ok(Self { name: name.to_owned(), directory: workspace::kafka().join("nodes").join(name) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts the node and waits until it answers. One that answers already is left as it is.
    pub(crate) fn start(&self, options: StartOptions) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        // A node that was killed a moment ago may still be there: it is gone when it neither runs nor answers.
        while self.running().is_some() {
            if self.answers() {
                eprintln!("Kafka node `{}` is up already", self.name);
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "Kafka node `{}` runs but does not answer: stop it first", self.name);
            thread::sleep(LOOK_AGAIN);
        }
        programs::require("java", "Apache Kafka cannot be started")?;
        let jars = kafka_jars::bring()?;
        if !(options.keep_data && self.directory.join("ports").exists()) {
            self.prepare(&jars, options)?;
        } else if let Some(port) = options.port {
            ensure!(port == self.ports()?.plain, "Kafka node `{}` has its data on another port than {port}", self.name);
        }
        let mut child = self.launch(&jars)?;
        self.await_start(&mut child, deadline)
    }

    /// Stops the node: asks it to, then kills it.
    pub(crate) fn stop(&self) -> Result<()> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        let Some(pid) = self.running() else { return Ok(()) };
        kill_process(pid, Signal::TERM).with_context(|| format!("stop Kafka node `{}`", self.name))?;
        while self.running().is_some() {
            if Instant::now() > deadline {
                eprintln!("Kafka node `{}` does not stop: it is killed", self.name);
                kill_process(pid, Signal::KILL).with_context(|| format!("kill Kafka node `{}`", self.name))?;
                break;
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// `kill -9`; when this returns, it is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        let Some(pid) = self.running() else { return Ok(()) };
        kill_process(pid, Signal::KILL).with_context(|| format!("kill Kafka node `{}`", self.name))?;
        while self.running().is_some() {
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Removes everything of a node that was stopped.
    pub(crate) fn remove(&self) -> Result<()> {
        ensure!(self.running().is_none(), "Kafka node `{}` still runs", self.name);
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory).with_context(|| format!("remove {}", self.directory.display()))?;
        }
        Ok(())
    }

    /// Whether the node is up.
    pub(crate) fn answers(&self) -> bool {
        self.running().is_some() && self.ports().is_ok_and(|ports| kafka_protocol::answers(ports.plain, ANSWER_TIMEOUT))
    }

    /// The variables by which the tests find the node:
    ///
    /// - `DROPBRIDGE_TEST_KAFKA`: address of the plain listener, where everything is allowed;
    /// - `DROPBRIDGE_TEST_KAFKA_SASL`: address of the listener with TLS and SCRAM-SHA-256, and beside it `…_CA` (a
    ///   PEM file), `…_USER`, `…_PASSWORD`, and `…_GUEST`: a user with the same password who may do nothing;
    /// - `DROPBRIDGE_TEST_KAFKA_PID_FILE`: whom to kill;
    /// - `DROPBRIDGE_TEST_KAFKA_RESTART`: a shell command that brings a killed node back with its data and waits
    ///   until it answers;
    /// - `DROPBRIDGE_TEST_XTASK`: this program, for tests that start a node of their own
    ///   (`$DROPBRIDGE_TEST_XTASK kafka start --name NAME`).
    pub(crate) fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let ports = self.ports()?;
        let xtask = workspace::xtask_program().display().to_string();
        Ok(vec![
            ("DROPBRIDGE_TEST_KAFKA", format!("127.0.0.1:{}", ports.plain)),
            ("DROPBRIDGE_TEST_KAFKA_SASL", format!("127.0.0.1:{}", ports.sasl)),
            ("DROPBRIDGE_TEST_KAFKA_SASL_CA", self.directory.join("tls/ca.pem").display().to_string()),
            ("DROPBRIDGE_TEST_KAFKA_SASL_USER", USER.to_owned()),
            ("DROPBRIDGE_TEST_KAFKA_SASL_PASSWORD", PASSWORD.to_owned()),
            ("DROPBRIDGE_TEST_KAFKA_SASL_GUEST", GUEST.to_owned()),
            ("DROPBRIDGE_TEST_KAFKA_PID_FILE", self.directory.join("pid").display().to_string()),
            ("DROPBRIDGE_TEST_KAFKA_RESTART", format!("{xtask} kafka start --keep-data --name {}", self.name)),
            ("DROPBRIDGE_TEST_XTASK", xtask),
        ])
    }

    /// The process, if it is ours and alive. A number alone would not do: it may be another process' by now.
    fn running(&self) -> Option<Pid> {
        let pid: i32 = fs::read_to_string(self.directory.join("pid")).ok()?.trim().parse().ok()?;
        // Empty for a process that ended and was not waited for.
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let own = self.properties_file().display().to_string().into_bytes();
        let is_ours = command.split(|byte| *byte == 0).any(|argument| argument == own);
        if is_ours { Pid::from_raw(pid) } else { None }
    }

    fn owner(&self) -> Option<u32> {
        fs::read_to_string(self.directory.join("owner")).ok()?.trim().parse().ok()
    }

    fn properties_file(&self) -> PathBuf {
        self.directory.join("server.properties")
    }

    fn ports(&self) -> Result<Ports> {
        let file = self.directory.join("ports");
        let text =
            fs::read_to_string(&file).with_context(|| format!("Kafka node `{}` was never started", self.name))?;
        let numbers: Vec<u16> = text.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let [plain, sasl, controller] = numbers[..] else { bail!("{} does not hold three ports", file.display()) };
        Ok(Ports { plain, sasl, controller })
    }

    /// Makes the directory anew: ports, certificates, settings, formatted storage.
    fn prepare(&self, jars: &Path, options: StartOptions) -> Result<()> {
        self.remove()?;
        fs::create_dir_all(&self.directory).with_context(|| format!("create {}", self.directory.display()))?;
        if let Some(owner) = options.owner {
            fs::write(self.directory.join("owner"), format!("{owner}\n"))?;
        }
        certificates::make(&self.directory.join("tls"))?;
        let ports = free_ports(options.port)?;
        fs::write(self.directory.join("log4j2.properties"), LOGGING)?;
        fs::write(self.properties_file(), self.properties(ports))?;
        self.format(jars)?;
        // Last: a node with ports is a node that can be started again.
        fs::write(self.directory.join("ports"), format!("{} {} {}\n", ports.plain, ports.sasl, ports.controller))?;
        Ok(())
    }

    fn properties(&self, ports: Ports) -> String {
        let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        SERVER_PROPERTIES
            .replace("@PLAIN_PORT@", &ports.plain.to_string())
            .replace("@SASL_PORT@", &ports.sasl.to_string())
            .replace("@CONTROLLER_PORT@", &ports.controller.to_string())
            .replace("@DIRECTORY@", &self.directory.display().to_string())
            .replace("@USER@", USER)
            + &format!("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={login}\n")
    }

    fn format(&self, jars: &Path) -> Result<()> {
        let mut command = self.java(jars, "128m");
        command.args(["kafka.tools.StorageTool", "format", "--standalone", "--cluster-id"]);
        command.args(["ZHJvcGJyaWRnZXRlc3Q5OQ", "--config"]).arg(self.properties_file());
        for user in [USER, GUEST] {
            command.arg("--add-scram").arg(format!("SCRAM-SHA-256=[name={user},password={PASSWORD}]"));
        }
        let output = command.output().context("run java")?;
        let told = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "Kafka's storage cannot be formatted: {}", String::from_utf8_lossy(&told));
        Ok(())
    }

    /// Starts the process apart from ours: a Ctrl-C is ours alone.
    fn launch(&self, jars: &Path) -> Result<Child> {
        let output = File::create(self.directory.join("start.log")).context("create start.log")?;
        let child = self
            .java(jars, "768m")
            .arg("kafka.Kafka")
            .arg(self.properties_file())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .context("start java")?;
        fs::write(self.directory.join("pid"), format!("{}\n", child.id())).context("write the pid file")?;
        Ok(child)
    }

    fn java(&self, jars: &Path, heap: &str) -> Command {
        let mut command = Command::new("java");
        command
            .arg(format!("-Xmx{heap}"))
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"])
            .arg(format!("-Dlog4j2.configurationFile={}", self.directory.join("log4j2.properties").display()))
            .arg(format!("-Ddropbridge.node={}", self.directory.display()))
            .arg("-cp")
            .arg(jars.join("*"))
            .current_dir(&self.directory);
        command
    }

    fn await_start(&self, child: &mut Child, deadline: Instant) -> Result<()> {
        loop {
            let told = fs::read_to_string(self.directory.join("start.log")).unwrap_or_default();
            if told.contains(STARTED) && self.answers() {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                bail!("Kafka node `{}` ended ({status}); see {}\n{told}", self.name, self.directory.display());
            }
            if Instant::now() > deadline {
                self.stop()?;
                bail!(
                    "Kafka node `{}` did not start in {START_TIMEOUT:?}; see {}",
                    self.name,
                    self.directory.display()
                );
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Ports below those that systems give to clients (Linux from 32768, IANA from 49152). From those a client that tries
/// to reach a node that was killed could get the very port it connects to, and hold it when the node comes back.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Three ports that nobody listens on. All are held at once, so that they differ.
fn free_ports(plain: Option<u16>) -> Result<Ports> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("use port {port}"));
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let first = usize::try_from(clock)? % PORTS.len();
    let mut free = PORTS.cycle().skip(first).take(PORTS.len()).filter_map(|port| bind(port).ok());
    let mut next = || free.next().context("no port is free");
    let held = [plain.map_or_else(&mut next, bind)?, next()?, next()?];
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    Ok(Ports { plain: port(&held[0])?, sasl: port(&held[1])?, controller: port(&held[2])? })
}
