//! The programs that hold the tests: built by Cargo, run two at a time.
//!
//! Most tests wait: for a broker, for files to settle, for a process to die. `cargo test` runs one program after the
//! other, and the processors are idle meanwhile. What a program prints goes to a file of its own and is shown in one
//! piece when the program ends, so that two of them do not get mixed up.

use std::collections::VecDeque;
use std::env;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::cargo_test::{Outcome, SELECTION};
use crate::{interrupt, workspace};

/// Programs that run beside each other.
const WORKERS: usize = 2;

/// Those that take minutes begin first, so that none of them runs alone at the end.
const LONGEST_FIRST: [&str; 8] =
    ["delivery_crash", "relay_crash", "crash", "broker_outage", "outage", "leaving", "takeover", "ledger_cache"];

/// A program that holds tests.
struct TestBinary {
    name: String,
    executable: PathBuf,
    /// Where its package is: tests find their files from there.
    package: PathBuf,
}

/// Builds every test of the workspace with these features, and runs those whose names contain the filter.
pub(crate) fn run(features: &str, filter: Option<&str>, environment: &[(&str, String)]) -> Result<Outcome> {
    let mut binaries = build(features)?;
    binaries.sort_by_key(|binary| LONGEST_FIRST.iter().position(|name| *name == binary.name).unwrap_or(usize::MAX));
    let folder = workspace::target().join("test-output");
    fs::create_dir_all(&folder)?;
    let waiting = Mutex::new(VecDeque::from(binaries));
    let outcome = Mutex::new(Outcome::default());
    let work = || -> Result<()> {
        loop {
            if interrupt::came() {
                bail!("interrupted");
            }
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(binary) = next else { return Ok(()) };
            run_one(&binary, filter, environment, &folder.join(format!("{}.txt", binary.name)), &outcome)?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a thread of this program failed")))
    })?;
    Ok(outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn build(features: &str) -> Result<Vec<TestBinary>> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace::root())
        .args(["test", "--no-run", "--message-format", "json-render-diagnostics"])
        .args(SELECTION)
        .args(["--features", features])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = interrupt::start(&mut command).context("run cargo")?;
    let mut binaries = Vec::new();
    if let Some(output) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(output)) {
            let Message::CompilerArtifact(artifact) = message? else { continue };
            let (true, Some(executable)) = (artifact.profile.test, artifact.executable) else { continue };
            let package = artifact.manifest_path.parent().map(|folder| folder.as_std_path().to_owned());
            let package = package.unwrap_or_else(|| workspace::root().to_owned());
            // Adapters have tests of the same names.
            let name = match package.file_name().filter(|_| package != workspace::root()) {
                Some(folder) => format!("{}-{}", folder.to_string_lossy(), artifact.target.name),
                None => artifact.target.name,
            };
            binaries.push(TestBinary { name, executable: executable.into_std_path_buf(), package });
        }
    }
    let status = interrupt::wait(&mut child).context("wait for cargo")?;
    if !status.success() {
        bail!("the tests do not build");
    }
    Ok(binaries)
}

fn run_one(
    binary: &TestBinary,
    filter: Option<&str>,
    environment: &[(&str, String)],
    output: &PathBuf,
    outcome: &Mutex<Outcome>,
) -> Result<()> {
    println!("begun: {}", binary.name);
    let begun = Instant::now();
    let file = File::create(output).with_context(|| format!("write {}", output.display()))?;
    let mut command = Command::new(&binary.executable);
    command
        .current_dir(&binary.package)
        .env("CARGO_MANIFEST_DIR", &binary.package)
        .args(filter)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let mut child = interrupt::start(&mut command).with_context(|| format!("run {}", binary.executable.display()))?;
    let status = interrupt::wait(&mut child)?;
    let text = String::from_utf8_lossy(&fs::read(output)?).into_owned();
    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    let mut screen = std::io::stdout().lock();
    writeln!(screen, "\n     Running {}: {:.0} s", binary.name, begun.elapsed().as_secs_f32())?;
    writeln!(screen, "{}", text.trim())?;
    text.lines().for_each(|line| outcome.take(line));
    if !status.success() {
        writeln!(screen, "{} ended with {status}", binary.name)?;
        outcome.failed_programs.push(binary.name.clone());
    }
    Ok(())
}
