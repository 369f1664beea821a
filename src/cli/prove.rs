//! `dropbridge prove`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::output::{counted, size};
use super::{Answer, Output, check_known};
use crate::capture::selection::Named;
use crate::config;
use crate::domain::name_pattern::NameFacts;
use crate::domain::{BusinessDate, ContentHash, EntryFacts, LogicalKey};
use crate::inbound::plan::{FeedPlan, Identity};
use crate::inbound::prepare::Source;
use crate::inbound::proof::{prove, rewritten_hash};
use crate::layout::{Difference, Layout, ParseError, Reject, Verdict};
use crate::wiring::Bridge;

/// Arguments of `prove`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dropbridge prove samples/*.dat --feed public_works.bids\n  \
    dropbridge prove samples/*.csv --layout drafts/payroll.toml\n\n\
    Exit code 0: every file is exact, or exact with exceptions. 1: one is not. 2: a file cannot be read.")]
pub(super) struct ProveArguments {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The feed whose layout and events are tried.
    #[arg(long, value_name = "ID", required_unless_present = "layout", conflicts_with = "layout")]
    feed: Option<String>,
    /// A layout alone, without events.
    #[arg(long, value_name = "FILE")]
    layout: Option<PathBuf>,
}

/// What is known of one file afterwards.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    bytes: u64,
    sha256: ContentHash,
    /// `exact`, `exact_with_exceptions`, `replay_only` or `refused`.
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    /// Bad records that the feed leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejects: Option<u64>,
    exceptions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<Difference>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    differences: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject: Option<Reject>,
}

/// Runs it.
///
/// # Errors
/// Of the configuration, or of a file that cannot be read.
pub(super) fn run(config: &Path, arguments: &ProveArguments, output: Output) -> anyhow::Result<Answer> {
    let by = match &arguments.layout {
        Some(path) => By::Layout(config::layout_file(path)?),
        None => By::Feed(feed(config, arguments.feed.as_deref().unwrap_or_default())?),
    };
    let mut answer = Answer::Fine;
    let bar =
        if output.shows_progress() { ProgressBar::new(arguments.files.len() as u64) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} files  {elapsed}  {wide_msg}")?);
    // A large file takes its time, and the bar goes on.
    bar.enable_steady_tick(Duration::from_millis(200));
    for path in &arguments.files {
        bar.set_message(path.display().to_string());
        let report = by.prove(path).with_context(|| path.display().to_string())?;
        let proven = ["exact", "exact_with_exceptions"].contains(&report.verdict.as_str());
        if !proven {
            answer = Answer::No;
        }
        bar.suspend(|| output.object(&report).and_then(|()| show(&report, output)))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(answer)
}

fn feed(config: &Path, id: &str) -> anyhow::Result<(String, Arc<FeedPlan>)> {
    let bridge = Bridge::without_log(config::load(config)?)?;
    check_known("feed", Some(id), bridge.feeds.iter().map(|plan| plan.id()))?;
    let plan = bridge.feeds.iter().find(|plan| plan.id() == id).ok_or_else(|| anyhow!("there is no feed `{id}`"))?;
    Ok((bridge.settings.name.clone(), Arc::clone(plan)))
}

/// What files are proven by.
enum By {
    Layout(Arc<Layout>),
    /// The bridge's name, and the feed.
    Feed((String, Arc<FeedPlan>)),
}

impl By {
    fn prove(&self, path: &Path) -> anyhow::Result<Report> {
        let (bytes, sha256) = hash(path)?;
        let mut report = Report {
            file: path.display().to_string(),
            bytes,
            sha256,
            verdict: "refused".to_owned(),
            records: None,
            rejects: None,
            exceptions: 0,
            first_difference: None,
            differences: BTreeMap::new(),
            reject: None,
        };
        match self {
            Self::Layout(layout) => prove_by_layout(layout, path, &mut report)?,
            Self::Feed((bridge, plan)) => prove_by_feed(bridge, plan, path, &mut report)?,
        }
        Ok(report)
    }
}

fn prove_by_layout(layout: &Layout, path: &Path, report: &mut Report) -> anyhow::Result<()> {
    match layout.prove(File::open(path)?) {
        Ok((proof, facts)) => {
            report.verdict = word(proof.verdict);
            report.records = Some(facts.records);
            report.exceptions = proof.exceptions.len();
            report.first_difference = proof.first.clone();
            report.differences = proof.histogram.clone();
            if proof.verdict != Verdict::ReplayOnly {
                let rebuilt = layout.rebuilt_hash(File::open(path)?, &facts, &proof)?;
                check_rebuilt(report.sha256, rebuilt)?;
            }
        }
        Err(ParseError::Reject(reject)) => report.reject = Some(reject),
        Err(ParseError::Io(error)) => return Err(error.into()),
    }
    Ok(())
}

fn prove_by_feed(bridge: &str, plan: &FeedPlan, path: &Path, report: &mut Report) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default();
    let facts = match plan.selection.classify(name.as_bytes()) {
        Named::Entry(Ok(facts)) => facts,
        // The proof is about the content: a sample may have any name. What events take from it is made up.
        _ => NameFacts { business_date: BusinessDate::parse("1970-01-01"), sequence: Some("1".to_owned()) },
    };
    let entry =
        EntryFacts { path: name.to_string_lossy().into_owned(), size: report.bytes, modified_ns: 0, version: 0 };
    let identity = Identity { key: LogicalKey::from_text(&entry.path), facts, generation: 0 };
    let (hash, revision, supersedes, journal) = (report.sha256, 1, None, None);
    let source = Source { plan, bridge, identity: &identity, entry: &entry, hash, revision, supersedes, journal };
    let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(File::open(path)?)) };
    match prove(&source, &open)? {
        Ok(summary) => {
            report.verdict = word(summary.verdict);
            report.records = Some(summary.records.values().filter_map(serde_json::Value::as_u64).sum());
            report.rejects = Some(summary.rejects.len() as u64).filter(|count| *count > 0);
            report.exceptions = summary.exceptions.len();
            report.first_difference.clone_from(&summary.first_difference);
            report.differences.clone_from(&summary.differences);
            if summary.verdict != Verdict::ReplayOnly {
                check_rebuilt(report.sha256, rewritten_hash(&source, &open, &summary)??)?;
            }
        }
        Err(reject) => report.reject = Some(*reject),
    }
    Ok(())
}

/// The proof is by record; this is the file.
fn check_rebuilt(expected: ContentHash, rebuilt: ContentHash) -> anyhow::Result<()> {
    if expected == rebuilt {
        return Ok(());
    }
    Err(anyhow!("its records are proven, but written again as a whole it has the hash {rebuilt}: please report it"))
}

fn word(verdict: Verdict) -> String {
    verdict.as_str().replace(' ', "_")
}

fn hash(path: &Path) -> io::Result<(u64, ContentHash)> {
    let (mut file, mut hasher, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, ContentHash::finish(hasher))),
            count => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
}

fn show(report: &Report, output: Output) -> anyhow::Result<()> {
    let records = report.records.map_or(String::new(), |records| format!(", {}", counted(records, "record")));
    output.line(format!("{}: {}", report.file, report.verdict.replace('_', " ")))?;
    output.line(format!("  {}{records}, sha256 {}", size(report.bytes), report.sha256))?;
    if let Some(rejects) = report.rejects {
        output.line(format!("  {} left out of the events", counted(rejects, "bad record")))?;
    }
    if let Some(reject) = &report.reject {
        output.line(format!("  {reject}"))?;
    }
    if let Some(first) = &report.first_difference {
        output.line(format!("  first difference: {first}"))?;
    }
    if !report.differences.is_empty() {
        let mut rows: Vec<_> = report.differences.iter().collect();
        rows.sort_by_key(|(place, count)| (std::cmp::Reverse(**count), place.as_str()));
        let rows = rows.into_iter().map(|(place, count)| vec![format!("  {place}"), count.to_string()]).collect();
        output.table(&["  where records differ", "records"], rows)?;
    }
    Ok(())
}
