//! Evidence by business date: days in parity, whether the legacy producer still writes, how far the candidates are behind.

use std::sync::Arc;

use dropbridge_port::Result;

use super::PROVEN_FILES;
use crate::arrivals::Deadline;
use crate::config::settings::{RenderingKind, RenderingSettings, WindowSettings};
use crate::cutover::{ComparedDays, Evidence, newest_candidate, newest_due, parity_days};
use crate::domain::{BusinessDate, Moment};
use crate::inbound::plan::FeedPlan;
use crate::ledger::{DropFilter, DropState, LedgerIndex};

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// What was compared of a department, and what says which of its dates count.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// Its business dates that were compared.
    pub days: Option<&'a ComparedDays>,
    /// All renderings: their windows have the calendars of feeds that state none.
    pub renderings: &'a [Arc<RenderingSettings>],
    /// What time it is.
    pub now: Moment,
}

/// What is known of one feed.
pub(super) struct FeedEvidence<'f> {
    id: String,
    calendar: FeedCalendar<'f>,
    /// The newest business date of its latest published files.
    newest_published: Option<BusinessDate>,
    /// The newest business date of its latest files, published or not.
    newest_drop: Option<BusinessDate>,
}

/// On which dates a feed has files, and until when they have come.
enum FeedCalendar<'f> {
    /// As the feed states.
    Deadline(&'f Deadline),
    /// As the window does that makes its kind of file.
    Window(&'f Arc<WindowSettings>),
    /// Nobody says so.
    None,
}

impl FeedCalendar<'_> {
    fn due(&self, date: BusinessDate) -> Option<Moment> {
        match self {
            Self::Deadline(deadline) => deadline.due_for(date),
            Self::Window(window) => window.rules.has_file(date).then(|| window.rules.closes(date)),
            Self::None => None,
        }
    }

    /// The date that its clock shows.
    fn today(&self, now: Moment) -> Option<BusinessDate> {
        match self {
            Self::Deadline(deadline) => Some(deadline.calendar.date_of(now)),
            Self::Window(window) => Some(window.rules.calendar.date_of(now)),
            Self::None => None,
        }
    }
}

impl<'f> FeedEvidence<'f> {
    /// What the ledger knows of a feed.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`].
    pub(super) fn new(
        plan: &'f FeedPlan,
        ledger: &LedgerIndex,
        renderings: &'f [Arc<RenderingSettings>],
    ) -> Result<Self> {
        let id = plan.id().to_owned();
        let stated = plan.settings.expect.as_ref().and_then(|expect| expect.deadline.as_ref());
        let window = renderings.iter().find_map(|rendering| match &rendering.kind {
            RenderingKind::Window(window) if window.feed == id => Some(window),
            _ => None,
        });
        let calendar = match (stated, window) {
            (Some(deadline), _) => FeedCalendar::Deadline(deadline),
            (None, Some(window)) => FeedCalendar::Window(window),
            (None, None) => FeedCalendar::None,
        };
        let filter = DropFilter { feed: Some(id.clone()), ..DropFilter::default() };
        let (mut newest_published, mut newest_drop) = (None, None);
        for entry in ledger.newest(&filter, PROVEN_FILES)? {
            match entry.state {
                // Neither was written by the legacy producer since the bridge looks on.
                DropState::Echo { .. } | DropState::Baseline => continue,
                DropState::Published { .. } => newest_published = newest_published.max(entry.business_date),
                _ => {}
            }
            newest_drop = newest_drop.max(entry.business_date);
        }
        Ok(Self { id, calendar, newest_published, newest_drop })
    }

    /// Its files still come: that of the newest date that is due is there. Without a calendar, that of the department's
    /// newest date.
    fn runs(&self, newest_date: Option<BusinessDate>, now: Moment) -> bool {
        let due = self.calendar.today(now).and_then(|today| newest_due(&|date| self.calendar.due(date), today, now));
        self.newest_drop.is_some() && self.newest_drop >= due.or(newest_date)
    }

    /// By how many days its newest candidate that was compared is behind its newest published file.
    fn days_behind(&self, days: &ComparedDays) -> Option<u64> {
        let (legacy, candidate) = (self.newest_published?, newest_candidate(days, &self.id)?);
        Some(u64::try_from(candidate.days_until(legacy)).unwrap_or(0))
    }
}

/// Adds what is known by business date.
pub(super) fn add(evidence: &mut Evidence, feeds: &[FeedEvidence<'_>], compared: &Compared<'_>) {
    let (none, now) = (ComparedDays::new(), compared.now);
    let days = compared.days.unwrap_or(&none);
    // A date is due when all files are.
    let due = |date: BusinessDate| feeds.iter().filter_map(|feed| feed.calendar.due(date)).max();
    if let Some(today) = feeds.iter().filter_map(|feed| feed.calendar.today(now)).max() {
        evidence.parity_days = parity_days(days, &due, today, now);
    }
    let newest_date = evidence.newest_date;
    evidence.legacy_runs = !feeds.is_empty() && feeds.iter().all(|feed| feed.runs(newest_date, now));
    // Of a feed that had no file yet nothing can be behind; of one whose candidate was never compared nobody knows.
    let with_files = feeds.iter().filter(|feed| feed.newest_published.is_some());
    let behind: Option<Vec<u64>> = with_files.map(|feed| feed.days_behind(days)).collect();
    evidence.candidate_lag_ms = behind.and_then(|behind| behind.into_iter().max()).map(|days| days * DAY_MS);
}
