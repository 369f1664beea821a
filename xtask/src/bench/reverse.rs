//! `cargo xtask bench reverse`: the way back against what it is made of, on one Kafka and the same events.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::report::{self, Section};
use super::test_bed::TestBed;
use super::{delivery, delivery_latency, machine};
use crate::interrupt;

/// The sections of the document that this writes.
#[cfg(test)]
pub(crate) const SECTIONS: [&str; 4] = ["reverse-machine", "reverse-file", "reverse-latency", "reverse-profile"];

/// What to measure, and how much of it.
#[derive(Args)]
pub(crate) struct ReverseOptions {
    /// Only these, comma-separated
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Events of the large file
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    /// Files of 100 rows whose way is timed one by one
    #[arg(long, default_value_t = 300)]
    pub(crate) latency_files: u64,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Cargo profile of the programs: `release`, or `dist` as it is packaged
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write what was measured into docs/performance.md
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Events to one large file, against kcat
    File,
    /// From committed to delivered, against a bare transaction
    Latency,
    /// Where the time of the large file goes, by `perf`
    Profile,
}

/// Runs the benchmarks, shows each as it ends, and writes them where that is asked for.
pub(crate) fn run(options: &ReverseOptions) -> Result<ExitCode> {
    interrupt::pass_on()?;
    let bed = TestBed::prepare(&options.profile)?;
    report::tell(&machine::section("reverse-machine", &bed)?, options.write)?;
    type Benchmark = fn(&TestBed, &ReverseOptions) -> Result<Section>;
    let parts: [(Part, Benchmark); 3] =
        [(Part::File, delivery::run), (Part::Latency, delivery_latency::run), (Part::Profile, delivery::profile)];
    for (part, run) in parts {
        if options.only.is_empty() || options.only.contains(&part) {
            report::tell(&run(&bed, options)?, options.write)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
