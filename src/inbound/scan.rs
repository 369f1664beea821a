//! One feed's inbox: listed, settled, taken, examined.

mod known;
mod taking;
mod tidying;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Entry, EntryPath, EntryStat, ErrorKind, ListRequest, OpenEntry, Result, Share};

use self::known::KnownEntries;
use super::arrivals::Dates;
use super::plan::{FeedPlan, Identity};
use super::prepare::{HoldLimits, Outcome, Prepared, pass};
use super::slot::Context;
use super::way::Way;
use crate::arrivals::Look;
use crate::capture::Store;
use crate::capture::selection::Named;
use crate::capture::settle::{Missing, Settler, Standing};
use crate::domain::key::Unnamed;
use crate::domain::name_pattern::NameFacts;
use crate::domain::{EntryFacts, LogicalKey, Moment};

/// How many entries are held open at first sight; those beyond it are opened when they have settled.
const MAX_OPEN_ENTRIES: usize = 256;

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
    known: KnownEntries,
    handles: BTreeMap<EntryPath, Box<dyn OpenEntry>>,
    /// Entries on their way, each with what lives as long as it is.
    in_flight: BTreeMap<EntryPath, Weak<()>>,
    /// Entries that we may not read: said once, and tried in every pass.
    unreadable: BTreeSet<EntryPath>,
    /// Settled, and somebody had them open to write them when they were to be taken.
    written: BTreeSet<EntryPath>,
    warned: HashSet<String>,
    /// Listed in the last pass and dealt with, where the feed does not leave its files.
    dealt_with: Vec<(EntryPath, EntryStat)>,
    /// Of these, what stays, and as what it was seen.
    staying: HashMap<EntryPath, EntryStat>,
    /// When the first pass began whose look was asked for.
    looking_since: Option<Moment>,
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
    /// When the entry was first seen that is longest on its way.
    pub oldest: Option<Duration>,
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
        let (handles, in_flight) = (BTreeMap::new(), BTreeMap::new());
        let (unreadable, warned, known) = (BTreeSet::new(), HashSet::new(), KnownEntries::default());
        Self {
            plan,
            share,
            store,
            context,
            memory_bytes,
            limits,
            settler,
            known,
            handles,
            in_flight,
            unreadable,
            written: BTreeSet::new(),
            warned,
            dealt_with: Vec::new(),
            staying: HashMap::new(),
            looking_since: None,
        }
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

    /// Goes on under another configuration, which lists and settles as the one before did.
    pub fn reconfigure(
        &mut self,
        plan: Arc<FeedPlan>,
        store: Arc<Store>,
        context: Context,
        memory_bytes: u64,
        limits: HoldLimits,
    ) {
        (self.plan, self.store, self.context) = (plan, store, context);
        (self.memory_bytes, self.limits) = (memory_bytes, limits);
    }

    /// Goes on with the share opened anew: what was seen before it went away is still known, so that an entry that did
    /// not come back with it is missed.
    pub fn renew_share(&mut self, share: Arc<dyn Share>) {
        self.share = share;
    }

    /// What to list.
    #[must_use]
    pub fn list_request(&self) -> ListRequest {
        ListRequest { recursive: self.plan.settings.recursive }
    }

    /// One pass: list, settle, take what is complete, examine it, hand it over. `may_go_on` is asked before each entry
    /// that is taken.
    ///
    /// # Errors
    /// Of the share, the store, and of `emit`.
    pub fn pass(&mut self, may_go_on: &dyn Fn() -> bool, emit: &mut Emit<'_>) -> Result<Pass> {
        let listing = self.share.list(self.list_request())?;
        self.land();
        for skipped in &listing.skipped {
            // Directories of a feed that is not recursive are none of its business.
            if skipped.reason != "directory" && self.warned.insert(skipped.path.clone()) {
                tracing::warn!(feed = self.plan.id(), path = %skipped.path, "passed over: {}", skipped.reason);
            }
        }
        let selection = &self.plan.selection;
        let plan = &self.plan;
        let is_wanted = |entry: &Entry| {
            matches!(selection.classify(entry.path.file_name()), Named::Entry(_)) && !plan.is_ours(&entry.path)
        };
        let unknown = self.known.unknown_of(&listing.entries, is_wanted, &self.context, self.plan.id())?;
        let mut facts: BTreeMap<EntryPath, Facts> = BTreeMap::new();
        let mut entries = Vec::new();
        for entry in unknown {
            if let Named::Entry(said) = selection.classify(entry.path.file_name()) {
                facts.insert(entry.path.clone(), said);
                entries.push(entry.clone());
            }
        }
        let mut names: HashSet<&[u8]> = HashSet::new();
        if self.settler.looks_for_companions() && !(entries.is_empty() && self.settler.is_empty()) {
            names.extend(listing.entries.iter().map(|entry| entry.path.as_bytes()));
        }
        let changes = self.settler.observe(&entries, &names, self.context.clock.elapsed());
        for entry in &changes.appeared {
            tracing::trace!(feed = self.plan.id(), path = %entry.path, "seen");
            self.open_at_first_sight(&entry.path)?;
        }
        for path in &changes.vanished {
            self.vanished(path, emit)?;
        }
        self.note_known(&listing.entries);
        self.look_at_handles(emit)?;
        self.take_settled(&facts, may_go_on, emit)?;
        let pass = self.sum_up();
        tracing::trace!(feed = self.plan.id(), settling = pass.settling, waiting = pass.waiting.len(), "looked");
        Ok(pass)
    }

    /// Lets go of what was dealt with since the last pass. An entry that changed on its way shows as a new one then.
    fn land(&mut self) {
        let settler = &mut self.settler;
        self.in_flight.retain(|path, on_its_way| {
            let is_underway = on_its_way.strong_count() > 0;
            if !is_underway {
                settler.land(path);
            }
            is_underway
        });
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
        let (stat, seen) = (self.settler.stat(path), self.settler.seen_at(path));
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
            transitions: 0,
            request: None,
            way: Way { seen, ..Way::default() },
            ticket: None,
            on_its_way: Arc::default(),
        })
    }

    fn facts_of(&self, path: &EntryPath) -> Facts {
        match self.plan.selection.classify(path.file_name()) {
            Named::Entry(facts) => facts,
            _ => Ok(NameFacts::default()),
        }
    }

    /// Vanished entries settle by what their open handles say.
    fn look_at_handles(&mut self, emit: &mut Emit<'_>) -> Result<()> {
        let now = self.context.clock.elapsed();
        let mut dead = Vec::new();
        for (path, handle) in &self.handles {
            if self.settler.is_gone(path) {
                match handle.stat() {
                    Ok(stat) => self.settler.see_handle(path, stat, now),
                    Err(error) => dead.push((path.clone(), error)),
                }
            }
        }
        for (path, error) in dead {
            tracing::warn!(feed = self.plan.id(), %path, %error, "gone from the inbox, and its open handle is of no use");
            self.handles.remove(&path);
            self.vanished(&path, emit)?;
        }
        Ok(())
    }

    /// What the last pass saw that is not in the ledger yet, for a feed that expects files; `at`: when it began.
    #[must_use]
    pub fn look(&mut self, at: Moment) -> Look {
        let since = *self.looking_since.get_or_insert(at);
        let mut look = Look { at, since, settling: Dates::new(), in_flight: Dates::new() };
        if !self.context.arrivals.expects(self.plan.id()) {
            return look;
        }
        for (path, standing) in self.settler.standings(self.context.clock.elapsed()) {
            let date = self.facts_of(&path).ok().and_then(|facts| facts.business_date);
            match standing {
                Standing::InFlight => look.in_flight.insert(date),
                // A marker that does not come is no file that is about to.
                Standing::Waits(_) => continue,
                _ if self.unreadable.contains(&path) => continue,
                Standing::Quiet { .. } | Standing::Settled | Standing::Lost(_) => look.settling.insert(date),
            };
        }
        look
    }

    fn sum_up(&mut self) -> Pass {
        let now = self.context.clock.elapsed();
        let mut sum = Pass { oldest: self.settler.oldest(), ..Pass::default() };
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
                Standing::Settled | Standing::Lost(_) if self.unreadable.contains(&path) => {
                    sum.waiting.push((path, Missing::Permission));
                }
                Standing::Settled if self.written.contains(&path) => {
                    sum.waiting.push((path, Missing::WriterGone));
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
