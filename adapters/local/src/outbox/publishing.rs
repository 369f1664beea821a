//! Giving a staged file its final name, and telling afterwards whether that was done.

use std::sync::atomic::Ordering;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{EntryPath, ErrorKind, PortError, Publication, Result, StagedName, Standing};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, RenameFlags, Stat, fstat, fsync, linkat, mkdirat, renameat, renameat_with, statat};
use rustix::io::{Errno, Result as SystemResult};

use super::staging::{found, linking_of, remove, witness_of};
use super::{LocalOutbox, pass};
use crate::failure::write_failure;
use crate::tree::is_gone;

/// The directories that a step touches.
struct Step<'a> {
    staging: &'a OwnedFd,
    /// Where the target is.
    directory: &'a OwnedFd,
    name: &'a StagedName,
    target: &'a [u8],
}

/// Why a name was not given.
enum Obstacle {
    TargetExists,
    System(Errno),
    /// Neither a rename that does not replace nor a link.
    NoWay,
}

impl From<Errno> for Obstacle {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl LocalOutbox {
    /// See [`Outbox::publish`](dropbridge_port::Outbox::publish).
    pub(super) fn give_name(&self, name: &StagedName, target: &EntryPath) -> Result<Publication> {
        const OPERATION: &str = "publish";
        let places = self.places(OPERATION)?;
        let subject = self.subject(target);
        let fail = |errno| write_failure(OPERATION, &subject, errno);
        let Some(staging) = &places.staging else { return Err(self.staging_failure(OPERATION, Errno::NOENT)) };
        let directory = &self.directory_made(&places.outbox, target.parent()).map_err(fail)?;
        let step = Step { staging, directory, name, target: target.file_name() };
        match self.step(&step) {
            Ok(()) => {}
            Err(Obstacle::TargetExists) => return Ok(Publication::TargetExists),
            Err(Obstacle::System(Errno::XDEV)) => return Err(self.two_filesystems(OPERATION)),
            Err(Obstacle::System(errno)) => return Err(fail(errno)),
            Err(Obstacle::NoWay) => {
                let message = "the file system can neither rename without replacing nor link";
                return Err(PortError::new(ErrorKind::Refused, OPERATION, &subject, message)
                    .with_hint("choose an outbox on another file system"));
            }
        }
        pass(Failpoint::OutboxRenamed, &subject)?;
        if !step.linking_is_there().map_err(fail)? {
            step.sync().map_err(fail)?;
        } else {
            step.finish_linking().map_err(fail)?;
        }
        pass(Failpoint::OutboxPublished, &subject)?;
        Ok(Publication::Published)
    }

    fn step(&self, step: &Step<'_>) -> std::result::Result<(), Obstacle> {
        if !self.two_steps.load(Ordering::Relaxed) {
            let (staged, flags) = (step.name.to_string(), RenameFlags::NOREPLACE);
            match renameat_with(step.staging, &staged, step.directory, step.target, flags) {
                Ok(()) => return Ok(()),
                // A server may have done what was asked twice.
                Err(Errno::EXIST | Errno::NOENT) if step.is_published()? => return Ok(()),
                Err(Errno::EXIST) => return Err(Obstacle::TargetExists),
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.two_steps.store(true, Ordering::Relaxed),
                Err(errno) => return Err(errno.into()),
            }
        }
        step.link()
    }

    /// See [`Outbox::standing`](dropbridge_port::Outbox::standing).
    pub(super) fn judge(&self, name: &StagedName, target: &EntryPath) -> Result<Standing> {
        const OPERATION: &str = "look for";
        let places = self.places(OPERATION)?;
        let subject = self.subject(target);
        let fail = |errno| write_failure(OPERATION, &subject, errno);
        let Some(staging) = &places.staging else { return Ok(Standing::Nothing) };
        if found(staging, &name.to_string()).map_err(fail)?.is_some() {
            return Ok(Standing::Staged);
        }
        let witness = found(staging, &witness_of(name)).map_err(fail)?;
        let linking = found(staging, &linking_of(name)).map_err(fail)?;
        let directory = match self.outbox.read_directory(&places.outbox, target.parent()) {
            Ok(directory) => Some(directory),
            Err(errno) if is_gone(errno) => None,
            Err(errno) => return Err(fail(errno)),
        };
        let step = directory.as_ref().map(|directory| Step { staging, directory, name, target: target.file_name() });
        match (linking, witness, step) {
            (None, None, _) => Ok(Standing::Nothing),
            (None, Some(_), Some(step)) => step.sync().map_err(fail).map(|()| Standing::Published),
            (None, Some(_), None) => Ok(Standing::Published),
            (Some(linking), witness, Some(step)) => step.judge_linking(&linking, witness.as_ref()).map_err(fail),
            // The directory was made before the step was begun; a consumer that removes directories took it away.
            (Some(_), _, None) => Ok(Standing::InDoubt),
        }
    }

    /// A directory in the outbox, made where it is missing.
    fn directory_made(&self, outbox: &OwnedFd, path: &[u8]) -> SystemResult<OwnedFd> {
        match self.outbox.read_directory(outbox, path) {
            Err(Errno::NOENT) if !path.is_empty() => {}
            answer => return answer,
        }
        let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        let above = self.directory_made(outbox, above)?;
        match mkdirat(&above, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => fsync(&above)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        self.outbox.read_directory(outbox, path)
    }
}

impl Step<'_> {
    /// A link, then the temporary name goes. What is between the two has a name of its own, so that a file that was
    /// never linked is not taken for one that was.
    fn link(&self) -> std::result::Result<(), Obstacle> {
        let (staged, linking) = (self.name.to_string(), linking_of(self.name));
        renameat(self.staging, &staged, self.staging, &linking)?;
        fsync(self.staging)?;
        let refused = match linkat(self.staging, &linking, self.directory, self.target, AtFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) if self.is_ours(&linking)? => return Ok(()),
            Err(Errno::EXIST) => Obstacle::TargetExists,
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => Obstacle::NoWay,
            Err(errno) => errno.into(),
        };
        // A server that does not answer may have linked it: that stays in doubt.
        if !matches!(refused, Obstacle::System(Errno::TIMEDOUT | Errno::IO | Errno::STALE)) {
            renameat(self.staging, &linking, self.staging, &staged)?;
        }
        Err(refused)
    }

    fn target(&self) -> SystemResult<Option<Stat>> {
        match statat(self.directory, self.target, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(errno) if is_gone(errno) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The target is the very file that has this name in the staging directory.
    fn is_ours(&self, name: &str) -> SystemResult<bool> {
        Ok(match (found(self.staging, name)?, self.target()?) {
            (Some(one), Some(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
            _ => false,
        })
    }

    /// The temporary name is gone and the target is the file that the witness knows.
    fn is_published(&self) -> SystemResult<bool> {
        Ok(found(self.staging, &self.name.to_string())?.is_none() && self.is_ours(&witness_of(self.name))?)
    }

    fn linking_is_there(&self) -> SystemResult<bool> {
        Ok(found(self.staging, &linking_of(self.name))?.is_some())
    }

    fn finish_linking(&self) -> SystemResult<()> {
        fsync(self.directory)?;
        remove(self.staging, &linking_of(self.name))?;
        fsync(self.staging)
    }

    fn judge_linking(&self, linking: &Stat, witness: Option<&Stat>) -> SystemResult<Standing> {
        let witness_is_link = witness.is_some_and(|witness| witness.st_ino == linking.st_ino);
        let own_names = if witness_is_link { 2 } else { 1 };
        // Whoever renamed it kept the link.
        if self.is_ours(&linking_of(self.name))? || linking.st_nlink > own_names {
            self.finish_linking()?;
            return Ok(Standing::Published);
        }
        Ok(Standing::InDoubt)
    }

    /// Both directories: a rename between two changes both.
    fn sync(&self) -> SystemResult<()> {
        fsync(self.directory)?;
        let [one, other] = [self.directory, self.staging].map(|directory| fstat(directory).map(|found| found.st_ino));
        if one? == other? { Ok(()) } else { fsync(self.staging) }
    }
}
