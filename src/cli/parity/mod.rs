//! `dropbridge parity`.

mod days;
mod directory;
mod drops;
mod events;
mod page;
mod pair;
mod record;
mod scratch;
mod show;
mod sides;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Answer, Output, check_known};
use crate::config;
use crate::domain::{BusinessDate, Moment};
use crate::inbound::plan::FeedPlan;
use crate::ledger::replay::read_control;
use crate::parity::Report;
use crate::wiring::Bridge;

use days::Days;
use directory::CandidateDirectory;
use pair::Comparer;
use scratch::Directory;

/// How many differences of each file are shown unless somebody asks for more.
const FINDINGS: usize = 100;

/// Arguments of `parity`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    dropbridge parity --feed parks.bids /mnt/archive/BID_20260131_0042.dat /tmp/new/BID_20260131_0042.dat\n  \
    dropbridge parity parks --date 2026-01-31 --html parity.html\n  \
    dropbridge parity parks --record\n  \
    dropbridge parity parks --date 2026-01-31 --candidates /srv/new-service/out\n\n\
    Exit code 0: the same bytes, or only differences that the feed's rules expect. 1: a file differs, is missing or late.")]
pub(super) struct ParityArguments {
    /// A department; or two files: what the batch job wrote, and what was made of the new service's events.
    #[arg(value_name = "DEPARTMENT | LEGACY_FILE CANDIDATE_FILE", num_args = 1..=2, required = true)]
    what: Vec<PathBuf>,
    /// Of a department: only this feed. For two files: the feed whose layout and rules they are compared by.
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Of a department: only files of this business date (YYYY-MM-DD). For two files: their date, where the name of the
    /// legacy file does not say it.
    #[arg(long, value_name = "DATE", value_parser = super::parse_date)]
    date: Option<BusinessDate>,
    /// Of a department: compare with files of the new service instead of its events. They are in this directory under the
    /// names of the legacy ones; in one of its own for each feed, named after it, or all in this one.
    #[arg(long, value_name = "DIRECTORY")]
    candidates: Option<PathBuf>,
    /// Of a department: keep the verdict of each business date as evidence for `cutover`. A later one takes its place.
    #[arg(long, conflicts_with = "candidates")]
    record: bool,
    /// Write a page for the owner of the department: one file that loads nothing. One that is there is replaced.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// How many differences of each file to show, of all that are counted.
    #[arg(long, value_name = "NUMBER", default_value_t = FINDINGS)]
    show: usize,
    /// Where to sort what memory does not hold; the directory for temporary files unless stated.
    #[arg(long, value_name = "DIRECTORY")]
    scratch: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// Of the configuration, of files that cannot be read, of the log, and of the page.
pub(super) fn run(config: &Path, arguments: &ParityArguments, output: Output) -> anyhow::Result<Answer> {
    let scratch = Directory(arguments.scratch.clone().unwrap_or_else(std::env::temp_dir));
    let comparer = Comparer { scratch: &scratch, show: arguments.show };
    let (report, bridge) = match pair::both(&arguments.what) {
        Some((legacy, candidate)) => (of_two(config, arguments, &comparer, legacy, candidate)?, None),
        None => of_department(config, arguments, comparer).map(|(report, bridge)| (report, Some(bridge)))?,
    };
    if let Some(path) = &arguments.html {
        fs::write(path, page::of(&report)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    show::report(&report, arguments.html.as_deref(), output)?;
    if let Some(bridge) = bridge.filter(|_| arguments.record) {
        record::keep(&bridge, &report, arguments.date, output)?;
    }
    Ok(if report.is_parity() { Answer::Fine } else { Answer::No })
}

/// Two files, without log and store.
fn of_two(
    config: &Path,
    arguments: &ParityArguments,
    comparer: &Comparer<'_>,
    legacy: &Path,
    candidate: &Path,
) -> anyhow::Result<Report> {
    if arguments.candidates.is_some() {
        bail!("--candidates is for a department: here the candidate is {}", candidate.display());
    }
    if arguments.record {
        bail!("--record is for a department: what is compared of two files is no evidence for a cutover");
    }
    let Some(id) = &arguments.feed else { bail!("say by which feed two files are compared: --feed ID") };
    let settings = config::load(config)?;
    let feed = pair::feed(&settings, id)?;
    let file = comparer.files(feed, legacy, candidate, arguments.date)?;
    Ok(Report::new(&settings.name, &feed.department, Moment::from(jiff::Timestamp::now()), vec![file]))
}

/// Compares the files of a department's date, keeps the verdict as evidence, and writes the page, as `parity DEPARTMENT
/// --date … --record --html …` does.
///
/// # Errors
/// Of the log, and of the page.
pub(crate) fn compare_and_record(
    bridge: &Arc<Bridge>,
    department: &str,
    date: BusinessDate,
    page: &Path,
) -> anyhow::Result<Report> {
    let scratch = Directory(std::env::temp_dir());
    let plans: Vec<&Arc<FeedPlan>> =
        bridge.feeds.iter().filter(|plan| plan.settings.department == department).collect();
    let days = Days { bridge, comparer: Comparer { scratch: &scratch, show: FINDINGS }, date: Some(date) };
    let report = by_events(&days, department, &plans)?;
    fs::write(page, page::of(&report)).with_context(|| format!("cannot write {}", page.display()))?;
    // What it says is said in words alone: nobody asked for these.
    record::keep(bridge, &report, Some(date), Output::new(true))?;
    Ok(report)
}

/// The files of some feeds, each against what is made of the new service's events.
fn by_events(days: &Days<'_>, department: &str, plans: &[&Arc<FeedPlan>]) -> anyhow::Result<Report> {
    let (bridge, mut notes) = (days.bridge, Vec::new());
    let control = read_control(&*bridge.context.log, &bridge.context.topics)?;
    let files = days.with_events(&control, department, plans, &mut notes)?;
    Ok(Report::new(&bridge.settings.name, department, bridge.context.clock.now(), files).with_notes(notes))
}

/// All legacy files of a department.
fn of_department(
    config: &Path,
    arguments: &ParityArguments,
    comparer: Comparer<'_>,
) -> anyhow::Result<(Report, Arc<Bridge>)> {
    let department = arguments.what.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bridge = super::open(config)?;
    let departments = bridge.feeds.iter().map(|plan| plan.settings.department.as_str());
    check_known("department", Some(&department), departments)?;
    let mut plans: Vec<&Arc<FeedPlan>> =
        bridge.feeds.iter().filter(|plan| plan.settings.department == department).collect();
    check_known("feed", arguments.feed.as_deref(), plans.iter().map(|plan| plan.id()))?;
    if arguments.record && arguments.feed.is_some() {
        bail!("--record without --feed: evidence is of all feeds of the department");
    }
    plans.retain(|plan| arguments.feed.as_deref().is_none_or(|feed| feed == plan.id()));
    let days = Days { bridge: &bridge, comparer, date: arguments.date };
    let report = match &arguments.candidates {
        Some(directory) => {
            let files = days.with_directory(CandidateDirectory(directory), &plans)?;
            Report::new(&bridge.settings.name, &department, bridge.context.clock.now(), files)
        }
        None => by_events(&days, &department, &plans)?,
    };
    Ok((report, bridge))
}
