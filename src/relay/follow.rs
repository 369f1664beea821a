//! The inbox of a relay: listed, opened at first sight, settled by the feed's own rule.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::{Entry, EntryPath, EntryStat, ErrorKind, ListRequest, OpenEntry, Result, Share};

use crate::capture::selection::Named;
use crate::capture::settle::{Missing, Settler, Standing};
use crate::domain::EntryFacts;
use crate::inbound::plan::FeedPlan;

/// How many entries are held open at first sight; those beyond it are opened when they have settled.
const MAX_OPEN_ENTRIES: usize = 256;

/// Follows the entries of an inbox that are not relayed yet.
pub(super) struct Follower {
    plan: Arc<FeedPlan>,
    settler: Settler,
    handles: BTreeMap<EntryPath, Box<dyn OpenEntry>>,
    /// Since when markers and sidecars are as they are.
    companions: HashMap<EntryPath, (EntryStat, Duration)>,
}

/// What a look at the inbox showed.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Complete, in the order in which they are relayed.
    pub(super) ready: Vec<EntryPath>,
    /// What waits for something, and for what.
    pub(super) waiting: Vec<(EntryPath, Missing)>,
    /// Entries whose quiet time is running.
    pub(super) settling: usize,
    /// When the first quiet time is over.
    pub(super) due: Option<Duration>,
    /// What is gone, and was withheld: nothing of it is followed any more.
    pub(super) let_go: Vec<EntryPath>,
}

/// What a listing says of an entry.
pub(super) fn facts(path: &EntryPath, stat: EntryStat) -> EntryFacts {
    EntryFacts { path: path.to_string(), size: stat.size, modified_ns: stat.modified_ns, version: stat.version }
}

impl Follower {
    pub(super) fn new(plan: Arc<FeedPlan>) -> Self {
        let settler = Settler::new(plan.settings.ready.clone());
        Self { plan, settler, handles: BTreeMap::new(), companions: HashMap::new() }
    }

    /// Lists the inbox. `is_known`: what was dealt with; `is_withheld`: what is not passed on as things stand.
    pub(super) fn look(
        &mut self,
        share: &dyn Share,
        is_known: &dyn Fn(&EntryFacts) -> bool,
        is_withheld: &dyn Fn(&EntryPath) -> bool,
        now: Duration,
    ) -> Result<Sight> {
        let listing = share.list(ListRequest { recursive: self.plan.settings.recursive })?;
        let names: HashSet<&[u8]> = listing.entries.iter().map(|entry| entry.path.as_bytes()).collect();
        let fits = |entry: &&Entry| {
            matches!(self.plan.selection.classify(entry.path.file_name()), Named::Entry(_))
                && !self.plan.is_ours(&entry.path)
                && !is_known(&facts(&entry.path, entry.stat))
        };
        let entries: Vec<Entry> = listing.entries.iter().filter(fits).cloned().collect();
        let changes = self.settler.observe(&entries, &names, now);
        for entry in &changes.appeared {
            self.handles.remove(&entry.path);
            if !is_withheld(&entry.path) {
                self.open_at_first_sight(share, &entry.path)?;
            }
        }
        let let_go = self.see_vanished(changes.vanished, is_withheld);
        self.companions.retain(|path, _| names.contains(path.as_bytes()));
        self.look_at_handles(now);
        Ok(Sight { let_go, ..self.sum_up(now) })
    }

    /// Follows what is gone only where it can be relayed still. Answers what was withheld.
    fn see_vanished(&mut self, vanished: Vec<EntryPath>, is_withheld: &dyn Fn(&EntryPath) -> bool) -> Vec<EntryPath> {
        let (withheld, others): (Vec<_>, Vec<_>) = vanished.into_iter().partition(is_withheld);
        withheld.iter().for_each(|path| self.forget(path));
        for path in others.iter().filter(|path| !self.handles.contains_key(*path)) {
            tracing::error!(feed = self.plan.id(), %path, "gone from the inbox before it could be relayed: nobody passes it on");
            self.settler.forget(path);
        }
        withheld
    }

    fn open_at_first_sight(&mut self, share: &dyn Share, path: &EntryPath) -> Result<()> {
        if self.handles.len() >= MAX_OPEN_ENTRIES {
            return Ok(());
        }
        match share.open(path) {
            Ok(handle) => drop(self.handles.insert(path.clone(), handle)),
            // Gone already: the next listing says so. Not allowed: said when it has settled.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Refused) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Vanished entries settle by what their open handles say.
    fn look_at_handles(&mut self, now: Duration) {
        let mut dead = Vec::new();
        for (path, handle) in &self.handles {
            if !self.settler.is_gone(path) {
                continue;
            }
            match handle.stat() {
                Ok(stat) => self.settler.see_handle(path, stat, now),
                Err(error) => dead.push((path.clone(), error)),
            }
        }
        for (path, error) in dead {
            tracing::error!(feed = self.plan.id(), %path, %error, "gone from the inbox, and its open handle is of no use: nobody passes it on");
            self.forget(&path);
        }
    }

    fn sum_up(&mut self, now: Duration) -> Sight {
        let mut sight = Sight::default();
        for (path, standing) in self.settler.standings(now) {
            match standing {
                Standing::Settled => sight.ready.push(path),
                Standing::Waits(missing) => sight.waiting.push((path, missing)),
                Standing::Quiet { until } => {
                    sight.settling += 1;
                    sight.due = Some(sight.due.map_or(until, |due| due.min(until)));
                }
                Standing::Lost(missing) => {
                    tracing::error!(
                        feed = self.plan.id(), %path,
                        "gone from the inbox before {} came: nobody can tell whether it was whole, and it is not relayed",
                        missing.as_str()
                    );
                    self.forget(&path);
                }
                Standing::InFlight => {}
            }
        }
        let order = |path: &EntryPath| match self.plan.selection.classify(path.file_name()) {
            Named::Entry(Ok(facts)) => Some(facts),
            _ => None,
        };
        let arrived = |path: &EntryPath| self.settler.stat(path).map_or(0, |stat| stat.modified_ns);
        sight.ready.sort_by_cached_key(|path| {
            let (date, sequence, path) = FeedPlan::order(path, order(path).as_ref());
            // Where names say nothing, the older file goes first.
            (date, sequence, arrived(&path), path)
        });
        sight
    }

    /// The handle of an entry that is ready; `None` when it is gone.
    pub(super) fn open(&mut self, share: &dyn Share, path: &EntryPath) -> Result<Option<Box<dyn OpenEntry>>> {
        if let Some(handle) = self.handles.remove(path) {
            return Ok(Some(handle));
        }
        match share.open(path) {
            Ok(handle) => Ok(Some(handle)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a handle back that is needed again.
    pub(super) fn keep(&mut self, path: &EntryPath, handle: Box<dyn OpenEntry>) {
        self.handles.insert(path.clone(), handle);
    }

    /// Until when a marker or sidecar has to stay as it is, where the rule is that nothing changes for a time.
    pub(super) fn companion_settles(&mut self, path: &EntryPath, stat: EntryStat, now: Duration) -> Option<Duration> {
        let quiet = self.plan.settings.ready.quiet?;
        let since = self.companions.entry(path.clone()).or_insert((stat, now));
        if since.0 != stat {
            *since = (stat, now);
        }
        Some(since.1 + quiet).filter(|until| now < *until)
    }

    /// The stat that settling was judged by, where nothing may have changed since.
    pub(super) fn judged(&self, path: &EntryPath) -> Option<EntryStat> {
        if self.settler.demands_quiet() { self.settler.stat(path) } else { None }
    }

    pub(super) fn is_gone(&self, path: &EntryPath) -> bool {
        self.settler.is_gone(path)
    }

    /// It changed under our hands.
    pub(super) fn unsettle(&mut self, path: &EntryPath, stat: EntryStat, now: Duration) {
        self.settler.unsettle(path, stat, now);
    }

    /// Its bytes have no trailer yet.
    pub(super) fn set_incomplete(&mut self, path: &EntryPath) {
        self.settler.set_incomplete(path, Missing::Trailer);
    }

    /// It is withheld: its bytes need not stay at hand. Answers whether its name is gone too, and so nothing is left of it.
    pub(super) fn let_go(&mut self, path: &EntryPath) -> bool {
        self.handles.remove(path);
        let is_gone = self.settler.is_gone(path);
        if is_gone {
            self.settler.forget(path);
        }
        is_gone
    }

    /// It was dealt with.
    pub(super) fn forget(&mut self, path: &EntryPath) {
        self.settler.forget(path);
        self.handles.remove(path);
    }
}
