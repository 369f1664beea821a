//! One relay: the steps from an entry of the inbox to its receipt.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{
    Clearing, EntryPath, ErrorKind, Outbox, OutboxIdentity, PortError, Publication, Result, Share, StagedName, Standing,
};

use super::follow::{Follower, Sight};
use super::journal::Journal;
use super::newest::newest_of;
use super::state::{Hold, Intent, Part, Record};
use crate::config::settings::RelaySettings;
use crate::domain::EntryFacts;
use crate::domain::policy::TargetExists;
use crate::inbound::authorities::{Admission, Authorities};
use crate::inbound::plan::FeedPlan;
use crate::inbound::slot::Context;

/// What a relay works on.
pub struct Places {
    /// Where files arrive.
    pub inbox: Arc<dyn Share>,
    /// Where they go.
    pub outbox: Arc<dyn Outbox>,
    /// Takes files out of the inbox, where the feed asks for that.
    pub clearing: Option<Arc<dyn Clearing>>,
    /// The directory of the journals.
    pub journals: PathBuf,
}

/// Whether a relay is to end: asked between two files, and for each buffer of one that is copied.
pub type Ending = Box<dyn Fn() -> bool + Send>;

/// What was said of entries: their path, and what they wait for; nothing where they are withheld.
type Said = BTreeSet<(String, String)>;

/// One relay.
pub struct Relay {
    pub(super) plan: Arc<FeedPlan>,
    pub(super) settings: RelaySettings,
    pub(super) places: Places,
    pub(super) context: Context,
    pub(super) is_over: Ending,
    pub(super) journal: Journal,
    pub(super) follower: Follower,
    /// Counts the temporary names of this epoch.
    pub(super) numbers: u64,
    /// What earlier epochs left behind was removed.
    pub(super) is_cleared: bool,
    /// What was said of entries, so that it is said once.
    pub(super) said: Said,
}

/// How an inbox stands after a pass.
#[derive(Debug, Default)]
pub struct Pass {
    /// Files that were relayed.
    pub relayed: u64,
    /// Entries whose quiet time is running, or that have to be looked at again.
    pub settling: usize,
    /// Entries that wait for something, and for what.
    pub waiting: Vec<(String, String)>,
    /// What the first of those waits for that let others wait.
    pub blocked: Option<String>,
    /// When the first quiet time is over.
    pub due: Option<Duration>,
}

/// How far a file got.
pub(super) enum Way {
    /// It was relayed, or has to be looked at again: the next one.
    Done,
    /// It is on its way, and so must those behind it wait.
    Blocked(String),
    /// It waits, and those behind it do not.
    Aside(String),
    /// Its quiet time is running.
    Settling(Duration),
}

impl Relay {
    /// Opens the relay of a feed.
    ///
    /// # Errors
    /// `NotFound` where there is no journal, `Transient` while another process has it, `Corrupt`.
    pub fn open(
        plan: Arc<FeedPlan>,
        settings: RelaySettings,
        places: Places,
        context: Context,
        is_over: Ending,
    ) -> Result<Self> {
        let journal = Journal::open(&places.journals, plan.id())?;
        let follower = Follower::new(Arc::clone(&plan));
        let (is_cleared, said) = (false, Said::new());
        if let Some(date) = newest_of(&plan, journal.state()) {
            context.authorities.take(&plan.settings.department, date);
        }
        context.authorities.set_relay(plan.id(), true);
        Ok(Self { plan, settings, places, context, is_over, journal, follower, numbers: 0, is_cleared, said })
    }

    /// One pass: finish what is open, then relay what has settled, in order.
    ///
    /// # Errors
    /// Of inbox, outbox and journal. The next pass begins with what the journal has on the disk.
    pub fn pass(&mut self) -> Result<Pass> {
        let pass = self.pass_once();
        // Something may be staged that no intent speaks of.
        self.is_cleared &= pass.is_ok();
        pass
    }

    fn pass_once(&mut self) -> Result<Pass> {
        self.journal.recover()?;
        self.take_decisions()?;
        let sight = self.look()?;
        let mut pass = Pass { settling: sight.settling, due: sight.due, ..Pass::default() };
        // Only now, so that entries are opened at first sight although the outbox is away.
        self.find_outbox()?;
        self.clear_left_behind()?;
        let blocked = self.finish_open(&mut pass)?;
        self.relay_ready(sight, blocked, &mut pass)?;
        self.tidy()?;
        self.report(&pass);
        Ok(pass)
    }

    /// Looks at the inbox, without touching the outbox.
    fn look(&mut self) -> Result<Sight> {
        let now = self.context.clock.elapsed();
        let (state, plan, authorities, said) =
            (self.journal.state(), &self.plan, &self.context.authorities, &self.said);
        let is_withheld = |path: &EntryPath| is_withheld(plan, authorities, said, path);
        let sight = self.follower.look(&*self.places.inbox, &|entry| state.knows(entry), &is_withheld, now)?;
        sight.let_go.iter().for_each(|path| self.unsay(&path.to_string()));
        Ok(sight)
    }

    fn report(&self, pass: &Pass) {
        let state = self.journal.state();
        self.context.health.update_relay(self.plan.id(), |facts| {
            facts.outbox = self.places.outbox.address().to_owned();
            (facts.files, facts.bytes) = (state.totals.files, state.totals.bytes);
            facts.waiting.clone_from(&pass.waiting);
            facts.blocked.clone_from(&pass.blocked);
            facts.held = state.held.values().map(|hold| (hold.entry.path.clone(), hold.reason.clone())).collect();
            if pass.relayed > 0 {
                facts.last_at = Some(self.context.clock.now());
            }
        });
    }

    /// The outbox has to be the one that it was.
    fn find_outbox(&mut self) -> Result<()> {
        let stated = self.journal.state().outbox.as_deref().and_then(OutboxIdentity::parse);
        let identity = match stated {
            Some(identity) => identity,
            None => self.adopt_outbox()?,
        };
        self.places.outbox.pin(identity);
        let found = self.places.outbox.identity()?;
        if found == identity {
            return Ok(());
        }
        let message = format!("another directory or file system is here ({found}) than before ({identity})");
        Err(PortError::new(ErrorKind::NotFound, "relay to", self.places.outbox.address(), message).with_hint(format!(
            "mount the former one; if this one is right: dropbridge relay adopt-outbox {}",
            self.plan.id()
        )))
    }

    pub(super) fn adopt_outbox(&mut self) -> Result<OutboxIdentity> {
        let identity = self.places.outbox.identity()?;
        self.journal.append(vec![Record::Outbox { identity: identity.to_string() }])?;
        tracing::info!(feed = self.plan.id(), outbox = self.places.outbox.address(), %identity, "relays to this directory");
        Ok(identity)
    }

    /// Removes what earlier epochs left under temporary names.
    fn clear_left_behind(&mut self) -> Result<()> {
        if self.is_cleared {
            return Ok(());
        }
        let parts = self.journal.state().open.values().flat_map(|intent| &intent.parts);
        let open: BTreeSet<&str> = parts.map(|part| part.staged.as_str()).collect();
        for name in self.places.outbox.staged(&self.owner())? {
            if !open.contains(name.to_string().as_str()) {
                self.places.outbox.discard(&name)?;
            }
        }
        self.is_cleared = true;
        Ok(())
    }

    pub(super) fn owner(&self) -> String {
        format!("relay.{}", self.plan.id())
    }

    /// Goes on with deliveries that were begun, in order. Answers what the others have to wait for.
    fn finish_open(&mut self, pass: &mut Pass) -> Result<Option<String>> {
        let open: Vec<Intent> = self.journal.state().open.values().cloned().collect();
        let mut blocked: Option<String> = None;
        for intent in open {
            if (self.is_over)() {
                // What comes behind them does not overtake them.
                return Ok(blocked.or_else(|| Some("its relay to go on".to_owned())));
            }
            let Some(path) = intent.file().map(|file| file.target.clone()) else { continue };
            if let Some(hold) = self.journal.state().held.get(&path) {
                pass.waiting.push((path, hold.reason.clone()));
                continue;
            }
            if let Some(reason) = &blocked {
                pass.waiting.push((path, format!("its turn: {reason}")));
                continue;
            }
            match self.deliver(&intent)? {
                Way::Blocked(reason) => {
                    self.say(&path, &reason);
                    pass.waiting.push((path, reason.clone()));
                    blocked = Some(reason);
                }
                Way::Aside(reason) => pass.waiting.push((path, reason)),
                Way::Done | Way::Settling(_) => pass.relayed += 1,
            }
        }
        Ok(blocked)
    }

    fn relay_ready(&mut self, sight: Sight, mut blocked: Option<String>, pass: &mut Pass) -> Result<()> {
        let missing = sight.waiting.iter().map(|(path, missing)| (path.to_string(), missing.as_str().to_owned()));
        pass.waiting.extend(missing);
        // What has no name any more nobody can read after a restart; and what is before it goes before it.
        let last_chances = sight.ready.iter().rposition(|path| self.follower.is_gone(path)).map_or(0, |at| at + 1);
        for (at, path) in sight.ready.into_iter().enumerate() {
            let is_last_chance = at < last_chances;
            if !is_last_chance && (self.is_over)() {
                break;
            }
            if !self.is_admitted(&path, pass) {
                continue;
            }
            let way = match (self.take(&path, is_last_chance)?, &blocked) {
                (Ok(_), Some(reason)) => Way::Aside(format!("its turn: {reason}")),
                (Ok(intent), None) => self.deliver(&intent)?,
                (Err(way), _) => way,
            };
            match way {
                Way::Done => pass.relayed += 1,
                Way::Settling(until) => {
                    pass.settling += 1;
                    pass.due = Some(pass.due.map_or(until, |due| due.min(until)));
                }
                Way::Aside(reason) => pass.waiting.push((path.to_string(), reason)),
                Way::Blocked(reason) => {
                    self.say(&path.to_string(), &reason);
                    pass.waiting.push((path.to_string(), reason.clone()));
                    blocked = Some(reason);
                }
            }
        }
        pass.blocked = blocked;
        Ok(())
    }

    /// Whether a file is for the consumer: where the new service speaks for its date, the consumer gets that one's.
    fn is_admitted(&mut self, path: &EntryPath, pass: &mut Pass) -> bool {
        let date = self.plan.selection.date_of(&path.to_string());
        let admission = self.context.authorities.admit(&self.plan.settings.department, date);
        let waits_for = "the event log to say who speaks for its date";
        match admission {
            Admission::PassOn => return true,
            Admission::Withhold => {
                self.say_withheld(&path.to_string());
                if self.follower.let_go(path) {
                    self.unsay(&path.to_string());
                }
            }
            // It will be known in a moment.
            Admission::Wait => {
                pass.settling += 1;
                self.say(&path.to_string(), waits_for);
            }
            Admission::Hopeless => pass.waiting.push((path.to_string(), waits_for.to_owned())),
        }
        false
    }

    /// Says once of a file that it is not passed on.
    fn say_withheld(&mut self, path: &str) {
        if self.said.insert((path.to_owned(), String::new())) {
            tracing::info!(feed = self.plan.id(), path, "not relayed: the new service speaks for its date");
        }
    }

    /// Says of an entry why it waits, once.
    fn say(&mut self, path: &str, reason: &str) {
        if self.said.insert((path.to_owned(), reason.to_owned())) {
            tracing::warn!(feed = self.plan.id(), path, "not relayed yet: it waits for {reason}");
        }
    }

    /// Forgets what was said of an entry.
    fn unsay(&mut self, path: &str) {
        let first = (path.to_owned(), String::new());
        let of_it = self.said.range(first..).take_while(|(said, _)| said == path).cloned();
        for said in of_it.collect::<Vec<_>>() {
            self.said.remove(&said);
        }
    }

    /// Says once that a file cannot be taken out of the inbox.
    pub(super) fn say_untidy(&mut self, path: &EntryPath, error: &PortError) -> Result<()> {
        if self.said.insert((path.to_string(), error.to_string())) {
            tracing::error!(feed = self.plan.id(), %path, "relayed, and cannot be taken out of the inbox: {error}");
        }
        Ok(())
    }

    /// Gives every part of a file its name, the marker last, and journals the receipt.
    fn deliver(&mut self, intent: &Intent) -> Result<Way> {
        let Some(file) = intent.file() else { return Ok(Way::Done) };
        let path = entry_path(&file.target)?;
        let mut is_begun = false;
        for part in &intent.parts {
            let (name, target) = (staged_name(part)?, entry_path(&part.target)?);
            match self.places.outbox.standing(&name, &target)? {
                Standing::Published => is_begun = true,
                Standing::Staged => {
                    // A marker of the last delivery must not stand beside new data for longer than it has to.
                    if let Some(taken) = if is_begun { None } else { self.taken_name(intent)? } {
                        return self.target_exists(file, &taken);
                    }
                    match self.places.outbox.publish(&name, &target)? {
                        Publication::Published => is_begun = true,
                        Publication::TargetExists => return self.target_exists(file, &target),
                    }
                }
                Standing::InDoubt => {
                    let reason =
                        format!("whether {target} was delivered is in doubt: a crash came in the middle of it");
                    return self.hold(&file.entry, reason);
                }
                Standing::Nothing => {
                    let reason = format!(
                        "whether {target} was delivered nobody can tell: what was staged is gone from the outbox's staging \
                         directory"
                    );
                    return self.hold(&file.entry, reason);
                }
            }
        }
        self.journal.append(vec![Record::Receipt { delivery: intent.delivery }])?;
        self.context.metrics.relays.count(self.plan.id());
        tracing::info!(
            feed = self.plan.id(), path = %path, outbox = self.places.outbox.address(), bytes = file.entry.size,
            sha256 = %file.sha256, delivery = intent.delivery, "relayed"
        );
        pass_point(Failpoint::RelayReceived, &path)?;
        for part in &intent.parts {
            // The receipt is safe: what is left takes room, until the relay is opened again.
            if let Err(error) = self.places.outbox.forget(&staged_name(part)?) {
                tracing::warn!(feed = self.plan.id(), %error, "a witness stays");
                self.is_cleared = false;
            }
        }
        self.unsay(&file.target);
        Ok(Way::Done)
    }

    /// The first name of a delivery that something has.
    fn taken_name(&self, intent: &Intent) -> Result<Option<EntryPath>> {
        for part in &intent.parts {
            let target = entry_path(&part.target)?;
            if self.places.outbox.stat(&target)?.is_some() {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    fn target_exists(&mut self, file: &Part, target: &EntryPath) -> Result<Way> {
        match self.settings.outbox.target_exists {
            TargetExists::Wait => Ok(Way::Blocked(format!("the consumer to collect {target}, which is in the outbox"))),
            TargetExists::Hold => self.hold(&file.entry, format!("{target} is in the outbox already")),
        }
    }

    /// Leaves a file to a person.
    fn hold(&mut self, entry: &EntryFacts, reason: String) -> Result<Way> {
        tracing::error!(
            feed = self.plan.id(),
            path = entry.path,
            "held: {reason}; decide: dropbridge relay release {} '{}' --as again|delivered",
            self.plan.id(),
            entry.path
        );
        self.journal.append(vec![Record::Held(Hold { entry: entry.clone(), reason: reason.clone() })])?;
        Ok(Way::Aside(reason))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.context.authorities.set_relay(self.plan.id(), false);
    }
}

/// Whether the new service speaks for a file's date, as far as that is known now. Its date is not taken by asking.
fn is_withheld(plan: &FeedPlan, authorities: &Authorities, said: &Said, path: &EntryPath) -> bool {
    let path = path.to_string();
    let Some(date) = plan.selection.date_of(&path) else { return false };
    match authorities.journal(&plan.settings.department) {
        // Before the first transition the legacy producer speaks.
        Some(journal) => journal.authority_on(date) != journal.authority_after(0, date),
        // While the log is away, what was found last holds.
        None => said.contains(&(path, String::new())),
    }
}

/// Passes a failpoint.
pub(super) fn pass_point(point: Failpoint, path: &EntryPath) -> Result<()> {
    if reach(point) {
        return Err(PortError::new(ErrorKind::Transient, "pass failpoint", path.to_string(), point.name()));
    }
    Ok(())
}

pub(super) fn entry_path(text: &str) -> Result<EntryPath> {
    EntryPath::parse(text)
        .ok_or_else(|| PortError::new(ErrorKind::Corrupt, "read journal", text, "this is no path of an inbox"))
}

pub(super) fn staged_name(part: &Part) -> Result<StagedName> {
    StagedName::parse(&part.staged)
        .ok_or_else(|| PortError::new(ErrorKind::Corrupt, "read journal", &part.staged, "this is no temporary name"))
}
