//! A file of the share by name: its stat, and its bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, OpenEntry, PortError, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::failure::failure;
use crate::tree::{Tree, is_gone, keeping_atime};

/// Opens without waiting for the other end of a pipe, for a lease to end or for a terminal.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A file that was opened for reading.
pub(crate) struct LocalEntry {
    file: File,
    subject: String,
}

/// The stat of a regular file by name; `None` where there is none.
pub(crate) fn stat(tree: &Tree, path: &EntryPath) -> Result<Option<EntryStat>> {
    let root = tree.open_root("stat")?;
    let found = tree
        .pass_directory(&root, path.parent())
        .and_then(|directory| statat(directory, path.file_name(), AtFlags::SYMLINK_NOFOLLOW));
    match found {
        Ok(found) => Ok(is_regular(&found).then(|| entry_stat(&found))),
        Err(errno) if is_gone(errno) || errno == Errno::NAMETOOLONG => Ok(None),
        Err(errno) => Err(failure("stat", subject(tree, path), errno)),
    }
}

/// Opens a regular file.
///
/// What it is is asked first: opening a pipe releases the writer that waits at its other end, and opening a device may
/// do anything. It is asked again afterwards, because the name may point to something else by then.
pub(crate) fn open(tree: &Tree, path: &EntryPath) -> Result<LocalEntry> {
    let subject = subject(tree, path);
    let root = tree.open_root("open")?;
    let fd = open_regular(tree, &root, path).map_err(|obstacle| obstacle.explain(&subject))?;
    Ok(LocalEntry { file: File::from(fd), subject })
}

/// Why a file was not opened.
enum Obstacle {
    System(Errno),
    NotRegular(FileType),
}

impl From<Errno> for Obstacle {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl Obstacle {
    fn explain(self, subject: &str) -> PortError {
        match self {
            Self::NotRegular(kind) => {
                let message = format!("it is no regular file but a {}", kind_name(kind));
                PortError::new(ErrorKind::Refused, "open", subject, message).with_hint("only regular files are read")
            }
            Self::System(errno) => {
                let mut error = failure("open", subject, errno);
                if matches!(errno, Errno::NAMETOOLONG | Errno::NOTDIR) {
                    error.kind = ErrorKind::NotFound;
                }
                error
            }
        }
    }
}

fn open_regular(tree: &Tree, root: &OwnedFd, path: &EntryPath) -> std::result::Result<OwnedFd, Obstacle> {
    let directory = tree.pass_directory(root, path.parent())?;
    require_regular(&statat(&directory, path.file_name(), AtFlags::SYMLINK_NOFOLLOW)?)?;
    let fd = keeping_atime(|flag| openat(&directory, path.file_name(), READ | flag, Mode::empty()))?;
    require_regular(&fstat(&fd)?)?;
    Ok(fd)
}

fn require_regular(found: &Stat) -> std::result::Result<(), Obstacle> {
    if is_regular(found) { Ok(()) } else { Err(Obstacle::NotRegular(FileType::from_raw_mode(found.st_mode))) }
}

/// Whether it is a regular file.
pub(crate) fn is_regular(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

/// What something is called that is no regular file.
pub(crate) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "regular file",
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "named pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Unknown => "thing of unknown type",
    }
}

/// The port's stat of a file. The device is no part of the version: a remount of NFS changes it.
pub(crate) fn entry_stat(found: &Stat) -> EntryStat {
    let seconds = found.st_mtime;
    let modified_ns = seconds.saturating_mul(1_000_000_000).saturating_add(found.st_mtime_nsec as i64);
    let changed = mix(found.st_ino).wrapping_add(found.st_ctime as u64);
    let version = mix(mix(changed).wrapping_add(found.st_ctime_nsec));
    // 0 would say that there is no version.
    EntryStat { size: found.st_size as u64, modified_ns, version: version.max(1) }
}

/// Spreads every bit over all others (the finalizer of `splitmix64`, a bijection).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

fn subject(tree: &Tree, path: &EntryPath) -> String {
    format!("{}/{path}", tree.address())
}

impl Read for LocalEntry {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

impl OpenEntry for LocalEntry {
    fn stat(&self) -> Result<EntryStat> {
        match fstat(&self.file) {
            Ok(found) => Ok(entry_stat(&found)),
            Err(errno) => Err(failure("stat open file", &self.subject, errno)),
        }
    }

    fn seek_to(&mut self, offset: u64) -> Result<()> {
        match self.file.seek(SeekFrom::Start(offset)) {
            Ok(_) => Ok(()),
            Err(error) => Err(PortError::io("seek", &self.subject, &error)),
        }
    }
}
