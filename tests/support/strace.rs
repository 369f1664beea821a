//! The system calls of a run, by `strace`.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

/// A system call that came to its end.
#[derive(Clone, Debug)]
pub struct SystemCall {
    /// Its name: `openat`, `fsync`.
    pub name: String,
    /// Its arguments as strace prints them, file descriptors with their paths.
    pub arguments: String,
    /// What it returned, as strace prints it.
    pub returned: String,
    /// Its place among the beginnings and ends of all calls of the process: where it began.
    pub begun: usize,
    /// And where it ended.
    pub ended: usize,
}

impl SystemCall {
    /// It was over before the other began.
    pub fn is_before(&self, other: &Self) -> bool {
        self.ended < other.begun
    }
}

/// Whether there is a `strace`. Without it the test is skipped by name; in CI that is a failure.
pub fn is_there(test: &str) -> bool {
    if Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let strict = std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
    assert!(!strict, "{test} needs strace: install Debian's package `strace`");
    eprintln!("skipped: {test}: no strace; install Debian's package `strace`");
    false
}

/// Runs a program to its end, and answers its exit code and those of its system calls that are asked for
/// (`openat,fsync`), all threads together.
pub fn trace(program: &Command, calls: &str) -> (Option<i32>, Vec<SystemCall>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calls");
    let mut command = Command::new("strace");
    // Data is shown in full: a page of SQLite has 4096 bytes, each at most four characters here.
    command.args(["-f", "-y", "-qq", "-s", "1000000", "-e", "signal=none", "-e"]).arg(format!("trace={calls}"));
    command.arg("-o").arg(&file).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let status = command.status().unwrap();
    (status.code(), parse(&String::from_utf8_lossy(&fs::read(&file).unwrap())))
}

/// Lines are `PID name(arguments) = returned`; a call during which another thread did something is two lines,
/// `PID name(arguments <unfinished ...>` and `PID <... name resumed>arguments) = returned`.
fn parse(text: &str) -> Vec<SystemCall> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, (String, usize)> = HashMap::new();
    for (place, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (begun.to_owned(), place));
        } else if let Some((_, tail)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let (head, begun) = unfinished.remove(thread).expect("a call that is resumed was begun");
            calls.extend(call(&(head + tail), begun, place));
        } else {
            calls.extend(call(rest, place, place));
        }
    }
    calls.sort_by_key(|call: &SystemCall| call.begun);
    calls
}

fn call(text: &str, begun: usize, ended: usize) -> Option<SystemCall> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, returned) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let [name, arguments, returned] = [name, arguments, returned].map(str::to_owned);
    Some(SystemCall { name, arguments, returned, begun, ended })
}
