//! A directory of a hundred thousand files is listed in bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use dropbridge_conformance::ftpd::{Ftpd, FtpdTls};
use dropbridge_port::{ListRequest, Share};

const FILES: usize = 100_000;

/// What a listing of so many files may take, in KiB: a few hundred bytes for each.
const MOST_KIB: u64 = 48 << 10;

/// The highest resident size so far (`VmHWM` of proc(5)), in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a kernel that counts VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_hundred_thousand_files_are_listed_in_bounded_memory() {
    let Some(server) = support::server(Ftpd::Proftpd, FtpdTls::Explicit) else { return };
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..FILES {
        fs::File::create(scratch.path().join(format!("PAYROLL_20260131_{number:08}.dat"))).unwrap();
    }
    let share = support::share(&support::connection(&server, FtpdTls::Explicit), scratch.path());
    share.stat(&dropbridge_port::EntryPath::new("none").unwrap()).unwrap();
    let before = peak_kib();
    let listing = share.list(ListRequest::default()).unwrap();
    assert_eq!(listing.entries.len(), FILES);
    assert_eq!(listing.entries[FILES - 1].path.as_bytes(), b"PAYROLL_20260131_00099999.dat");
    let taken = peak_kib() - before;
    println!("a listing of {FILES} files: {} MiB", taken >> 10);
    assert!(taken < MOST_KIB, "{taken} KiB");
}
