//! When an entry is complete: a pure state machine over listings and a monotonic clock.
//!
//! It is told what a listing shows and what time it is, and says what appeared, what vanished and what is settled.
//! Quiet times run from when *we* last saw a change, whatever the mtime says: a copy that keeps the old mtime and a
//! clock that is wrong cannot make a growing file look old.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use dropbridge_port::{Entry, EntryPath, EntryStat};

use super::readiness::Readiness;

/// Follows the entries of one feed that are not dealt with yet.
#[derive(Debug)]
pub struct Settler {
    rule: Readiness,
    tracked: BTreeMap<EntryPath, Tracked>,
}

#[derive(Debug)]
struct Tracked {
    stat: EntryStat,
    /// When this file was first seen; one that grows stays the same, one that replaces it is another.
    seen_at: Duration,
    changed_at: Duration,
    marker_seen: bool,
    sidecar_seen: bool,
    /// Its name is gone; its bytes can still be read through the handle that was opened at first sight.
    gone: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not known to be complete.
    Settling,
    /// Complete by every rule but the last look: its bytes had no trailer, or the sidecar had no checksum yet. It is
    /// taken again when it changes.
    Incomplete(Missing),
    /// Its bytes were taken and are on their way.
    InFlight,
}

/// What an entry waits for that time alone does not bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The marker file.
    Marker,
    /// The checksum sidecar, or its content.
    Checksum,
    /// The trailer record.
    Trailer,
    /// The right to read it.
    Permission,
    /// The end of its writer.
    WriterGone,
}

impl Missing {
    /// For the operator.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marker => "its marker file",
            Self::Checksum => "its checksum sidecar",
            Self::Trailer => "its trailer record",
            Self::Permission => "permission to read it",
            Self::WriterGone => "its writer to close it",
        }
    }
}

/// What a listing changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries seen for the first time, or replaced by another file: to be opened now.
    pub appeared: Vec<Entry>,
    /// Entries that are gone before they settled.
    pub vanished: Vec<EntryPath>,
}

/// How an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every rule holds.
    Settled,
    /// Its quiet time is running.
    Quiet {
        /// When it will be over, if nothing changes.
        until: Duration,
    },
    /// Something has to come.
    Waits(Missing),
    /// Gone, and a rule that can no longer come true does not hold.
    Lost(Missing),
    /// On its way.
    InFlight,
}

impl Settler {
    /// For a feed's rule.
    #[must_use]
    pub const fn new(rule: Readiness) -> Self {
        Self { rule, tracked: BTreeMap::new() }
    }

    /// Markers or sidecars are part of the rule: it has to be told of all names.
    #[must_use]
    pub const fn looks_for_companions(&self) -> bool {
        self.rule.marker.is_some() || self.rule.checksum.is_some()
    }

    /// Nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracked.is_empty()
    }

    /// Takes a listing in: `entries` are the feed's entries that are not dealt with, `names` all paths in the listing
    /// where it [looks for companions](Settler::looks_for_companions).
    pub fn observe(&mut self, entries: &[Entry], names: &HashSet<&[u8]>, now: Duration) -> Changes {
        let mut changes = Changes::default();
        for entry in entries {
            self.see(entry, now, &mut changes);
        }
        let listed: HashSet<&EntryPath> = entries.iter().map(|entry| &entry.path).collect();
        for (path, tracked) in &mut self.tracked {
            tracked.marker_seen |= companion_seen(self.rule.marker.as_ref(), path, names);
            let sidecar = self.rule.checksum.as_ref().map(|rule| &rule.sidecar);
            tracked.sidecar_seen |= companion_seen(sidecar, path, names);
            if !listed.contains(path) && !tracked.gone && tracked.phase != Phase::InFlight {
                tracked.gone = true;
                changes.vanished.push(path.clone());
            }
        }
        // What is in flight and no longer asked about was dealt with, or is gone: its bytes are safe either way.
        self.tracked.retain(|path, tracked| tracked.phase != Phase::InFlight || listed.contains(path));
        changes
    }

    fn see(&mut self, entry: &Entry, now: Duration, changes: &mut Changes) {
        let fresh = Tracked {
            stat: entry.stat,
            seen_at: now,
            changed_at: now,
            marker_seen: false,
            sidecar_seen: false,
            gone: false,
            phase: Phase::Settling,
        };
        match self.tracked.get_mut(&entry.path) {
            Some(tracked) if tracked.stat == entry.stat && !tracked.gone => {}
            Some(tracked) if tracked.phase == Phase::InFlight => {
                // Captured already; what changed since is looked at when the capture is known to the ledger.
            }
            Some(tracked) => {
                let came_back = tracked.gone;
                let seen_at = if came_back { now } else { tracked.seen_at };
                *tracked = Tracked { seen_at, ..fresh };
                if came_back || tracked.stat.version != 0 {
                    changes.appeared.push(entry.clone());
                }
            }
            None => {
                self.tracked.insert(entry.path.clone(), fresh);
                changes.appeared.push(entry.clone());
            }
        }
    }

    /// Takes in what the open handle of a vanished entry says.
    pub fn see_handle(&mut self, path: &EntryPath, stat: EntryStat, now: Duration) {
        if let Some(tracked) = self.tracked.get_mut(path) {
            // Removing a name changes the change time, so the version says nothing here.
            if (tracked.stat.size, tracked.stat.modified_ns) != (stat.size, stat.modified_ns) {
                tracked.changed_at = now;
            }
            tracked.stat = stat;
        }
    }

    /// How an entry stands.
    #[must_use]
    pub fn standing(&self, path: &EntryPath, now: Duration) -> Option<Standing> {
        self.tracked.get(path).map(|tracked| self.judge(tracked, now))
    }

    /// How every tracked entry stands, by path.
    #[must_use]
    pub fn standings(&self, now: Duration) -> Vec<(EntryPath, Standing)> {
        self.tracked.iter().map(|(path, tracked)| (path.clone(), self.judge(tracked, now))).collect()
    }

    fn judge(&self, tracked: &Tracked, now: Duration) -> Standing {
        match tracked.phase {
            Phase::InFlight => return Standing::InFlight,
            Phase::Incomplete(missing) if tracked.gone => return Standing::Lost(missing),
            Phase::Incomplete(missing) => return Standing::Waits(missing),
            Phase::Settling => {}
        }
        if cfg!(feature = "sabotage-unsettled") {
            return Standing::Settled;
        }
        let until = tracked.changed_at + self.rule.quiet.unwrap_or_default();
        if now < until {
            return Standing::Quiet { until };
        }
        let missing = match (&self.rule.marker, &self.rule.checksum) {
            (Some(_), _) if !tracked.marker_seen => Missing::Marker,
            (_, Some(_)) if !tracked.sidecar_seen => Missing::Checksum,
            _ => return Standing::Settled,
        };
        if tracked.gone { Standing::Lost(missing) } else { Standing::Waits(missing) }
    }

    /// The stat that settling was judged by.
    #[must_use]
    pub fn stat(&self, path: &EntryPath) -> Option<EntryStat> {
        self.tracked.get(path).map(|tracked| tracked.stat)
    }

    /// When an entry was first seen.
    #[must_use]
    pub fn seen_at(&self, path: &EntryPath) -> Option<Duration> {
        self.tracked.get(path).map(|tracked| tracked.seen_at)
    }

    /// When the entry was first seen that is longest on its way.
    #[must_use]
    pub fn oldest(&self) -> Option<Duration> {
        self.tracked.values().map(|tracked| tracked.seen_at).min()
    }

    /// Whether the entry's name is gone.
    #[must_use]
    pub fn is_gone(&self, path: &EntryPath) -> bool {
        self.tracked.get(path).is_some_and(|tracked| tracked.gone)
    }

    /// A quiet time is part of the rule: a stat that differs from the one judged starts it again.
    #[must_use]
    pub const fn demands_quiet(&self) -> bool {
        self.rule.quiet.is_some()
    }

    /// Its bytes were taken.
    pub fn set_in_flight(&mut self, path: &EntryPath) {
        self.set_phase(path, Phase::InFlight);
    }

    /// Its bytes arrived where they had to. A name that was given anew meanwhile is another entry, and stays.
    pub fn land(&mut self, path: &EntryPath) {
        if self.tracked.get(path).is_some_and(|tracked| tracked.phase == Phase::InFlight) {
            self.tracked.remove(path);
        }
    }

    /// Its bytes were not complete: it is taken again when it changes.
    pub fn set_incomplete(&mut self, path: &EntryPath, missing: Missing) {
        self.set_phase(path, Phase::Incomplete(missing));
    }

    /// It changed under our hands: its quiet time begins again.
    pub fn unsettle(&mut self, path: &EntryPath, stat: EntryStat, now: Duration) {
        if let Some(tracked) = self.tracked.get_mut(path) {
            tracked.phase = Phase::Settling;
            tracked.changed_at = now;
            tracked.stat = stat;
        }
    }

    /// Lets an entry go.
    pub fn forget(&mut self, path: &EntryPath) {
        self.tracked.remove(path);
    }

    fn set_phase(&mut self, path: &EntryPath, phase: Phase) {
        if let Some(tracked) = self.tracked.get_mut(path) {
            tracked.phase = phase;
        }
    }
}

fn companion_seen(
    template: Option<&crate::domain::name_pattern::NameTemplate>,
    path: &EntryPath,
    names: &HashSet<&[u8]>,
) -> bool {
    template
        .and_then(|template| path.sibling(&template.apply(path.file_name())))
        .is_some_and(|sibling| names.contains(sibling.as_bytes()))
}

#[cfg(all(test, not(feature = "sabotage-unsettled")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::name_pattern::NameTemplate;

    fn entry(size: u64, modified_ns: i64) -> Entry {
        let stat = EntryStat { size, modified_ns, version: size.wrapping_mul(31) };
        Entry { path: EntryPath::new("a.dat").unwrap(), stat }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn quiet() -> Readiness {
        Readiness { quiet: Some(at(5)), ..Readiness::default() }
    }

    fn look(settler: &mut Settler, entry: Option<&Entry>, others: &[&str], now: u64) -> (Changes, Option<Standing>) {
        let entries: Vec<Entry> = entry.into_iter().cloned().collect();
        let mut names: HashSet<&[u8]> = others.iter().map(|name| name.as_bytes()).collect();
        names.extend(entries.iter().map(|entry| entry.path.as_bytes()));
        let changes = settler.observe(&entries, &names, at(now));
        (changes, settler.standing(&EntryPath::new("a.dat").unwrap(), at(now)))
    }

    #[test]
    fn a_copy_that_keeps_the_old_mtime_settles_by_our_clock() {
        let mut settler = Settler::new(quiet());
        for now in 0..10 {
            let (_, standing) = look(&mut settler, Some(&entry(now, -1_000_000)), &[], now);
            assert_eq!(standing, Some(Standing::Quiet { until: at(now + 5) }));
        }
        assert_eq!(look(&mut settler, Some(&entry(9, -1_000_000)), &[], 13).1, Some(Standing::Quiet { until: at(14) }));
        assert_eq!(look(&mut settler, Some(&entry(9, -1_000_000)), &[], 14).1, Some(Standing::Settled));
    }

    #[test]
    fn a_marker_is_waited_for_without_end_and_remembered() {
        let rule = Readiness { marker: Some(NameTemplate::parse("{name}.done").unwrap()), ..Readiness::default() };
        let mut settler = Settler::new(rule);
        assert_eq!(look(&mut settler, Some(&entry(1, 0)), &[], 1).1, Some(Standing::Waits(Missing::Marker)));
        assert_eq!(
            look(&mut settler, Some(&entry(1, 0)), &["b.dat.done"], 99).1,
            Some(Standing::Waits(Missing::Marker))
        );
        assert_eq!(look(&mut settler, Some(&entry(1, 0)), &["a.dat.done"], 100).1, Some(Standing::Settled));
        let (changes, standing) = look(&mut settler, None, &[], 101);
        assert_eq!(changes.vanished.len(), 1);
        assert_eq!(standing, Some(Standing::Settled), "the handle still has it");
    }

    #[test]
    fn what_vanishes_without_its_marker_is_lost() {
        let rule = Readiness { marker: Some(NameTemplate::parse("{name}.done").unwrap()), ..Readiness::default() };
        let mut settler = Settler::new(rule);
        look(&mut settler, Some(&entry(1, 0)), &[], 1);
        let (changes, standing) = look(&mut settler, None, &[], 2);
        assert_eq!(changes.vanished.len(), 1);
        assert_eq!(standing, Some(Standing::Lost(Missing::Marker)));
        assert!(look(&mut settler, None, &[], 3).0.vanished.is_empty(), "said once");
    }

    #[test]
    fn a_name_that_comes_back_is_another_entry() {
        let mut settler = Settler::new(quiet());
        look(&mut settler, Some(&entry(1, 0)), &[], 0);
        look(&mut settler, None, &[], 1);
        let (changes, standing) = look(&mut settler, Some(&entry(1, 0)), &[], 20);
        assert_eq!(changes.appeared.len(), 1);
        assert_eq!(standing, Some(Standing::Quiet { until: at(25) }));
    }

    #[test]
    fn what_is_in_flight_is_left_alone_until_it_is_dealt_with() {
        let mut settler = Settler::new(quiet());
        look(&mut settler, Some(&entry(1, 0)), &[], 0);
        settler.set_in_flight(&EntryPath::new("a.dat").unwrap());
        assert_eq!(look(&mut settler, Some(&entry(2, 0)), &[], 9).1, Some(Standing::InFlight));
        settler.land(&EntryPath::new("a.dat").unwrap());
        let (changes, _) = look(&mut settler, Some(&entry(2, 0)), &[], 10);
        assert_eq!(changes.appeared.len(), 1, "what changed on its way is a new arrival");
    }

    #[test]
    fn what_is_taken_away_in_flight_is_let_go_and_its_name_can_be_given_anew() {
        let mut settler = Settler::new(quiet());
        let path = EntryPath::new("a.dat").unwrap();
        look(&mut settler, Some(&entry(1, 0)), &[], 0);
        settler.set_in_flight(&path);
        assert_eq!(look(&mut settler, None, &[], 1).1, None);
        look(&mut settler, Some(&entry(3, 0)), &[], 2);
        settler.land(&path);
        assert_eq!(settler.standing(&path, at(2)), Some(Standing::Quiet { until: at(7) }));
    }

    #[test]
    fn bytes_without_trailer_are_taken_again_only_when_they_change() {
        let mut settler = Settler::new(quiet());
        look(&mut settler, Some(&entry(1, 0)), &[], 0);
        settler.set_incomplete(&EntryPath::new("a.dat").unwrap(), Missing::Trailer);
        assert_eq!(look(&mut settler, Some(&entry(1, 0)), &[], 99).1, Some(Standing::Waits(Missing::Trailer)));
        assert_eq!(look(&mut settler, Some(&entry(2, 0)), &[], 100).1, Some(Standing::Quiet { until: at(105) }));
    }
}
