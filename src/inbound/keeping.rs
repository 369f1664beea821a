//! What the store keeps for how long, and removing what nothing needs any more.
//!
//! Only the holder of the slot removes: it alone knows what is on its way and not yet in the ledger. Commands ask it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, Result};

use super::manifest::FileSummary;
use super::prepare::pass;
use super::publish::Publisher;
use crate::capture::StoredObject;
use crate::capture::store::LEFT_BEHIND_AGE;
use crate::config::settings::Settings;
use crate::domain::policy::{KeepCaptures, Retention, keeps_capture};
use crate::domain::quantity::show_size;
use crate::domain::{ContentHash, LogicalKey, Moment};
use crate::layout::Verdict as RoundTrip;
use crate::ledger::control::Request;
use crate::ledger::replay::read_control;
use crate::ledger::{DropState, Holding, Holdings, LedgerEntry, LedgerIndex, Reason};

/// How often what is past its retention is removed.
const PURGE_INTERVAL: Duration = Duration::from_secs(3600);

/// How often it is removed because somebody found no room.
const RELIEF_INTERVAL: Duration = Duration::from_secs(5);

/// For so many objects the ledger is asked at a time.
const OBJECTS_AT_A_TIME: usize = 256;

/// What the configuration says of keeping.
#[derive(Clone, Debug)]
pub struct KeepRules {
    feeds: HashMap<String, (KeepCaptures, Retention)>,
    /// For feeds that are not configured any more.
    otherwise: Retention,
    /// Somewhere a quota is stated.
    counts: bool,
}

impl KeepRules {
    /// Those of a configuration.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let feeds = settings.feeds.iter();
        Self {
            feeds: feeds.clone().map(|feed| (feed.id.clone(), (feed.keep_captures, feed.retention))).collect(),
            otherwise: settings.store.retention,
            counts: settings.store.options.quota.is_some() || feeds.clone().any(|feed| feed.store_quota.is_some()),
        }
    }

    /// For how long after its end a drop's bytes stay; `None`: until it has ended.
    #[must_use]
    pub fn retention(&self, feed: &str, reason: Reason) -> Option<Duration> {
        let known = self.feeds.get(feed);
        let retention = known.map_or(self.otherwise, |(_, retention)| *retention);
        match reason {
            Reason::InFlight | Reason::Quarantined | Reason::Held => None,
            // It is there though its feed keeps none: a process died before it could let go of it.
            Reason::Kept if matches!(known, Some((KeepCaptures::None, _))) => Some(Duration::ZERO),
            Reason::Kept => Some(retention.kept),
            Reason::Abandoned => Some(retention.abandoned),
            Reason::Discarded => Some(retention.discarded),
        }
    }

    /// Whether a drop's bytes are to stay now that it was published, or has come to something else.
    fn keeps_own(&self, entry: &LedgerEntry) -> bool {
        let is_wanted = match &entry.state {
            DropState::Published { verdict, withheld, .. } => self
                .feeds
                .get(&entry.feed)
                .is_some_and(|(policy, _)| keeps_capture(*policy, needs_store(*verdict, *withheld))),
            _ => true,
        };
        is_wanted && self.keeps(entry)
    }

    /// Whether a drop's bytes are to stay now that it has come to this.
    fn keeps(&self, entry: &LedgerEntry) -> bool {
        let stays = |reason| self.retention(&entry.feed, reason).is_none_or(|time| !time.is_zero());
        Reason::of(&entry.state).is_some_and(stays)
    }
}

/// What a purge is to look at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only objects held for drops of this feed.
    pub feed: Option<String>,
    /// Instead of the retention: what is older goes, what is younger stays.
    pub older_than: Option<Duration>,
}

impl Scope {
    fn covers(&self, holding: &Holding) -> bool {
        self.feed.as_ref().is_none_or(|feed| *feed == holding.feed)
    }
}

/// What becomes of an object in a purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing needs it.
    Goes,
    /// It belongs to other feeds, or to nobody knows which.
    OutOfScope,
    /// A drop that is not at its end needs it.
    Needed(Reason),
    /// It was written so lately that somebody may be about to say what for.
    JustWritten,
    /// Its time is not over.
    Until(Moment),
}

/// Decides what becomes of an object, from everything that is said of it.
#[must_use]
pub fn judge(object: &StoredObject, holdings: &[Holding], rules: &KeepRules, scope: &Scope, now: Moment) -> Verdict {
    if scope.feed.is_some() && !holdings.iter().any(|holding| scope.covers(holding)) {
        return Verdict::OutOfScope;
    }
    if let Some(open) = holdings.iter().find(|holding| holding.reason.is_open()) {
        return Verdict::Needed(open.reason);
    }
    if now.since(object.written_at) < LEFT_BEHIND_AGE {
        return Verdict::JustWritten;
    }
    let of_nobody = scope.older_than.filter(|_| holdings.is_empty()).map(|time| object.written_at.after(time));
    let of_drops = holdings.iter().filter_map(|holding| {
        let wanted = scope.older_than.filter(|_| scope.covers(holding));
        let time = wanted.or_else(|| rules.retention(&holding.feed, holding.reason))?;
        Some(holding.since.max(object.written_at).after(time))
    });
    match of_drops.chain(of_nobody).max() {
        Some(until) if until > now => Verdict::Until(until),
        _ => Verdict::Goes,
    }
}

/// Takes in what the ledger says of objects of the store.
///
/// # Errors
/// As for [`LedgerIndex::drops`].
pub fn gather_holdings(ledger: &LedgerIndex, objects: &[StoredObject], holdings: &mut Holdings) -> Result<()> {
    objects.iter().try_for_each(|object| {
        ledger.each_with_hash(object.hash, &mut |entry| {
            holdings.hold(&entry);
            ControlFlow::Continue(())
        })
    })
}

/// Whether the bytes of a file stay in the store after publishing, by what was read of it.
pub(super) fn is_kept(policy: KeepCaptures, summary: &FileSummary) -> bool {
    keeps_capture(policy, needs_store(Some(summary.verdict), summary.withheld))
}

/// Whether a file can be had again from nowhere but the store. What is withheld is to be compared.
fn needs_store(verdict: Option<RoundTrip>, withheld: u64) -> bool {
    verdict == Some(RoundTrip::ReplayOnly) || withheld > 0
}

/// What a publisher remembers of its purges.
pub(super) struct Upkeep {
    rules: KeepRules,
    purged_at: Duration,
    relieved_at: Option<Duration>,
}

impl Upkeep {
    pub(super) const fn new(rules: KeepRules) -> Self {
        Self { rules, purged_at: Duration::ZERO, relieved_at: None }
    }

    pub(super) fn set_rules(&mut self, rules: KeepRules) {
        self.rules = rules;
    }
}

impl Publisher {
    /// Lets go of the bytes of a drop that was dealt with, unless it or another drop still needs them. What
    /// the ledger says of it decides: how it came to be published, at once or after a restart, makes no difference.
    pub(super) fn let_go(&self, hash: ContentHash, feed: &str, key: &LogicalKey) -> Result<()> {
        let rules = &self.upkeep.rules;
        let stays = {
            let context = self.context();
            let ledger = context.ledger();
            let own = ledger.drop_with(feed, key, hash)?;
            let mut stays = own.is_some_and(|own| rules.keeps_own(&own));
            // There may be many drops with these bytes: the one at hand often says enough.
            if !stays {
                ledger.each_with_hash(hash, &mut |entry| {
                    stays = (entry.feed != feed || entry.key != *key) && rules.keeps(&entry);
                    if stays { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
            }
            stays
        };
        if stays {
            self.store.keep(hash);
            return Ok(());
        }
        self.store.remove(hash)
    }

    /// Clears the store up before the work begins.
    ///
    /// # Errors
    /// Of the store.
    pub fn clear_up(&mut self, requests: &BTreeMap<String, Request>) -> Result<()> {
        self.store.clear_unfinished()?;
        self.upkeep.purged_at = self.context().clock.elapsed();
        self.purge(&Scope::default(), requests)
    }

    /// Removes what is past its retention, from time to time, and when somebody found no room.
    ///
    /// # Errors
    /// Of the log, where waiting is no cure. A store that cannot be cleared up is no reason to stop: it is said.
    pub fn purge_if_due(&mut self) -> Result<()> {
        let now = self.context().clock.elapsed();
        let relieves =
            self.upkeep.relieved_at.is_none_or(|at| now >= at + RELIEF_INTERVAL) && self.store.room_was_wanted();
        if relieves {
            self.upkeep.relieved_at = Some(now);
        } else if now < self.upkeep.purged_at + PURGE_INTERVAL {
            return Ok(());
        }
        self.upkeep.purged_at = now;
        match self.purge_now(&Scope::default()) {
            Err(error) if matches!(error.kind, ErrorKind::Transient | ErrorKind::Refused) => {
                tracing::warn!(%error, "the store is not cleared up, and it is tried again");
                Ok(())
            }
            answer => answer,
        }
    }

    /// Does what `store purge` asks.
    pub(super) fn purge_on_request(
        &mut self,
        request: &Request,
        feed: Option<&String>,
        older_than_s: Option<u64>,
    ) -> Result<std::result::Result<(), String>> {
        let scope = Scope { feed: feed.cloned(), older_than: older_than_s.map(Duration::from_secs) };
        if let Err(error) = self.purge_now(&scope) {
            return Ok(Err(error.to_string()));
        }
        self.begin()?;
        self.send_request_end(&request.id)?;
        self.commit()?;
        Ok(Ok(()))
    }

    fn purge_now(&mut self, scope: &Scope) -> Result<()> {
        let context = self.context();
        // A request may have come for bytes of which the ledger does not speak yet.
        let control = read_control(&*context.log, &context.topics)?;
        self.purge(scope, &control.requests)
    }

    fn purge(&mut self, scope: &Scope, requests: &BTreeMap<String, Request>) -> Result<()> {
        let context = self.context();
        let rules = &self.upkeep.rules;
        let mut objects = self.store.list()?;
        let mut holdings = Holdings::default();
        requests.values().for_each(|request| holdings.ask(request));
        for some in objects.chunks(OBJECTS_AT_A_TIME) {
            // Nobody has to wait for long.
            let ledger = context.ledger();
            gather_holdings(&ledger, some, &mut holdings)?;
        }
        if rules.counts {
            self.store.count(&objects, holdings.feeds())?;
        }
        let there = objects.clone();
        let now = context.clock.now();
        objects.retain(|object| judge(object, holdings.of(object.hash), rules, scope, now) == Verdict::Goes);
        objects.sort_by_key(|object| object.written_at);
        let (mut gone, mut bytes) = (HashSet::new(), 0);
        for object in &objects {
            let name = object.hash.to_string();
            pass(Failpoint::PurgeBegun, &name)?;
            if self.store.remove_unleased(object.hash)? {
                pass(Failpoint::Purged, &name)?;
                gone.insert(object.hash);
                bytes += object.stored_bytes;
            }
        }
        self.tell_contents(there.iter().filter(|object| !gone.contains(&object.hash)), &holdings);
        if !gone.is_empty() {
            tracing::info!(
                objects = gone.len(),
                size = show_size(bytes),
                "removed from the store: nothing needs it any more"
            );
        }
        Ok(())
    }
}

impl Publisher {
    /// What the store holds, for the metrics: an object that several drops hold counts for the first of them.
    fn tell_contents<'o>(&self, objects: impl Iterator<Item = &'o StoredObject>, holdings: &Holdings) {
        let mut contents: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for object in objects {
            let first = holdings.of(object.hash).first();
            let place = first.map_or(("", "unclaimed"), |holding| (holding.feed.as_str(), holding.reason.as_str()));
            let (number, bytes) = contents.entry(place).or_default();
            *number += 1;
            *bytes += object.stored_bytes;
        }
        let told = contents.iter().map(|((feed, reason), (number, bytes))| (*feed, *reason, *number, *bytes));
        self.context().metrics.store.set_contents(told);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn now() -> Moment {
        Moment::from_unix_ns(1_770_000_000_000_000_000)
    }

    fn ago(time: Duration) -> Moment {
        Moment::from_unix_ns((now().unix_ms() - i64::try_from(time.as_millis()).unwrap()) * 1_000_000)
    }

    /// `bids` keeps everything for 90 days and what was discarded for 10, `orders` keeps nothing.
    fn rules() -> KeepRules {
        let retention = |kept, discarded| Retention { kept, discarded, ..Retention::default() };
        let feeds = HashMap::from([
            ("bids".to_owned(), (KeepCaptures::All, retention(90 * DAY, 10 * DAY))),
            ("orders".to_owned(), (KeepCaptures::None, retention(90 * DAY, Duration::ZERO))),
        ]);
        KeepRules { feeds, otherwise: retention(5 * DAY, DAY), counts: false }
    }

    fn held(feed: &str, reason: Reason, since: Duration) -> Holding {
        Holding { reason, feed: feed.to_owned(), since: ago(since) }
    }

    fn verdict(written: Duration, holdings: &[Holding], feed: Option<&str>, older_than: Option<Duration>) -> Verdict {
        let object = StoredObject { hash: ContentHash::of(b""), stored_bytes: 1, written_at: ago(written) };
        let scope = Scope { feed: feed.map(str::to_owned), older_than };
        judge(&object, holdings, &rules(), &scope, now())
    }

    #[test]
    fn what_is_open_stays_however_old_it_is() {
        for reason in [Reason::InFlight, Reason::Quarantined, Reason::Held] {
            for feed in ["bids", "orders", "gone"] {
                let open = held(feed, reason, 5000 * DAY);
                for older_than in [None, Some(Duration::ZERO)] {
                    assert_eq!(
                        verdict(5000 * DAY, std::slice::from_ref(&open), None, older_than),
                        Verdict::Needed(reason)
                    );
                    // Another drop with the same bytes is at its end.
                    let ended = held("orders", Reason::Discarded, 5000 * DAY);
                    assert_eq!(
                        verdict(5000 * DAY, &[open.clone(), ended], Some("orders"), older_than),
                        Verdict::Needed(reason)
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_kept_goes_when_its_time_is_over() {
        let kept = |feed, since| [held(feed, Reason::Kept, since)];
        assert_eq!(verdict(89 * DAY, &kept("bids", 89 * DAY), None, None), Verdict::Until(now().after(DAY)));
        assert_eq!(verdict(90 * DAY, &kept("bids", 90 * DAY), None, None), Verdict::Goes);
        assert_eq!(verdict(2 * HOUR, &kept("orders", 2 * HOUR), None, None), Verdict::Goes, "it keeps none");
        assert_eq!(verdict(4 * DAY, &kept("gone", 4 * DAY), None, None), Verdict::Until(now().after(DAY)));
        assert_eq!(verdict(6 * DAY, &kept("gone", 6 * DAY), None, None), Verdict::Goes);
        // In quarantine for long, discarded lately: the time runs from there.
        let discarded = [held("bids", Reason::Discarded, DAY)];
        assert_eq!(verdict(300 * DAY, &discarded, None, None), Verdict::Until(now().after(9 * DAY)));
        assert_eq!(verdict(300 * DAY, &[held("bids", Reason::Abandoned, 91 * DAY)], None, None), Verdict::Goes);
    }

    #[test]
    fn the_longest_of_several_drops_decides() {
        let both = [held("bids", Reason::Kept, 20 * DAY), held("gone", Reason::Discarded, 20 * DAY)];
        assert_eq!(verdict(20 * DAY, &both, None, None), Verdict::Until(now().after(70 * DAY)));
        assert_eq!(verdict(20 * DAY, &both, Some("gone"), None), Verdict::Until(now().after(70 * DAY)));
        assert_eq!(verdict(20 * DAY, &both, None, Some(DAY)), Verdict::Goes);
        assert_eq!(verdict(20 * DAY, &both, Some("gone"), Some(DAY)), Verdict::Until(now().after(70 * DAY)));
    }

    #[test]
    fn a_person_can_ask_for_less_or_more_than_the_retention() {
        let kept = [held("bids", Reason::Kept, 40 * DAY)];
        assert_eq!(verdict(40 * DAY, &kept, None, Some(30 * DAY)), Verdict::Goes);
        assert_eq!(verdict(40 * DAY, &kept, None, Some(50 * DAY)), Verdict::Until(now().after(10 * DAY)));
        assert_eq!(verdict(40 * DAY, &kept, Some("orders"), Some(30 * DAY)), Verdict::OutOfScope);
        assert_eq!(verdict(40 * DAY, &[], Some("orders"), None), Verdict::OutOfScope);
    }

    #[test]
    fn what_nobody_speaks_of_goes_when_nobody_can_be_about_to() {
        assert_eq!(verdict(HOUR / 2, &[], None, None), Verdict::JustWritten);
        assert_eq!(verdict(HOUR / 2, &[], None, Some(Duration::ZERO)), Verdict::JustWritten);
        assert_eq!(verdict(HOUR / 2, &[held("orders", Reason::Discarded, 5 * DAY)], None, None), Verdict::JustWritten);
        assert_eq!(verdict(2 * HOUR, &[], None, None), Verdict::Goes);
        assert_eq!(verdict(2 * HOUR, &[], None, Some(DAY)), Verdict::Until(now().after(22 * HOUR)));
        // A clock that was set back makes nothing old.
        let tomorrow = StoredObject { hash: ContentHash::of(b""), stored_bytes: 1, written_at: now().after(DAY) };
        assert_eq!(judge(&tomorrow, &[], &rules(), &Scope::default(), now()), Verdict::JustWritten);
    }
}
