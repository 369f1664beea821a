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
        let back = || renameat_with(&directory, &*aside, &directory, name, RenameFlags::NOREPLACE).map_err(fail);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs;

    use dropbridge_port::Share;

    use super::*;
    use crate::LocalShare;

    fn site(disposal: &Disposal) -> (tempfile::TempDir, LocalClearing, LocalShare) {
        let scratch = tempfile::tempdir().unwrap();
        for directory in ["in", "done"] {
            fs::create_dir(scratch.path().join(directory)).unwrap();
        }
        fs::write(scratch.path().join("in/a"), "relayed").unwrap();
        let settings = LocalSettings::default();
        let clearing = LocalClearing::open(scratch.path(), Path::new("in"), disposal, settings).unwrap();
        let share = LocalShare::open_below(scratch.path(), Path::new("in"), settings).unwrap();
        (scratch, clearing, share)
    }

    fn done() -> Disposal {
        Disposal::Move("done".to_owned())
    }

    fn names(directory: &Path) -> Vec<String> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_as_it_was_is_deleted_moved_or_renamed() {
        let path = EntryPath::new("a").unwrap();
        let renamed = Disposal::Rename(".old".to_owned());
        for (disposal, left, moved) in [(Disposal::Delete, None, 0), (done(), None, 1), (renamed, Some("a.old"), 0)] {
            let (scratch, clearing, share) = site(&disposal);
            let stat = share.stat(&path).unwrap().unwrap();
            assert_eq!(clearing.clear(&path, stat).unwrap(), Cleared::Done);
            assert_eq!(names(&scratch.path().join("in")), Vec::from_iter(left.map(str::to_owned)));
            assert_eq!(names(&scratch.path().join("done")).len(), moved);
            assert_eq!(clearing.clear(&path, stat).unwrap(), Cleared::Gone);
        }
    }

    #[test]
    fn another_file_of_the_name_stays() {
        let (scratch, clearing, share) = site(&Disposal::Delete);
        let path = EntryPath::new("a").unwrap();
        let stat = share.stat(&path).unwrap().unwrap();
        fs::write(scratch.path().join("in/a"), "the next one").unwrap();
        assert_eq!(clearing.clear(&path, stat).unwrap(), Cleared::Changed);
        assert_eq!(names(&scratch.path().join("in")), ["a"]);
    }

    #[test]
    fn a_crash_before_it_was_disposed_of_is_finished() {
        let (scratch, clearing, share) = site(&Disposal::Delete);
        let path = EntryPath::new("a").unwrap();
        let stat = share.stat(&path).unwrap().unwrap();
        fs::rename(scratch.path().join("in/a"), scratch.path().join("in/.dropbridge-clearing-a")).unwrap();
        fs::write(scratch.path().join("in/a"), "the next one").unwrap();
        assert_eq!(clearing.clear(&path, stat).unwrap(), Cleared::Done);
        assert_eq!(names(&scratch.path().join("in")), ["a"]);
    }

    #[test]
    fn what_is_where_it_is_to_be_moved_to_stays() {
        let (scratch, clearing, share) = site(&done());
        fs::write(scratch.path().join("done/a"), "of last week").unwrap();
        let path = EntryPath::new("a").unwrap();
        let stat = share.stat(&path).unwrap().unwrap();
        assert_eq!(clearing.clear(&path, stat).unwrap_err().kind, ErrorKind::Conflict);
        assert_eq!(names(&scratch.path().join("in")), ["a"]);
        assert_eq!(fs::read(scratch.path().join("done/a")).unwrap(), b"of last week");
    }
}
