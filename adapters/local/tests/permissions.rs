//! What the system does not let us do.
//!
//! Root may read everything, so these tests give that up for their own thread: the rest of the process keeps it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use dropbridge_local::{LocalSettings, LocalShare};
use dropbridge_port::{EntryPath, ErrorKind, ListRequest, Share};
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

const RECURSIVE: ListRequest = ListRequest { recursive: true };

fn share(root: &Path) -> LocalShare {
    LocalShare::open(root, LocalSettings::default()).unwrap()
}

/// Runs a check on a thread without any of root's powers.
fn unprivileged(check: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let checked = scope.spawn(|| {
            let mut sets = capabilities(None).unwrap();
            sets.effective = CapabilitySet::empty();
            set_capabilities(None, sets).unwrap();
            check();
        });
        if let Err(failure) = checked.join() {
            std::panic::resume_unwind(failure);
        }
    });
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn unreadable_directory_fails_the_listing_and_names_it() {
    let scratch = tempfile::tempdir().unwrap();
    let closed = scratch.path().join("sub/closed");
    fs::create_dir_all(&closed).unwrap();
    fs::write(scratch.path().join("open.dat"), "x").unwrap();
    set_mode(&closed, 0o000);
    unprivileged(|| {
        let error = share(scratch.path()).list(RECURSIVE).expect_err("a listing with a hole");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.subject.ends_with("sub/closed"), "{error}");
        assert!(error.hint.is_some(), "{error}");
        let error = share(scratch.path()).watch(RECURSIVE).err().expect("a watch with a hole");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        let error = share(&closed).list(RECURSIVE).expect_err("a closed root");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    });
    set_mode(&closed, 0o700);
}

/// Names can be read, what they stand for cannot be asked: no listing rather than an empty one.
#[test]
fn directory_that_may_be_read_but_not_entered_fails_the_listing() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("share");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.dat"), "x").unwrap();
    set_mode(&root, 0o400);
    unprivileged(|| {
        let error = share(&root).list(RECURSIVE).expect_err("a listing without stats");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    });
    set_mode(&root, 0o700);
}

#[test]
fn unreadable_file_is_listed_and_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("closed.dat");
    fs::write(&file, "x").unwrap();
    set_mode(&file, 0o000);
    unprivileged(|| {
        let share = share(scratch.path());
        assert_eq!(share.list(RECURSIVE).unwrap().entries.len(), 1);
        let error = share.open(&EntryPath::new("closed.dat").unwrap()).err().expect("not readable");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("permission"), "{error}");
    });
}

/// `O_NOATIME` is for owners: files and directories of someone else are read without it.
#[test]
fn files_of_another_owner_are_read_too() {
    const SOMEBODY_ELSE: u32 = 4711;
    let scratch = tempfile::tempdir().unwrap();
    let name = EntryPath::new("passwd").unwrap();
    let root = if geteuid().is_root() {
        fs::write(scratch.path().join("passwd"), "theirs").unwrap();
        for path in [scratch.path().join("passwd"), scratch.path().to_path_buf()] {
            set_mode(&path, 0o755);
            chown(&path, Some(SOMEBODY_ELSE), None).unwrap();
        }
        scratch.path()
    } else {
        Path::new("/etc")
    };
    unprivileged(|| {
        let share = share(root);
        let entries = share.list(ListRequest::default()).unwrap().entries;
        assert!(entries.iter().any(|entry| entry.path == name));
        let mut bytes = Vec::new();
        share.open(&name).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(!bytes.is_empty());
    });
}
