//! Promise 1: observing changes nothing.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use dropbridge_port::EntryPath;

use super::{FLAT, RECURSIVE, ShareHarness, create, list, path, read};

/// List, stat, open, read a part, read all, seek, watch, fail: names, inodes, sizes and all times of files and
/// directories stay as they were.
pub fn observing_changes_nothing(harness: &dyn ShareHarness) {
    for name in ["a.dat", "b.dat", "sub/c.dat", "sub/deeper/d.dat"] {
        create(harness, name, &vec![b'x'; 100_000]);
    }
    harness.create_directory(&path("sub/empty"));
    let before = harness.snapshot();
    assert!(before.len() >= 8, "the harness sees the root, every file and every directory: {before:?}");
    observe(harness);
    assert_same(&before, &harness.snapshot());
}

fn observe(harness: &dyn ShareHarness) {
    let share = harness.share();
    let _ = share.capabilities();
    list(&*share, FLAT);
    let entries = list(&*share, RECURSIVE);
    assert_eq!(entries.len(), 4);
    let mut watch = share.watch(RECURSIVE).expect("watch");
    for entry in &entries {
        share.stat(&entry.path).expect("stat");
        let mut handle = share.open(&entry.path).expect("open");
        handle.stat().expect("stat of the handle");
        handle.read_exact(&mut [0; 10]).expect("read a part");
        handle.seek_to(99_999).expect("seek");
        drop(handle);
        assert_eq!(read(&*share, &entry.path).len(), 100_000);
    }
    if let Some(watch) = &mut watch {
        watch.wait(Duration::from_millis(1));
    }
    assert!(share.stat(&path("missing")).expect("stat").is_none());
    assert!(share.open(&path("sub")).is_err());
    assert!(share.open(&EntryPath::new("sub/missing").expect("a path")).is_err());
}

fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (path, was) in before {
        let is = after.get(path).map_or("gone", String::as_str);
        assert_eq!(is, was, "{path} changed by being observed");
    }
    assert_eq!(before.len(), after.len(), "something new: {after:?}");
}
