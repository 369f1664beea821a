//! A directory of this machine, and the consumer in it: whichever way an outbox comes to it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dropbridge_port::{EntryPath, Outbox};

use super::OutboxHarness;

/// Opens the outbox `out` below a directory, staged in another one below it.
type OpenOutbox = dyn Fn(&Path, Option<&'static str>) -> Box<dyn Outbox> + Sync;

/// An outbox in a scratch directory of its own.
pub struct OutboxDirectory {
    scratch: tempfile::TempDir,
    staging: Option<&'static str>,
    open: Box<OpenOutbox>,
}

impl OutboxDirectory {
    /// A fresh one. Its share is a directory with the outbox `out`, and the staging directory where one is named.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(
        staging: Option<&'static str>,
        open: impl Fn(&Path, Option<&'static str>) -> Box<dyn Outbox> + Sync + 'static,
    ) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("share/out")).unwrap();
        if let Some(staging) = staging {
            fs::create_dir_all(scratch.path().join("share").join(staging)).unwrap();
        }
        Self { scratch, staging, open: Box::new(open) }
    }

    /// The share's directory.
    #[must_use]
    pub fn share(&self) -> PathBuf {
        self.scratch.path().join("share")
    }

    /// The outbox's directory.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.scratch.path().join("share/out")
    }

    /// The staging directory.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.staging
            .map_or_else(|| self.out().join(".dropbridge"), |staging| self.scratch.path().join("share").join(staging))
    }

    fn at(&self, path: &EntryPath) -> PathBuf {
        self.out().join(OsStr::from_bytes(path.as_bytes()))
    }
}

fn files_below(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(".dropbridge") {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), &format!("{path}/"), found);
        } else {
            found.push(path);
        }
    }
}

impl OutboxHarness for OutboxDirectory {
    fn outbox(&self) -> Box<dyn Outbox> {
        (self.open)(&self.share(), self.staging)
    }

    fn seen(&self) -> Vec<String> {
        let mut found = Vec::new();
        files_below(&self.out(), "", &mut found);
        found.sort();
        found
    }

    fn staged(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.staging()) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".dropbridge-")).collect()
    }

    fn read(&self, path: &EntryPath) -> Vec<u8> {
        fs::read(self.at(path)).unwrap()
    }

    fn mode(&self, path: &EntryPath) -> Option<u32> {
        Some(fs::metadata(self.at(path)).unwrap().permissions().mode() & 0o7777)
    }

    fn put(&self, path: &EntryPath, bytes: &[u8]) {
        fs::write(self.at(path), bytes).unwrap();
    }

    fn take(&self, path: &EntryPath) {
        fs::remove_file(self.at(path)).unwrap();
    }

    fn wipe_staging(&self) {
        for name in self.staged() {
            fs::remove_file(self.staging().join(name)).unwrap();
        }
    }

    fn take_away(&self) {
        fs::rename(self.out(), self.scratch.path().join("away")).unwrap();
    }

    fn put_another(&self) {
        fs::create_dir(self.out()).unwrap();
    }

    fn put_back(&self) {
        let _absent = fs::remove_dir_all(self.out());
        fs::rename(self.scratch.path().join("away"), self.out()).unwrap();
    }
}
