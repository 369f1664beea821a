//! The publisher's thread: files of all feeds, requests of commands, and the heartbeat.

use std::collections::{BTreeSet, HashSet};
use std::thread::JoinHandle;
use std::time::Duration;

use dropbridge_port::{ErrorKind, Isolation, Polled, PortError, Reader, Result, StartAt};
use tokio::sync::mpsc::Receiver;

use super::FeedReport;
use crate::inbound::prepare::Prepared;
use crate::inbound::publish::Publisher;
use crate::inbound::request::Plans;
use crate::inbound::tally::Tally;
use crate::ledger::replay::{ControlState, apply_control};
use crate::ledger::topics::REQUEST_PARTITION;
use crate::wiring::Bridge;

/// How long the publisher waits for a file, before it looks at requests and the heartbeat.
const IDLE: Duration = Duration::from_millis(200);

/// How often the ends of the topics are asked for.
const WATERMARKS_INTERVAL: Duration = Duration::from_secs(15);

/// How many idle rounds pass before a half published file, whose bytes nobody has, is given up.
const PATIENT_ROUNDS: u32 = 300;

/// Publishes what the feeds send until all of them have ended, or we are asked to stop.
pub(super) fn publish_all(
    mut publisher: Publisher,
    receiver: Receiver<Prepared>,
    bridge: &Bridge,
    control: &ControlState,
    feeds: &[JoinHandle<FeedReport>],
    until_idle: bool,
) -> Result<Tally> {
    match publish_until_end(&mut publisher, receiver, bridge, control, feeds, until_idle) {
        Ok(()) => publisher.release(),
        Err(error) => Err(publisher.slot().explain(error)),
    }
}

fn publish_until_end(
    publisher: &mut Publisher,
    mut receiver: Receiver<Prepared>,
    bridge: &Bridge,
    control: &ControlState,
    feeds: &[JoinHandle<FeedReport>],
    until_idle: bool,
) -> Result<()> {
    let plans = bridge.plans();
    let mut missing = publisher.finish_unfinished(&plans)?;
    let mut inbox = Requests::open(bridge)?;
    for request in control.requests.values() {
        inbox.served.insert(request.id.clone());
        publisher.serve(request, &plans)?;
    }
    let stop = bridge.context.stop.clone();
    let mut idle_rounds = 0;
    let mut ends = Ends::default();
    let runtime = tokio::runtime::Handle::current();
    loop {
        match runtime.block_on(async { tokio::time::timeout(IDLE, receiver.recv()).await }) {
            Ok(Some(first)) => {
                idle_rounds = 0;
                let batch = fill_batch(first, &mut receiver, bridge);
                publisher.publish(batch)?;
            }
            Ok(None) => break,
            Err(_elapsed) => {
                if stop.is_raised() && feeds.iter().all(JoinHandle::is_finished) {
                    break;
                }
                idle_rounds += 1;
                publisher.purge_if_due()?;
                if until_idle {
                    publisher.finish_deferred()?;
                } else {
                    publisher.retry_deferred()?;
                }
                inbox.serve(publisher, &plans)?;
                if idle_rounds == PATIENT_ROUNDS {
                    publisher.abandon_missing(std::mem::take(&mut missing), &plans)?;
                }
            }
        }
        publisher.slot().beat_if_due()?;
        publisher.watch_arrivals()?;
        ends.look_if_due(bridge);
    }
    // What the last listings saw.
    publisher.watch_arrivals()?;
    if stop.is_raised() {
        // Not all was looked at: what is missing may be there at the next start.
        return Ok(());
    }
    publisher.abandon_missing(missing, &plans)
}

/// Does what commands asked for, and nothing else.
pub(super) fn serve_requests(mut publisher: Publisher, bridge: &Bridge, control: &ControlState) -> Result<Tally> {
    let plans = bridge.plans();
    for request in control.requests.values() {
        publisher.serve(request, &plans)?;
    }
    publisher.finish_deferred()?;
    publisher.release()
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

/// The ends of the topics, looked at from time to time for the metrics.
#[derive(Default)]
struct Ends {
    looked_at: Option<Duration>,
}

impl Ends {
    fn look_if_due(&mut self, bridge: &Bridge) {
        let context = &bridge.context;
        let now = context.clock.elapsed();
        if self.looked_at.is_some_and(|at| now < at + WATERMARKS_INTERVAL) {
            return;
        }
        self.looked_at = Some(now);
        let topics = context.topics.events().map(|(_, topic)| topic);
        let topics: BTreeSet<&str> = topics.chain([context.topics.ledger.as_str()]).collect();
        for topic in topics {
            // A log that does not answer is noticed by whoever writes.
            let Ok(partitions) = context.log.watermarks(topic) else { return };
            for ends in partitions {
                context.metrics.log.set_high_watermark(topic, ends.partition, ends.high);
            }
        }
    }
}

/// Requests as they come in.
struct Requests {
    reader: Box<dyn Reader>,
    topic: String,
    /// A request that was served may still show for a moment: its end is committed, but not yet to be seen.
    served: HashSet<String>,
}

impl Requests {
    fn open(bridge: &Bridge) -> Result<Self> {
        let topic = bridge.context.topics.control.clone();
        let from = StartAt::Partition(REQUEST_PARTITION);
        let reader = bridge.context.log.reader(Isolation::ReadCommitted, &[(&topic, from)])?;
        Ok(Self { reader, topic, served: HashSet::new() })
    }

    /// Reads what has come, and does those requests that are not done yet.
    fn serve(&mut self, publisher: &mut Publisher, plans: &Plans) -> Result<()> {
        let mut state = ControlState::default();
        loop {
            match self.reader.poll(Duration::ZERO) {
                Ok(Polled::Record(record)) => apply_control(&mut state, &self.topic, &record)?,
                Ok(Polled::End { .. }) => {}
                Ok(Polled::Idle) => break,
                // The publisher's own calls will tell whether the log is away.
                Err(PortError { kind: ErrorKind::Transient, .. }) => break,
                Err(error) => return Err(error),
            }
        }
        for request in state.requests.values() {
            if self.served.insert(request.id.clone()) {
                publisher.serve(request, plans)?;
            }
        }
        Ok(())
    }
}
