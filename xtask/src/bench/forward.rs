//! `cargo xtask bench forward`: the forward path against what it is made of, on one Kafka and the same files.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::report::{self, Section};
use super::test_bed::TestBed;
use super::{directory, files, latency, machine, memory, profile, rows};
use crate::interrupt;

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
    report::tell(&machine::section("machine", &bed)?, options.write)?;
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
            report::tell(&run(&bed, options)?, options.write)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
