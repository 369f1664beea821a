//! One feed's inbox: listed, settled, taken, examined.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Entry, EntryPath, ErrorKind, ListRequest, OpenEntry, Result, Share};

use super::plan::{FeedPlan, Identity};
use super::prepare::{examine, pass, whole_file, HoldLimits, Outcome, Prepared, Source};
use super::slot::Context;
use crate::capture::selection::Named;
use crate::capture::settle::{Missing, Settler, Standing};
use crate::capture::take::{take, TakeOptions, Taken};
use crate::capture::{sidecar, Body, Capture, Store};
use crate::domain::key::Unnamed;
use crate::domain::name_pattern::NameFacts;
use crate::domain::LogicalKey;
use crate::layout::RejectCode;
use crate::ledger::admit::{admit, Admission, Candidate};
use crate::ledger::EntryFacts;

/// How many entries are held open at first sight; those beyond it are opened when they have settled.
const MAX_OPEN_ENTRIES: usize = 256;

/// The longest sidecar that is read.
const MAX_SIDECAR_BYTES: u64 = 1 << 16;

/// What a name says, or why it says nothing.
type Facts = std::result::Result<NameFacts, String>;

/// Looks after one feed's inbox.
pub struct Scanner {
    plan: Arc<FeedPlan>,
    share: Arc<dyn Share>,
    store: Arc<Store>,
    context: Context,
    memory_bytes: u64,
    limits: HoldLimits,
    settler: Settler,
    handles: BTreeMap<EntryPath, Box<dyn OpenEntry>>,
    warned: HashSet<String>,
}

/// How an inbox stands after a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Entries whose quiet time is running, or that have to be looked at again.
    pub settling: usize,
    /// Entries on their way.
    pub in_flight: usize,
    /// Entries that wait for something, and for what.
    pub waiting: Vec<(EntryPath, Missing)>,
    /// When the first quiet time is over.
    pub due: Option<Duration>,
}

impl Pass {
    /// Time alone will change nothing here.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.settling == 0 && self.in_flight == 0
    }
}

/// Where an examined file goes; it may make the caller wait.
pub type Emit<'a> = dyn FnMut(Prepared) -> Result<()> + 'a;

impl Scanner {
    /// For a feed.
    #[must_use]
    pub fn new(
        plan: Arc<FeedPlan>,
        share: Arc<dyn Share>,
        store: Arc<Store>,
        context: Context,
        memory_bytes: u64,
        limits: HoldLimits,
    ) -> Self {
        let settler = Settler::new(plan.settings.ready.clone());
        let (handles, warned) = (BTreeMap::new(), HashSet::new());
        Self { plan, share, store, context, memory_bytes, limits, settler, handles, warned }
    }

    /// Its feed.
    #[must_use]
    pub fn plan(&self) -> &Arc<FeedPlan> {
        &self.plan
    }

    /// Its share.
    #[must_use]
    pub fn share(&self) -> &Arc<dyn Share> {
        &self.share
    }

    /// What to list.
    #[must_use]
    pub fn list_request(&self) -> ListRequest {
        ListRequest { recursive: self.plan.settings.recursive }
    }

    /// One pass: list, settle, take what is complete, examine it, hand it over.
    ///
    /// # Errors
    /// Of the share, the store, and of `emit`.
    pub fn pass(&mut self, emit: &mut Emit<'_>) -> Result<Pass> {
        let listing = self.share.list(self.list_request())?;
        for skipped in &listing.skipped {
            if self.warned.insert(skipped.path.clone()) {
                tracing::warn!(feed = self.plan.id(), path = %skipped.path, "passed over: {}", skipped.reason);
            }
        }
        let names: HashSet<&[u8]> = listing.entries.iter().map(|entry| entry.path.as_bytes()).collect();
        let mut facts: BTreeMap<EntryPath, Facts> = BTreeMap::new();
        let mut entries = Vec::new();
        for entry in &listing.entries {
            if let Named::Entry(said) = self.plan.selection.classify(entry.path.file_name()) {
                if !self.is_known(entry) {
                    facts.insert(entry.path.clone(), said);
                    entries.push(entry.clone());
                }
            }
        }
        let changes = self.settler.observe(&entries, &names, self.context.clock.elapsed());
        for entry in &changes.appeared {
            self.open_at_first_sight(&entry.path)?;
        }
        for path in &changes.vanished {
            self.vanished(path, emit)?;
        }
        self.look_at_handles()?;
        self.take_settled(&facts, emit)?;
        Ok(self.sum_up())
    }

    /// The newest arrival of this path is this one, so it was dealt with.
    fn is_known(&self, entry: &Entry) -> bool {
        let path = entry.path.to_string();
        self.context.ledger().arrival(self.plan.id(), &path).is_some_and(|known| {
            known.size == entry.stat.size
                && known.modified_ns == entry.stat.modified_ns
                && (known.version == entry.stat.version || known.version == 0)
        })
    }

    fn open_at_first_sight(&mut self, path: &EntryPath) -> Result<()> {
        self.handles.remove(path);
        if self.handles.len() >= MAX_OPEN_ENTRIES {
            return Ok(());
        }
        match self.share.open(path) {
            Ok(handle) => {
                self.handles.insert(path.clone(), handle);
                pass(Failpoint::EntryOpened, &path.to_string())
            }
            // Gone already: the next listing says so. Not allowed: said when it has settled.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Refused) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn vanished(&mut self, path: &EntryPath, emit: &mut Emit<'_>) -> Result<()> {
        if self.handles.contains_key(path) {
            tracing::warn!(feed = self.plan.id(), %path, "gone from the inbox before it settled; its bytes are still at hand");
            return Ok(());
        }
        let stat = self.settler.stat(path);
        self.settler.forget(path);
        let entry = EntryFacts {
            path: path.to_string(),
            size: stat.map_or(0, |stat| stat.size),
            modified_ns: stat.map_or(0, |stat| stat.modified_ns),
            version: stat.map_or(0, |stat| stat.version),
        };
        let facts = self.facts_of(path).unwrap_or_default();
        let by = Unnamed::ByArrival(entry.modified_ns);
        let key = LogicalKey::named(path, &facts, 0, self.plan.settings.recursive)
            .unwrap_or_else(|| LogicalKey::unnamed(path, by, self.plan.settings.recursive));
        let identity = Identity { key, facts, generation: 0 };
        emit(Prepared {
            plan: Arc::clone(&self.plan),
            identity,
            entry,
            hash: None,
            body: None,
            revision: 1,
            supersedes: None,
            outcome: Outcome::Vanished,
            request: None,
            ticket: None,
        })
    }

    fn facts_of(&self, path: &EntryPath) -> Facts {
        match self.plan.selection.classify(path.file_name()) {
            Named::Entry(facts) => facts,
            _ => Ok(NameFacts::default()),
        }
    }

    /// Vanished entries settle by what their open handles say.
    fn look_at_handles(&mut self) -> Result<()> {
        let now = self.context.clock.elapsed();
        for (path, handle) in &self.handles {
            if self.settler.is_gone(path) {
                self.settler.see_handle(path, handle.stat()?, now);
            }
        }
        Ok(())
    }

    fn take_settled(&mut self, facts: &BTreeMap<EntryPath, Facts>, emit: &mut Emit<'_>) -> Result<()> {
        let now = self.context.clock.elapsed();
        let mut ready: Vec<(EntryPath, Standing, Facts)> = Vec::new();
        for (path, standing) in self.settler.standings(now) {
            if matches!(standing, Standing::Settled | Standing::Lost(_)) {
                let said = facts.get(&path).cloned().unwrap_or_else(|| self.facts_of(&path));
                ready.push((path, standing, said));
            }
        }
        ready.sort_by_cached_key(|(path, _, facts)| business_order(path, facts));
        for (path, standing, facts) in ready {
            if self.context.stop.is_raised() {
                break;
            }
            self.take_one(&path, standing, facts, emit)?;
        }
        Ok(())
    }

    fn take_one(&mut self, path: &EntryPath, standing: Standing, facts: Facts, emit: &mut Emit<'_>) -> Result<()> {
        let lost = if let Standing::Lost(missing) = standing { Some(missing) } else { None };
        let stated = if lost.is_some() { None } else { self.stated_checksum(path)? };
        if stated.is_none() && lost.is_none() && self.plan.settings.ready.checksum.is_some() {
            // The sidecar is there and says nothing yet: half written, for one.
            return Ok(());
        }
        let mut handle = match self.handles.remove(path) {
            Some(handle) => handle,
            None => match self.share.open(path) {
                Ok(handle) => handle,
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        let gone = self.settler.is_gone(path);
        let options = TakeOptions {
            memory_bytes: self.memory_bytes,
            unchanged_since: if self.settler.demands_quiet() && lost.is_none() { self.settler.stat(path) } else { None },
            gone,
            checksum: self.plan.settings.ready.checksum.as_ref().map(|rule| rule.algorithm),
        };
        match take(&*self.share, path, &mut *handle, &self.store, options)? {
            Taken::Changed(stat) if cfg!(feature = "sabotage-unsettled") => {
                tracing::debug!(%path, ?stat, "sabotage: a changing entry is taken");
                Ok(())
            }
            Taken::Changed(stat) => {
                tracing::debug!(feed = self.plan.id(), %path, "it changed: settling begins again");
                self.settler.unsettle(path, stat, self.context.clock.elapsed());
                if gone {
                    self.handles.insert(path.clone(), handle);
                }
                Ok(())
            }
            Taken::Capture(capture) => self.captured(path, capture, lost, stated, facts, emit, handle),
        }
    }

    #[allow(clippy::too_many_arguments)] // everything that was found out about one capture
    fn captured(
        &mut self,
        path: &EntryPath,
        capture: Capture,
        lost: Option<Missing>,
        stated: Option<String>,
        facts: Facts,
        emit: &mut Emit<'_>,
        handle: Box<dyn OpenEntry>,
    ) -> Result<()> {
        let layout = &self.plan.settings.layout;
        if self.plan.settings.ready.trailer && lost.is_none() && !layout.ends_with_trailer(&capture.tail) {
            self.settler.set_incomplete(path, Missing::Trailer);
            if self.settler.is_gone(path) {
                self.handles.insert(path.clone(), handle);
            }
            return Ok(());
        }
        drop(handle);
        let fault = match (lost, &stated, &facts) {
            (Some(missing), ..) => Some((
                RejectCode::Vanished,
                format!("the file disappeared before {} came, so nobody can tell whether it is whole", missing.as_str()),
            )),
            (None, Some(stated), _) if capture.checksum.as_ref() != Some(stated) => Some((
                RejectCode::Checksum,
                format!("its checksum is {}, the sidecar states {stated}", capture.checksum.as_deref().unwrap_or("-")),
            )),
            (None, _, Err(message)) => Some((RejectCode::FileName, message.clone())),
            _ => None,
        };
        let prepared = self.prepare(capture, facts.unwrap_or_default(), fault)?;
        match prepared {
            Some(prepared) => {
                if self.settler.is_gone(path) {
                    self.settler.forget(path);
                } else {
                    self.settler.set_in_flight(path);
                }
                emit(prepared)
            }
            None => {
                self.settler.forget(path);
                Ok(())
            }
        }
    }

    /// Asks the ledger, and examines what is new. `None` when there is nothing to do.
    fn prepare(&self, capture: Capture, facts: NameFacts, fault: Option<(RejectCode, String)>) -> Result<Option<Prepared>> {
        let plan = &self.plan;
        let (identity, admission) = {
            let ledger = self.context.ledger();
            let identity = plan.identify(&capture.entry, facts, capture.hash, &ledger);
            let known = ledger.drops(plan.id(), &identity.key);
            let candidate = Candidate { hash: capture.hash, entry: &capture.entry, by_request: false };
            (identity, admit(&known, candidate, plan.settings.corrections))
        };
        if admission == Admission::Known {
            self.context.ledger().refresh_arrival(plan.id(), &capture.entry);
            return Ok(None);
        }
        pass(Failpoint::Admitted, &capture.entry.path)?;
        let Capture { hash, entry, body, .. } = capture;
        let mut file = Prepared {
            plan: Arc::clone(plan),
            identity,
            entry,
            hash: Some(hash),
            body: Some(body),
            revision: 1,
            supersedes: None,
            outcome: Outcome::Unexamined,
            request: None,
            ticket: None,
        };
        if let Some((code, reason)) = fault {
            file.outcome = Outcome::Reject(whole_file(code, reason));
        } else if let Admission::Publish { revision, supersedes } = admission {
            (file.revision, file.supersedes) = (revision, supersedes);
            file.outcome = self.examine(&file)?;
        }
        pass(Failpoint::Prepared, &file.entry.path)?;
        Ok(Some(file))
    }

    fn examine(&self, file: &Prepared) -> Result<Outcome> {
        match (file.source(&self.context.bridge), &file.body) {
            (Some(source), Some(body)) => self.examine_body(&source, body),
            _ => Ok(Outcome::Vanished),
        }
    }

    fn examine_body(&self, source: &Source<'_>, body: &Body) -> Result<Outcome> {
        examine(source, body, &self.store, self.limits)
    }

    /// What the sidecar states, where the feed has one.
    fn stated_checksum(&self, path: &EntryPath) -> Result<Option<String>> {
        let Some(rule) = &self.plan.settings.ready.checksum else { return Ok(None) };
        let Some(beside) = path.sibling(&rule.sidecar.apply(path.file_name())) else { return Ok(None) };
        let opened = match self.share.open(&beside) {
            Ok(opened) => opened,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        opened
            .take(MAX_SIDECAR_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| dropbridge_port::PortError::io("read", beside.to_string(), &error))?;
        Ok(sidecar::read(&bytes, path.file_name(), rule.algorithm))
    }

    fn sum_up(&mut self) -> Pass {
        let now = self.context.clock.elapsed();
        let mut sum = Pass::default();
        let mut unneeded = Vec::new();
        for (path, standing) in self.settler.standings(now) {
            match standing {
                Standing::InFlight => {
                    sum.in_flight += 1;
                    unneeded.push(path);
                }
                Standing::Waits(missing) => sum.waiting.push((path, missing)),
                Standing::Quiet { until } => {
                    sum.settling += 1;
                    sum.due = Some(sum.due.map_or(until, |due| due.min(until)));
                }
                // Still here after the pass: the sidecar says nothing yet.
                Standing::Settled if self.plan.settings.ready.checksum.is_some() => {
                    sum.waiting.push((path, Missing::Checksum));
                }
                Standing::Settled | Standing::Lost(_) => sum.settling += 1,
            }
        }
        for path in unneeded {
            self.handles.remove(&path);
        }
        sum
    }
}

/// The order in which complete entries are taken: business date, sequence, name.
fn business_order(path: &EntryPath, facts: &Facts) -> (Option<crate::domain::BusinessDate>, Option<u64>, EntryPath) {
    let facts = facts.as_ref().ok();
    let sequence = facts.and_then(|facts| facts.sequence.as_deref()?.parse().ok());
    (facts.and_then(|facts| facts.business_date), sequence, path.clone())
}
