//! What happens to a bridge in years, in minutes: each kind at least once, in an order that the seed decides.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::audit::minutes;
use super::estate::{Estate, FEEDS};
use super::instances::{Instances, wait};
use super::random::Random;
use crate::kafka_node::{KafkaNode, StartOptions};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    BrokerKilled,
    BrokerRestarted,
    FeedPaused,
    StoreFull,
    ConfigurationRight,
    ConfigurationWrong,
    HolderFrozen,
    HolderKilled,
    HolderAskedToLeave,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::BrokerKilled,
        Self::BrokerRestarted,
        Self::FeedPaused,
        Self::StoreFull,
        Self::ConfigurationRight,
        Self::ConfigurationWrong,
        Self::HolderFrozen,
        Self::HolderKilled,
        Self::HolderAskedToLeave,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::BrokerKilled => "broker killed",
            Self::BrokerRestarted => "broker restarted",
            Self::FeedPaused => "feed paused",
            Self::StoreFull => "store full",
            Self::ConfigurationRight => "SIGHUP, right",
            Self::ConfigurationWrong => "SIGHUP, wrong",
            Self::HolderFrozen => "holder frozen",
            Self::HolderKilled => "holder killed",
            Self::HolderAskedToLeave => "holder asked to leave",
        }
    }
}

/// What is still to be made good.
#[derive(Clone, Copy)]
enum Undo {
    Resume(&'static str),
    FreeStore,
    Configure,
}

/// The trouble-maker.
pub(crate) struct Trouble<'a> {
    estate: &'a Estate,
    node: &'a KafkaNode,
    instances: &'a Instances,
    random: Random,
    /// The kinds that come next.
    bag: Vec<Kind>,
    /// Made good after the next trouble, so that they meet it.
    undo: Vec<Undo>,
    counts: BTreeMap<Kind, usize>,
    configurations: usize,
}

impl<'a> Trouble<'a> {
    pub(crate) fn new(estate: &'a Estate, node: &'a KafkaNode, instances: &'a Instances, random: Random) -> Self {
        let (bag, undo, counts) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { estate, node, instances, random, bag, undo, counts, configurations: 0 }
    }

    /// The calm before the next.
    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_millis(2000 + self.random.below(6000) as u64)
    }

    /// Makes the next trouble, and then good what the one before it left.
    pub(crate) fn next(&mut self, begun: Instant) -> Result<()> {
        if self.bag.is_empty() {
            self.bag = Kind::ALL.to_vec();
            self.bag.retain(|kind| *kind != Kind::StoreFull || self.estate.can_be_filled());
            self.random.shuffle(&mut self.bag);
        }
        let Some(kind) = self.bag.pop() else { return Ok(()) };
        println!("{}: {}", minutes(begun.elapsed()), kind.as_str());
        let earlier = std::mem::take(&mut self.undo);
        let made = self.make(kind).with_context(|| kind.as_str());
        *self.counts.entry(kind).or_default() += 1;
        let undone = earlier.into_iter().map(|undo| self.make_good(undo)).collect::<Result<Vec<()>>>();
        made.and(undone.map(|_| ()))
    }

    fn make(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::BrokerKilled => {
                self.node.kill()?;
                self.leave_broker_away()
            }
            Kind::BrokerRestarted => {
                self.node.stop()?;
                self.leave_broker_away()
            }
            Kind::FeedPaused => {
                let feed = FEEDS[self.random.below(FEEDS.len())];
                self.estate.command(&["feed", "pause", feed, "--reason", "soak"])?;
                self.undo.push(Undo::Resume(feed));
                Ok(())
            }
            Kind::StoreFull => {
                self.undo.push(Undo::FreeStore);
                self.fill_store()
            }
            Kind::ConfigurationRight => {
                self.configurations += 1;
                self.estate.configure(self.configurations)?;
                self.instances.hang_up()
            }
            Kind::ConfigurationWrong => {
                let refusals = self.instances.told("the new configuration is refused");
                self.estate.break_configuration()?;
                self.undo.push(Undo::Configure);
                self.instances.hang_up()?;
                let told = || self.instances.told("the new configuration is refused") >= refusals + 2;
                let refused = wait("both to refuse the wrong configuration", told);
                // A process that is started meanwhile would find it.
                self.estate.configure(self.configurations)?;
                refused
            }
            Kind::HolderFrozen => self.instances.freeze_and_take_over(),
            Kind::HolderKilled => self.instances.end_and_take_over(self.estate, Signal::KILL),
            Kind::HolderAskedToLeave => self.instances.end_and_take_over(self.estate, Signal::TERM),
        }
    }

    fn leave_broker_away(&mut self) -> Result<()> {
        std::thread::sleep(Duration::from_millis(self.random.below(8000) as u64));
        self.node.start(StartOptions { keep_data: true, ..StartOptions::default() })
    }

    fn fill_store(&self) -> Result<()> {
        let mut ballast = File::create(self.estate.ballast()).context("fill the store")?;
        let block = vec![0x5A; 1 << 16];
        // Until nothing goes in any more, to the last byte.
        for size in [block.len(), 4096, 1] {
            while ballast.write_all(&block[..size]).is_ok() {}
        }
        Ok(())
    }

    fn make_good(&mut self, undo: Undo) -> Result<()> {
        match undo {
            Undo::Resume(feed) => self.estate.command(&["feed", "resume", feed, "--reason", "soak"]).map(|_| ()),
            Undo::FreeStore => fs::remove_file(self.estate.ballast()).context("free the store"),
            Undo::Configure => self.instances.hang_up(),
        }
    }

    /// Makes good what is left: from now on there is no trouble.
    pub(crate) fn undo_all(&mut self) -> Result<()> {
        if !self.node.answers() {
            self.node.start(StartOptions { keep_data: true, ..StartOptions::default() })?;
        }
        let left = std::mem::take(&mut self.undo);
        left.into_iter().try_for_each(|undo| self.make_good(undo))
    }

    /// How often there was which.
    pub(crate) fn summary(&self) -> String {
        let each = self.counts.iter().map(|(kind, count)| format!("{count} x {}", kind.as_str()));
        let all: usize = self.counts.values().sum();
        let unasked = self.instances.unasked();
        format!("{all}: {}; takeovers unasked for: {unasked}", each.collect::<Vec<_>>().join(", "))
    }

    /// Kinds that there was no time for: such a run proves less than it seems to.
    pub(crate) fn missing(&self) -> Vec<String> {
        let wanted = Kind::ALL.into_iter().filter(|kind| *kind != Kind::StoreFull || self.estate.can_be_filled());
        let missing = wanted.filter(|kind| !self.counts.contains_key(kind));
        missing.map(|kind| format!("there was no time for: {}", kind.as_str())).collect()
    }
}
