//! Benchmarks: each one command, all sides in one run.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace;

/// Runs a benchmark of `benches/`.
pub(crate) fn run(name: &str) -> Result<ExitCode> {
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace::root())
        // As everything else is built, so that nothing is built twice.
        .args(["bench", "--profile", "release", "-p", "dropbridge", "--bench", name])
        .status()
        .context("run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
