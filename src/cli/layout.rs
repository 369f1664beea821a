//! `dropbridge layout`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::counted;
use super::{Answer, Output};
use crate::config;
use crate::draft::{self, Draft, DraftError, Originals, Outcome, Sample};
use crate::layout::Layout;

/// The search keeps so many bytes of all samples together in memory; the last proof streams.
const SEARCH_BYTES: u64 = 4 << 20;

/// It keeps no more of one sample, half of it from each end.
const MOST_OF_ONE: u64 = 1 << 20;

/// And no less, however many samples there are.
const LEAST_OF_ONE: u64 = 64 << 10;

/// `layout draft`.
#[derive(Debug, Subcommand)]
pub(super) enum LayoutCommand {
    /// Draft a layout from sample files: with the evidence of each choice as a comment, proven over all samples.
    #[command(after_help = "Examples:\n  dropbridge layout draft samples/BID_20260131_0042.dat\n  \
        dropbridge layout draft samples/BID_*.dat --name bids --output layouts/bids.toml\n\n\
        Exit code 0: every sample is proven. 1: one is not; where it fails is told. 2: there is no draft.")]
    Draft(DraftArguments),
}

/// Arguments of `layout draft`.
#[derive(Debug, Args)]
pub(super) struct DraftArguments {
    /// Files of one kind, the more the better: several days, an empty one, a long one.
    #[arg(required = true, value_name = "SAMPLE")]
    samples: Vec<PathBuf>,
    /// The layout's name; that of its file, or "draft", where none is given.
    #[arg(long)]
    name: Option<String>,
    /// Write it here rather than to standard output. A file that is there already is left as it is.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// Samples that cannot be read or drafted from, and an output that cannot be written.
pub(super) fn run(command: &LayoutCommand, output: Output) -> anyhow::Result<Answer> {
    let LayoutCommand::Draft(arguments) = command;
    let path = arguments.output.as_deref();
    if let Some(path) = path.filter(|path| path.exists()) {
        bail!("{} is there already: name another file, or move it away", path.display());
    }
    let name = layout_name(arguments)?;
    let bound = (SEARCH_BYTES / arguments.samples.len() as u64).clamp(LEAST_OF_ONE, MOST_OF_ONE);
    let samples: Vec<Sample> =
        arguments.samples.iter().map(|path| read_sample(path, bound)).collect::<anyhow::Result<_>>()?;
    let draft = draft::draft(&name, &samples, &Files(&arguments.samples))?;
    let text = draft.toml();
    check_readable(&name, &text, &draft)?;
    match path {
        Some(path) => write_new(path, &text)?,
        None if output.json => {}
        None => io::stdout().write_all(text.as_bytes())?,
    }
    report(&samples, &draft, &text, output)?;
    Ok(if draft.proven() == samples.len() { Answer::Fine } else { Answer::No })
}

/// What the layout is called: its file has to be named after it.
fn layout_name(arguments: &DraftArguments) -> anyhow::Result<String> {
    let stem = arguments.output.as_ref().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    match (&arguments.name, stem) {
        (Some(name), _) if name.is_empty() => bail!("--name is empty"),
        (Some(name), Some(stem)) if *name != stem => {
            bail!("--name {name} is not the name of the file, `{stem}`: a layout's file is named after it")
        }
        (Some(name), _) => Ok(name.clone()),
        (None, Some(stem)) => Ok(stem.into_owned()),
        (None, None) => Ok("draft".to_owned()),
    }
}

/// The two ends of a sample, or all of it.
fn read_sample(path: &Path, bound: u64) -> anyhow::Result<Sample> {
    let shown = path.display();
    let mut file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let metadata = file.metadata().with_context(|| format!("cannot look at {shown}"))?;
    if !metadata.is_file() {
        bail!("{shown} is no regular file");
    }
    let bytes = metadata.len();
    let (head_bytes, tail_bytes) = if bytes <= bound { (bytes, 0) } else { (bound / 2, bound / 2) };
    let mut take = |count: u64, from: u64| -> io::Result<Vec<u8>> {
        let mut buffer = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&file).take(count).read_to_end(&mut buffer)?;
        Ok(buffer)
    };
    let head = take(head_bytes, 0).with_context(|| format!("cannot read {shown}"))?;
    let tail = take(tail_bytes, bytes - tail_bytes).with_context(|| format!("cannot read {shown}"))?;
    if head.len() as u64 != head_bytes || tail.len() as u64 != tail_bytes {
        bail!("{shown} changed while it was read: take samples that nobody writes");
    }
    Ok(Sample { name: shown.to_string(), bytes, head, tail })
}

/// The samples where they lie.
struct Files<'f>(&'f [PathBuf]);

impl Originals for Files<'_> {
    fn open(&self, index: usize) -> io::Result<Box<dyn Read + '_>> {
        let path = self.0.get(index).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(File::open(path)?))
    }
}

/// What was proven has to be what a bridge will read.
fn check_readable(name: &str, text: &str, draft: &Draft) -> anyhow::Result<()> {
    let read = config::layout_from_text(&format!("{name}.toml"), text)?;
    let meant = Layout::compile(draft.spec.clone()).map_err(DraftError::Invalid)?;
    if read.digest() != meant.digest() {
        bail!("the draft, as it would be written, is read back as another layout: a defect of dropbridge");
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).with_context(|| format!("create directory {}", directory.display()))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot make {shown}"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {shown}"))
}

/// Says on standard error what the draft proves, or all of it as one object on standard output.
fn report(samples: &[Sample], draft: &Draft, text: &str, output: Output) -> anyhow::Result<()> {
    let told: Vec<Value> = samples.iter().zip(&draft.outcomes).map(|(sample, outcome)| told(sample, outcome)).collect();
    output.object(&json!({
        "layout": draft.spec.name, "samples": told, "proven": draft.proven(), "toml": text,
    }))?;
    if output.json {
        return Ok(());
    }
    eprintln!("the draft proves {} of {}", draft.proven(), counted(samples.len() as u64, "sample"));
    for (sample, outcome) in samples.iter().zip(&draft.outcomes) {
        eprintln!("  {}: {}", sample.name, outcome.place());
    }
    if let [record] = draft.spec.records.as_slice()
        && record.fields.len() == 1
    {
        // Any file is so many lines: that this is proven says nothing of what is in them.
        eprintln!(
            "each line is one field: no columns were recognised. More samples may show some; otherwise say by hand \
             where they are (kind = \"fixed-width\", or a discriminator)"
        );
    }
    Ok(())
}

fn told(sample: &Sample, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Read { verdict, records, first, histogram } => json!({
            "sample": sample.name, "verdict": verdict, "records": records, "first": first, "exceptions": histogram,
        }),
        Outcome::Refused(reject) => json!({ "sample": sample.name, "verdict": "refused", "reject": reject }),
    }
}
