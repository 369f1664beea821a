//! One program run to its end: how long, how much processor time, how much memory.

use std::process::{Child, Command};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds from start to end, by the wall clock.
    pub(crate) wall_s: f64,
    /// Seconds of processor, user and system, of this process and what it waited for.
    pub(crate) cpu_s: f64,
    /// The most memory that was resident, bytes.
    pub(crate) peak_bytes: f64,
}

/// Runs a program to its end. It has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<Sample> {
    let begun = Instant::now();
    let child = command.spawn().with_context(|| format!("run {command:?}"))?;
    let (code, usage) = wait(&child)?;
    let wall_s = begun.elapsed().as_secs_f64();
    ensure!(code == 0, "{command:?} failed: status {code}");
    // Linux counts in KiB.
    let peak_bytes = usage.ru_maxrss as f64 * 1024.0;
    Ok(Sample { wall_s, cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime), peak_bytes })
}

/// Waits for a child by wait4(2): the one call that answers what this child alone has used.
fn wait(child: &Child) -> Result<(i32, libc::rusage)> {
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: zeroes are a valid rusage, a struct of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are alive, and the child is ours and was not waited for.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            return Ok((status, usage));
        }
        let error = std::io::Error::last_os_error();
        ensure!(error.kind() == std::io::ErrorKind::Interrupted, "wait for process {pid}: {error}");
    }
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_run_is_measured_by_its_own_process() {
        let mut busy = Command::new("sh");
        busy.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done"]);
        let sample = run(&mut busy).unwrap();
        assert!(sample.cpu_s > 0.0 && sample.wall_s > 0.0 && sample.peak_bytes > 100_000.0, "{sample:?}");
    }

    #[test]
    fn a_program_that_fails_is_no_measurement() {
        assert!(run(&mut Command::new("false")).is_err());
    }
}
