//! Holding the slot: rounds of feeds' threads over it. A new configuration ends a round and begins the next; the slot,
//! what is on its way, and what is known of inboxes stay.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{Semaphore, mpsc};

use super::attendance::Attendance;
use super::feed::{Attended, FeedReport, Worker, WorkerEnd};
use super::publisher::{Ended, Requests};
use super::relay::Relays;
use super::reload::Configured;
use super::rendering::RenderingReport;
use super::renderings::Renderings;
use super::{RunOptions, RunSummary, publisher, read_witness, write_witness};
use crate::capture::Store;
use crate::health::SlotStanding;
use crate::inbound::keeping::KeepRules;
use crate::inbound::prepare::Prepared;
use crate::inbound::publish::Publisher;
use crate::inbound::publish::ticket::OnTheirWay;
use crate::inbound::slot::Slot;
use crate::inbound::tally::Tally;
use crate::stop::Stop;
use crate::wiring::Bridge;

/// Bytes of files and events that may be on their way at once.
pub(super) const BUDGET_BYTES: usize = 24 << 20;

/// Files that may be on their way at once.
const CHANNEL_FILES: usize = 1024;

/// Takes the slot and works until done, stopped or fenced.
pub(super) fn hold(
    configured: &Configured,
    options: RunOptions,
    relays: &mut Option<Relays>,
) -> anyhow::Result<RunSummary> {
    let (bridge, _) = configured.newest();
    let context = bridge.context.clone();
    let store = bridge.store()?;
    let witness = read_witness(&bridge.settings.state)?;
    let (slot, control) = Slot::take(context.clone(), 0, witness.as_deref())?;
    if let (None, Some(genesis)) = (&witness, &control.genesis) {
        write_witness(&bridge.settings.state, &genesis.id)?;
    }
    let sizes = bridge.settings.transaction;
    let mut publisher = Publisher::new(slot, Arc::clone(&store), sizes, KeepRules::new(&bridge.settings));
    context.authorities.learn(&control.cutovers);
    publisher.learn_spoken(&control.spoken);
    publisher.clear_up(&control.requests)?;
    let attendance = Attendance::new(&control);
    let requests = Requests::open(&bridge, attendance.clone(), &control)?;
    let renderings = Renderings::take(&bridge, &store, publisher.slot().instance(), &requests.desk)?;
    if options.requests_only {
        let tally = publisher::serve_requests(publisher, requests, &bridge, &renderings)?;
        return Ok(RunSummary { tally, ..RunSummary::default() });
    }
    context.health.set_census(context.ledger().census());
    context.health.set_slot(SlotStanding::Held);
    tracing::info!(
        log = context.log.address(),
        feeds = bridge.feeds.len(),
        drops = context.ledger().count_all(),
        "holding the slot"
    );
    publisher.ask_inboxes_for_missing()?;
    let (sender, receiver) = mpsc::channel::<Prepared>(CHANNEL_FILES);
    let budget = Arc::new(Semaphore::new(BUDGET_BYTES));
    context.health.set_budget(&budget, BUDGET_BYTES);
    let inboxes = HashMap::new();
    let sender = Some(sender);
    let delivered = Vec::new();
    let mut holding = Holding {
        publisher,
        requests,
        renderings,
        delivered,
        store,
        attendance,
        sender,
        receiver,
        budget,
        outstanding: HashMap::new(),
        inboxes,
        options,
    };
    loop {
        let (bridge, superseded) = configured.newest();
        Relays::follow(relays, &bridge, options)?;
        if let Some(feeds) = holding.round(&bridge, &superseded)? {
            let renderings = std::mem::take(&mut holding.delivered);
            return Ok(RunSummary { tally: holding.release()?, feeds, relays: Vec::new(), renderings });
        }
    }
}

/// What outlives a change of the configuration.
struct Holding {
    publisher: Publisher,
    requests: Requests,
    renderings: Renderings,
    /// How the renderings ended.
    delivered: Vec<RenderingReport>,
    store: Arc<Store>,
    attendance: Attendance,
    /// Kept from round to round, so that the channel is. `None`: the channel ends with the feeds, in the only round.
    sender: Option<Sender<Prepared>>,
    receiver: Receiver<Prepared>,
    budget: Arc<Semaphore>,
    /// Each feed's files that are on their way, from whichever round.
    outstanding: HashMap<String, Weak<OnTheirWay>>,
    /// What was known of each inbox when the last round ended.
    inboxes: HashMap<String, Attended>,
    options: RunOptions,
}

impl Holding {
    /// Works under one configuration. Answers how the feeds ended; `None` when there is a newer configuration.
    fn round(&mut self, bridge: &Arc<Bridge>, superseded: &Stop) -> anyhow::Result<Option<Vec<FeedReport>>> {
        let (context, settings) = (bridge.context.clone(), &bridge.settings);
        self.publisher.reconfigure(context, settings.transaction, KeepRules::new(settings), &bridge.plans())?;
        let over = Stop::new();
        self.renderings.prepare(bridge, &self.store)?;
        self.renderings.start()?;
        let workers = self.start(bridge, superseded, &over)?;
        let ended = self.requests.publish_until_end(
            &mut self.publisher,
            &mut self.receiver,
            bridge,
            publisher::Watched { workers: &workers, superseded, options: self.options },
        );
        let ended = match ended {
            // What was published is delivered while the slot is still ours, and says so.
            Ok(Ended::Whole) => {
                let publisher = &mut self.publisher;
                self.renderings.drain(&mut || publisher.slot().beat_if_due()).map(|()| Ended::Whole)
            }
            ended => ended,
        };
        let ended = ended.map_err(|error| self.publisher.slot().explain(error));
        self.delivered = self.renderings.end()?;
        if matches!(ended, Ok(Ended::Superseded)) {
            self.keep_inboxes(workers)?;
            return Ok(None);
        }
        // Whatever ended the publisher ends the feeds: nobody takes what they have.
        over.raise();
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
        let reports = workers.into_iter().map(|worker| Ok(join(worker)?.report)).collect::<anyhow::Result<_>>();
        ended?;
        reports.map(Some)
    }

    fn start(
        &mut self,
        bridge: &Arc<Bridge>,
        superseded: &Stop,
        over: &Stop,
    ) -> anyhow::Result<Vec<JoinHandle<WorkerEnd>>> {
        let mut workers = Vec::new();
        let Some(sender) = self.sender.take() else { return Ok(workers) };
        let feeds = if self.options.without_feeds { &[] } else { bridge.feeds.as_slice() };
        for plan in feeds {
            let known = self.outstanding.get(plan.id()).and_then(Weak::upgrade);
            let outstanding = known.unwrap_or_default();
            self.outstanding.insert(plan.id().to_owned(), Arc::downgrade(&outstanding));
            let worker = Worker {
                plan: Arc::clone(plan),
                bridge: Arc::clone(bridge),
                store: Arc::clone(&self.store),
                sender: sender.clone(),
                budget: Arc::clone(&self.budget),
                superseded: superseded.clone(),
                over: over.clone(),
                outstanding,
                limits: self.publisher.hold_limits(),
                pulse: bridge.context.health.feed_pulse(plan.id()),
                attendance: self.attendance.clone(),
                until_idle: self.options.until_idle,
            };
            let known = self.inboxes.remove(plan.id());
            let name = format!("feed {}", plan.id());
            workers.push(std::thread::Builder::new().name(name).spawn(move || worker.run(known))?);
        }
        self.inboxes.clear();
        self.sender = (!self.options.until_idle).then_some(sender);
        Ok(workers)
    }

    /// A thread that hangs in its share is left alone: it ends when the share answers, and what it may have taken
    /// comes through the same channel.
    fn keep_inboxes(&mut self, workers: Vec<JoinHandle<WorkerEnd>>) -> anyhow::Result<()> {
        for worker in workers {
            if !worker.is_finished() {
                let thread = worker.thread().name().unwrap_or_default().to_owned();
                tracing::error!(thread, "its share does not answer: going on with a new thread for it");
                continue;
            }
            let WorkerEnd { report, attended } = join(worker)?;
            if let Some(attended) = attended {
                self.inboxes.insert(report.feed, attended);
            }
        }
        Ok(())
    }

    fn release(self) -> anyhow::Result<Tally> {
        Ok(self.publisher.release()?)
    }
}

fn join(worker: JoinHandle<WorkerEnd>) -> anyhow::Result<WorkerEnd> {
    worker.join().map_err(|_| anyhow::anyhow!("a feed's thread panicked: this is a bug"))
}
