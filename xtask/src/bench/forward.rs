//! `cargo xtask bench forward`: the forward path against what it is made of, on one Kafka and the same files.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::report::{self, Section};
use super::test_bed::TestBed;
use super::{directory, files, latency, memory, profile, rows};
use crate::{interrupt, workspace};

/// The sections of the document that this writes.
#[cfg(test)]
pub(crate) const SECTIONS: [&str; 7] = ["machine", "rows", "files", "latency", "directory", "memory", "profile"];

/// What to measure, and how much of it.
#[derive(Args)]
pub(crate) struct ForwardOptions {
    /// Only these, comma-separated
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Rows of the large file
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) rows: u64,
    /// Small files, of 10 rows each
    #[arg(long, default_value_t = 10_000)]
    pub(crate) files: u64,
    /// Files whose way is timed one by one
    #[arg(long, default_value_t = 500)]
    pub(crate) latency_files: u64,
    /// Files of the large directory
    #[arg(long, default_value_t = 100_000)]
    pub(crate) entries: u64,
    /// Size of the file by which memory is measured, megabytes; a tenth of it is measured too
    #[arg(long, default_value_t = 1000)]
    pub(crate) memory_mb: u64,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// How often memory is measured
    #[arg(long, default_value_t = 3)]
    pub(crate) memory_rounds: usize,
    /// Cargo profile of the programs: `release`, or `dist` as it is packaged
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write what was measured into docs/performance.md
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One large file, against kcat
    Rows,
    /// Many small files, against bare transactions
    Files,
    /// From close to readable, against a bare transaction
    Latency,
    /// A tick over a large directory, against its bare listing
    Directory,
    /// The most memory that was resident
    Memory,
    /// Where the time of the large file goes, by `perf`
    Profile,
}

/// Runs the benchmarks, shows each as it ends, and writes them where that is asked for.
pub(crate) fn run(options: &ForwardOptions) -> Result<ExitCode> {
    interrupt::pass_on()?;
    let bed = TestBed::prepare(&options.profile)?;
    let wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    tell(&machine(&bed, options)?, options)?;
    type Benchmark = fn(&TestBed, &ForwardOptions) -> Result<Section>;
    let parts: [(Part, Benchmark); 6] = [
        (Part::Rows, rows::run),
        (Part::Files, files::run),
        (Part::Latency, latency::run),
        (Part::Directory, |_, options| directory::run(options)),
        (Part::Memory, memory::run),
        (Part::Profile, profile::run),
    ];
    for (part, run) in parts {
        if wanted(part) {
            tell(&run(&bed, options)?, options)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(section: &Section, options: &ForwardOptions) -> Result<()> {
    println!("\n== {}\n\n{}", section.id, section.text.trim_end());
    if options.write { report::write(section, &report::document()) } else { Ok(()) }
}

/// Where and with what it was measured.
fn machine(bed: &TestBed, options: &ForwardOptions) -> Result<Section> {
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
        options.profile
    );
    Ok(Section { id: "machine", text })
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
