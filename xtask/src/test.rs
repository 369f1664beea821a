//! `cargo xtask test`: every test, with Apache Kafka really running.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::cargo_test::{self, Outcome};
use crate::kafka_node::{self, KafkaNode, StartOptions};
use crate::{interrupt, programs};

/// Runs the tests whose names contain the filter.
pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    let begun = Instant::now();
    programs::provide_all()?;
    interrupt::pass_on()?;
    let arguments: Vec<&str> = ["--no-fail-fast"].into_iter().chain(filter).collect();
    let outcome = with_kafka(|environment| cargo_test::run("failpoints", &arguments, environment))?;
    println!();
    for name in &outcome.failed {
        println!("failed: {name}");
    }
    let Outcome { status, passed, failed, ignored } = outcome;
    println!(
        "{} passed, {} failed, {} ignored, {:.0} s{}",
        passed.len(),
        failed.len(),
        ignored.len(),
        begun.elapsed().as_secs_f32(),
        if status.success() { "" } else { " (not all is well: see above)" }
    );
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Does the work with a node of its own, which is stopped whatever comes of it, as are all nodes that tests started
/// and left behind. Where Kafka cannot be had and skipping is allowed, the work is done without.
pub(crate) fn with_kafka<T>(work: impl FnOnce(&[(&'static str, String)]) -> Result<T>) -> Result<T> {
    kafka_node::remove_orphans()?;
    let owner = std::process::id();
    let node = KafkaNode::named(&format!("test-{owner}"))?;
    let started = node.start(StartOptions { owner: Some(owner), ..StartOptions::default() });
    let result = match started.and_then(|()| node.environment()) {
        Ok(mut environment) => {
            environment.push((kafka_node::OWNER_VARIABLE, owner.to_string()));
            work(&environment)
        }
        Err(error) if programs::skipping_is_disallowed() => Err(error),
        Err(error) => {
            eprintln!("Apache Kafka is not there, and the tests that need it are skipped: {error:#}");
            work(&[])
        }
    };
    let removed = kafka_node::remove_owned_by(owner);
    result.and_then(|result| removed.map(|()| result))
}
