//! Things in a share that are no files, lead elsewhere, or wait for whoever opens them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use dropbridge_local::{LocalSettings, LocalShare};
use dropbridge_port::{EntryPath, ErrorKind, ListRequest, Share};
use rustix::fs::inotify;
use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};
use rustix::io::Errno;

const FLAT: ListRequest = ListRequest { recursive: false };
const RECURSIVE: ListRequest = ListRequest { recursive: true };

fn share(root: &Path) -> LocalShare {
    LocalShare::open(root, LocalSettings::default()).unwrap()
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

/// It is passed over with this reason, has no stat, and cannot be opened.
fn assert_passed_over(share: &LocalShare, name: &str, reason: &str) {
    let listing = share.list(RECURSIVE).unwrap();
    assert!(listing.entries.iter().all(|entry| entry.path != path(name)), "{name} is an entry");
    let skipped = listing.skipped.iter().find(|skipped| skipped.path == name);
    assert_eq!(skipped.map(|skipped| skipped.reason), Some(reason), "{name}: {:?}", listing.skipped);
    assert_eq!(share.stat(&path(name)).unwrap(), None);
    let error = share.open(&path(name)).err().expect("not to be opened");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn symbolic_links_are_passed_over_wherever_they_lead() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("share");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::create_dir(scratch.path().join("outside")).unwrap();
    fs::write(scratch.path().join("outside/secret"), "secret").unwrap();
    fs::write(root.join("sub/file"), "fine").unwrap();
    symlink("../outside/secret", root.join("file-outside")).unwrap();
    symlink(scratch.path().join("outside"), root.join("directory-outside")).unwrap();
    symlink("sub/file", root.join("file-inside")).unwrap();
    symlink("sub", root.join("directory-inside")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("/proc/self/fd/0", root.join("magic")).unwrap();
    let share = share(&root);
    for link in ["file-outside", "directory-outside", "file-inside", "directory-inside", "dangling", "loop", "magic"] {
        assert_passed_over(&share, link, "symbolic link");
    }
    let entries = share.list(RECURSIVE).unwrap().entries;
    assert_eq!(entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(), ["sub/file"]);
    for through in ["directory-outside/secret", "directory-inside/file"] {
        assert_eq!(share.stat(&path(through)).unwrap(), None, "{through}");
        let error = share.open(&path(through)).err().expect("a way through a link");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    }
}

/// The writer at the other end must not be released either, so the pipe is not opened at all.
#[test]
fn named_pipe_neither_blocks_nor_is_opened() {
    let scratch = tempfile::tempdir().unwrap();
    let pipe = scratch.path().join("pipe.dat");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let share = share(scratch.path());
    assert_passed_over(&share, "pipe.dat", "named pipe");
    let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&opened, &pipe, inotify::WatchFlags::OPEN).unwrap();
    let mut room = [MaybeUninit::uninit(); 512];
    let mut events = inotify::Reader::new(&opened, &mut room);
    assert!(share.open(&path("pipe.dat")).is_err());
    assert_eq!(events.next().err(), Some(Errno::AGAIN), "the pipe was opened");
    drop(openat(CWD, &pipe, OFlags::RDWR, Mode::empty()).unwrap());
    assert!(events.next().is_ok(), "an open would have been seen");
}

#[test]
fn sockets_and_devices_are_passed_over() {
    let scratch = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(scratch.path().join("socket")).unwrap();
    let share = share(scratch.path());
    assert_passed_over(&share, "socket", "socket");
    if mknodat(CWD, scratch.path().join("device"), FileType::CharacterDevice, Mode::RUSR, 0x0103).is_ok() {
        assert_passed_over(&share, "device", "device");
    }
    let devices = LocalShare::open(Path::new("/dev"), LocalSettings::default()).unwrap();
    assert_passed_over(&devices, "null", "device");
}

#[test]
fn parent_directory_cannot_be_named() {
    for name in ["..", "../outside", "a/../../outside", "/etc/passwd", "a//b", "./a", "", "a\0b"] {
        assert_eq!(EntryPath::new(name), None, "{name:?}");
    }
    assert_eq!(EntryPath::parse("%2E%2E/outside"), None);
    assert_eq!(EntryPath::parse("a%2F..%2F..%2Foutside"), None);
}

#[test]
fn directory_is_named_among_what_was_passed_over_only_when_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("archive")).unwrap();
    let share = share(scratch.path());
    let skipped = share.list(FLAT).unwrap().skipped;
    assert_eq!(
        skipped.iter().map(|one| (one.path.as_str(), one.reason)).collect::<Vec<_>>(),
        [("archive", "directory")]
    );
    assert!(share.list(RECURSIVE).unwrap().skipped.is_empty());
}

/// Paths longer than the 4096 bytes that one system call takes.
#[test]
fn deeper_than_a_path_may_be_long() {
    let scratch = tempfile::tempdir().unwrap();
    let name = "d".repeat(200);
    let pass = OFlags::PATH | OFlags::DIRECTORY;
    let mut at = openat(CWD, scratch.path(), pass, Mode::empty()).unwrap();
    for _ in 0..30 {
        mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = openat(&at, &name, pass, Mode::empty()).unwrap();
    }
    drop(openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap());
    let share = share(scratch.path());
    let entries = share.list(RECURSIVE).unwrap().entries;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].path.as_bytes().len(), 30 * 201 + 4);
    assert_eq!(share.stat(&entries[0].path).unwrap(), Some(entries[0].stat));
    share.open(&entries[0].path).unwrap();
}

/// Neither `flock` nor `fcntl` locks, which a batch job could stumble over.
#[test]
fn reading_takes_no_lock() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("orders.dat");
    fs::write(&file, "x").unwrap();
    let share = share(scratch.path());
    let mut handle = share.open(&path("orders.dat")).unwrap();
    std::io::copy(&mut handle, &mut std::io::sink()).unwrap();
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    assert!(!locks.contains(&inode), "{locks}");
    File::options().write(true).open(&file).unwrap().try_lock().expect("an exclusive lock while it is read");
}
