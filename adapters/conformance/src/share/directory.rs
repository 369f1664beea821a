//! A directory of this machine, and the batch jobs that work in it: whichever way a share comes to it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use dropbridge_port::{EntryPath, Share};
use rustix::fs::{Dir, OFlags};

use super::ShareHarness;

/// Opens the share of a directory.
type OpenShare = dyn Fn(&Path) -> Box<dyn Share> + Sync;

/// A directory in a scratch directory of its own, and the share that shows it.
pub struct DirectoryHarness {
    scratch: tempfile::TempDir,
    open: Box<OpenShare>,
    keeps_access_times: bool,
    without: &'static [u8],
    deepest: usize,
}

impl DirectoryHarness {
    /// A fresh directory. `keeps_access_times`: reading through this share does not touch them; a server reads by its
    /// own rules.
    ///
    /// # Panics
    /// When the directory cannot be made.
    pub fn new(keeps_access_times: bool, open: impl Fn(&Path) -> Box<dyn Share> + Sync + 'static) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("share")).unwrap();
        Self { scratch, open: Box::new(open), keeps_access_times, without: b"", deepest: 300 }
    }

    /// The same, for a protocol that cannot tell a name with one of these bytes: no such file is made.
    #[must_use]
    pub fn without_bytes(self, without: &'static [u8]) -> Self {
        Self { without, ..self }
    }

    /// The same, with so many directories within each other in a deep tree.
    #[must_use]
    pub fn of_depth(self, deepest: usize) -> Self {
        Self { deepest, ..self }
    }

    fn at(&self, path: &EntryPath) -> PathBuf {
        self.scratch.path().join("share").join(OsStr::from_bytes(path.as_bytes()))
    }
}

impl ShareHarness for DirectoryHarness {
    fn share(&self) -> Box<dyn Share> {
        (self.open)(&self.scratch.path().join("share"))
    }

    fn create(&self, path: &EntryPath, bytes: &[u8]) -> bool {
        if path.as_bytes().iter().any(|byte| self.without.contains(byte)) {
            return false;
        }
        let path = self.at(path);
        let made = fs::create_dir_all(path.parent().unwrap()).and_then(|()| fs::write(&path, bytes));
        match made {
            Ok(()) => true,
            // Some file systems take UTF-8 only.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidFilename) => false,
            Err(error) => panic!("create {}: {error}", path.display()),
        }
    }

    fn overwrite(&self, path: &EntryPath, bytes: &[u8]) {
        OpenOptions::new().write(true).open(self.at(path)).unwrap().write_all(bytes).unwrap();
    }

    fn append(&self, path: &EntryPath, bytes: &[u8]) {
        OpenOptions::new().append(true).open(self.at(path)).unwrap().write_all(bytes).unwrap();
    }

    fn extend(&self, path: &EntryPath, size_bytes: u64) -> bool {
        OpenOptions::new().write(true).open(self.at(path)).unwrap().set_len(size_bytes).is_ok()
    }

    fn rename(&self, from: &EntryPath, to: &EntryPath) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    fn remove(&self, path: &EntryPath) {
        fs::remove_file(self.at(path)).unwrap();
    }

    fn create_directory(&self, path: &EntryPath) {
        fs::create_dir(self.at(path)).unwrap();
    }

    fn remove_directory(&self, path: &EntryPath) {
        fs::remove_dir(self.at(path)).unwrap();
    }

    fn deepest(&self) -> usize {
        self.deepest
    }

    fn snapshot(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        look_at(&self.scratch.path().join("share"), self.keeps_access_times, &mut seen);
        seen
    }
}

/// Everything `lstat` tells, without touching an access time.
fn look_at(path: &Path, access_times: bool, seen: &mut BTreeMap<String, String>) {
    let found = fs::symlink_metadata(path).unwrap();
    let described = format!(
        "inode {} mode {:o} links {} size {} atime {:?} mtime {}.{} ctime {}.{}",
        found.ino(),
        found.mode(),
        found.nlink(),
        found.size(),
        access_times.then(|| (found.atime(), found.atime_nsec())),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    );
    seen.insert(path.display().to_string(), described);
    if found.is_dir() {
        for name in names(path) {
            look_at(&path.join(OsStr::from_bytes(&name)), access_times, seen);
        }
    }
}

fn names(directory: &Path) -> Vec<Vec<u8>> {
    let quiet = OFlags::DIRECTORY | OFlags::NOATIME;
    let opened: File = OpenOptions::new().read(true).custom_flags(quiet.bits() as i32).open(directory).unwrap();
    Dir::new(opened)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_bytes().to_vec())
        .filter(|name| name != b"." && name != b"..")
        .collect()
}
