//! Taking files out of a directory.

use std::path::Path;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, ErrorKind, PortError, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, RenameFlags, fsync, renameat_with, statat, unlinkat};
use rustix::io::{Errno, Result as SystemResult};

use crate::LocalSettings;
use crate::failure::write_failure;
use crate::handle::entry_stat;
use crate::tree::Tree;

/// What a file is called while it is looked at.
const ASIDE: &[u8] = b".dropbridge-clearing-";

/// Deletes files of a directory, moves them to another, or renames them.
#[derive(Debug)]
pub struct LocalClearing {
    inbox: Tree,
    way: Way,
}

/// Where they go.
#[derive(Debug)]
enum Way {
    Delete,
    Move(Tree),
    Rename(String),
}

impl LocalClearing {
    /// For the directory `inbox` below the root of a share; directories that files are moved to are below the same root.
    ///
    /// # Errors
    /// `Configuration` when `root` is empty or relative to a working directory that is gone.
    pub fn open(root: &Path, inbox: &Path, disposal: &Disposal, settings: LocalSettings) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|error| {
            PortError::new(ErrorKind::Configuration, "use directory", root.to_string_lossy(), error)
                .with_hint("give the directory of the share as an absolute path")
        })?;
        let mount_point = settings.require_mount.then(|| root.clone());
        let tree = |below: &Path| Tree::new(root.join(below), mount_point.clone());
        let way = match disposal {
            Disposal::Delete => Way::Delete,
            Disposal::Move(directory) => Way::Move(tree(Path::new(directory))),
            Disposal::Rename(suffix) => Way::Rename(suffix.clone()),
        };
        Ok(Self { inbox: tree(inbox), way })
    }

    fn failure(&self, path: &EntryPath, errno: Errno) -> PortError {
        const OPERATION: &str = "take out of the inbox";
        let subject = format!("{}/{path}", self.inbox.address());
        if errno == Errno::EXIST {
            let message = "a file of this name is where it is to go";
            return PortError::new(ErrorKind::Conflict, OPERATION, subject, message).with_hint("move that one away");
        }
        write_failure(OPERATION, subject, errno)
    }

    /// What was put aside does not get its name again.
    fn not_put_back(&self, path: &EntryPath, errno: Errno) -> PortError {
        const OPERATION: &str = "put back into the inbox";
        let subject = format!("{}/{path}", self.inbox.address());
        if errno == Errno::EXIST {
            let message = "another file has come under its name while it was put aside";
            let aside = format!("{}{}", ASIDE.escape_ascii(), path.file_name().escape_ascii());
            return PortError::new(ErrorKind::Conflict, OPERATION, subject, message)
                .with_hint(format!("it is beside that one as {aside}, and not lost: give it a name of its own"));
        }
        write_failure(OPERATION, subject, errno)
    }

    /// Where a file that was put aside goes.
    fn dispose(&self, directory: &OwnedFd, aside: &[u8], name: &[u8]) -> Result<SystemResult<()>> {
        let destination = match &self.way {
            Way::Delete => return Ok(unlinkat(directory, aside, AtFlags::empty())),
            Way::Rename(suffix) => {
                let to = [name, suffix.as_bytes()].concat();
                return Ok(renameat_with(directory, aside, directory, &*to, RenameFlags::NOREPLACE));
            }
            Way::Move(destination) => destination,
        };
        let to = destination.open_root("move to")?;
        let opened = destination.read_directory(&to, b"");
        Ok(opened.and_then(|to| {
            renameat_with(directory, aside, &to, name, RenameFlags::NOREPLACE)?;
            fsync(&to)
        }))
    }
}

impl Clearing for LocalClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        let fail = |errno| self.failure(path, errno);
        let root = self.inbox.open_root("take out of the inbox")?;
        let directory = match self.inbox.read_directory(&root, path.parent()) {
            Err(Errno::NOENT) => return Ok(Cleared::Gone),
            answer => answer.map_err(fail)?,
        };
        let name = path.file_name();
        let aside = [ASIDE, name].concat();
        // One that is aside already was left by a crash.
        match renameat_with(&directory, name, &directory, &*aside, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => {
                if let Err(Errno::NOENT) = statat(&directory, &*aside, AtFlags::SYMLINK_NOFOLLOW) {
                    return Ok(Cleared::Gone);
                }
            }
            Err(errno) => return Err(fail(errno)),
        }
        let there = entry_stat(&statat(&directory, &*aside, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?);
        let back = || {
            renameat_with(&directory, &*aside, &directory, name, RenameFlags::NOREPLACE)
                .map_err(|errno| self.not_put_back(path, errno))
        };
        if (there.size, there.modified_ns) != (expected.size, expected.modified_ns) {
            back()?;
            return Ok(Cleared::Changed);
        }
        match self.dispose(&directory, &aside, name) {
            Ok(Ok(())) => {}
            Ok(Err(errno)) => {
                back()?;
                return Err(fail(errno));
            }
            Err(error) => {
                back()?;
                return Err(error);
            }
        }
        fsync(&directory).map_err(fail)?;
        Ok(Cleared::Done)
    }
}
