//! `dropbridge man`: the manual pages, made from the commands themselves.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};

use super::{Answer, Output};

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  dropbridge man /usr/local/share/man/man1   one page for each command: `man dropbridge-run`"
)]
pub(super) struct ManArguments {
    /// Where to write them; it is made where it is missing.
    directory: PathBuf,
}

/// Writes them.
///
/// # Errors
/// Of the file system.
pub(super) fn run(command: Command, arguments: &ManArguments, output: Output) -> anyhow::Result<Answer> {
    let directory = arguments.directory.display();
    fs::create_dir_all(&arguments.directory).with_context(|| format!("create directory {directory}"))?;
    clap_mangen::generate_to(command, &arguments.directory).with_context(|| format!("write to {directory}"))?;
    output.line(format!("a page for each command is in {directory}"))?;
    Ok(Answer::Fine)
}
