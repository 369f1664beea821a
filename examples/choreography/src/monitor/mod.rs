//! The monitor: how much flows through the system, and what does not come to its end in time.
//!
//! It sends nothing, so it needs no outbox. It wants every event and not a share of them, so it needs no consumer group:
//! it reads all partitions, and keeps its offsets in its own database, in the transaction of what it counted. Killed
//! anywhere, it goes on from what it has counted. An event that was written twice is told by its id.

pub mod flow;
mod report;
mod tally;
mod topic_reader;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::kafka;
use crate::options::Common;
use flow::Overdue;
use report::Report;
use tally::Tally;
use topic_reader::TopicReader;

/// The program's name.
pub const NAME: &str = "monitor";

/// The types whose topics it watches, in the order of the work.
pub const TYPES: [&str; 3] = ["BidProcessed", tally::CREATED, tally::COMPLETED];

/// Behind the type in the names of topics of candidates.
const CANDIDATE: &str = ".candidate";

/// How long it waits where nothing comes.
const PAUSE: Duration = Duration::from_millis(100);

/// What the monitor needs to know.
#[derive(Args, Clone, Debug)]
pub struct MonitorOptions {
    /// What every program needs to know.
    #[command(flatten)]
    pub common: Common,

    /// How long after its creation a work order may be open: 36h, 90m
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub within: SignedDuration,

    /// Judge as if it were this moment: 2026-01-31T22:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub as_of: Option<Timestamp>,

    /// Seconds from one report to the next
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u64).range(1..))]
    pub every: u64,

    /// One JSON object a line for each report, instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Watches until it is told to end, by SIGTERM or SIGINT, or has read everything, where that is asked for. `false`: a
/// work order is overdue.
///
/// # Errors
/// What needs a person.
pub fn run(options: &MonitorOptions) -> Result<bool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listen to signals")?;
    }
    let mut tally = Tally::open(&options.common.state)?;
    let mut topics = open_topics(options, &tally)?;
    let mut screen = Screen { json: options.json, is_terminal: std::io::stdout().is_terminal(), told: BTreeSet::new() };
    let mut reported = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let mut came = false;
        for (event_type, reader) in &mut topics {
            let batch = reader.read(options.common.batch.get())?;
            came |= !batch.is_empty();
            tally.count(event_type, reader.topic(), &batch)?;
        }
        if options.common.until_idle && !came && topics.iter().all(|(_, reader)| reader.is_at_end()) {
            break;
        }
        if !options.common.until_idle && reported.elapsed().as_secs() >= options.every {
            screen.show(&report(options, &tally)?)?;
            reported = Instant::now();
        }
        if !came {
            std::thread::sleep(PAUSE);
        }
    }
    let report = report(options, &tally)?;
    screen.show_last(&report)?;
    Ok(report.overdue.is_empty())
}

fn open_topics(options: &MonitorOptions, tally: &Tally) -> Result<Vec<(&'static str, TopicReader)>> {
    let mut topics = Vec::new();
    for event_type in TYPES {
        for suffix in [CANDIDATE, ""] {
            let topic = format!("{}{event_type}{suffix}", options.common.prefix);
            let config = kafka::client(&options.common)?;
            if let Some(reader) = TopicReader::open(config, &topic, |partition| tally.next_offset(&topic, partition))? {
                topics.push((event_type, reader));
            }
        }
    }
    if topics.is_empty() {
        bail!(
            "there is no topic `{prefix}{}`, nor any other that is watched; is `--prefix` the bridge's?",
            TYPES[0],
            prefix = options.common.prefix
        );
    }
    Ok(topics)
}

fn report(options: &MonitorOptions, tally: &Tally) -> Result<Report> {
    let now = options.as_of.unwrap_or_else(Timestamp::now);
    let topics = tally.topics(now)?;
    let work_orders = tally.work_orders()?;
    let (mut overdue, mut late) = (Vec::new(), 0);
    for order in tally.slow(now, options.within)? {
        match flow::verdict(order.created, order.completed, now, options.within) {
            flow::Verdict::Overdue(since) => overdue.push(Overdue { order, since }),
            flow::Verdict::Late => late += 1,
            flow::Verdict::Open | flow::Verdict::InTime => {}
        }
    }
    Ok(Report { at: now, topics, work_orders, overdue, late })
}

/// Where reports go.
struct Screen {
    json: bool,
    is_terminal: bool,
    /// Work orders that were said to be overdue.
    told: BTreeSet<(String, String)>,
}

impl Screen {
    /// On a terminal, in place of the last one. Elsewhere only what is newly overdue, so that a log stays short.
    fn show(&mut self, report: &Report) -> Result<()> {
        if self.json {
            return report.print_json();
        }
        if self.is_terminal {
            return report.print_over_the_last();
        }
        for overdue in &report.overdue {
            let order = &overdue.order;
            if self.told.insert((order.department.clone(), order.number.clone())) {
                overdue.print()?;
            }
        }
        Ok(())
    }

    fn show_last(&mut self, report: &Report) -> Result<()> {
        if self.json { report.print_json() } else { report.print_table() }
    }
}
