//! Expected files at work: what the ledger is told of a feed's files, and what listings of its inbox saw, become findings
//! in the topic `arrivals`.
//!
//! What a file brings is said in the transaction that publishes it, what time brings in one of its own; the journal of
//! the feed is written in the same transaction as what was said, so that nothing is said twice or forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, OutgoingRecord, PortError, Result};

use super::prepare::pass;
use super::publish::Publisher;
use super::slot::Slot;
use crate::arrivals::{Arrival, Expectation, FindingEvent, Journal, Look, Origin, Standing, Watch, What, standing};
use crate::config::settings::Settings;
use crate::domain::event::CONTENT_TYPE;
use crate::domain::{BusinessDate, Moment};
use crate::ledger::{DropState, LedgerEntry, LedgerIndex};

/// How often the numbers about what is overdue are told anew.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A feed that expects files.
struct Expecting {
    department: String,
    expectation: Expectation,
}

/// What is known of the arrivals of all feeds that expect files; shared by those who look and the one who says.
#[derive(Default)]
pub struct Arrivals {
    feeds: Feeds,
    board: Mutex<Board>,
}

type Feeds = BTreeMap<String, Expecting>;

#[derive(Default)]
struct Board {
    looks: BTreeMap<String, Look>,
    journals: BTreeMap<String, Journal>,
    /// Feeds whose journal is not in the log as it is here.
    unwritten: BTreeSet<String>,
    told_at: Option<Duration>,
}

/// What a transaction says of arrivals, to be taken in after its commit.
#[derive(Default)]
pub(super) struct Said {
    journals: Vec<Journal>,
    events: Vec<FindingEvent>,
}

impl Arrivals {
    /// The feeds that expect files.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { feeds: expecting(settings), board: Mutex::default() }
    }

    /// Whether a feed expects files.
    #[must_use]
    pub fn expects(&self, feed: &str) -> bool {
        self.feeds.contains_key(feed)
    }

    /// Takes in what a listing of a feed's inbox saw.
    pub fn looked(&self, feed: &str, look: Look) {
        if self.expects(feed) {
            self.board().looks.insert(feed.to_owned(), look);
        }
    }

    /// How each feed that expects files stands, by the journals of the log.
    #[must_use]
    pub fn standings(&self, journals: &BTreeMap<String, Journal>, now: Moment) -> BTreeMap<String, Standing> {
        let stand = |feed: &String, expecting: &Expecting| {
            journals.get(feed).map(|journal| standing(&expecting.expectation, journal, now)).unwrap_or_default()
        };
        self.feeds.iter().map(|(feed, expecting)| (feed.clone(), stand(feed, expecting))).collect()
    }

    /// How each feed that expects files stands, as this process knows it.
    #[must_use]
    pub fn standings_now(&self, now: Moment) -> BTreeMap<String, Standing> {
        self.standings(&self.board().journals, now)
    }

    /// Goes on from the journals of the log; a feed without one is watched from now on.
    ///
    /// # Errors
    /// As for [`LedgerIndex::drops`], here and below.
    pub(super) fn begin(&self, journals: BTreeMap<String, Journal>, ledger: &LedgerIndex, now: Moment) -> Result<()> {
        let mut board = self.board();
        *board = Board { looks: std::mem::take(&mut board.looks), journals, ..Board::default() };
        for (feed, expecting) in &self.feeds {
            let journal = board.journals.remove(feed).unwrap_or_else(|| Journal::new(feed));
            let mut watch = Watch::new(&expecting.expectation, journal.clone());
            if watch.is_new() {
                let mut known = Vec::new();
                ledger.each(&mut |entry| {
                    if entry.feed == *feed && came(&entry) {
                        known.push((entry.business_date, number(&entry)));
                    }
                    ControlFlow::Continue(())
                })?;
                watch.begin(known.into_iter(), now);
            }
            let (begun, _) = watch.finish();
            if begun != journal {
                board.unwritten.insert(feed.clone());
            }
            board.journals.insert(feed.clone(), begun);
        }
        Ok(())
    }

    /// Goes on, under another configuration, from what is known under the one before.
    pub(super) fn go_on_from(&self, before: &Self, ledger: &LedgerIndex, now: Moment) -> Result<()> {
        let (journals, unwritten) = {
            let board = before.board();
            (board.journals.clone(), board.unwritten.clone())
        };
        self.begin(journals, ledger, now)?;
        self.board().unwritten.extend(unwritten.into_iter().filter(|feed| self.expects(feed)));
        Ok(())
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to say of what a transaction tells the ledger.
    fn of_news(&self, news: &[(String, Arrival)], bridge: &str, now: Moment) -> Said {
        let mut by_feed: BTreeMap<&String, Vec<&Arrival>> = BTreeMap::new();
        for (feed, arrival) in news {
            by_feed.entry(feed).or_default().push(arrival);
        }
        let mut said = Said::default();
        for (feed, arrivals) in by_feed {
            self.watch(feed, bridge, &mut said, |watch| {
                for arrival in arrivals {
                    watch.arrived(arrival, now);
                }
            });
        }
        said
    }

    /// What there is to say now that some time has passed.
    fn of_time(&self, bridge: &str, now: Moment) -> Said {
        let mut said = Said::default();
        for feed in self.feeds.keys() {
            let look = self.board().looks.get(feed).cloned();
            self.watch(feed, bridge, &mut said, |watch| {
                if let Some(look) = look
                    && watch.next_due().is_some_and(|due| due <= now)
                {
                    watch.looked(&look, now);
                }
            });
        }
        said
    }

    fn watch(&self, feed: &str, bridge: &str, said: &mut Said, step: impl FnOnce(&mut Watch<'_>)) {
        let Some(Expecting { department, expectation }) = self.feeds.get(feed) else { return };
        let (journal, is_unwritten) = {
            let board = self.board();
            let journal = board.journals.get(feed).cloned().unwrap_or_else(|| Journal::new(feed));
            (journal, board.unwritten.contains(feed))
        };
        let mut watch = Watch::new(expectation, journal.clone());
        step(&mut watch);
        let (after, findings) = watch.finish();
        said.events.extend(findings.iter().map(|finding| finding.event(Origin { bridge, feed, department })));
        if is_unwritten || after != journal || !findings.is_empty() {
            said.journals.push(after);
        }
    }

    /// After the commit.
    fn take_in(&self, said: &Said) {
        let mut board = self.board();
        for journal in &said.journals {
            board.unwritten.remove(&journal.feed);
            board.journals.insert(journal.feed.clone(), journal.clone());
        }
    }

    /// Whether the numbers about what is overdue are to be told anew.
    fn is_time_to_tell(&self, elapsed: Duration) -> bool {
        let mut board = self.board();
        let is_time = !board.journals.is_empty() && board.told_at.is_none_or(|told| elapsed >= told + TELL_EVERY);
        if is_time {
            board.told_at = Some(elapsed);
        }
        is_time
    }
}

fn expecting(settings: &Settings) -> Feeds {
    let expecting = settings.feeds.iter().filter_map(|feed| {
        let expectation = feed.expect.as_deref()?.clone();
        Some((feed.id.clone(), Expecting { department: feed.department.clone(), expectation }))
    });
    expecting.collect()
}

/// It is a file that its producer sent: not one that was only seen, and no delivery of ours.
const fn came(entry: &LedgerEntry) -> bool {
    !matches!(entry.state, DropState::Vanished | DropState::Echo { .. })
}

fn number(entry: &LedgerEntry) -> Option<u64> {
    entry.sequence.as_deref()?.parse().ok()
}

/// What a record that is about to be written says that the ledger does not know yet.
///
/// # Errors
/// As for [`LedgerIndex::drops`].
pub(super) fn news(ledger: &LedgerIndex, entry: &LedgerEntry) -> Result<Vec<Arrival>> {
    let known = ledger.drops(&entry.feed, &entry.key)?;
    let same = known.iter().find(|known| known.record_key() == entry.record_key());
    let arrival = |what| Arrival {
        what,
        business_date: entry.business_date,
        number: number(entry),
        key: entry.key.clone(),
        path: entry.entry.path.clone(),
        sha256: entry.sha256.map(|hash| hash.to_string()),
        bytes: entry.entry.size,
        modified: Moment::from_unix_ns(entry.entry.modified_ns),
    };
    match &entry.state {
        DropState::Baseline | DropState::Echo { .. } => return Ok(Vec::new()),
        DropState::Vanished => return Ok(vec![arrival(What::Vanished)]),
        _ => {}
    }
    let mut news = Vec::new();
    if !known.iter().any(came) {
        news.push(arrival(What::Came));
    }
    if same.is_some_and(|known| entry.repeats > known.repeats) {
        news.push(arrival(What::Repeated { times: entry.repeats }));
    }
    if let DropState::Published { records, events, rejects, .. } = entry.state
        && !same.is_some_and(|known| matches!(known.state, DropState::Published { .. }))
    {
        news.push(arrival(What::Read { records, is_empty: events == 0 && rejects == 0 }));
    }
    Ok(news)
}

impl Slot {
    /// Adds to the open transaction what its ledger entries give to say of arrivals.
    pub(super) fn send_arrivals_of(&mut self, news: &[(String, Arrival)]) -> Result<Said> {
        if news.is_empty() {
            return Ok(Said::default());
        }
        let context = self.context().clone();
        let said = context.arrivals.of_news(news, &context.bridge, context.clock.now());
        self.send_said(&said)?;
        Ok(said)
    }

    /// After the commit.
    pub(super) fn tell_arrivals(&self, said: &Said) {
        let context = self.context();
        context.arrivals.take_in(said);
        for event in &said.events {
            let (kind, feed) = (event.data.finding.kind.as_str(), event.data.feed.as_str());
            context.metrics.arrivals.count(feed, kind);
            tracing::warn!(feed, finding = kind, "{}", event.data.message);
        }
    }

    fn send_said(&mut self, said: &Said) -> Result<()> {
        let context = self.context().clone();
        for event in &said.events {
            let json = serde_json::to_vec(event);
            let json = json.map_err(|error| PortError::new(ErrorKind::Bug, "serialise", &event.id, error))?;
            self.writer().send(OutgoingRecord {
                topic: &context.topics.arrivals,
                partition: Some(0),
                key: Some(event.data.feed.as_bytes()),
                value: Some(&json),
                headers: &[("content-type", CONTENT_TYPE.as_bytes())],
                tag: u32::MAX,
            })?;
        }
        for journal in &said.journals {
            self.send_own(&context.topics.control, self.number(), &Journal::record_key(&journal.feed), Some(journal))?;
        }
        Ok(())
    }

    /// Says what became due, in a transaction of its own.
    fn say_what_is_due(&mut self) -> Result<()> {
        let context = self.context().clone();
        let now = context.clock.now();
        let said = context.arrivals.of_time(&context.bridge, now);
        if said.journals.is_empty() {
            return Ok(());
        }
        self.begin()?;
        self.send_said(&said)?;
        pass(Failpoint::ArrivalsDue, "arrivals")?;
        self.commit()?;
        // Before it is taken in: the answer is known from here on, an error would come too late.
        let _answered = pass(Failpoint::ArrivalsSaid, "arrivals");
        self.tell_arrivals(&said);
        Ok(())
    }
}

impl Publisher {
    /// Says which files became due and did not come, and which sequence numbers are missing for too long.
    ///
    /// # Errors
    /// `Fenced` when another instance holds the slot; whatever the log answers for good.
    pub fn watch_arrivals(&mut self) -> Result<()> {
        if let Err(error) = self.slot.say_what_is_due() {
            match error.kind {
                ErrorKind::Fenced => self.slot.reclaim(&error)?,
                ErrorKind::Transient => {
                    tracing::warn!(%error, "arrivals are not told: trying again");
                    self.abort_or_reclaim()?;
                }
                _ => {
                    self.abort_or_reclaim()?;
                    return Err(error);
                }
            }
        }
        self.measure_arrivals();
        Ok(())
    }

    fn measure_arrivals(&self) {
        let context = self.slot.context();
        if !context.arrivals.is_time_to_tell(context.clock.elapsed()) {
            return;
        }
        for (feed, standing) in context.arrivals.standings_now(context.clock.now()) {
            let next = standing.next.as_ref().map(|next| next.due.unix_ms());
            context.metrics.arrivals.set(&feed, standing.overdue.len(), standing.gaps.len(), next);
            context.health.set_feed_arrivals(&feed, standing);
        }
    }
}

/// The business dates of names, for a [`Look`].
pub(super) type Dates = BTreeSet<Option<BusinessDate>>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::{ContentHash, EntryFacts, LogicalKey};
    use crate::ledger::entry::FORMAT;

    fn entry(hash: Option<&[u8]>, state: DropState) -> LedgerEntry {
        LedgerEntry {
            format: FORMAT,
            feed: "orders".to_owned(),
            department: "sales".to_owned(),
            key: LogicalKey::from_text("2026-06-02/0001"),
            sha256: hash.map(ContentHash::of),
            entry: EntryFacts { path: "a".to_owned(), size: 3, modified_ns: 0, version: 0 },
            business_date: BusinessDate::parse("2026-06-02"),
            sequence: Some("0001".to_owned()),
            generation: 0,
            state,
            repeats: 0,
            recorded_at: Moment::from_unix_ns(0),
        }
    }

    fn published(events: u64) -> DropState {
        let (verdict, supersedes, ranges, records) = (None, None, Vec::new(), events + 2);
        DropState::Published { records, events, withheld: 0, verdict, rejects: 0, revision: 1, supersedes, ranges }
    }

    #[test]
    fn what_is_new_about_a_drop() {
        let held = || DropState::Held { reason: "other bytes".to_owned() };
        let publishing = || DropState::Publishing {
            through: 10,
            events_digest: String::new(),
            revision: 1,
            supersedes: None,
            ranges: Vec::new(),
        };
        let (came, read) = (What::Came, What::Read { records: 5, is_empty: false });
        let repeated = LedgerEntry { repeats: 2, ..entry(Some(b"one"), published(3)) };
        for (known, new, expected) in [
            (vec![], entry(None, DropState::Baseline), vec![]),
            (vec![], entry(None, DropState::Vanished), vec![What::Vanished]),
            (vec![], entry(Some(b"one"), published(3)), vec![came, read]),
            (vec![], entry(Some(b"one"), published(0)), vec![came, What::Read { records: 2, is_empty: true }]),
            (vec![], entry(Some(b"one"), publishing()), vec![came]),
            (vec![entry(Some(b"one"), publishing())], entry(Some(b"one"), publishing()), vec![]),
            (vec![entry(Some(b"one"), publishing())], entry(Some(b"one"), published(3)), vec![read]),
            (vec![entry(Some(b"one"), published(3))], repeated.clone(), vec![What::Repeated { times: 2 }]),
            (vec![repeated.clone()], repeated, vec![]),
            // A correction is the same file again, not one more.
            (vec![entry(Some(b"one"), published(3))], entry(Some(b"two"), published(3)), vec![read]),
            (vec![entry(Some(b"one"), published(3))], entry(Some(b"two"), held()), vec![]),
            (vec![entry(None, DropState::Vanished)], entry(Some(b"one"), published(3)), vec![came, read]),
        ] {
            let mut ledger = LedgerIndex::default();
            for (offset, entry) in (0..).zip(known) {
                ledger.put(offset, serde_json::to_vec(&entry).unwrap()).unwrap();
            }
            let found: Vec<What> = news(&ledger, &new).unwrap().into_iter().map(|arrival| arrival.what).collect();
            assert_eq!(found, expected, "{new:?}");
        }
    }
}
