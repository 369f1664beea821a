//! The publisher's thread: files of all feeds, requests of commands, and the heartbeat.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dropbridge_port::{ErrorKind, Isolation, Polled, PortError, Reader, Result, StartAt};
use tokio::sync::mpsc::Receiver;

use super::RunOptions;
use super::attendance::Attendance;
use super::ends::Ends;
use super::feed::WorkerEnd;
use super::rendering::Desk;
use super::renderings::Renderings;
use super::whereabouts;
use crate::inbound::baseline::{BaselinePolicy, record_baseline, survey_baseline};
use crate::inbound::cutover::{Asked, Compared, gives};
use crate::inbound::forward::Forwarder;
use crate::inbound::plan::FeedPlan;
use crate::inbound::prepare::Prepared;
use crate::inbound::publish::{Publisher, adopt};
use crate::inbound::tally::Tally;
use crate::ledger::LedgerEntry;
use crate::ledger::control::{Request, RequestAction};
use crate::ledger::replay::{ControlState, apply_control};
use crate::ledger::topics::REQUEST_PARTITION;
use crate::relay::newest::newest_relayed;
use crate::relay::{self};
use crate::stop::Stop;
use crate::wiring::Bridge;

/// How long the publisher waits for a file, before it looks at requests and the heartbeat; and how often it looks
/// while there are files.
const IDLE: Duration = Duration::from_millis(200);

/// The same where candidate events are forwarded.
const BETWEEN_PASSES: Duration = Duration::from_millis(20);

/// How many requests are done before files of the inboxes have their turn again.
const AT_ONCE: usize = 50;

/// For how long a half published file, whose bytes nobody has, is looked for in its inbox before it is given up. It
/// counts in times without a file, so that a feed that has much to do gets to it.
const PATIENT_ROUNDS: u32 = 300;

/// How long a feed's thread may take to end when there is a new configuration.
const THREAD_PATIENCE: Duration = Duration::from_secs(30);

/// How publishing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All feeds have ended, or we were asked to stop.
    Whole,
    /// There is a newer configuration.
    Superseded,
}

/// What the publisher looks at beside files.
#[derive(Clone, Copy)]
pub(super) struct Watched<'a> {
    /// The feeds' threads.
    pub(super) workers: &'a [JoinHandle<WorkerEnd>],
    /// Raised when there is a newer configuration.
    pub(super) superseded: &'a Stop,
    /// How to run.
    pub(super) options: RunOptions,
}

impl Watched<'_> {
    fn have_ended(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }
}

/// Does what commands asked for, and nothing else.
pub(super) fn serve_requests(
    mut publisher: Publisher,
    mut requests: Requests,
    bridge: &Bridge,
    renderings: &Renderings,
) -> anyhow::Result<Tally> {
    requests.forwarder.prepare(&bridge.context, bridge.feeds.iter().map(|plan| &**plan))?;
    requests.serve_waiting(&mut publisher, bridge)?;
    publisher.finish_deferred()?;
    renderings.serve_requests()?;
    Ok(publisher.release()?)
}

fn fill_batch(first: Prepared, receiver: &mut Receiver<Prepared>, bridge: &Bridge) -> Vec<Prepared> {
    let sizes = bridge.settings.transaction;
    let mut weight = first.weight();
    let mut batch = vec![first];
    while batch.len() < sizes.max_files && weight < sizes.chunk_bytes {
        let Ok(next) = receiver.try_recv() else { break };
        weight += next.weight();
        batch.push(next);
    }
    batch
}

/// Requests and switches as they come in.
pub(super) struct Requests {
    reader: Box<dyn Reader>,
    topic: String,
    state: ControlState,
    attendance: Attendance,
    /// Where requests about deliveries are left: what is said of deliveries has a writer of its own.
    pub(super) desk: Arc<Desk>,
    /// Those that waited when the slot was taken.
    waiting: Vec<Request>,
    /// A request that was served may still show for a moment: its end is committed, but not yet to be seen.
    served: HashSet<String>,
    looked_at: Duration,
    ends: Ends,
    forwarder: Forwarder,
    /// There are more than were done when it was looked last.
    has_more: bool,
}

impl Requests {
    pub(super) fn open(bridge: &Bridge, attendance: Attendance, control: &ControlState) -> Result<Self> {
        let topic = bridge.context.topics.control.clone();
        let from = StartAt::Partition(REQUEST_PARTITION);
        let reader = bridge.context.log.reader(Isolation::ReadCommitted, &[(&topic, from)])?;
        let state = ControlState { compared_days: control.compared_days.clone(), ..ControlState::default() };
        let waiting = control.requests.values().cloned().collect();
        Ok(Self {
            reader,
            topic,
            state,
            attendance,
            desk: Arc::default(),
            waiting,
            served: HashSet::new(),
            looked_at: Duration::ZERO,
            ends: Ends::default(),
            forwarder: Forwarder::new(&bridge.context, control.forwarding.clone()),
            has_more: false,
        })
    }

    /// Publishes what the feeds send until all of them have ended, there is a newer configuration, or we are asked to
    /// stop.
    pub(super) fn publish_until_end(
        &mut self,
        publisher: &mut Publisher,
        receiver: &mut Receiver<Prepared>,
        bridge: &Bridge,
        watched: Watched<'_>,
    ) -> Result<Ended> {
        let plans = bridge.plans();
        let clock = &bridge.context.clock;
        let stop = &bridge.context.stop;
        self.forwarder.prepare(&bridge.context, bridge.feeds.iter().map(|plan| &**plan))?;
        let mut missing = publisher.finish_unfinished(&plans)?;
        self.serve_waiting(publisher, bridge)?;
        let (mut idle_rounds, mut ending_since, mut rested_at) = (0, None, clock.elapsed());
        let runtime = tokio::runtime::Handle::current();
        loop {
            // These have times of their own: files that come without a pause do not put them off.
            publisher.purge_if_due()?;
            if !watched.options.until_idle {
                publisher.retry_deferred()?;
            }
            let wait = match (self.has_more, self.forwarder.is_ready()) {
                (true, _) => Duration::ZERO,
                (false, true) => BETWEEN_PASSES,
                (false, false) => IDLE,
            };
            match runtime.block_on(async { tokio::time::timeout(wait, receiver.recv()).await }) {
                Ok(Some(first)) => {
                    idle_rounds = 0;
                    let batch = fill_batch(first, receiver, bridge);
                    publisher.publish(batch.into_iter().filter_map(|file| adopt(file, &plans)).collect())?;
                    bridge.context.ledger().check()?;
                }
                Ok(None) => break,
                Err(_elapsed) => {
                    if watched.superseded.is_raised() && !stop.is_raised() {
                        let since = *ending_since.get_or_insert_with(|| clock.elapsed());
                        if watched.have_ended() || clock.elapsed() >= since + THREAD_PATIENCE {
                            return Ok(Ended::Superseded);
                        }
                    } else if watched.have_ended()
                        && receiver.is_empty()
                        && (stop.is_raised() || !watched.options.without_feeds)
                    {
                        break;
                    }
                    // Candidate events make rounds shorter: what is done in idle times keeps its pace.
                    if clock.elapsed() >= rested_at + IDLE {
                        rested_at = clock.elapsed();
                        idle_rounds += 1;
                        publisher.slot().look_after_cache()?;
                        if watched.options.until_idle {
                            publisher.finish_deferred()?;
                        }
                        if idle_rounds == PATIENT_ROUNDS && !missing.is_empty() {
                            idle_rounds = 0;
                            missing = abandon_missing(publisher, bridge, missing)?;
                        }
                    }
                }
            }
            // Files of the inboxes come first: what commands ask for is done between them.
            let is_due = clock.elapsed() >= self.looked_at + IDLE || (self.has_more && receiver.is_empty());
            if let Err(error) = self.look_around(publisher, bridge, is_due) {
                publisher.weather(error)?;
                self.settle_doubt(publisher)?;
            }
        }
        // What the last listings saw.
        publisher.watch_arrivals()?;
        if stop.is_raised() {
            // Not all was looked at: what is missing may be there at the next start.
            return Ok(Ended::Whole);
        }
        if watched.options.until_idle {
            publisher.finish_deferred()?;
            self.forwarder.finish(publisher)?;
        }
        abandon_missing(publisher, bridge, missing)?;
        Ok(Ended::Whole)
    }

    /// After a failure: what the log says is taken in before anything else is published.
    fn settle_doubt(&mut self, publisher: &mut Publisher) -> Result<()> {
        while let Err(error) = self.forwarder.settle_doubt(publisher) {
            publisher.weather(error)?;
        }
        Ok(())
    }

    /// Requests, where it is time for them, candidate events, and the heartbeat.
    fn look_around(&mut self, publisher: &mut Publisher, bridge: &Bridge, is_due: bool) -> Result<()> {
        if is_due {
            self.serve(publisher, bridge)?;
            self.looked_at = bridge.context.clock.elapsed();
        }
        // What has come is forwarded at once: more may be there already.
        self.has_more |= self.forwarder.pass(publisher, Duration::ZERO)?;
        publisher.slot().beat_if_due()?;
        publisher.watch_arrivals()?;
        self.ends.look_if_due(bridge);
        Ok(())
    }

    /// Reads what has come, tells the feeds, and does those requests that are not done yet.
    fn serve(&mut self, publisher: &mut Publisher, bridge: &Bridge) -> Result<()> {
        loop {
            match self.reader.poll(Duration::ZERO) {
                Ok(Polled::Record(record)) => apply_control(&mut self.state, &self.topic, &record)?,
                Ok(Polled::End { .. }) => {}
                Ok(Polled::Idle) => break,
                // The publisher's own calls will tell whether the log is away.
                Err(PortError { kind: ErrorKind::Transient, .. }) => break,
                Err(error) => return Err(error),
            }
        }
        self.attendance.hear(&self.state.switches);
        let open = &self.state.requests;
        self.served.retain(|id| open.contains_key(id));
        let mut new: Vec<Request> =
            open.values().filter(|request| !self.served.contains(&request.id)).take(AT_ONCE + 1).cloned().collect();
        self.has_more = new.len() > AT_ONCE;
        new.truncate(AT_ONCE);
        self.serve_all(publisher, bridge, &new)
    }

    /// Does requests; files that are asked for one after the other share transactions.
    fn serve_all(&mut self, publisher: &mut Publisher, bridge: &Bridge, requests: &[Request]) -> Result<()> {
        let is_ingest = |request: &Request| matches!(request.action, RequestAction::Ingest { .. });
        for some in requests.chunk_by(|one, other| is_ingest(one) && is_ingest(other)) {
            match some {
                [request] => self.serve_one(publisher, bridge, request)?,
                _ => {
                    publisher.ingest_all(some, &bridge.plans())?;
                    self.served.extend(some.iter().map(|request| request.id.clone()));
                }
            }
        }
        Ok(())
    }

    fn serve_waiting(&mut self, publisher: &mut Publisher, bridge: &Bridge) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.serve_all(publisher, bridge, &waiting)
    }

    /// Does one request.
    pub(super) fn serve_one(&mut self, publisher: &mut Publisher, bridge: &Bridge, request: &Request) -> Result<()> {
        match &request.action {
            RequestAction::Baseline { feed, policy } => match self.give_baseline(publisher, bridge, feed, policy)? {
                Ok(()) => publisher.end_request(&request.id)?,
                Err(why) => publisher.refuse_request(&request.id, &why)?,
            },
            RequestAction::Cutover { department, command, newest_date } => {
                let days = self.state.compared_days.get(department).cloned();
                let asked = Asked {
                    department,
                    command,
                    newest_date: *newest_date,
                    compared: Compared {
                        days: days.as_ref(),
                        renderings: &bridge.settings.renderings,
                        now: bridge.context.clock.now(),
                    },
                    newest_relayed: None,
                    windows: &bridge.windows_of(department),
                };
                self.cut_over(publisher, bridge, request, asked)?;
            }
            RequestAction::Deliveries(action)
                if bridge.renderings.iter().any(|plan| plan.id() == action.rendering()) =>
            {
                self.desk.put(request);
            }
            _ => publisher.serve(request, &bridge.plans())?,
        }
        self.served.insert(request.id.clone());
        Ok(())
    }

    /// Has a cutover decided, unless nobody can tell what relays have passed on.
    fn cut_over(
        &mut self,
        publisher: &mut Publisher,
        bridge: &Bridge,
        request: &Request,
        asked: Asked<'_>,
    ) -> Result<()> {
        let context = &bridge.context;
        let journal = context.authorities.journal(asked.department);
        let for_good = gives(journal.as_deref(), asked.command.direction);
        let feeds = bridge.feeds.iter().map(|plan| &**plan);
        let journals = relay::directory(&bridge.settings.state);
        match newest_relayed(context, &journals, asked.department, feeds, for_good) {
            Ok(newest_relayed) => {
                let gates = bridge.settings.gates.get(asked.department);
                let asked = Asked { newest_relayed, ..asked };
                publisher.cut_over(request, &asked, gates, &bridge.plans(), &mut self.forwarder)
            }
            Err(why) => publisher.refuse_request(&request.id, &format!("{}: {why}", asked.department)),
        }
    }

    /// Gives a feed its baseline, unless it has one. Answers why that cannot be done.
    fn give_baseline(
        &self,
        publisher: &mut Publisher,
        bridge: &Bridge,
        feed: &str,
        policy: &str,
    ) -> Result<std::result::Result<(), String>> {
        if self.attendance.has_baseline(feed) {
            return Ok(Ok(()));
        }
        let Some(plan) = bridge.plans().remove(feed) else {
            return Ok(Err(format!(
                "there is no feed `{feed}` here: send SIGHUP, so that the configuration is read again"
            )));
        };
        let Some(policy) = BaselinePolicy::parse(policy) else {
            return Ok(Err(format!("no baseline policy `{policy}`")));
        };
        // Whatever ails the share is the feed's own: the request is refused, and the other feeds go on.
        let entries = match survey(bridge, &plan, policy) {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(format!("{feed}: {error:#}"))),
        };
        record_baseline(publisher.slot(), &plan, policy, &entries)?;
        tracing::info!(feed, entries = entries.len(), "it has its baseline: {}", policy.describe());
        self.attendance.add_baseline(feed);
        Ok(Ok(()))
    }
}

/// What is in a feed's inbox, as its baseline is to have it.
fn survey(bridge: &Bridge, plan: &FeedPlan, policy: BaselinePolicy) -> anyhow::Result<Vec<LedgerEntry>> {
    let share = bridge.share(&plan.settings)?;
    Ok(survey_baseline(plan, &*share, policy, bridge.context.clock.now())?)
}

/// Gives up half published files whose bytes nobody has any more. Answers those that may yet come: their inbox has them,
/// and they settle or are being read, or it does not say.
fn abandon_missing(publisher: &mut Publisher, bridge: &Bridge, missing: Vec<LedgerEntry>) -> Result<Vec<LedgerEntry>> {
    let missing = publisher.still_missing(missing)?;
    let (may_come, gone) = missing.into_iter().partition(|entry| whereabouts::may_be_in_inbox(bridge, entry));
    publisher.abandon_missing(gone, &bridge.plans())?;
    Ok(may_come)
}
