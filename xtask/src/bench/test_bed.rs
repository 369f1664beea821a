//! What both sides of a benchmark stand on: one Kafka, one directory, the programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::kafka_node::{self, KafkaNode, StartOptions};
use crate::{programs, workspace};

/// Partitions of each topic.
pub(crate) const PARTITIONS: u32 = 4;

/// A Kafka of its own, which ends with it, and a directory for files.
pub(crate) struct TestBed {
    pub(crate) brokers: String,
    /// Where files are made; on the disk of the target directory.
    pub(crate) directory: PathBuf,
    /// Cargo profile of the programs.
    pub(crate) profile: String,
    owner: u32,
}

impl TestBed {
    /// Builds the programs and starts Kafka.
    pub(crate) fn prepare(profile: &str) -> Result<Self> {
        programs::require("kcat", "there is nothing to measure against")?;
        build(profile)?;
        kafka_node::remove_orphans()?;
        let owner = std::process::id();
        let directory = workspace::target().join(format!("bench/run-{owner}"));
        fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        let mut bed = Self { brokers: String::new(), directory, profile: profile.to_owned(), owner };
        let node = KafkaNode::named(&format!("bench-{owner}"))?;
        node.start(StartOptions { owner: Some(owner), ..StartOptions::default() })?;
        let environment = node.environment()?;
        let address = environment.into_iter().find(|(name, _)| *name == "DROPBRIDGE_TEST_KAFKA");
        bed.brokers = address.context("the node has no address")?.1;
        Ok(bed)
    }

    /// The bridge's program.
    pub(crate) fn dropbridge(&self) -> Command {
        self.program("dropbridge")
    }

    /// The program that uses the log without the bridge: `adapters/kafka/examples/bare.rs`.
    pub(crate) fn bare(&self, action: &str) -> Command {
        let mut command = self.program("examples/bare");
        command.args([action, &self.brokers]);
        command
    }

    /// kcat as a producer: `acks=all`, everything else as it comes.
    pub(crate) fn kcat_producer(&self, topic: &str) -> Command {
        let mut command = Command::new("kcat");
        command.args(["-P", "-b", &self.brokers, "-t", topic, "-X", "acks=all"]).stdin(Stdio::null());
        command
    }

    /// kcat as a consumer of all that is committed in a topic, raw values in lines.
    pub(crate) fn kcat_consumer(&self, topic: &str) -> Command {
        let mut command = Command::new("kcat");
        command.args(["-C", "-q", "-e", "-b", &self.brokers, "-t", topic, "-o", "beginning"]).stdin(Stdio::null());
        command
    }

    /// A topic that nothing was written to yet.
    pub(crate) fn create_topic(&self, topic: &str) -> Result<()> {
        succeed(self.bare("create").args([topic, &PARTITIONS.to_string()]))
    }

    /// Deletes topics. Their bytes go some time later.
    pub(crate) fn delete_topics(&self, topics: &[&str]) -> Result<()> {
        succeed(self.bare("delete").args(topics))
    }

    /// How many offsets of a topic were used: what was sent, and the markers of transactions.
    pub(crate) fn ends(&self, topic: &str) -> Result<u64> {
        let output = self.bare("ends").arg(topic).output().context("run bare")?;
        ensure!(output.status.success(), "bare ends {topic}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().parse().context("a number of offsets")
    }

    /// Writes the committed records of a topic into a file, a line `key TAB value` for each. Answers how many.
    pub(crate) fn dump(&self, topic: &str, path: &PathBuf) -> Result<u64> {
        let file = fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
        let mut command = self.kcat_consumer(topic);
        command.args(["-f", "%k\t%s\n", "-X", "isolation.level=read_committed"]);
        succeed(command.stdout(file))?;
        count_lines(path)
    }

    /// Waits until the disk has what others wrote, so that the next one does not wait for it.
    pub(crate) fn settle(&self) {
        rustix::fs::sync();
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(workspace::target().join(&self.profile).join(name));
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for TestBed {
    fn drop(&mut self) {
        if let Err(error) = kafka_node::remove_owned_by(self.owner) {
            eprintln!("xtask: the Kafka of this benchmark may still run: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("xtask: {} stays: {error}", self.directory.display());
        }
    }
}

/// How many lines a file has.
pub(crate) fn count_lines(path: &Path) -> Result<u64> {
    let counted = Command::new("wc").arg("-l").arg(path).output().context("run wc")?;
    let text = String::from_utf8_lossy(&counted.stdout).into_owned();
    text.split_whitespace().next().and_then(|count| count.parse().ok()).context("wc -l answers no number")
}

/// Runs a program that has to succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

fn build(profile: &str) -> Result<()> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root()).args(["build", "--profile", profile]);
    succeed(command.args(["-p", "dropbridge", "--bin", "dropbridge", "-p", "dropbridge-kafka", "--example", "bare"]))
}
