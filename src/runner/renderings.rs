//! The renderings of a slot: one thread for each, over one journal. A new configuration ends a round of them and begins the
//! next; the journal stays.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dropbridge_port::Result;

use super::rendering::{Desk, RenderingReport, Worker};
use crate::capture::Store;
use crate::ledger::DeliveryIndex;
use crate::outbound::journal::Journal;
use crate::stop::Stop;
use crate::wiring::Bridge;

/// How often their ends are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The renderings of a slot that is held.
pub(super) struct Renderings {
    /// The instance that holds the slot.
    instance: String,
    /// `None` as long as nothing is to be delivered.
    journal: Option<Arc<Journal>>,
    workers: Vec<Worker>,
    threads: Vec<JoinHandle<RenderingReport>>,
    desk: Arc<Desk>,
    round: Stop,
    drained: Stop,
}

impl Renderings {
    /// Reads what was delivered, so that nothing of ours is taken for a legacy drop, and takes the journal where something
    /// is to be delivered: before anything is published, so that a new rendering misses nothing.
    ///
    /// # Errors
    /// Of the log.
    pub(super) fn take(bridge: &Arc<Bridge>, store: &Arc<Store>, instance: &str, desk: &Arc<Desk>) -> Result<Self> {
        let context = &bridge.context;
        *context.deliveries() = DeliveryIndex::read(&*context.log, &context.topics.deliveries)?;
        let mut renderings = Self {
            instance: instance.to_owned(),
            journal: None,
            workers: Vec::new(),
            threads: Vec::new(),
            desk: Arc::clone(desk),
            round: Stop::new(),
            drained: Stop::new(),
        };
        renderings.prepare(bridge, store)?;
        Ok(renderings)
    }

    /// Makes ready to deliver under a configuration.
    ///
    /// # Errors
    /// Of the log.
    pub(super) fn prepare(&mut self, bridge: &Arc<Bridge>, store: &Arc<Store>) -> Result<()> {
        (self.round, self.drained) = (Stop::new(), Stop::new());
        self.workers.clear();
        if bridge.renderings.is_empty() {
            return Ok(());
        }
        let journal = match &self.journal {
            Some(journal) => {
                journal.begin(&bridge.renderings)?;
                Arc::clone(journal)
            }
            None => Arc::new(Journal::take(&bridge.context, 0, &self.instance, &bridge.renderings)?),
        };
        self.workers.extend(bridge.renderings.iter().map(|plan| Worker {
            plan: Arc::clone(plan),
            bridge: Arc::clone(bridge),
            store: Arc::clone(store),
            journal: Arc::clone(&journal),
            desk: Arc::clone(&self.desk),
            round: self.round.clone(),
            drained: self.drained.clone(),
        }));
        self.journal = Some(journal);
        Ok(())
    }

    /// Begins to deliver.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(&mut self) -> std::io::Result<()> {
        for worker in self.workers.drain(..) {
            let name = format!("rendering {}", worker.plan.id());
            self.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        Ok(())
    }

    /// Does what was asked, and delivers nothing.
    ///
    /// # Errors
    /// Of the log and the outboxes.
    pub(super) fn serve_requests(&self) -> anyhow::Result<()> {
        self.workers.iter().try_for_each(Worker::serve_requests)
    }

    /// Nothing more will be published: waits until the rest is delivered, or waits for something itself.
    ///
    /// # Errors
    /// Of `meanwhile`, which is done again and again.
    pub(super) fn drain(&self, meanwhile: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.drained.raise();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            meanwhile()?;
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Ends a round: each ends with the step that it is in. Answers how they ended.
    ///
    /// # Errors
    /// When a thread panicked.
    pub(super) fn end(&mut self) -> anyhow::Result<Vec<RenderingReport>> {
        self.round.raise();
        let join = |thread: JoinHandle<RenderingReport>| {
            thread.join().map_err(|_| anyhow::anyhow!("a rendering's thread panicked: this is a bug"))
        };
        self.threads.drain(..).map(join).collect()
    }
}
