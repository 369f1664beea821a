//! Published legacy files against files of a new service, under the same names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, anyhow};
use dropbridge_port::EntryPath;

use super::days::{Case, Days, due, from_start};
use super::pair::open;
use crate::capture::Store;
use crate::capture::selection::Named;
use crate::domain::Moment;
use crate::domain::name_pattern::NameFacts;
use crate::inbound::manifest::Manifest;
use crate::inbound::plan::FeedPlan;
use crate::outbound::manifests::{Wanted, find};
use crate::outbound::mirror::{Assembler, check_topics_of};
use crate::parity::{Arrival, FileReport};

/// Files of a new service, under the names of the legacy ones: in the directory itself, or in one named after the feed.
#[derive(Clone, Copy)]
pub(super) struct CandidateDirectory<'d>(pub(super) &'d Path);

/// A candidate.
struct Candidate {
    path: PathBuf,
    since: Moment,
}

impl CandidateDirectory<'_> {
    /// The directory of a feed's candidates.
    fn of(&self, feed: &str) -> PathBuf {
        let own = self.0.join(feed);
        if own.is_dir() { own } else { self.0.to_path_buf() }
    }

    fn find(&self, feed: &str, name: &Path) -> anyhow::Result<Option<Candidate>> {
        let path = self.of(feed).join(name);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(Candidate { since: modified(&metadata), path })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot look at {}", path.display())),
        }
    }

    /// All that a feed would take of the directory, with what their names say.
    fn all(&self, plan: &FeedPlan) -> anyhow::Result<Vec<(Candidate, NameFacts)>> {
        let directory = self.of(plan.id());
        let failed = || format!("cannot list {}", directory.display());
        let mut found = Vec::new();
        for entry in fs::read_dir(&directory).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            let Named::Entry(Ok(facts)) = plan.selection.classify(entry.file_name().as_bytes()) else { continue };
            let metadata = entry.metadata().with_context(failed)?;
            if metadata.is_file() {
                found.push((Candidate { since: modified(&metadata), path: entry.path() }, facts));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
        Ok(found)
    }
}

fn modified(metadata: &fs::Metadata) -> Moment {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Moment::from_unix_ns(since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0))
}

impl Days<'_> {
    /// The files of these feeds, by feed and key.
    ///
    /// # Errors
    /// Of the log, the store, and the files.
    pub(super) fn with_directory(
        &self,
        candidates: CandidateDirectory<'_>,
        plans: &[&Arc<FeedPlan>],
    ) -> anyhow::Result<Vec<FileReport>> {
        let context = &self.bridge.context;
        let store = self.bridge.store()?;
        let mut assembler = Assembler::new(Arc::clone(&context.log), &context.bridge);
        let mut reports = Vec::new();
        for plan in plans {
            check_topics_of(&*context.log, &context.topics, plan)?;
            let wanted = self.date.map_or(Wanted::All, Wanted::Date);
            let mut known = BTreeSet::new();
            for manifest in find(&*context.log, &context.topics, plan.id(), &wanted)? {
                let name = name_of(&manifest)?;
                let candidate = candidates.find(plan.id(), &name)?;
                reports.push(self.published(plan, &manifest, candidate, &mut assembler, &store)?);
                known.insert(name);
            }
            for (candidate, facts) in candidates.all(plan)? {
                let name = candidate.path.file_name().map(PathBuf::from).unwrap_or_default();
                if self.wants(facts.business_date) && !known.contains(&name) {
                    reports.push(self.alone(plan, &candidate, facts));
                }
            }
        }
        Ok(reports)
    }

    /// A legacy file that was published, and its candidate where there is one.
    fn published(
        &self,
        plan: &FeedPlan,
        manifest: &Manifest,
        candidate: Option<Candidate>,
        assembler: &mut Assembler,
        store: &Store,
    ) -> anyhow::Result<FileReport> {
        let compared = match &candidate {
            Some(candidate) => {
                let legacy = self.legacy(plan, manifest, assembler, store)?;
                let name = manifest.key.as_str();
                Some(self.compared(plan, name, &|| from_start(&legacy), &|| open(&candidate.path))?)
            }
            None => None,
        };
        let arrival = Arrival {
            legacy: Some(Moment::from_unix_ns(manifest.entry.modified_ns)),
            candidate: candidate.as_ref().map(|candidate| candidate.since),
            due: due(plan, manifest.business_date),
            open_until: None,
        };
        Ok(self.report(
            plan,
            Case {
                facts: NameFacts { business_date: manifest.business_date, sequence: manifest.sequence.clone() },
                arrival,
                legacy_file: Some(manifest.entry.path.clone()),
                candidate_file: candidate.map(|candidate| candidate.path.display().to_string()),
                compared,
                ..Case::default()
            },
        ))
    }

    /// A candidate of which the ledger has no legacy file.
    fn alone(&self, plan: &FeedPlan, candidate: &Candidate, facts: NameFacts) -> FileReport {
        let due = due(plan, facts.business_date);
        let arrival = Arrival { candidate: Some(candidate.since), due, ..Arrival::default() };
        let candidate_file = Some(candidate.path.display().to_string());
        self.report(plan, Case { facts, arrival, candidate_file, ..Case::default() })
    }
}

/// The file's own name, without a directory.
fn name_of(manifest: &Manifest) -> anyhow::Result<PathBuf> {
    let path = EntryPath::parse(&manifest.entry.path);
    let path = path.ok_or_else(|| anyhow!("`{}` is no file name", manifest.entry.path))?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(path.file_name())))
}
