//! `dropbridge demo`.

use std::path::PathBuf;

use clap::Args;

use super::{Answer, Output};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dropbridge demo --directory /tmp/estate")]
pub(super) struct DemoArguments {
    /// Where to make the estate; a new directory under the system's temporary directory unless given.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// Of the file system and the bridge.
pub(super) async fn run(arguments: &DemoArguments, output: Output) -> anyhow::Result<Answer> {
    crate::demo::run(arguments.directory.as_deref(), output).await
}
