//! The published legacy files of a department against the candidates of the same names.
//!
//! The legacy side is the drop itself: written again from the log, or from the store, to the very hash that was read. A
//! candidate is never made of legacy events: that would be the round-trip proof, and no parity.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, anyhow};
use dropbridge_port::{EntryPath, PortError};

use super::pair::{Compared, Comparer, open};
use crate::capture::Store;
use crate::capture::selection::Named;
use crate::domain::name_pattern::NameFacts;
use crate::domain::{BusinessDate, Moment};
use crate::inbound::manifest::Manifest;
use crate::inbound::plan::FeedPlan;
use crate::outbound::manifests::{Wanted, find};
use crate::outbound::mirror::{Assembler, check_topics_of};
use crate::parity::{Arrival, FileReport, Verdict};
use crate::wiring::Bridge;

/// Files of a new service, under the names of the legacy ones: in the directory itself, or in one named after the feed.
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

/// Compares the files of a department's feeds.
pub(super) struct Days<'d> {
    pub(super) bridge: &'d Bridge,
    pub(super) candidates: CandidateDirectory<'d>,
    pub(super) comparer: Comparer<'d>,
    /// Only those of this business date.
    pub(super) date: Option<BusinessDate>,
}

impl Days<'_> {
    /// The files of these feeds, by feed and key.
    pub(super) fn compare(&self, plans: &[&Arc<FeedPlan>]) -> anyhow::Result<Vec<FileReport>> {
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
                reports.push(self.published(plan, &manifest, &name, &mut assembler, &store)?);
                known.insert(name);
            }
            for (candidate, facts) in self.candidates.all(plan)? {
                let name = candidate.path.file_name().map(PathBuf::from).unwrap_or_default();
                let is_wanted = self.date.is_none_or(|date| facts.business_date == Some(date));
                if is_wanted && !known.contains(&name) {
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
        name: &Path,
        assembler: &mut Assembler,
        store: &Store,
    ) -> anyhow::Result<FileReport> {
        let candidate = self.candidates.find(plan.id(), name)?;
        let compared = match &candidate {
            Some(candidate) => Some(self.compared(plan, manifest, &candidate.path, assembler, store)?),
            None => None,
        };
        let arrival = Arrival {
            legacy: Some(Moment::from_unix_ns(manifest.entry.modified_ns)),
            candidate: candidate.as_ref().map(|candidate| candidate.since),
            due: due(plan, manifest.business_date),
        };
        let facts = NameFacts { business_date: manifest.business_date, sequence: manifest.sequence.clone() };
        let candidate = candidate.map(|candidate| candidate.path.display().to_string());
        Ok(self.report(plan, facts, arrival, (Some(manifest.entry.path.clone()), candidate), compared))
    }

    fn compared(
        &self,
        plan: &FeedPlan,
        manifest: &Manifest,
        candidate: &Path,
        assembler: &mut Assembler,
        store: &Store,
    ) -> anyhow::Result<Compared> {
        let what = || format!("{} of {}", manifest.key, plan.id());
        let create = || {
            let place = self.comparer.scratch.0.display().to_string();
            self.comparer.scratch.file().map_err(|error| PortError::io("create a scratch file", place, &error))
        };
        let (legacy, _) = assembler.write(plan, manifest, store, create).with_context(what)?;
        let from_start = || Ok(Box::new(FromStart { file: &legacy, offset: 0 }) as Box<dyn Read>);
        self.comparer.compare(&plan.settings, &from_start, &|| open(candidate)).with_context(what)
    }

    /// A candidate of which the ledger has no legacy file.
    fn alone(&self, plan: &FeedPlan, candidate: &Candidate, facts: NameFacts) -> FileReport {
        let arrival = Arrival { legacy: None, candidate: Some(candidate.since), due: due(plan, facts.business_date) };
        self.report(plan, facts, arrival, (None, Some(candidate.path.display().to_string())), None)
    }

    fn report(
        &self,
        plan: &FeedPlan,
        facts: NameFacts,
        arrival: Arrival,
        (legacy_file, candidate_file): (Option<String>, Option<String>),
        compared: Option<Compared>,
    ) -> FileReport {
        let verdict: Option<Verdict> = compared.as_ref().map(|compared| compared.outcome.verdict);
        let (outcome, findings, findings_left_out) = match compared {
            Some(compared) => (Some(compared.outcome), compared.findings, compared.left_out),
            None => (None, Vec::new(), 0),
        };
        FileReport {
            feed: plan.id().to_owned(),
            business_date: facts.business_date,
            sequence: facts.sequence,
            verdict: arrival.verdict(verdict, self.bridge.context.clock.now()),
            legacy_file,
            candidate_file,
            outcome,
            findings,
            findings_left_out,
        }
    }
}

/// The file's own name, without a directory.
fn name_of(manifest: &Manifest) -> anyhow::Result<PathBuf> {
    let path = EntryPath::parse(&manifest.entry.path);
    let path = path.ok_or_else(|| anyhow!("`{}` is no file name", manifest.entry.path))?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(path.file_name())))
}

/// When the files of a business date are due, where the feed says so.
fn due(plan: &FeedPlan, date: Option<BusinessDate>) -> Option<Moment> {
    plan.settings.expect.as_ref()?.deadline.as_ref()?.due_for(date?)
}

/// A file without a name, read from its beginning as often as is wanted.
struct FromStart<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
