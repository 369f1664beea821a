//! Runs `cargo test`, shows what it prints, and keeps what became of each test.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::interrupt;
use crate::workspace;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: Vec<String>,
    pub(crate) failed: Vec<String>,
    pub(crate) ignored: Vec<String>,
    /// Programs that did not end well, by whatever reason.
    pub(crate) failed_programs: Vec<String>,
}

impl Outcome {
    /// Whether everything that ran ended well.
    pub(crate) fn all_is_well(&self) -> bool {
        self.failed.is_empty() && self.failed_programs.is_empty()
    }

    /// Takes in a line that libtest printed; others say nothing.
    pub(crate) fn take(&mut self, line: &str) {
        match verdict(line) {
            Some((name, "ok")) => self.passed.push(name.to_owned()),
            Some((name, "FAILED")) => self.failed.push(name.to_owned()),
            Some((name, word)) if word.starts_with("ignored") => self.ignored.push(name.to_owned()),
            _ => {}
        }
    }
}

/// What `cargo test` needs to test everything but this program: with both, dependencies are built the same way each
/// time. This program is left out because its file would be replaced while it runs.
pub(crate) const SELECTION: [&str; 4] = ["--release", "--workspace", "--exclude", "xtask"];

/// Runs `cargo test` over the workspace with these features, further arguments and variables.
pub(crate) fn run(features: &str, arguments: &[&str], environment: &[(&str, String)]) -> Result<Outcome> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace::root())
        .arg("test")
        .args(SELECTION)
        .args(["--features", features])
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = interrupt::start(&mut command).context("run cargo")?;
    let mut outcome = Outcome::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(std::io::stdout(), "{line}")?;
            outcome.take(&line);
        }
    }
    let status = interrupt::wait(&mut child).context("wait for cargo")?;
    if !status.success() {
        outcome.failed_programs.push(format!("cargo test {}", arguments.join(" ")));
    }
    Ok(outcome)
}

/// The test and the word for what became of it, from a line of libtest.
fn verdict(line: &str) -> Option<(&str, &str)> {
    let (name, word) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    Some((name.strip_suffix(" - should panic").unwrap_or(name), word))
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn lines_of_libtest_are_understood() {
        assert_eq!(verdict("test a::b ... ok"), Some(("a::b", "ok")));
        assert_eq!(verdict("test c - should panic ... FAILED"), Some(("c", "FAILED")));
        assert_eq!(verdict("test d ... ignored, needs a server"), Some(("d", "ignored, needs a server")));
        assert_eq!(verdict("test result: ok. 1 passed"), None);
        assert_eq!(verdict("running 3 tests"), None);
    }
}
