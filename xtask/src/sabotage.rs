//! `cargo xtask sabotage`: shows that the tests bite.
//!
//! Three builds are broken on purpose, each by a feature of its own. In each the test that watches over what was broken
//! must run and fail; in the build as it is it must run and pass. A test that does not compile, does not exist or is
//! skipped shows nothing, and counts as a failure of this check.

use std::process::ExitCode;

use anyhow::Result;

use crate::cargo_test;
use crate::interrupt;
use crate::test::with_kafka;

struct Sabotage {
    feature: &'static str,
    /// In `tests/sabotage.rs`.
    test: &'static str,
}

const SABOTAGES: [Sabotage; 3] = [
    Sabotage { feature: "sabotage-skip-abort", test: "skipped_abort_is_noticed" },
    Sabotage { feature: "sabotage-split-ledger", test: "split_ledger_is_noticed" },
    Sabotage { feature: "sabotage-unsettled", test: "unsettled_publish_is_noticed" },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    DidNotRun,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::DidNotRun => "did not run",
        }
    }
}

/// Runs the check, and prints a table.
pub(crate) fn run() -> Result<ExitCode> {
    interrupt::pass_on()?;
    with_kafka(|environment| {
        let run = |features: &str, test: &str| verdict(features, test, environment);
        let mut broken = Vec::new();
        for sabotage in &SABOTAGES {
            broken.push(run(&format!("failpoints,{}", sabotage.feature), sabotage.test)?);
        }
        // The sound build comes last, so that it is the one that stays in the target directory.
        let mut sound = Vec::new();
        for sabotage in &SABOTAGES {
            sound.push(run("failpoints", sabotage.test)?);
        }
        Ok(report(&broken, &sound))
    })
}

fn verdict(features: &str, test: &str, environment: &[(&str, String)]) -> Result<Verdict> {
    println!("\n{test}, with {features}");
    let outcome = cargo_test::run(features, &["--test", "sabotage", test, "--", "--exact"], environment)?;
    let among = |names: &[String]| names.iter().any(|name| name == test);
    Ok(match (outcome.failed_programs.is_empty(), among(&outcome.passed), among(&outcome.failed)) {
        (true, true, false) => Verdict::Passed,
        (false, false, true) => Verdict::Failed,
        _ => Verdict::DidNotRun,
    })
}

fn report(broken: &[Verdict], sound: &[Verdict]) -> ExitCode {
    let mut all_well = true;
    println!("\n{:<32}{:<26}{:<14}{:<14}", "test", "sabotage", "with it", "without it");
    for ((sabotage, broken), sound) in SABOTAGES.iter().zip(broken).zip(sound) {
        let well = *broken == Verdict::Failed && *sound == Verdict::Passed;
        all_well &= well;
        let remark = if well { "as it must be" } else { "WRONG" };
        let Sabotage { test, feature } = sabotage;
        println!("{test:<32}{feature:<26}{:<14}{:<14}{remark}", broken.as_str(), sound.as_str());
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
