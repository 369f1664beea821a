//! The resident memory of a running bridge, as the kernel counts it.

use std::fs;

use super::{Running, wait_for};

/// What a bridge may take on top of its idle size, in KiB, whatever the size of its files.
pub const MOST_ABOVE_IDLE_KIB: u64 = 64 << 10;

/// The highest resident size that the process has had so far (`VmHWM` of proc(5)), in KiB.
pub fn peak_kib(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a kernel that counts VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until the process has looked at its inbox and found nothing to do, and answers its peak until then. It has to
/// log at `trace`.
pub fn idle_peak_kib(running: &Running) -> u64 {
    wait_for("the bridge to look at an empty inbox", || running.log().contains("looked"));
    peak_kib(running)
}

/// Fails when the process has ever taken more than is allowed above `idle_kib`.
pub fn assert_bounded(what: &str, running: &Running, idle_kib: u64) {
    let peak = peak_kib(running);
    let above = peak.saturating_sub(idle_kib);
    eprintln!("{what}: idle {idle_kib} KiB, peak {peak} KiB, {} MiB above", above >> 10);
    assert!(above <= MOST_ABOVE_IDLE_KIB, "{what}: {} MiB above the idle process", above >> 10);
}
