//! Two files, compared.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use super::scratch::Directory;
use crate::capture::selection::{Named, Selection};
use crate::config::settings::{FeedSettings, Settings};
use crate::domain::BusinessDate;
use crate::domain::name_pattern::NameFacts;
use crate::parity::{Comparison, FileReport, Finding, Open, Outcome};

/// So many bytes of records are sorted in memory, whatever the size of the files.
const MEMORY_BYTES: usize = 48 << 20;

/// How files are compared.
pub(super) struct Comparer<'c> {
    pub(super) scratch: &'c Directory,
    /// So many differences of each file are shown.
    pub(super) show: usize,
}

/// What came of it, with the first differences, and how many more there are.
pub(super) struct Compared {
    pub(super) outcome: Outcome,
    pub(super) findings: Vec<Finding>,
    pub(super) left_out: u64,
}

impl Comparer<'_> {
    pub(super) fn compare(
        &self,
        feed: &FeedSettings,
        legacy: Open<'_>,
        candidate: Open<'_>,
    ) -> anyhow::Result<Compared> {
        let comparison = Comparison {
            layout: &feed.layout,
            rules: &feed.parity,
            rejects: feed.rejects,
            scratch: self.scratch,
            memory_bytes: MEMORY_BYTES,
        };
        let (mut findings, mut left_out) = (Vec::new(), 0);
        let outcome = comparison.compare(legacy, candidate, &mut |finding| {
            if findings.len() < self.show {
                findings.push(finding);
            } else {
                left_out += 1;
            }
        })?;
        Ok(Compared { outcome, findings, left_out })
    }

    /// Compares two files that somebody names. The business date is that of the legacy file's name, unless stated.
    pub(super) fn files(
        &self,
        feed: &FeedSettings,
        legacy: &Path,
        candidate: &Path,
        date: Option<BusinessDate>,
    ) -> anyhow::Result<FileReport> {
        check_files(legacy, candidate)?;
        let compared = self
            .compare(feed, &|| open(legacy), &|| open(candidate))
            .with_context(|| format!("{} and {}", legacy.display(), candidate.display()))?;
        let facts = facts(feed, legacy);
        Ok(FileReport {
            feed: feed.id.clone(),
            business_date: date.or(facts.business_date),
            sequence: facts.sequence,
            verdict: compared.outcome.verdict,
            why: None,
            legacy_file: Some(legacy.display().to_string()),
            candidate_file: Some(candidate.display().to_string()),
            candidate_from: None,
            outcome: Some(compared.outcome),
            findings: compared.findings,
            findings_left_out: compared.left_out,
        })
    }
}

/// The feed that files are compared by.
pub(super) fn feed<'s>(settings: &'s Settings, id: &str) -> anyhow::Result<&'s FeedSettings> {
    super::super::check_known("feed", Some(id), settings.feeds.iter().map(|feed| feed.id.as_str()))?;
    let feed = settings.feeds.iter().find(|feed| feed.id == id);
    feed.map(|feed| &**feed).ok_or_else(|| anyhow!("there is no feed `{id}`"))
}

pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(File::open(path)?))
}

/// Both are there, and they are two.
fn check_files(legacy: &Path, candidate: &Path) -> anyhow::Result<()> {
    let look = |path: &Path| {
        let metadata = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
        if !metadata.is_file() {
            bail!("{} is no regular file: it is read twice", path.display());
        }
        Ok((metadata.dev(), metadata.ino()))
    };
    if look(legacy)? == look(candidate)? {
        let (legacy, candidate) = (legacy.display(), candidate.display());
        bail!("{legacy} and {candidate} are the same file: comparing it with itself proves nothing");
    }
    Ok(())
}

/// What the legacy file's name says; nothing where it has not the name that it would have in the inbox.
fn facts(feed: &FeedSettings, legacy: &Path) -> NameFacts {
    let name = legacy.file_name().unwrap_or_default();
    match Selection::new(&feed.include, &feed.exclude, &feed.ready).classify(name.as_bytes()) {
        Named::Entry(Ok(facts)) => facts,
        _ => NameFacts::default(),
    }
}

/// Both names, where two are given.
pub(super) fn both(what: &[PathBuf]) -> Option<(&Path, &Path)> {
    match what {
        [legacy, candidate] => Some((legacy, candidate)),
        _ => None,
    }
}
