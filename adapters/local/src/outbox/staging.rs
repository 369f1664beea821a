//! Temporary names: `NAME` while a file is staged, `NAME.linking` while its final name is given in two steps,
//! `NAME.witness` from before its intent until after its receipt.

use std::fs::File;
use std::io::Write;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Attributes, ErrorKind, PortError, Result, StagedFile, StagedName, WrittenFile};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, fsync, linkat, openat, statat, unlinkat,
};
use rustix::io::{Errno, Result as SystemResult};
use sha2::{Digest, Sha256};

use super::pass;
use crate::failure::write_failure;
use crate::listing::DirectoryBuffer;

/// Makes a new file for writing. Nothing that is there is opened, and no link followed.
const CREATE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Where its attributes say nothing: whatever the umask leaves of this.
const USUAL_MODE: Mode = Mode::from_raw_mode(0o666);

const WITNESS: &str = ".witness";
const LINKING: &str = ".linking";

/// The name of a witness.
pub(super) fn witness_of(name: &StagedName) -> String {
    format!("{name}{WITNESS}")
}

/// The name between the temporary one and the final one.
pub(super) fn linking_of(name: &StagedName) -> String {
    format!("{name}{LINKING}")
}

/// A staged file that is being written.
pub(super) struct LocalStaged {
    file: File,
    attributes: Attributes,
    sha256: Sha256,
    size: u64,
    subject: String,
}

/// Begins one.
pub(super) fn create(
    staging: &OwnedFd,
    name: &StagedName,
    attributes: Attributes,
    subject: &str,
) -> Result<LocalStaged> {
    // One with a mode of its own is nobody's to read until it has that.
    let mode = if attributes.mode.is_some() { Mode::RUSR | Mode::WUSR } else { USUAL_MODE };
    let file = openat(staging, name.to_string(), CREATE, mode);
    let file = file.map_err(|errno| write_failure("stage", subject, errno))?;
    Ok(LocalStaged { file: file.into(), attributes, sha256: Sha256::new(), size: 0, subject: subject.to_owned() })
}

impl LocalStaged {
    fn give_attributes(&self) -> SystemResult<()> {
        let Attributes { mode, owner, group } = self.attributes;
        // First the owner: the system takes some bits of the mode away when that changes.
        if owner.is_some() || group.is_some() {
            fchown(&self.file, owner.map(Uid::from_raw), group.map(Gid::from_raw))?;
        }
        match mode {
            Some(mode) => fchmod(&self.file, Mode::from_raw_mode(mode)),
            None => Ok(()),
        }
    }
}

impl StagedFile for LocalStaged {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            write_failure("write", &self.subject, errno)
        })?;
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<WrittenFile> {
        pass(Failpoint::OutboxWritten, &self.subject)?;
        self.give_attributes().map_err(|errno| {
            write_failure("set mode, owner or group of", &self.subject, errno)
                .with_hint("only a privileged user may give files away, or to a group that it is not in")
        })?;
        fsync(&self.file).map_err(|errno| write_failure("sync", &self.subject, errno))?;
        let there = fstat(&self.file).map_err(|errno| write_failure("stat", &self.subject, errno))?;
        if there.st_size as u64 != self.size {
            let message = format!("{} bytes were written, and it has {}", self.size, there.st_size);
            return Err(PortError::new(ErrorKind::Transient, "stage", &self.subject, message)
                .with_hint("who else writes to the staging directory?"));
        }
        pass(Failpoint::OutboxSynced, &self.subject)?;
        Ok(WrittenFile { size: self.size, sha256: self.sha256.finalize().into() })
    }
}

/// Puts a witness beside a staged file. Answers whether it is a link.
pub(super) fn witness(staging: &OwnedFd, name: &StagedName) -> SystemResult<bool> {
    let witness = witness_of(name);
    match linkat(staging, name.to_string(), staging, &witness, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => {
            let [staged, there] = [&name.to_string(), &witness].map(|name| found(staging, name));
            Ok(staged?.map(|found| found.st_ino) == there?.map(|found| found.st_ino))
        }
        // No hard links here, or not for us.
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::MLINK | Errno::ACCESS) => {
            match openat(staging, &witness, CREATE, Mode::RUSR | Mode::WUSR) {
                Ok(file) => fsync(&file)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            Ok(false)
        }
        Err(errno) => Err(errno),
    }
}

/// The stat of a name in the staging directory.
pub(super) fn found(staging: &OwnedFd, name: &str) -> SystemResult<Option<Stat>> {
    match statat(staging, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Removes a name that need not be there.
pub(super) fn remove(staging: &OwnedFd, name: &str) -> SystemResult<()> {
    match unlinkat(staging, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Removes the witness.
pub(super) fn remove_witness(staging: &OwnedFd, name: &StagedName) -> SystemResult<()> {
    remove(staging, &witness_of(name))
}

/// Removes everything of a name.
pub(super) fn remove_all(staging: &OwnedFd, name: &StagedName) -> SystemResult<()> {
    // The witness first: without a temporary name it would say that the file was published.
    remove(staging, &witness_of(name))?;
    remove(staging, &linking_of(name))?;
    remove(staging, &name.to_string())
}

/// The names of an owner, each once, in order.
pub(super) fn list(staging: &OwnedFd, owner: &str) -> SystemResult<Vec<StagedName>> {
    let mut names = Vec::new();
    DirectoryBuffer::new().visit(staging, |name, _| {
        let Ok(text) = name.to_str() else { return Ok(()) };
        let bare = text.strip_suffix(WITNESS).or_else(|| text.strip_suffix(LINKING)).unwrap_or(text);
        names.extend(StagedName::parse(bare).filter(|name| name.owner() == owner));
        Ok::<(), Errno>(())
    })?;
    names.sort();
    names.dedup();
    Ok(names)
}
