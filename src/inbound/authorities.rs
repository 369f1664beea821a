//! Who speaks for the dates of each department, as the threads of this process know it, and which dates are taken.
//!
//! Relays pass files on and windows are cut off by their own journals, on their own threads; the publisher decides
//! cutovers. A date may change hands only while nothing of it was passed on: so whoever is about to deliver something of
//! a date takes it here first, and a decision keeps those of its department waiting until it is committed. Others never
//! wait for it: the log may be away in the middle of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cutover::{Authority, CutoverJournal};
use crate::domain::BusinessDate;

/// Shared by the threads of a bridge.
#[derive(Debug, Default)]
pub struct Authorities {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Departments that state `[cutover]`: all others are observed, whatever happens.
    followed: BTreeSet<String>,
    /// `None` until the log was read.
    journals: Option<BTreeMap<String, Arc<CutoverJournal>>>,
    /// The log will not be read any more.
    is_hopeless: bool,
    /// The newest date of which a department's files were passed on, or cut off.
    taken: BTreeMap<String, BusinessDate>,
    /// The department that is being decided about: what became of it is not known yet.
    deciding: Option<String>,
    /// Feeds whose relay this process has.
    relays: BTreeSet<String>,
}

/// What a relay may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Pass it on: the legacy producer speaks for its date.
    PassOn,
    /// Keep it back: the new service speaks for its date.
    Withhold,
    /// Wait: the log has not been read yet.
    Wait,
    /// Nobody can tell, and this process will not find out.
    Hopeless,
}

impl Authorities {
    /// Follows these departments from now on.
    pub fn follow<'d>(&self, departments: impl Iterator<Item = &'d String>) {
        self.known().followed = departments.cloned().collect();
    }

    /// Whether a department is followed.
    #[must_use]
    pub fn follows(&self, department: &str) -> bool {
        self.known().followed.contains(department)
    }

    /// The log was read.
    pub fn learn(&self, journals: &BTreeMap<String, CutoverJournal>) {
        let mut known = self.known();
        let each = journals.iter().map(|(department, journal)| (department.clone(), Arc::new(journal.clone())));
        known.journals = Some(each.collect());
        known.is_hopeless = false;
        known.deciding = None;
    }

    /// Another instance may decide from now on.
    pub fn forget(&self) {
        self.known().journals = None;
    }

    /// The log will not be read any more: nobody is to wait for it.
    pub fn give_up(&self) {
        self.known().is_hopeless = true;
    }

    /// The journal of a department that was moved once.
    #[must_use]
    pub fn journal(&self, department: &str) -> Option<Arc<CutoverJournal>> {
        self.known().journals.as_ref()?.get(department).cloned()
    }

    /// Asks for a file of a department that is about to be passed on. Its date is taken where it may be.
    #[must_use]
    pub fn admit(&self, department: &str, date: Option<BusinessDate>) -> Admission {
        let mut known = self.known();
        let (Some(date), is_followed) = (date, known.followed.contains(department)) else { return Admission::PassOn };
        if is_followed && known.is_deciding(department) {
            return Admission::Wait;
        }
        let Some(journals) = &known.journals else {
            return match (is_followed, known.is_hopeless) {
                (false, _) => Admission::PassOn,
                (true, true) => Admission::Hopeless,
                (true, false) => Admission::Wait,
            };
        };
        // What the journal says holds, whatever the configuration has forgotten.
        let authority = journals.get(department).map_or(Authority::Legacy, |journal| journal.authority_on(date));
        if authority == Authority::Candidate {
            return Admission::Withhold;
        }
        if is_followed {
            known.take(department, date);
        }
        Admission::PassOn
    }

    /// Something of this date was passed on.
    pub fn take(&self, department: &str, date: BusinessDate) {
        self.known().take(department, date);
    }

    /// Takes a date of which something is about to be passed on; `false` while the department is being decided about.
    #[must_use]
    pub fn try_take(&self, department: &str, date: BusinessDate) -> bool {
        let mut known = self.known();
        let is_free = !known.is_deciding(department);
        if is_free {
            known.take(department, date);
        }
        is_free
    }

    /// This process has the relay of a feed, or has it no more.
    pub fn set_relay(&self, feed: &str, has_it: bool) {
        let mut known = self.known();
        if has_it {
            known.relays.insert(feed.to_owned());
        } else {
            known.relays.remove(feed);
        }
    }

    /// Whether this process has the relay of a feed.
    #[must_use]
    pub fn has_relay(&self, feed: &str) -> bool {
        self.known().relays.contains(feed)
    }

    /// Decides about a department, while nobody takes a date of it. `decision` is told the newest date that was taken and
    /// the journal so far, and answers the new journal once it is committed.
    ///
    /// # Errors
    /// Of the decision: nobody takes a date until the log was read again ([`Authorities::learn`]).
    pub fn decide<E>(
        &self,
        department: &str,
        decision: impl FnOnce(Option<BusinessDate>, CutoverJournal) -> Result<Option<CutoverJournal>, E>,
    ) -> Result<(), E> {
        let (taken, journal) = {
            let mut known = self.known();
            known.deciding = Some(department.to_owned());
            let journal = known.journals.as_ref().and_then(|journals| journals.get(department));
            let journal = journal.map_or_else(|| CutoverJournal::new(department), |journal| (**journal).clone());
            (known.taken.get(department).copied(), journal)
        };
        let decided = decision(taken, journal)?;
        let mut known = self.known();
        known.deciding = None;
        if let (Some(journal), Some(journals)) = (decided, &mut known.journals) {
            journals.insert(department.to_owned(), Arc::new(journal));
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_deciding(&self, department: &str) -> bool {
        self.deciding.as_deref() == Some(department)
    }

    fn take(&mut self, department: &str, date: BusinessDate) {
        let newest = self.taken.entry(department.to_owned()).or_insert(date);
        *newest = date.max(*newest);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cutover::{Evidence, Stage, Transition};
    use crate::domain::Moment;

    fn day(text: &str) -> BusinessDate {
        BusinessDate::parse(text).unwrap()
    }

    #[test]
    fn a_followed_department_waits_for_the_log_and_others_never_do() {
        let authorities = Authorities::default();
        authorities.follow([String::from("parks")].iter());
        let ask = |department| authorities.admit(department, Some(day("2026-01-31")));
        assert_eq!((ask("parks"), ask("roads")), (Admission::Wait, Admission::PassOn));
        assert_eq!(authorities.admit("parks", None), Admission::PassOn, "no date: no stage can be in effect");
        authorities.give_up();
        assert_eq!(ask("parks"), Admission::Hopeless);
        authorities.learn(&BTreeMap::new());
        assert_eq!(ask("parks"), Admission::PassOn);
        authorities.forget();
        assert_eq!(ask("parks"), Admission::Wait);
    }

    #[test]
    fn what_the_journal_says_holds_whatever_the_configuration_has_forgotten() {
        let authorities = Authorities::default();
        let mut journal = CutoverJournal::new("parks");
        journal.transitions.push(Transition {
            from: Stage::Shadow,
            to: Stage::Live,
            effective: day("2026-02-02"),
            decided_at: Moment::from_unix_ns(0),
            by: String::new(),
            approved_by: None,
            reason: None,
            forced: Vec::new(),
            evidence: Evidence::default(),
        });
        authorities.learn(&[("parks".to_owned(), journal)].into());
        let ask = |date| authorities.admit("parks", Some(day(date)));
        assert_eq!((ask("2026-02-01"), ask("2026-02-02")), (Admission::PassOn, Admission::Withhold));
    }

    #[test]
    fn a_decision_is_told_what_was_taken() {
        let authorities = Authorities::default();
        authorities.follow([String::from("parks")].iter());
        authorities.learn(&BTreeMap::new());
        let told = |department: &str| {
            let mut told = None;
            let decided = authorities.decide::<()>(department, |newest, journal| {
                assert_eq!(journal.department, department);
                // Its own dates wait; those of others never do.
                let date = Some(day("2026-01-30"));
                let other = if department == "parks" { "roads" } else { "parks" };
                assert_ne!(authorities.admit(other, date), Admission::Wait);
                assert!(department != "parks" || authorities.admit("parks", date) == Admission::Wait);
                assert!(!authorities.try_take(department, day("2999-01-01")));
                told = newest;
                Ok(None)
            });
            assert_eq!(decided, Ok(()));
            told
        };
        assert_eq!(told("parks"), None);
        for date in ["2026-01-31", "2026-01-30"] {
            assert_eq!(authorities.admit("parks", Some(day(date))), Admission::PassOn);
        }
        assert_eq!((told("parks"), told("roads")), (Some(day("2026-01-31")), None));
        authorities.take("roads", day("2026-02-01"));
        assert_eq!(told("roads"), Some(day("2026-02-01")));
    }
}
