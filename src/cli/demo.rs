//! `dropbridge demo`.

use std::path::PathBuf;

use clap::Args;

use super::{Answer, Output};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dropbridge demo --directory /tmp/estate\n  dropbridge demo --journey")]
pub(super) struct DemoArguments {
    /// Where to make the estate; a new directory under the system's temporary directory unless given.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Show how a department leaves its batch job: side by side, compared, cut over, back, and over again, day by day by a
    /// clock that runs fast.
    #[arg(long)]
    journey: bool,
}

/// Runs it.
///
/// # Errors
/// Of the file system and the bridge.
pub(super) async fn run(arguments: &DemoArguments, output: Output) -> anyhow::Result<Answer> {
    let directory = arguments.directory.as_deref();
    if arguments.journey {
        return crate::demo::journey::run(directory, output).await;
    }
    crate::demo::run(directory, output).await
}
