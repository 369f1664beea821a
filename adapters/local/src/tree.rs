//! The root of a share, and directories beneath it.
//!
//! A path is resolved so that it can never leave the root: by `openat2(2)` with `RESOLVE_BENEATH` and no symbolic
//! links, or, where the kernel or a sandbox has no such call, one component after the other with `O_NOFOLLOW`.
//!
//! Access times: directories and files are opened with `O_NOATIME`. The kernel grants that to the owner of a file (and
//! to privileged users) only; to others it answers `EPERM`, and the open is repeated without. Then the mount's own
//! rule holds: with `noatime` nothing is written, with `relatime` (the default) an access time at most once a day or
//! after a change. NFS keeps access times on the server, by the server's rule.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dropbridge_port::{ErrorKind, PortError, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, stat, statat};
use rustix::io::{Errno, Result as SystemResult};

use crate::failure::failure;
use crate::filesystem;

/// Opens that only pass through a directory, without reading it.
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens that read the entries of a directory.
const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// `openat2` answers `EAGAIN` when something was renamed on the way; after so many times the walk decides.
const KERNEL_ATTEMPTS: u32 = 8;

/// Who keeps a path beneath the root.
#[derive(Clone, Copy, Debug)]
enum Resolver {
    /// `openat2`.
    Kernel,
    /// One `openat` for each component.
    Walk,
}

/// The directory that a share is.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    address: String,
    /// Something has to be mounted on this directory.
    mount_point: Option<PathBuf>,
    resolver: Resolver,
}

impl Tree {
    /// The tree at an absolute path, refused unless something is mounted on `mount_point` where there is one. Nothing is
    /// opened.
    pub(crate) fn new(path: PathBuf, mount_point: Option<PathBuf>) -> Self {
        let probe = openat2(CWD, c"/", PASS, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
        let resolver = if probe.is_ok() { Resolver::Kernel } else { Resolver::Walk };
        let address = path.to_string_lossy().into_owned();
        Self { path, address, mount_point, resolver }
    }

    /// The root as text for logs and errors.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The root.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The full path of something beneath the root, for calls that need one and for messages.
    pub(crate) fn full_path(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.path.clone() } else { self.path.join(OsStr::from_bytes(path)) }
    }

    /// The root as it is found by its path now, open for passing through.
    pub(crate) fn open_root(&self, operation: &'static str) -> Result<OwnedFd> {
        let root = openat(CWD, &self.path, PASS, Mode::empty()).map_err(|errno| self.root_failure(operation, errno))?;
        if let Some(mount_point) = &self.mount_point {
            self.require_mount(operation, mount_point)?;
        }
        Ok(root)
    }

    fn require_mount(&self, operation: &'static str, mount_point: &Path) -> Result<()> {
        let mounted = openat(CWD, mount_point, PASS, Mode::empty()).and_then(|at| filesystem::is_mount_point(&at));
        if mounted.map_err(|errno| self.root_failure(operation, errno))? {
            return Ok(());
        }
        let subject = mount_point.to_string_lossy();
        Err(PortError::new(ErrorKind::Refused, operation, subject, "nothing is mounted here")
            .with_hint("mount the share, or set `require_mount = false` if this is a plain directory"))
    }

    /// The error for the root itself.
    pub(crate) fn root_failure(&self, operation: &'static str, errno: Errno) -> PortError {
        let error = failure(operation, &self.address, errno);
        match errno {
            Errno::NOENT => error.with_hint("the directory of the share is not there: is the share mounted?"),
            Errno::NOTDIR => error.with_hint("the share must be a directory"),
            _ => error,
        }
    }

    /// Device and inode of what is at the root's path now; `None` when nothing is.
    pub(crate) fn root_identity(&self) -> Option<(u64, u64)> {
        stat(&self.path).ok().map(|found| (found.st_dev, found.st_ino))
    }

    /// A directory beneath the root, open for reading its entries. An empty path is the root itself.
    pub(crate) fn read_directory(&self, root: &OwnedFd, path: &[u8]) -> SystemResult<OwnedFd> {
        keeping_atime(|flag| self.directory(root.as_fd(), path, READ | flag))
    }

    /// A directory beneath the root, to reach the names in it. An empty path is the root itself.
    pub(crate) fn pass_directory(&self, root: &OwnedFd, path: &[u8]) -> SystemResult<OwnedFd> {
        self.directory(root.as_fd(), path, PASS)
    }

    /// `ELOOP` when a symbolic link is on the way.
    fn directory(&self, root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> SystemResult<OwnedFd> {
        if path.is_empty() {
            return openat(root, c".", flags, Mode::empty());
        }
        if matches!(self.resolver, Resolver::Walk) {
            return walk(root, path, flags);
        }
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..KERNEL_ATTEMPTS {
            match openat2(root, path, flags, Mode::empty(), beneath) {
                Err(Errno::AGAIN) => {}
                // Longer than one call may be: a walk has no such limit.
                Err(Errno::NAMETOOLONG) => break,
                answer => return answer,
            }
        }
        walk(root, path, flags)
    }
}

/// Goes down one component at a time; no component may be a symbolic link or lead upwards.
fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> SystemResult<OwnedFd> {
    let mut parts = path.split(|byte| *byte == b'/').peekable();
    let mut above = openat(root, c".", PASS, Mode::empty())?;
    while let Some(part) = parts.next() {
        if part.is_empty() || part == b".." {
            return Err(Errno::XDEV);
        }
        let flags = if parts.peek().is_none() { flags } else { PASS };
        above = match openat(&above, part, flags | OFlags::NOFOLLOW, Mode::empty()) {
            // What `openat2` calls a symbolic link, `openat` calls no directory.
            Err(Errno::NOTDIR) if is_symlink(&above, part) => return Err(Errno::LOOP),
            answer => answer?,
        };
    }
    Ok(above)
}

fn is_symlink(directory: &OwnedFd, name: &[u8]) -> bool {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
}

/// Opens with `O_NOATIME`, or without where the system forbids it.
pub(crate) fn keeping_atime(open: impl Fn(OFlags) -> SystemResult<OwnedFd>) -> SystemResult<OwnedFd> {
    match open(OFlags::NOATIME) {
        Err(Errno::PERM) => open(OFlags::empty()),
        answer => answer,
    }
}

/// Whether an error of a directory or file means that it is gone, or is something else by now.
pub(crate) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn both_resolvers(check: impl Fn(&Tree, &OwnedFd)) {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("share/a/b")).unwrap();
        fs::create_dir(scratch.path().join("outside")).unwrap();
        fs::write(scratch.path().join("share/file"), "x").unwrap();
        symlink(scratch.path().join("outside"), scratch.path().join("share/absolute")).unwrap();
        symlink("../outside", scratch.path().join("share/relative")).unwrap();
        symlink("b", scratch.path().join("share/a/inner")).unwrap();
        for resolver in [Resolver::Kernel, Resolver::Walk] {
            let tree = Tree { resolver, ..Tree::new(scratch.path().join("share"), None) };
            let root = tree.open_root("test").unwrap();
            check(&tree, &root);
        }
    }

    #[test]
    fn directories_beneath_the_root_are_found() {
        both_resolvers(|tree, root| {
            for path in ["", "a", "a/b"] {
                let read = tree.read_directory(root, path.as_bytes()).unwrap();
                let expected = fs::metadata(tree.full_path(path.as_bytes())).unwrap();
                assert_eq!(rustix::fs::fstat(&read).unwrap().st_ino, std::os::unix::fs::MetadataExt::ino(&expected));
                tree.pass_directory(root, path.as_bytes()).unwrap();
            }
        });
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        both_resolvers(|tree, root| {
            for link in ["absolute", "relative", "a/inner", "relative/x"] {
                assert_eq!(tree.read_directory(root, link.as_bytes()).unwrap_err(), Errno::LOOP, "{link}");
                assert_eq!(tree.pass_directory(root, link.as_bytes()).unwrap_err(), Errno::LOOP, "{link}");
            }
            for way in ["..", "a/../..", "a/../../outside", "/"] {
                assert_eq!(tree.pass_directory(root, way.as_bytes()).unwrap_err(), Errno::XDEV, "{way}");
            }
        });
    }

    #[test]
    fn what_is_no_directory_is_told_from_what_is_missing() {
        both_resolvers(|tree, root| {
            assert_eq!(tree.read_directory(root, b"file").unwrap_err(), Errno::NOTDIR);
            assert_eq!(tree.read_directory(root, b"missing").unwrap_err(), Errno::NOENT);
            assert_eq!(tree.read_directory(root, b"missing/below").unwrap_err(), Errno::NOENT);
        });
    }
}
