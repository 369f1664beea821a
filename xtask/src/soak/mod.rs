//! `cargo xtask soak`: a bridge and its standby under load and under trouble, counted by an independent consumer.
//!
//! Files are dropped at a rate, by kinds whose outcome is known when they are made ([`drops`]), while a seeded schedule
//! does to the bridge, its broker and its store what happens to them in years ([`trouble`]). At the end everything that
//! a `read_committed` consumer sees is held against what was dropped ([`audit`]), and the memory of the first third
//! against that of the last ([`samples`]).

mod audit;
mod drops;
mod estate;
mod instances;
mod random;
mod samples;
mod trouble;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::kafka_node::{KafkaNode, StartOptions};
use crate::{kafka_node, programs};

use audit::Audit;
use drops::{Drops, Repeated};
use estate::Estate;
use instances::{Instances, Killed};
use random::Random;
use samples::Samples;
use trouble::Trouble;

/// How long what was dropped last may take to be published once the trouble is over.
const SETTLE: Duration = Duration::from_secs(300);

/// What is to be done for how long.
#[derive(Args)]
pub(crate) struct SoakArguments {
    /// For how long files are dropped
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// How many files a second
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Makes the same choices again; the clock decides unless told
    #[arg(long)]
    seed: Option<u64>,
    /// The program; built in the release profile unless told
    #[arg(long, value_name = "FILE")]
    binary: Option<std::path::PathBuf>,
    /// Leave the directory with logs, inboxes and configuration, whatever came of it
    #[arg(long)]
    keep: bool,
}

/// Runs it. Exit code 1: something is not as it has to be.
pub(crate) fn run(arguments: &SoakArguments) -> Result<ExitCode> {
    programs::require("kcat", "nobody could count what was published")?;
    kafka_node::remove_orphans()?;
    let seed = arguments.seed.unwrap_or_else(random::from_clock);
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes")?;
    println!("soak: {:.1} minutes at {} files a second, --seed {seed}", arguments.minutes, arguments.rate);
    let binary = estate::program(arguments.binary.as_deref())?;
    let owner = std::process::id();
    let node = KafkaNode::named(&format!("soak-{owner}"))?;
    let outcome = node
        .start(StartOptions { owner: Some(owner), ..StartOptions::default() })
        .and_then(|()| Estate::new(&node, binary, seed))
        .and_then(|estate| {
            let answer = soak(&estate, &node, time, arguments.rate, seed);
            if arguments.keep || !matches!(answer, Ok(true)) {
                estate.keep();
            }
            answer
        });
    let removed = kafka_node::remove_owned_by(owner);
    let is_well = outcome?;
    removed?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn soak(estate: &Estate, node: &KafkaNode, time: Duration, rate: f64, seed: u64) -> Result<bool> {
    let instances = Arc::new(Instances::start(estate)?);
    let _killed = Killed(Arc::clone(&instances));
    let over = Arc::new(AtomicBool::new(false));
    let samples = Samples::take(Arc::clone(&instances), Arc::clone(&over));
    let repeated = Repeated::default();
    let drops = Drops::begin(estate, rate, Random::new(seed), repeated.clone(), Arc::clone(&over));
    let mut audit = Audit::new(estate);
    let mut trouble = Trouble::new(estate, node, &instances, Random::new(seed ^ 0x5EED));
    let begun = Instant::now();
    let disturbed = disturb(&mut trouble, &mut audit, &repeated, begun, time);
    over.store(true, Ordering::SeqCst);
    let dropped = drops.end()?;
    let dropping = begun.elapsed();
    println!("{}: dropping is over, {} files", audit::minutes(dropping), dropped.files());
    let undone = trouble.undo_all();
    let settled = audit.wait_for(&dropped, SETTLE);
    let taken = begun.elapsed();
    let samples = samples.end()?;
    let endings = instances.end();
    println!();
    println!("seed {seed}; directory {}", estate.root().display());
    let rate_reached = dropped.files() as f64 / dropping.as_secs_f64();
    println!("dropped: {} in {} ({rate_reached:.1} files a second)", dropped.summary(), audit::minutes(dropping));
    println!("all dealt with after {}", audit::minutes(taken));
    println!("trouble: {}", trouble.summary());
    let mut wrong = samples.report(&dropped);
    wrong.extend(disturbed.and(undone).err().map(|error| format!("{error:#}")));
    wrong.extend(settled.err().map(|error| format!("{error:#}")));
    wrong.extend(endings);
    wrong.extend(trouble.missing());
    match audit.compare(&dropped) {
        Ok(found) => wrong.extend(found),
        Err(error) => wrong.push(format!("what was published cannot be counted: {error:#}")),
    }
    println!();
    for line in &wrong {
        println!("WRONG: {line}");
    }
    println!("{}", if wrong.is_empty() { "all is as it has to be" } else { "not all is as it has to be" });
    Ok(wrong.is_empty())
}

/// One trouble after the other, until the time is over. Between them, files that are done leave the inboxes.
fn disturb(
    trouble: &mut Trouble<'_>,
    audit: &mut Audit<'_>,
    repeated: &Repeated,
    begun: Instant,
    time: Duration,
) -> Result<()> {
    loop {
        let pause = Instant::now() + trouble.pause();
        while Instant::now() < pause {
            if begun.elapsed() >= time {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        audit.clear_inboxes(repeated);
        if let Err(error) = trouble.next(begun) {
            bail!("the trouble itself went wrong: {error:#}");
        }
    }
}
