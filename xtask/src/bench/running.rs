//! Programs that run beside a benchmark, and the lines that they say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Nothing takes so long; it bounds a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs beside us, and ends with this.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it; its lines go to the channel.
    pub(crate) fn start(command: &mut Command, lines: &Sender<String>) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("run {command:?}"))?;
        let output = child.stdout.take().context("standard output")?;
        let lines = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self(child))
    }

    /// Its standard input.
    pub(crate) fn input(&mut self) -> Result<&mut std::process::ChildStdin> {
        self.0.stdin.as_mut().context("standard input")
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self, signal: Signal) -> Result<()> {
        let Some(pid) = Pid::from_raw(i32::try_from(self.0.id())?) else { bail!("no process") };
        kill_process(pid, signal)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, and been waited for, already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next line that fits.
pub(crate) fn wait_for(lines: &Receiver<String>, fits: impl Fn(&str) -> bool) -> Result<String> {
    loop {
        let line = lines.recv_timeout(PATIENCE).context("nothing came: see above for what failed")?;
        if fits(&line) {
            return Ok(line);
        }
    }
}

/// Nanoseconds of Unix time.
pub(crate) fn now_ns() -> Result<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}
