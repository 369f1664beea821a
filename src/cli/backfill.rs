//! `dropbridge backfill`: years of archived files, in the order of business date and sequence.

mod handing;
mod rate;

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use dropbridge_port::EntryPath;
use serde_json::json;

use super::output::counted;
use super::{Answer, Output, check_known};
use crate::domain::{ContentHash, EntryFacts};
use crate::inbound::archive::{Archived, Survey, has_order, survey};
use crate::inbound::plan::FeedPlan;
use crate::ledger::replay::read_control;
use crate::ledger::{Admission, Candidate, DropState, LedgerIndex, admit};
use crate::wiring::Bridge;

use rate::Rate;

/// How many of a kind are named.
const NAMED: usize = 10;

/// Arguments of `backfill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dropbridge backfill /archive/2023 /archive/2024 --feed parks.bids --dry-run\n  \
    dropbridge backfill /archive/2023 /archive/2024 --feed parks.bids --rate 20/s\n\n\
    It can be ended at any time and begun again: the ledger knows what was published.")]
pub(super) struct BackfillArguments {
    /// Directories of the archive; what lies below them is looked at too.
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// The feed they belong to; files whose names it does not take are left alone.
    #[arg(long, value_name = "ID")]
    feed: String,
    /// No faster than this: files (`20/s`) or bytes (`5 MiB/s`).
    #[arg(long, value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// Say what would be published, what is known, what is wrong with names, which numbers are missing; publish nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
///
/// # Errors
/// Of the archive, the store and the log.
pub(super) async fn run(bridge: Arc<Bridge>, arguments: &BackfillArguments, output: Output) -> anyhow::Result<Answer> {
    check_known("feed", Some(&arguments.feed), bridge.feeds.iter().map(|plan| plan.id()))?;
    let plan = bridge.plans().remove(&arguments.feed).ok_or_else(|| anyhow!("no feed `{}`", arguments.feed))?;
    has_order(&plan).map_err(|why| anyhow!(why))?;
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    if let Some(switch) = control.switches.get(plan.id()).filter(|switch| switch.paused && !arguments.dry_run) {
        bail!("{} is paused by {}: `dropbridge feed resume {}` first", plan.id(), switch.by, plan.id());
    }
    let ledger = ledger_of(&bridge)?;
    let survey = survey(&plan, &ledger, files_below(&arguments.directories, plan.settings.recursive)?)?;
    tell_survey(&survey, output)?;
    if arguments.dry_run {
        return foretell(&plan, &ledger, &survey, output);
    }
    if survey.take.is_empty() {
        output.line("nothing is to be published")?;
        return Ok(if survey.unfit.is_empty() { Answer::Fine } else { Answer::No });
    }
    let handed = handing::hand_over(&bridge, &plan, &survey.take, arguments.rate, output).await?;
    let ended = tell_end(&bridge, &plan, &handed, output)?;
    if !handed.is_whole {
        output.line(format!(
            "ended after {} of {}: the same command goes on where this one ended",
            handed.files.len(),
            counted(survey.take.len() as u64, "file")
        ))?;
        return Ok(Answer::No);
    }
    Ok(if survey.unfit.is_empty() { ended } else { Answer::No })
}

fn ledger_of(bridge: &Bridge) -> anyhow::Result<LedgerIndex> {
    super::ledger::open(bridge)
}

/// Every regular file below these directories, with the entry it would have been in the inbox: under its name, and
/// where the feed looks into directories, under its path.
fn files_below(directories: &[PathBuf], recursive: bool) -> anyhow::Result<Vec<(PathBuf, EntryFacts)>> {
    let mut found = Vec::new();
    for root in directories {
        let mut places = vec![root.clone()];
        while let Some(place) = places.pop() {
            let listing = fs::read_dir(&place).with_context(|| place.display().to_string())?;
            for item in listing {
                let item = item.with_context(|| place.display().to_string())?;
                let kind = item.file_type().with_context(|| item.path().display().to_string())?;
                if kind.is_dir() {
                    places.push(item.path());
                } else if kind.is_file() {
                    found.extend(archived(root, item.path(), recursive)?);
                }
            }
        }
    }
    Ok(found)
}

fn archived(root: &Path, path: PathBuf, recursive: bool) -> anyhow::Result<Option<(PathBuf, EntryFacts)>> {
    let below = path.strip_prefix(root).unwrap_or(&path);
    let name = if recursive { below.as_os_str() } else { path.file_name().unwrap_or_default() };
    let Some(name) = EntryPath::new(name.as_bytes()) else { return Ok(None) };
    let shown = || path.display().to_string();
    let metadata = fs::metadata(&path).with_context(shown)?;
    let modified = metadata.modified().with_context(shown)?;
    let modified_ns = i64::try_from(jiff::Timestamp::try_from(modified)?.as_nanosecond()).unwrap_or(i64::MAX);
    let entry = EntryFacts { path: name.to_string(), size: metadata.len(), modified_ns, version: 0 };
    Ok(Some((path, entry)))
}

fn tell_survey(survey: &Survey, output: Output) -> anyhow::Result<()> {
    for (path, why) in &survey.unfit {
        output.object(&json!({ "path": path, "problem": why }))?;
    }
    for gap in &survey.gaps {
        output.object(&json!({ "gap": gap }))?;
    }
    let few = |names: &[String]| names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if survey.known > 0 {
        output.line(format!("{} known to the ledger: passed over", counted(survey.known as u64, "file")))?;
    }
    if !survey.baseline.is_empty() {
        output.line(format!(
            "{} in the baseline, which stands for published: passed over ({})",
            counted(survey.baseline.len() as u64, "file"),
            few(&survey.baseline)
        ))?;
    }
    for (path, why) in survey.unfit.iter().take(NAMED) {
        output.line(format!("{path}: {why}"))?;
    }
    if !survey.doubled.is_empty() {
        let count = counted(survey.doubled.len() as u64, "file");
        output.line(format!("{count} with the key of another: {}", few(&survey.doubled)))?;
    }
    for gap in survey.gaps.iter().take(NAMED) {
        let date = gap.business_date.map(|date| format!("{date}: ")).unwrap_or_default();
        output.line(format!("{date}numbers {} to {} are neither here nor in the ledger", gap.from, gap.to))?;
    }
    let hidden = survey.gaps.len().saturating_sub(NAMED);
    if hidden > 0 {
        output.line(format!("and {hidden} gaps more: --json names all"))?;
    }
    Ok(())
}

/// What would become of each file.
fn foretell(plan: &FeedPlan, ledger: &LedgerIndex, survey: &Survey, output: Output) -> anyhow::Result<Answer> {
    let (mut publish, mut repeats, mut held, mut bytes) = (0_u64, 0_u64, 0_u64, 0);
    for file in &survey.take {
        let hash = hash_of(&file.path)?;
        let identity = plan.identify(&file.entry, file.facts.clone(), hash, ledger)?;
        let known = ledger.drops(plan.id(), &identity.key)?;
        // What a person names is taken, wherever it came from.
        let candidate = Candidate { hash, entry: &file.entry, by_request: true, echo_of: None };
        let word = match admit(&known.iter().collect::<Vec<_>>(), candidate, plan.settings.corrections) {
            Admission::Publish { .. } | Admission::Resume { .. } => {
                publish += 1;
                bytes += file.entry.size;
                "publish"
            }
            Admission::Known | Admission::Repeat | Admission::Echo { .. } => {
                repeats += 1;
                "repeat"
            }
            Admission::Hold { .. } => {
                held += 1;
                "hold"
            }
        };
        output.object(&json!({ "path": file.entry.path, "key": identity.key, "would": word }))?;
    }
    output.line(format!(
        "would be published: {} ({}); repeats: {repeats}; held, for other bytes are known: {held}",
        counted(publish, "file"),
        super::output::size(bytes)
    ))?;
    let is_fine = held == 0 && survey.unfit.is_empty();
    Ok(if is_fine { Answer::Fine } else { Answer::No })
}

fn hash_of(path: &Path) -> anyhow::Result<ContentHash> {
    let shown = || path.display().to_string();
    ContentHash::read(fs::File::open(path).with_context(shown)?).with_context(shown)
}

/// What the ledger says of the files that were handed over.
fn tell_end(bridge: &Bridge, plan: &FeedPlan, handed: &handing::Handed<'_>, output: Output) -> anyhow::Result<Answer> {
    let ledger = ledger_of(bridge)?;
    let mut open = HashSet::new();
    let mut known = HashSet::new();
    ledger.each(&mut |entry| {
        if let Some(hash) = entry.sha256.filter(|_| entry.feed == plan.id()) {
            if entry.state.is_open() || matches!(entry.state, DropState::Publishing { .. }) {
                open.insert((entry.entry.path.clone(), hash));
            }
            known.insert((entry.entry.path, hash));
        }
        ControlFlow::Continue(())
    })?;
    let (mut fine, mut waiting, mut missing) = (0_u64, 0_u64, Vec::new());
    for (file, hash) in &handed.files {
        let own = (file.entry.path.clone(), *hash);
        match (known.contains(&own), open.contains(&own)) {
            (true, false) => fine += 1,
            (true, true) => waiting += 1,
            (false, _) => missing.push(file.entry.path.clone()),
        }
    }
    output.object(&json!({ "dealt_with": fine, "held_back": waiting, "missing": missing }))?;
    output.line(format!("{} dealt with", counted(fine, "file")))?;
    if waiting > 0 {
        output.line(format!("{waiting} held back: `dropbridge quarantine list` says why"))?;
    }
    if !missing.is_empty() && handed.is_whole {
        let few: Vec<String> = missing.iter().take(NAMED).cloned().collect();
        output.line(format!("{} not in the ledger; the bridge's log says why: {}", missing.len(), few.join(", ")))?;
    }
    Ok(if waiting == 0 && missing.is_empty() { Answer::Fine } else { Answer::No })
}

/// A file of the archive with the hash of what was handed over.
type HandedFile<'a> = (&'a Archived, ContentHash);
