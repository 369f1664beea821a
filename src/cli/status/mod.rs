//! `dropbridge status`: how everything stands, beside a running bridge or without one.

mod gather;
mod judge;
mod outgoing;
mod show;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Answer, Output};
use crate::wiring::Bridge;

/// How often `--watch` looks again.
const LOOK: Duration = Duration::from_secs(2);

/// Moves the cursor home and clears what is below it (ECMA-48).
const REDRAW: &str = "\x1b[H\x1b[J";

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dropbridge status\n  dropbridge status --watch\n  dropbridge --json status | jq .findings\n\n\
    Exit code 1 when something needs a person: it is listed at the end."
)]
pub(super) struct StatusArguments {
    /// Look again every two seconds, until it is interrupted.
    #[arg(long)]
    watch: bool,
}

/// Runs it.
///
/// # Errors
/// Of the log and the store.
pub(super) async fn run(bridge: Arc<Bridge>, arguments: &StatusArguments, output: Output) -> anyhow::Result<Answer> {
    let redraws = arguments.watch && !output.json && std::io::stdout().is_terminal();
    loop {
        let live = gather::ask(&bridge.settings).await;
        let looked = Arc::clone(&bridge);
        let status = tokio::task::spawn_blocking(move || gather::gather(&looked, live)).await??;
        if redraws {
            write!(std::io::stdout(), "{REDRAW}")?;
        }
        show::show(&status, output)?;
        if !arguments.watch {
            return Ok(if status.findings.is_empty() { Answer::Fine } else { Answer::No });
        }
        if !redraws {
            output.line("")?;
        }
        std::io::stdout().flush()?;
        tokio::time::sleep(LOOK).await;
    }
}
