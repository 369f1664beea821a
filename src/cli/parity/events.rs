//! Legacy files against what the new service's events make: by business date, as the department's journal has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use anyhow::bail;

use super::days::{Case, Days, due, from_start};
use super::drops::{LegacyDrop, LegacyDrops};
use super::pair::Compared;
use super::sides::{Made, Ours, Sides, WindowOfFeed, windows};
use crate::capture::Store;
use crate::cutover::{Authority, CutoverJournal};
use crate::domain::name_pattern::NameFacts;
use crate::domain::{BusinessDate, ContentHash, Moment};
use crate::inbound::manifest::Manifest;
use crate::inbound::plan::FeedPlan;
use crate::ledger::DeliveryIndex;
use crate::ledger::replay::ControlState;
use crate::outbound::manifests::{Wanted, find};
use crate::outbound::mirror::{Assembler, check_topics_of};
use crate::parity::{Arrival, FileReport, Verdict};

/// A file of the legacy producer.
struct LegacyFile {
    name: String,
    facts: NameFacts,
    since: Moment,
    bytes: LegacyBytes,
}

/// Where its bytes are.
enum LegacyBytes {
    /// It was published: its events and its manifest give them, or the store.
    Published(Box<Manifest>),
    /// In the store.
    Stored(ContentHash),
    /// Nowhere, and why.
    Away(String),
}

impl LegacyFile {
    fn of_manifest(manifest: Manifest) -> Self {
        Self {
            name: manifest.entry.path.clone(),
            facts: NameFacts { business_date: manifest.business_date, sequence: manifest.sequence.clone() },
            since: Moment::from_unix_ns(manifest.entry.modified_ns),
            bytes: LegacyBytes::Published(Box::new(manifest)),
        }
    }

    fn of_drop(drop: &LegacyDrop, date: BusinessDate, authority: Authority, store: &Store) -> Self {
        let bytes = match (authority, drop.sha256) {
            (Authority::Candidate, Some(hash)) if store.contains(hash) => LegacyBytes::Stored(hash),
            (Authority::Candidate, _) => LegacyBytes::Away("the store does not keep its bytes".to_owned()),
            (Authority::Legacy, _) => LegacyBytes::Away(format!("it was not published: it is {}", drop.state)),
        };
        let facts = NameFacts { business_date: Some(date), sequence: drop.sequence.clone() };
        Self { name: drop.path.clone(), facts, since: drop.since, bytes }
    }

    fn number(&self) -> Option<u64> {
        self.facts.sequence.as_deref()?.parse().ok()
    }
}

/// One feed, and everything that its files are compared with.
struct OneFeed<'f> {
    days: &'f Days<'f>,
    of: &'f WindowOfFeed<'f>,
    sides: &'f Sides<'f>,
    journal: &'f CutoverJournal,
    deliveries: &'f DeliveryIndex,
    store: &'f Store,
    assembler: Assembler,
}

impl Days<'_> {
    /// The files of these feeds of one department, by feed and date.
    ///
    /// # Errors
    /// A feed without a window; of the log, the store, and the disk.
    pub(super) fn with_events(
        &self,
        control: &ControlState,
        department: &str,
        plans: &[&Arc<FeedPlan>],
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Vec<FileReport>> {
        let context = &self.bridge.context;
        let windows = windows(self.bridge, plans)?;
        let never_moved = CutoverJournal::new(department);
        let journal = control.cutovers.get(department).unwrap_or(&never_moved);
        let wanted =
            |feed: &str, date: BusinessDate| self.wants(Some(date)) && plans.iter().any(|plan| plan.id() == feed);
        let drops = LegacyDrops::read(self.bridge, control, journal, &wanted)?;
        let deliveries = DeliveryIndex::read(&*context.log, &context.topics.deliveries)?;
        let store = self.bridge.store()?;
        let mut reports = Vec::new();
        for of in &windows {
            check_topics_of(&*context.log, &context.topics, of.plan)?;
            let sides = Sides::open(self.bridge, of, notes)?;
            let assembler = Assembler::new(Arc::clone(&context.log), &context.bridge);
            let (sides, deliveries, store) = (&sides, &deliveries, &*store);
            let feed = OneFeed { days: self, of, sides, journal, deliveries, store, assembler };
            feed.compare(&drops, &mut reports)?;
        }
        Ok(reports)
    }
}

impl OneFeed<'_> {
    fn compare(mut self, drops: &LegacyDrops, reports: &mut Vec<FileReport>) -> anyhow::Result<()> {
        let mut legacy = self.legacy_files(drops)?;
        if let Some(undated) = legacy.remove(&None) {
            let why = "its name carries no business date, so that nobody can tell which events belong to it";
            reports.extend(undated.into_iter().map(|file| self.undecided(file, why)));
        }
        let mut dates: BTreeSet<BusinessDate> = legacy.keys().flatten().copied().collect();
        let candidates = self.sides.found.dates().map(|(date, _)| date);
        dates.extend(candidates.filter(|date| self.days.wants(Some(*date)) && !self.has_authority(*date)));
        for date in dates {
            match legacy.remove(&Some(date)) {
                None => reports.extend(self.alone(date, drops)),
                Some(files) => self.of_date(date, files, reports)?,
            }
        }
        Ok(())
    }

    /// The new service speaks for a date.
    fn has_authority(&self, date: BusinessDate) -> bool {
        self.journal.authority_on(date) == Authority::Candidate
    }

    fn legacy_files(&self, drops: &LegacyDrops) -> anyhow::Result<BTreeMap<Option<BusinessDate>, Vec<LegacyFile>>> {
        let (context, feed) = (&self.days.bridge.context, self.of.plan.id());
        let mut files: BTreeMap<Option<BusinessDate>, Vec<LegacyFile>> = BTreeMap::new();
        let wanted = self.days.date.map_or(Wanted::All, Wanted::Date);
        for manifest in find(&*context.log, &context.topics, feed, &wanted)? {
            let date = manifest.business_date;
            files.entry(date).or_default().push(LegacyFile::of_manifest(manifest));
        }
        for date in drops.dates(feed) {
            let authority = self.journal.authority_on(date);
            let is_counted = |drop: &&LegacyDrop| authority == Authority::Candidate || drop.is_open;
            let of_date = drops.of(feed, date).iter().filter(is_counted);
            let of_date = of_date.map(|drop| LegacyFile::of_drop(drop, date, authority, self.store)).collect();
            let known = files.entry(Some(date)).or_default();
            if authority == Authority::Candidate {
                // All of its drops are there, those that were published, too.
                *known = of_date;
            } else if known.is_empty() {
                known.extend(of_date);
            }
        }
        files.retain(|_, files| !files.is_empty());
        Ok(files)
    }

    fn of_date(
        &mut self,
        date: BusinessDate,
        files: Vec<LegacyFile>,
        reports: &mut Vec<FileReport>,
    ) -> anyhow::Result<()> {
        if files.len() > 1 {
            let why = format!(
                "it is one of {} legacy files of {date}, and {} makes one file of a date: which of its events belong to \
                 which of them cannot be told",
                files.len(),
                self.of.rendering.id()
            );
            reports.extend(files.into_iter().map(|file| self.undecided(file, &why)));
            return Ok(());
        }
        for file in files {
            let report = self.file(date, file)?;
            reports.push(report);
        }
        Ok(())
    }

    /// The one legacy file of a date.
    fn file(&mut self, date: BusinessDate, legacy: LegacyFile) -> anyhow::Result<FileReport> {
        if let LegacyBytes::Away(why) = &legacy.bytes {
            let why = why.clone();
            return Ok(self.undecided(legacy, &why));
        }
        let authority = self.journal.authority_on(date);
        let ours = self.sides.on(self.days, self.deliveries, authority, date, legacy.number())?;
        let plan = self.of.plan;
        let closes = self.of.window.settings.rules.closes(date);
        let arrival = Arrival {
            legacy: Some(legacy.since),
            due: due(plan, Some(date)),
            open_until: Some(closes),
            candidate: None,
        };
        let mut case = Case { arrival, facts: legacy.facts.clone(), ..Case::default() };
        case.legacy_file = Some(legacy.name.clone());
        match ours {
            Ours::Nothing(why) => {
                let verdict = case.arrival.verdict(None, self.days.now());
                case.judged = why.map(|why| (verdict, why));
            }
            Ours::NoFile(why) => {
                case.arrival.candidate = Some(legacy.since);
                case.judged = Some((case.arrival.verdict(Some(Verdict::Unreadable), self.days.now()), why));
            }
            Ours::Made(made) => self.compare_with(&legacy, made, &mut case)?,
        }
        Ok(self.days.report(plan, case))
    }

    fn compare_with(&mut self, legacy: &LegacyFile, made: Made, case: &mut Case) -> anyhow::Result<()> {
        let compared = self.compared(legacy, &made)?;
        // An empty file is what comes of no events: where more was to be in it, they are what is missing.
        if made.is_empty && !compared.outcome.verdict.is_parity() {
            return Ok(());
        }
        case.arrival.candidate = Some(made.since);
        case.arrival.open_until = made.open_until;
        case.candidate_file = Some(made.name);
        case.candidate_from = Some(made.from);
        case.compared = Some(compared);
        Ok(())
    }

    fn compared(&mut self, legacy: &LegacyFile, made: &Made) -> anyhow::Result<Compared> {
        let (days, plan) = (self.days, self.of.plan);
        let ours = || from_start(&made.file);
        match &legacy.bytes {
            LegacyBytes::Published(manifest) => {
                let file = days.legacy(plan, manifest, &mut self.assembler, self.store)?;
                days.compared(plan, manifest.key.as_str(), &|| from_start(&file), &ours)
            }
            LegacyBytes::Stored(hash) => {
                let stored = || self.store.read(*hash).map_err(io::Error::other);
                let compared = days.compared(plan, &legacy.name, &|| Ok(Box::new(stored()?)), &ours)?;
                if compared.outcome.legacy.sha256 != *hash {
                    bail!("object {hash} of the store, the bytes of {}, has another hash now", legacy.name);
                }
                Ok(compared)
            }
            LegacyBytes::Away(why) => bail!("{}: {why}", legacy.name),
        }
    }

    /// Candidate events of a date without a legacy file.
    fn alone(&self, date: BusinessDate, drops: &LegacyDrops) -> Option<FileReport> {
        let plan = self.of.plan;
        let events = self.sides.found.of(date)?;
        let facts = NameFacts { business_date: Some(date), sequence: None };
        if let Some(drop) = drops.of(plan.id(), date).first() {
            let why = format!("{} was not published: it is {}", drop.path, drop.state);
            let judged = Some((Verdict::Undecided, why));
            let legacy_file = Some(drop.path.clone());
            return Some(self.days.report(plan, Case { facts, legacy_file, judged, ..Case::default() }));
        }
        let closes = self.of.window.settings.rules.closes(date);
        let due = due(plan, Some(date));
        let arrival = Arrival { candidate: Some(events.newest), open_until: Some(closes), due, legacy: None };
        let verdict = arrival.verdict(None, self.days.now());
        // Of the days to come there is nothing to say, unless somebody asks.
        if verdict == Verdict::Pending && self.days.date.is_none() {
            return None;
        }
        let why = format!("there are {} candidate events, and no legacy file", events.events);
        Some(self.days.report(plan, Case { facts, judged: Some((verdict, why)), ..Case::default() }))
    }

    fn undecided(&self, file: LegacyFile, why: &str) -> FileReport {
        let judged = Some((Verdict::Undecided, why.to_owned()));
        let case = Case { facts: file.facts, legacy_file: Some(file.name), judged, ..Case::default() };
        self.days.report(self.of.plan, case)
    }
}
