//! The two processes of the bridge: one holds the slot, the other stands by.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::estate::Estate;

/// How long a takeover may take, with a broker that was just started.
const TAKEOVER: Duration = Duration::from_secs(120);

/// What an instance says when it takes the slot.
const HOLDING: &str = "holding the slot";

/// One process.
struct Instance {
    child: Child,
    log: PathBuf,
}

impl Instance {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How often it has taken the slot.
    fn takings(&self) -> usize {
        self.log().matches(HOLDING).count()
    }

    /// The last that it has said of the slot is that it holds it.
    fn holds(&self) -> bool {
        let log = self.log();
        log.rfind(HOLDING) > log.rfind("standing by")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("signal the bridge")
    }
}

struct Pair {
    active: Instance,
    standby: Instance,
    started: usize,
    /// How often the slot was to change hands.
    asked: usize,
    /// Logs of all processes that there were.
    logs: Vec<PathBuf>,
}

impl Pair {
    /// Waits until one of them holds the slot, and remembers which.
    fn settle(&mut self) -> Result<()> {
        for instance in [&mut self.active, &mut self.standby] {
            if let Some(status) = instance.child.try_wait()? {
                bail!("the bridge ended by itself, {status}: see {}", instance.log.display());
            }
        }
        wait("one of the two to hold the slot", || self.active.holds() != self.standby.holds())?;
        if self.standby.holds() {
            std::mem::swap(&mut self.active, &mut self.standby);
        }
        Ok(())
    }
}

/// Both.
pub(crate) struct Instances(Mutex<Pair>);

impl Instances {
    /// Starts the first, waits until it holds the slot, and starts its standby.
    pub(crate) fn start(estate: &Estate) -> Result<Self> {
        let active = spawn(estate, 0, &["run"])?;
        wait("the first to hold the slot", || active.takings() > 0)?;
        let standby = stand_by(estate, 1)?;
        let logs = vec![active.log.clone(), standby.log.clone()];
        Ok(Self(Mutex::new(Pair { active, standby, started: 2, asked: 1, logs })))
    }

    fn pair(&self) -> MutexGuard<'_, Pair> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process that holds the slot, and the one that stands by.
    pub(crate) fn pids(&self) -> [u32; 2] {
        let pair = self.pair();
        [pair.active.child.id(), pair.standby.child.id()]
    }

    /// Both read their configuration again.
    pub(crate) fn hang_up(&self) -> Result<()> {
        let pair = self.pair();
        pair.active.signal(Signal::HUP)?;
        pair.standby.signal(Signal::HUP)
    }

    /// How often both together have said this.
    pub(crate) fn told(&self, line: &str) -> usize {
        let pair = self.pair();
        [&pair.active, &pair.standby].iter().map(|instance| instance.log().matches(line).count()).sum()
    }

    /// How often the slot changed hands though that was not of our making: a broker that was away for long, for one.
    pub(crate) fn unasked(&self) -> usize {
        let pair = self.pair();
        let takings = |log: &PathBuf| fs::read_to_string(log).unwrap_or_default().matches(HOLDING).count();
        pair.logs.iter().map(takings).sum::<usize>().saturating_sub(pair.asked)
    }

    /// The active one stands still; the standby takes over; the other wakes up, and stands by.
    pub(crate) fn freeze_and_take_over(&self) -> Result<()> {
        let mut pair = self.pair();
        pair.settle()?;
        let takings = pair.standby.takings();
        pair.asked += 1;
        pair.active.signal(Signal::STOP)?;
        let taken = wait("the standby to take over from a silent one", || pair.standby.takings() > takings);
        pair.active.signal(Signal::CONT)?;
        taken?;
        wait("the silent one to stand by", || !pair.active.holds())?;
        let pair = &mut *pair;
        std::mem::swap(&mut pair.active, &mut pair.standby);
        Ok(())
    }

    /// The active one dies (or leaves, when asked kindly); the standby takes over; another stands by from now on.
    pub(crate) fn end_and_take_over(&self, estate: &Estate, signal: Signal) -> Result<()> {
        let mut pair = self.pair();
        pair.settle()?;
        let takings = pair.standby.takings();
        pair.asked += 1;
        pair.active.signal(signal)?;
        let status = pair.active.child.wait()?;
        if signal == Signal::TERM && !status.success() {
            bail!("asked to leave, it ended with {status}: see {}", pair.active.log.display());
        }
        let takes = wait("the standby to take over", || pair.standby.takings() > takings && pair.standby.holds());
        takes.with_context(|| pair.standby.log.display().to_string())?;
        let standby = stand_by(estate, pair.started)?;
        pair.started += 1;
        let log = standby.log.clone();
        pair.logs.push(log);
        let pair = &mut *pair;
        pair.active = std::mem::replace(&mut pair.standby, standby);
        Ok(())
    }

    /// Ends both; answers what was wrong with that.
    pub(crate) fn end(&self) -> Vec<String> {
        let mut pair = self.pair();
        let pair = &mut *pair;
        let mut wrong = Vec::new();
        for instance in [&mut pair.standby, &mut pair.active] {
            let ended = instance.signal(Signal::TERM).and_then(|()| Ok(instance.child.wait()?));
            match ended {
                Ok(status) if status.success() => {}
                Ok(status) => wrong.push(format!("the bridge ended with {status}: see {}", instance.log.display())),
                Err(error) => wrong.push(format!("the bridge had ended: {error:#}: see {}", instance.log.display())),
            }
        }
        wrong
    }
}

/// Kills both, whatever ends the soak: threads that look at them may live longer than it does.
pub(crate) struct Killed(pub(crate) Arc<Instances>);

impl Drop for Killed {
    fn drop(&mut self) {
        let mut pair = self.0.pair();
        let pair = &mut *pair;
        for instance in [&mut pair.standby, &mut pair.active] {
            let _gone = instance.child.kill();
            let _gone = instance.child.wait();
        }
    }
}

fn spawn(estate: &Estate, number: usize, arguments: &[&str]) -> Result<Instance> {
    let log = estate.root().join(format!("bridge-{number}.log"));
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let mut command = estate.dropbridge(arguments);
    // The line of each file is left out: there are tens of thousands.
    command.env("DROPBRIDGE_LOG", "info,dropbridge::inbound::account=off").env("NO_COLOR", "1");
    let child = command.stdout(file.try_clone()?).stderr(file).spawn().context("start dropbridge")?;
    Ok(Instance { child, log })
}

/// Starts a standby, and waits until it is one: a process of a moment ago would die of a signal.
fn stand_by(estate: &Estate, number: usize) -> Result<Instance> {
    let standby = spawn(estate, number, &["run", "--standby"])?;
    wait("a new standby", || standby.log().contains("standing by"))?;
    Ok(standby)
}

/// Waits for a condition.
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > TAKEOVER {
            bail!("gave up waiting for {what} after {} s", TAKEOVER.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
