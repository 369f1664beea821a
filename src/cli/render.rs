//! `dropbridge render`.

mod window;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use dropbridge_port::{EntryPath, PortError};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::fs::{RenameFlags, renameat_with};
use serde_json::json;

use super::output::{counted, size};
use super::{Answer, Output, check_known};
use crate::domain::{BusinessDate, LogicalKey};
use crate::inbound::manifest::Manifest;
use crate::outbound::manifests::{Wanted, find};
use crate::outbound::mirror::{Assembler, AssemblyError, Provenance, Rendered, check_topics_of};
use crate::wiring::Bridge;

/// Arguments of `render`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["key", "date", "all"]),
    group = clap::ArgGroup::new("whose").required(true).args(["feed", "rendering"]),
    override_usage = "dropbridge render [OPTIONS] --to <DIRECTORY> <--feed <FEED>|--rendering <RENDERING>>\n                         \
        <--key <KEY>|--date <DATE>|--all>",
    after_help = "Examples:\n  dropbridge render --feed parks.bids --key 2026-01-31 --to /tmp/rendered\n  \
        dropbridge render --feed parks.bids --date 2026-01-31 --to /tmp/rendered --json\n  \
        dropbridge render --rendering finance.completions --date 2026-01-31 --to /tmp/rendered\n\n\
        Exit code 0: every file has the bytes that were read, or first delivered. 1: there is no such file, or one cannot be written again."
)]
pub(super) struct RenderArguments {
    /// The feed whose files are written as they were read.
    #[arg(long)]
    feed: Option<String>,
    /// The rendering of windows whose files are written as they were first delivered. A date that is not cut off yet is
    /// written as it would be if it were cut off now.
    #[arg(long)]
    rendering: Option<String>,
    /// The file with this logical key.
    #[arg(long)]
    key: Option<String>,
    /// The files of this business date, as their names say (YYYY-MM-DD).
    #[arg(long, value_name = "DATE", value_parser = super::parse_date)]
    date: Option<BusinessDate>,
    /// All files of the feed.
    #[arg(long)]
    all: bool,
    /// Where to write them; nothing that is there is replaced.
    #[arg(long, value_name = "DIRECTORY")]
    to: PathBuf,
}

/// Runs it.
///
/// # Errors
/// Of the log, and of the directory.
pub(super) fn run(bridge: &Bridge, arguments: &RenderArguments, output: Output) -> anyhow::Result<Answer> {
    if let Some(rendering) = &arguments.rendering {
        return window::run(bridge, rendering, arguments, output);
    }
    let feeds = bridge.feeds.iter().map(|plan| plan.id());
    check_known("feed", arguments.feed.as_deref(), feeds)?;
    let (plans, feed) = (bridge.plans(), arguments.feed.as_deref().unwrap_or_default());
    let plan = plans.get(feed).ok_or_else(|| anyhow!("there is no feed `{feed}`"))?;
    let context = &bridge.context;
    let manifests = find(&*context.log, &context.topics, plan.id(), &wanted(arguments))?;
    if manifests.is_empty() {
        output.line(format!("no file of {} that was published fits", plan.id()))?;
        return Ok(Answer::No);
    }
    fs::create_dir_all(&arguments.to).with_context(|| arguments.to.display().to_string())?;
    let store = bridge.store()?;
    let mut assembler = Assembler::new(Arc::clone(&context.log), &context.bridge);
    check_topics_of(&*context.log, &context.topics, plan)?;
    let progress = progress(output, manifests.len() as u64);
    let (mut rows, mut failed) = (Vec::new(), 0_u64);
    for manifest in &manifests {
        let written = place_of(&arguments.to, &manifest.entry.path).and_then(|place| {
            let (part, rendered) = assembler.write(plan, manifest, &store, || Part::create(&place))?;
            part.publish(&place)?;
            Ok((place, rendered))
        });
        progress.inc(1);
        match written {
            Err(AssemblyError::Port(error)) if error.kind != dropbridge_port::ErrorKind::Conflict => {
                return Err(error.into());
            }
            written => {
                failed += u64::from(written.is_err());
                show(manifest, &written, output, &mut rows)?;
            }
        }
    }
    progress.finish_and_clear();
    output.table(&["key", "file", "size", "from"], rows)?;
    if failed > 0 {
        output.line(format!("{} could not be written again", counted(failed, "file")))?;
    }
    Ok(if failed > 0 { Answer::No } else { Answer::Fine })
}

fn wanted(arguments: &RenderArguments) -> Wanted {
    match (&arguments.key, arguments.date) {
        (Some(key), _) => Wanted::Key(LogicalKey::from_text(key)),
        (None, Some(date)) => Wanted::Date(date),
        (None, None) => Wanted::All,
    }
}

fn progress(output: Output, files: u64) -> ProgressBar {
    if !output.shows_progress() || files < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} files, {eta} left");
    let bar = ProgressBar::new(files);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

fn show(
    manifest: &Manifest,
    written: &Result<(PathBuf, Rendered), AssemblyError>,
    output: Output,
    rows: &mut Vec<Vec<String>>,
) -> anyhow::Result<()> {
    let (feed, key, name) = (&manifest.feed, manifest.key.as_str(), &manifest.entry.path);
    let row = match written {
        Ok((place, rendered)) => {
            output.object(&json!({
                "feed": feed, "key": key, "file": name, "to": place.display().to_string(), "sha256": rendered.sha256,
                "bytes": rendered.bytes, "events": manifest.events, "from": rendered.provenance,
            }))?;
            let from = match rendered.provenance {
                Provenance::Events => counted(manifest.events, "event"),
                Provenance::Store => "the store".to_owned(),
            };
            [place.display().to_string(), size(rendered.bytes), from]
        }
        Err(error) => {
            output.object(&json!({ "feed": feed, "key": key, "file": name, "error": error.to_string() }))?;
            [name.clone(), "-".to_owned(), error.to_string()]
        }
    };
    rows.push([key.to_owned()].into_iter().chain(row).collect());
    Ok(())
}

/// Under its own name, in the directory itself.
fn place_of(directory: &Path, name: &str) -> Result<PathBuf, AssemblyError> {
    let path = EntryPath::parse(name);
    let path = path.ok_or_else(|| AssemblyError::Refused(format!("`{name}` is no file name")))?;
    Ok(directory.join(OsStr::from_bytes(path.file_name())))
}

/// A file that is being written beside its place, for its owner alone: it carries other people's data. It goes when it
/// is not published.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn create(place: &Path) -> Result<Self, PortError> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = place.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| PortError::io("create", path.display().to_string(), &error))?;
        Ok(Self { path, file })
    }

    fn publish(self, place: &Path) -> Result<(), PortError> {
        let failed = |error: &io::Error| PortError::io("write", place.display().to_string(), error);
        self.file.sync_all().map_err(|error| failed(&error))?;
        rename_without_replacing(&self.path, place).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                let message = "a file of this name is there already, and is not replaced";
                return PortError::new(
                    dropbridge_port::ErrorKind::Conflict,
                    "write",
                    place.display().to_string(),
                    message,
                );
            }
            failed(&error)
        })?;
        let directory = File::open(place.parent().unwrap_or(Path::new(".")));
        directory.and_then(|directory| directory.sync_all()).map_err(|error| failed(&error))
    }
}

/// Some file systems know no rename that refuses; a second name refuses as well.
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::hard_link(from, to),
        answer => answer.map_err(io::Error::from),
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After it was published under another name, there is nothing here any more.
        let _gone = fs::remove_file(&self.path);
    }
}
