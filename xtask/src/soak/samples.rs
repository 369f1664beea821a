//! Memory and open files of both processes, from time to time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::audit::minutes;
use super::drops::Account;
use super::instances::Instances;

const INTERVAL: Duration = Duration::from_secs(2);

/// How many lines of the series are printed at most.
const PRINTED: usize = 40;

/// What the last third may take above the first, beside the ledger.
const ALLOWED_KIB: u64 = 32 << 10;

/// What one drop may take in memory: the ledger's index holds every one that ever was.
const LEDGER_BYTES_PER_DROP: usize = 1536;

/// What the last third may have open above the first.
const ALLOWED_FILES: u64 = 64;

/// One process at one moment.
#[derive(Clone, Copy)]
struct Figures {
    resident_kib: u64,
    open_files: u64,
}

/// Both at one moment: the holder of the slot, and the standby.
struct Sample {
    at: Duration,
    active: Figures,
    standby: Figures,
}

/// The thread that looks.
pub(crate) struct Samples(JoinHandle<Vec<Sample>>);

impl Samples {
    pub(crate) fn take(instances: Arc<Instances>, over: Arc<AtomicBool>) -> Self {
        Self(std::thread::spawn(move || {
            let begun = Instant::now();
            let mut all = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let [active, standby] = instances.pids();
                // One that has just been killed has no figures.
                if let (Some(active), Some(standby)) = (figures(active), figures(standby)) {
                    all.push(Sample { at: begun.elapsed(), active, standby });
                }
                std::thread::sleep(INTERVAL);
            }
            all
        }))
    }

    pub(crate) fn end(self) -> Result<Taken> {
        Ok(Taken(self.0.join().map_err(|_| anyhow!("the thread that samples memory panicked"))?))
    }
}

/// proc(5): `VmRSS` in KiB, and the entries of `fd`.
fn figures(pid: u32) -> Option<Figures> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident_kib = resident.trim().trim_end_matches(" kB").parse().ok()?;
    let open_files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Figures { resident_kib, open_files })
}

/// All of them.
pub(crate) struct Taken(Vec<Sample>);

impl Taken {
    /// Prints them; answers what is not flat.
    pub(crate) fn report(&self, dropped: &Account) -> Vec<String> {
        let all = &self.0;
        if all.len() < 9 {
            return vec![format!("{} samples of memory are too few to say whether it is flat", all.len())];
        }
        println!("memory and open files (holder / standby):");
        for sample in all.iter().step_by(all.len().div_ceil(PRINTED)) {
            let Sample { at, active, standby } = sample;
            println!(
                "  {}  {:>4} MiB {:>4} files / {:>4} MiB {:>4} files",
                minutes(*at),
                active.resident_kib >> 10,
                active.open_files,
                standby.resident_kib >> 10,
                standby.open_files
            );
        }
        let (first, last) = (&all[..all.len() / 3], &all[all.len() - all.len() / 3..]);
        let ledger_kib = (dropped.all.len() * LEDGER_BYTES_PER_DROP * 2 / 3 / 1024) as u64;
        let mut wrong = Vec::new();
        for (who, of) in [("holder", (|sample| sample.active) as fn(&Sample) -> Figures), ("standby", |s| s.standby)] {
            let memory = |some: &[Sample]| median(some.iter().map(|sample| of(sample).resident_kib));
            let files = |some: &[Sample]| median(some.iter().map(|sample| of(sample).open_files));
            let peak = all.iter().map(|sample| of(sample).resident_kib).max().unwrap_or_default();
            let (before, after) = (memory(first), memory(last));
            let (open_before, open_after) = (files(first), files(last));
            println!(
                "{who}: median of the first third {before} KiB, of the last {after} KiB (allowed: {} KiB more, {ledger_kib} of \
                 them for the ledger), peak {peak} KiB; open files {open_before}, then {open_after}",
                ALLOWED_KIB + ledger_kib
            );
            if after > before + ALLOWED_KIB + ledger_kib {
                wrong.push(format!("the {who}'s memory grows: {before} KiB, then {after} KiB"));
            }
            if open_after > open_before + ALLOWED_FILES {
                wrong.push(format!("the {who}'s open files grow: {open_before}, then {open_after}"));
            }
        }
        wrong
    }
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
