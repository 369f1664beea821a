//! A directory of a hundred thousand files is listed in bounded memory.
//!
//! What a process took at most is known for the whole process only: each test of this needs a test binary of its own.

use std::fs;
use std::path::Path;

use dropbridge_port::{EntryPath, ListRequest, Share};

const FILES: usize = 100_000;

/// Lists such a directory so many times; all listings together may take `most_kib`. `open` opens the share of a
/// directory of this machine.
///
/// # Panics
/// When they take more, or a listing has another number of files.
pub fn is_listed_in_bounded_memory(open: impl FnOnce(&Path) -> Box<dyn Share>, listings: usize, most_kib: u64) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for number in 0..FILES {
        fs::File::create(scratch.path().join(format!("PAYROLL_20260131_{number:08}.dat"))).expect("a file");
    }
    let share = open(scratch.path());
    // Whatever a connection takes is not counted.
    share.stat(&EntryPath::new("none").expect("a path of a test")).unwrap_or_else(|error| panic!("{error}"));
    let before = peak_kib();
    for _ in 0..listings {
        let listing = share.list(ListRequest::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(listing.entries.len(), FILES);
        assert_eq!(listing.entries[FILES - 1].path.as_bytes(), b"PAYROLL_20260131_00099999.dat");
    }
    let taken = peak_kib() - before;
    println!("{FILES} files, listed {listings} times: {} MiB", taken >> 10);
    assert!(taken < most_kib, "{taken} KiB");
}

/// The highest resident size so far (`VmHWM` of proc(5)), in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a kernel that counts VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
