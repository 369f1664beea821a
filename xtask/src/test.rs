//! `cargo xtask test`: every test, with Apache Kafka really running.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::cargo_test::{self, Outcome};
use crate::kafka_node::{self, KafkaNode, StartOptions};
use crate::{interrupt, programs, test_binaries};

/// Runs the tests whose names contain the filter.
pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    let begun = Instant::now();
    programs::provide_all()?;
    interrupt::pass_on()?;
    let outcome = with_kafka(|environment| run_all(filter, environment))?;
    println!();
    for name in &outcome.failed {
        println!("failed: {name}");
    }
    for name in &outcome.failed_programs {
        println!("did not end well: {name}");
    }
    println!(
        "{} passed, {} failed, {} ignored, {:.0} s{}",
        outcome.passed.len(),
        outcome.failed.len(),
        outcome.ignored.len(),
        begun.elapsed().as_secs_f32(),
        if outcome.all_is_well() { "" } else { " (not all is well: see above)" }
    );
    Ok(if outcome.all_is_well() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The programs that hold tests, then the examples in the documentation.
fn run_all(filter: Option<&str>, environment: &[(&str, String)]) -> Result<Outcome> {
    let mut outcome = test_binaries::run("failpoints", filter, environment)?;
    let arguments: Vec<&str> = ["--doc"].into_iter().chain(filter).collect();
    let examples = cargo_test::run("failpoints", &arguments, environment)?;
    outcome.passed.extend(examples.passed);
    outcome.failed.extend(examples.failed);
    outcome.ignored.extend(examples.ignored);
    outcome.failed_programs.extend(examples.failed_programs);
    Ok(outcome)
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
