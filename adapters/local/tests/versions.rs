//! Changes that size and modification time do not show.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dropbridge_local::{LocalSettings, LocalShare};
use dropbridge_port::{EntryPath, EntryStat, Share};

const PATIENCE: Duration = Duration::from_secs(30);

fn stat(root: &Path) -> EntryStat {
    let share = LocalShare::open(root, LocalSettings::default()).unwrap();
    share.stat(&EntryPath::new("orders.dat").unwrap()).unwrap().expect("a file")
}

fn write(path: &Path, bytes: &str, modified: SystemTime) {
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

/// A copy that keeps the old mtime, over and over, until the clock of the file system has gone on.
#[test]
fn rewrite_that_keeps_the_mtime_is_seen() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("orders.dat");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    write(&file, "monday", long_ago);
    let before = stat(scratch.path());
    assert_eq!((before.size, before.modified_ns), (6, 1_600_000_000_123_456_789));
    let begun = Instant::now();
    while stat(scratch.path()) == before {
        assert!(begun.elapsed() < PATIENCE, "no rewrite was seen");
        write(&file, "friday", long_ago);
    }
    let after = stat(scratch.path());
    assert_eq!((after.size, after.modified_ns), (before.size, before.modified_ns));
}

/// Times before 1970 and after 2262 are odd, but no reason to fail.
#[test]
fn odd_mtimes_are_taken_as_they_are() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("orders.dat");
    write(&file, "x", SystemTime::UNIX_EPOCH - Duration::from_secs(10));
    assert_eq!(stat(scratch.path()).modified_ns, -10_000_000_000);
    write(&file, "x", SystemTime::UNIX_EPOCH + Duration::from_secs(12_000_000_000));
    assert!(stat(scratch.path()).modified_ns > 9_000_000_000_000_000_000);
}

/// Nothing changed: nothing seems to.
#[test]
fn version_of_a_file_at_rest_stays() {
    let scratch = tempfile::tempdir().unwrap();
    write(&scratch.path().join("orders.dat"), "x", SystemTime::UNIX_EPOCH);
    let first = stat(scratch.path());
    assert_ne!(first.version, 0);
    for _ in 0..100 {
        assert_eq!(stat(scratch.path()), first);
    }
}
