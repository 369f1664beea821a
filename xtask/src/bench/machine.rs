//! The machine that a benchmark runs on, and the versions of everything.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::report::Section;
use super::test_bed::TestBed;
use crate::workspace;

/// Where and with what it was measured.
pub(crate) fn section(id: &'static str, bed: &TestBed) -> Result<Section> {
    let processor = line_of("/proc/cpuinfo", "model name")?;
    let cores = std::thread::available_parallelism()?;
    let memory = line_of("/proc/meminfo", "MemTotal")?;
    let kernel = output(Command::new("uname").args(["-sr"]))?;
    let distribution = line_of("/etc/os-release", "PRETTY_NAME")?;
    let kafka = kafka_version()?;
    let kcat = output(Command::new("sh").args(["-c", "kcat -V | grep -o 'Version.*'"]))?;
    let rustc = output(Command::new("rustc").arg("-V"))?;
    let librdkafka = locked_version("rdkafka-sys")?;
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    let disk = output(Command::new("df").args(["--output=fstype"]).arg(&bed.directory))?;
    let disk = disk.lines().last().unwrap_or("?").to_owned();
    let text = format!(
        "- {cores} cores of {processor}, {memory}, {distribution}, {kernel}, {disk}; load before it began: {load}\n\
         - Apache Kafka {kafka}: one node on the same machine, as `xtask/src/kafka_node.rs` starts it (768 MB of heap, \
         first compiler tier only), 4 partitions, `acks=all`\n\
         - kcat: {kcat}\n\
         - dropbridge: profile `{}`, rdkafka-sys {librdkafka}, {rustc}\n\
         - {date}\n",
        bed.profile
    );
    Ok(Section { id, text })
}

fn line_of(path: &str, key: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find(|line| line.starts_with(key)).with_context(|| format!("{path} has no {key}"))?;
    let value = line.trim_start_matches(key).trim_start_matches([':', '=', ' ', '\t']).trim_matches('"');
    Ok(value.to_owned())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// By the name of the jar that runs.
fn kafka_version() -> Result<String> {
    let jars = workspace::kafka().join("jars");
    let names = fs::read_dir(&jars).with_context(|| format!("read {}", jars.display()))?;
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let version = |name: String| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned());
    names.into_iter().find_map(version).context("no jar of Kafka")
}

/// The version of a crate that is built in; that of rdkafka-sys names librdkafka's.
fn locked_version(name: &str) -> Result<String> {
    let text = fs::read_to_string(workspace::root().join("Cargo.lock")).context("read Cargo.lock")?;
    let (_, rest) = text.split_once(&format!("name = \"{name}\"\nversion = \"")).context("it is not in Cargo.lock")?;
    Ok(rest.split('"').next().unwrap_or("?").to_owned())
}
