//! The root of a share goes away, comes back, or becomes something else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use dropbridge_local::{LocalSettings, LocalShare};
use dropbridge_port::{EntryPath, ErrorKind, ListRequest, PortError, Share, Wake, Watch};

const FLAT: ListRequest = ListRequest { recursive: false };
const RECURSIVE: ListRequest = ListRequest { recursive: true };
const PATIENCE: Duration = Duration::from_secs(30);

fn share(root: &Path) -> LocalShare {
    LocalShare::open(root, LocalSettings::default()).unwrap()
}

fn names(share: &LocalShare) -> Vec<String> {
    share.list(RECURSIVE).unwrap().entries.iter().map(|entry| entry.path.to_string()).collect()
}

fn assert_away(error: &PortError) {
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("is the share mounted?"), "{error}");
}

/// The first wake that is not just a change.
fn wait_past_changes(watch: &mut dyn Watch) -> Wake {
    loop {
        match watch.wait(PATIENCE) {
            Wake::Changed => {}
            wake => return wake,
        }
    }
}

#[test]
fn root_vanishes_and_comes_back() {
    let scratch = tempfile::tempdir().unwrap();
    let (root, away) = (scratch.path().join("share"), scratch.path().join("away"));
    let file = EntryPath::new("a.dat").unwrap();
    let share = share(&root);
    assert_away(&share.list(FLAT).expect_err("it is not there yet"));
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.dat"), "x").unwrap();
    assert_eq!(names(&share), ["a.dat"]);

    fs::rename(&root, &away).unwrap();
    assert_away(&share.list(FLAT).expect_err("it is away"));
    assert_away(&share.stat(&file).expect_err("a stat without a share is no `None`"));
    assert_away(&share.open(&file).err().expect("nothing to open"));
    assert_away(&share.watch(FLAT).err().expect("nothing to watch"));
    assert!(!share.capabilities().notifies);

    fs::rename(&away, &root).unwrap();
    assert_eq!(names(&share), ["a.dat"]);
    share.open(&file).unwrap();
    assert!(share.capabilities().notifies);
}

#[test]
fn root_that_is_a_file_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("file");
    fs::write(&root, "x").unwrap();
    let error = share(&root).list(FLAT).expect_err("no directory");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

/// The way to the root is the operator's; what stands at its end counts, each time anew.
#[test]
fn root_replaced_by_a_link_is_followed_and_an_open_file_reads_on() {
    let scratch = tempfile::tempdir().unwrap();
    let (root, old, new) = (scratch.path().join("share"), scratch.path().join("old"), scratch.path().join("new"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&new).unwrap();
    fs::write(root.join("a.dat"), "old").unwrap();
    fs::write(new.join("b.dat"), "new").unwrap();
    let share = share(&root);
    let mut handle = share.open(&EntryPath::new("a.dat").unwrap()).unwrap();
    let mut watch = share.watch(RECURSIVE).unwrap().expect("wake-ups");

    fs::rename(&root, &old).unwrap();
    symlink(&new, &root).unwrap();
    assert_eq!(names(&share), ["b.dat"]);
    let mut text = String::new();
    handle.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(wait_past_changes(watch.as_mut()), Wake::Lost);
    let mut watch = share.watch(RECURSIVE).unwrap().expect("wake-ups");
    fs::write(new.join("c.dat"), "").unwrap();
    assert_eq!(watch.wait(PATIENCE), Wake::Changed);
}

/// A link that leads elsewhere sends no event.
#[test]
fn watch_notices_that_the_link_to_its_root_was_turned() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
    }
    let root = scratch.path().join("share");
    symlink("one", &root).unwrap();
    let share = share(&root);
    let mut watch = share.watch(FLAT).unwrap().expect("wake-ups");
    assert_eq!(watch.wait(Duration::ZERO), Wake::TimedOut);
    fs::remove_file(&root).unwrap();
    symlink("two", &root).unwrap();
    assert_eq!(watch.wait(PATIENCE), Wake::Lost);
}

#[test]
fn watch_is_lost_when_its_root_is_removed_while_it_waits() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("share");
    fs::create_dir(&root).unwrap();
    let mut watch = share(&root).watch(RECURSIVE).unwrap().expect("wake-ups");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || wait_past_changes(watch.as_mut()));
        fs::remove_dir(&root).unwrap();
        assert_eq!(waiting.join().unwrap(), Wake::Lost);
    });
}

/// Until it closes the file, a slow writer is known by its writes alone.
#[test]
fn writes_wake_before_the_file_is_closed() {
    let scratch = tempfile::tempdir().unwrap();
    let mut writer = fs::File::create(scratch.path().join("slow.dat")).unwrap();
    let mut watch = share(scratch.path()).watch(FLAT).unwrap().expect("wake-ups");
    for _ in 0..3 {
        writer.write_all(b"one more line\n").unwrap();
        assert_eq!(watch.wait(PATIENCE), Wake::Changed);
    }
}

#[test]
fn plain_directory_is_refused_where_a_mount_is_required() {
    let scratch = tempfile::tempdir().unwrap();
    let settings = LocalSettings { require_mount: true, ..LocalSettings::default() };
    let unmounted = LocalShare::open(scratch.path(), settings).unwrap();
    let refusals = [
        unmounted.list(FLAT).expect_err("nothing is mounted"),
        unmounted.open(&EntryPath::new("a").unwrap()).err().expect("nothing is mounted"),
        unmounted.watch(FLAT).err().expect("nothing is mounted"),
    ];
    for error in refusals {
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("mount the share"), "{error}");
    }
    LocalShare::open(Path::new("/proc"), settings).unwrap().list(FLAT).unwrap();
}

#[test]
fn a_mount_is_required_at_the_root_of_the_share_and_not_below() {
    let settings = LocalSettings { require_mount: true, ..LocalSettings::default() };
    LocalShare::open_below(Path::new("/proc"), Path::new("self/fd"), settings).unwrap().watch(FLAT).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("inbox")).unwrap();
    let unmounted = LocalShare::open_below(scratch.path(), Path::new("inbox"), settings).unwrap();
    let error = unmounted.list(FLAT).expect_err("nothing is mounted");
    assert!(error.subject == scratch.path().to_string_lossy() && error.kind == ErrorKind::Refused, "{error}");
}

#[test]
fn no_wake_ups_where_they_are_switched_off() {
    let scratch = tempfile::tempdir().unwrap();
    let settings = LocalSettings { notify: false, ..LocalSettings::default() };
    let share = LocalShare::open(scratch.path(), settings).unwrap();
    assert!(share.watch(FLAT).unwrap().is_none());
    assert!(!share.capabilities().notifies);
    assert!(share.capabilities().read_survives_removal);
}

#[test]
fn empty_path_is_no_share() {
    let error = LocalShare::open(Path::new(""), LocalSettings::default()).expect_err("no path");
    assert_eq!(error.kind, ErrorKind::Configuration, "{error}");
}
