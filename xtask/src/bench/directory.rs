//! A tick over a large directory, against its bare listing: `benches/tick.rs` measures both.

use anyhow::{Context, Result, ensure};

use super::cargo_bench;
use super::forward::ForwardOptions;
use super::report::{Section, at_most};

/// What `benches/tick.rs` writes before the ratio that the target is about.
const RATIO: &str = "ratio: ";

/// Runs it.
pub(crate) fn run(options: &ForwardOptions) -> Result<Section> {
    let mut command = cargo_bench("tick");
    command.env("DROPBRIDGE_BENCH_ENTRIES", options.entries.to_string());
    let output = command.output().context("run cargo")?;
    ensure!(output.status.success(), "benches/tick.rs: {}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let (text, ratio) = told.rsplit_once(RATIO).context("benches/tick.rs tells no ratio")?;
    let ratio: f64 = ratio.trim().parse().context("the ratio of benches/tick.rs")?;
    let text = format!("{text}{}", at_most("an idle tick against a bare listing with metadata", 1.5, ratio, ""));
    Ok(Section { id: "directory", text })
}
