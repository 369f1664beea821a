//! Benchmarks: each one command, all sides in one run.

mod contender;
mod delivery;
mod delivery_latency;
mod directory;
mod figures;
mod files;
mod forward;
mod latency;
mod machine;
mod measure;
mod memory;
mod profile;
mod report;
mod reverse;
mod rows;
mod running;
mod shares;
mod site;
mod test_bed;

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace;

pub(crate) use forward::{ForwardOptions, run as forward};
pub(crate) use reverse::{ReverseOptions, run as reverse};
pub(crate) use shares::{SharesOptions, run as shares};

/// Runs a benchmark of `benches/`.
pub(crate) fn run(name: &str) -> Result<ExitCode> {
    let status = cargo_bench(name).status().context("run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn cargo_bench(name: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // As everything else is built, so that nothing is built twice.
    command.current_dir(workspace::root()).args(["bench", "--profile", "release", "-p", "dropbridge", "--bench", name]);
    command
}
