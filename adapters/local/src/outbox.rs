//! A directory as an outbox: the only part of this crate that writes.
//!
//! `staging` has the temporary names and what a crash leaves of them; `publishing` gives final names.

mod publishing;
mod staging;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{
    Attributes, EntryPath, EntryStat, ErrorKind, OpenEntry, Outbox, OutboxCapabilities, OutboxIdentity, PortError,
    Publication, Result, StagedFile, StagedName, Standing,
};
use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, Mode, accessat, fstat, fsync, mkdirat, statat};
use rustix::io::Errno;

use crate::failure::write_failure;
use crate::handle::{self, entry_stat};
use crate::tree::{Tree, is_gone};
use crate::{LocalSettings, filesystem};

/// The staging directory of an outbox that names none: within the outbox, so on its file system.
const STAGING: &[u8] = b".dropbridge";

/// A directory as an outbox.
#[derive(Debug)]
pub struct LocalOutbox {
    outbox: Tree,
    /// A staging directory of its own; otherwise [`STAGING`] in the outbox.
    staging: Option<Tree>,
    pinned: Mutex<Option<OutboxIdentity>>,
    /// The file system was seen to have no rename that does not replace.
    two_steps: AtomicBool,
    /// The file system was seen to have no hard links.
    no_links: AtomicBool,
}

/// The directories, open for one call.
struct Places {
    outbox: OwnedFd,
    /// `None` while it is not made yet.
    staging: Option<OwnedFd>,
}

impl LocalOutbox {
    /// The outbox at `outbox` below the root of a share, staged in the directory `staging` below the same root. Without
    /// one, `.dropbridge` in the outbox is used and made when it is needed. Neither directory is touched now.
    ///
    /// # Errors
    /// `Configuration` when `root` is empty or relative to a working directory that is gone.
    pub fn open(root: &Path, outbox: &Path, staging: Option<&Path>, settings: LocalSettings) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|error| {
            PortError::new(ErrorKind::Configuration, "use directory", root.to_string_lossy(), error)
                .with_hint("give the directory of the share as an absolute path")
        })?;
        let mount_point = settings.require_mount.then(|| root.clone());
        let below = |path: &Path| if path.as_os_str().is_empty() { root.clone() } else { root.join(path) };
        Ok(Self {
            outbox: Tree::new(below(outbox), mount_point.clone()),
            staging: staging.map(|path| Tree::new(below(path), mount_point)),
            pinned: Mutex::default(),
            two_steps: AtomicBool::new(false),
            no_links: AtomicBool::new(false),
        })
    }

    fn staging_path(&self) -> PathBuf {
        self.staging.as_ref().map_or_else(|| self.outbox.full_path(STAGING), |tree| tree.path().to_path_buf())
    }

    fn pinned(&self) -> MutexGuard<'_, Option<OutboxIdentity>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both directories, where they are the right ones.
    fn places(&self, operation: &'static str) -> Result<Places> {
        let root = self.outbox.open_root(operation)?;
        let outbox = self.outbox.read_directory(&root, b"");
        let outbox = outbox.map_err(|errno| self.outbox.root_failure(operation, errno))?;
        self.require_pinned(operation, &outbox)?;
        let staging = match &self.staging {
            None => match self.outbox.read_directory(&root, STAGING) {
                Err(Errno::NOENT) => None,
                answer => Some(answer.map_err(|errno| self.staging_failure(operation, errno))?),
            },
            Some(tree) => {
                let at = tree.open_root(operation)?;
                let opened = tree.read_directory(&at, b"");
                Some(opened.map_err(|errno| self.staging_failure(operation, errno))?)
            }
        };
        let places = Places { outbox, staging };
        self.require_one_filesystem(operation, &places)?;
        Ok(places)
    }

    fn require_pinned(&self, operation: &'static str, outbox: &OwnedFd) -> Result<()> {
        let Some(pinned) = *self.pinned() else { return Ok(()) };
        let found = self.identify(operation, outbox)?;
        if found == pinned {
            return Ok(());
        }
        let message = format!("another directory or file system is here ({found}) than before ({pinned})");
        Err(PortError::new(ErrorKind::NotFound, operation, self.outbox.address(), message)
            .with_hint("is the share mounted, and the right one? nothing is written until the former one is back"))
    }

    fn identify(&self, operation: &'static str, outbox: &OwnedFd) -> Result<OutboxIdentity> {
        let fail = |errno| self.outbox.root_failure(operation, errno);
        let inode = fstat(outbox).map_err(fail)?;
        // A directory that was removed while it was looked up.
        if inode.st_nlink == 0 {
            return Err(fail(Errno::NOENT));
        }
        Ok(OutboxIdentity { filesystem: filesystem::identity(outbox).map_err(fail)?, outbox: inode.st_ino })
    }

    fn require_one_filesystem(&self, operation: &'static str, places: &Places) -> Result<()> {
        let Some(staging) = &places.staging else { return Ok(()) };
        let device = |directory: &OwnedFd| fstat(directory).map(|found| found.st_dev);
        let fail = |errno| self.outbox.root_failure(operation, errno);
        if device(&places.outbox).map_err(fail)? == device(staging).map_err(fail)? {
            return Ok(());
        }
        Err(self.two_filesystems(operation))
    }

    fn two_filesystems(&self, operation: &'static str) -> PortError {
        let message = format!("the staging directory {} is on another file system", self.staging_path().display());
        PortError::new(ErrorKind::Configuration, operation, self.outbox.address(), message)
            .with_hint("name a staging directory on the outbox's file system, or none")
    }

    fn staging_failure(&self, operation: &'static str, errno: Errno) -> PortError {
        write_failure(operation, self.staging_path().to_string_lossy(), errno)
    }

    /// The staging directory, made where it is missing and ours to make.
    fn staging_made(&self, operation: &'static str) -> Result<OwnedFd> {
        let places = self.places(operation)?;
        if let Some(staging) = places.staging {
            return Ok(staging);
        }
        let fail = |errno| self.staging_failure(operation, errno);
        match mkdirat(&places.outbox, STAGING, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(fail(errno)),
        }
        fsync(&places.outbox).map_err(fail)?;
        let made = self.outbox.read_directory(&places.outbox, STAGING).map_err(fail)?;
        self.require_one_filesystem(operation, &Places { outbox: places.outbox, staging: None })?;
        Ok(made)
    }

    fn subject(&self, target: &EntryPath) -> String {
        format!("{}/{target}", self.outbox.address())
    }

    fn staged_subject(&self, name: &StagedName) -> String {
        format!("{}/{name}", self.staging_path().display())
    }
}

/// Passes a failpoint.
fn pass(point: Failpoint, subject: &str) -> Result<()> {
    if reach(point) {
        return Err(PortError::new(ErrorKind::Transient, "pass failpoint", subject, point.name()));
    }
    Ok(())
}

impl Outbox for LocalOutbox {
    fn address(&self) -> &str {
        self.outbox.address()
    }

    fn capabilities(&self) -> OutboxCapabilities {
        let opened = self.outbox.open_root("look at");
        let renames = opened.is_ok_and(|root| filesystem::renames_without_replacing(&root));
        OutboxCapabilities {
            publishes_without_replacing: true,
            publishes_in_one_step: renames && !self.two_steps.load(Ordering::Relaxed),
            has_witness: true,
            witness_is_link: !self.no_links.load(Ordering::Relaxed),
            sets_attributes: true,
            tells_directories_apart: true,
        }
    }

    fn identity(&self) -> Result<OutboxIdentity> {
        const OPERATION: &str = "look at outbox";
        let root = self.outbox.open_root(OPERATION)?;
        self.identify(OPERATION, &root)
    }

    fn look(&self) -> Result<()> {
        const OPERATION: &str = "write to outbox";
        let places = self.places(OPERATION)?;
        let access = Access::WRITE_OK | Access::EXEC_OK;
        let may = |directory: &OwnedFd| accessat(directory, c".", access, AtFlags::EACCESS);
        may(&places.outbox).map_err(|errno| write_failure(OPERATION, self.outbox.address(), errno))?;
        let staging = places.staging.as_ref().map_or(Ok(()), may);
        staging.map_err(|errno| self.staging_failure(OPERATION, errno))
    }

    fn pin(&self, identity: OutboxIdentity) {
        *self.pinned() = Some(identity);
    }

    fn stage(&self, name: &StagedName, attributes: Attributes) -> Result<Box<dyn StagedFile>> {
        let subject = self.staged_subject(name);
        let staging = self.staging_made("stage")?;
        pass(Failpoint::OutboxBegun, &subject)?;
        let staged = staging::create(&staging, name, attributes, &subject)?;
        pass(Failpoint::OutboxStaged, &subject)?;
        Ok(Box::new(staged))
    }

    fn witness(&self, name: &StagedName) -> Result<()> {
        let subject = self.staged_subject(name);
        let staging = self.staging_made("witness")?;
        let linked = staging::witness(&staging, name).map_err(|errno| write_failure("witness", &subject, errno))?;
        if !linked {
            self.no_links.store(true, Ordering::Relaxed);
        }
        fsync(&staging).map_err(|errno| write_failure("sync directory of", &subject, errno))?;
        pass(Failpoint::OutboxWitnessed, &subject)
    }

    fn publish(&self, name: &StagedName, target: &EntryPath) -> Result<Publication> {
        self.give_name(name, target)
    }

    fn standing(&self, name: &StagedName, target: &EntryPath) -> Result<Standing> {
        self.judge(name, target)
    }

    fn discard(&self, name: &StagedName) -> Result<()> {
        self.remove(name, staging::remove_all, "discard")
    }

    fn forget(&self, name: &StagedName) -> Result<()> {
        self.remove(name, staging::remove_witness, "forget")?;
        pass(Failpoint::OutboxForgotten, &self.staged_subject(name))
    }

    fn staged(&self, owner: &str) -> Result<Vec<StagedName>> {
        const OPERATION: &str = "list staged files in";
        let Some(staging) = self.places(OPERATION)?.staging else { return Ok(Vec::new()) };
        staging::list(&staging, owner).map_err(|errno| self.staging_failure(OPERATION, errno))
    }

    fn stat(&self, target: &EntryPath) -> Result<Option<EntryStat>> {
        let places = self.places("stat")?;
        let found = self
            .outbox
            .pass_directory(&places.outbox, target.parent())
            .and_then(|directory| statat(directory, target.file_name(), AtFlags::SYMLINK_NOFOLLOW));
        match found {
            Ok(found) => Ok(Some(entry_stat(&found))),
            Err(errno) if is_gone(errno) => Ok(None),
            Err(errno) => Err(write_failure("stat", self.subject(target), errno)),
        }
    }

    fn open(&self, target: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        self.places("open")?;
        Ok(Box::new(handle::open(&self.outbox, target)?))
    }
}

impl LocalOutbox {
    fn remove(
        &self,
        name: &StagedName,
        remove: impl Fn(&OwnedFd, &StagedName) -> rustix::io::Result<()>,
        operation: &'static str,
    ) -> Result<()> {
        let Some(staging) = self.places(operation)?.staging else { return Ok(()) };
        remove(&staging, name).map_err(|errno| write_failure(operation, self.staged_subject(name), errno))
    }
}

#[cfg(test)]
mod tests;
