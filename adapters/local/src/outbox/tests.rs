//! The conformance suite: staged in the outbox, beside it, and on a file system that renames in two steps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod two_steps;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use dropbridge_conformance::outbox::OutboxHarness;
use dropbridge_port::{EntryPath, Outbox};

use super::LocalOutbox;
use crate::LocalSettings;

/// An outbox in a scratch directory of its own.
struct Harness {
    scratch: tempfile::TempDir,
    staging: Option<&'static str>,
    in_two_steps: bool,
}

impl Harness {
    fn new(staging: Option<&'static str>, in_two_steps: bool) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("share/out")).unwrap();
        if let Some(staging) = staging {
            fs::create_dir_all(scratch.path().join("share").join(staging)).unwrap();
        }
        Self { scratch, staging, in_two_steps }
    }

    fn local(&self) -> LocalOutbox {
        let (share, staging) = (self.scratch.path().join("share"), self.staging.map(Path::new));
        let outbox = LocalOutbox::open(&share, Path::new("out"), staging, LocalSettings::default()).unwrap();
        LocalOutbox { two_steps: AtomicBool::new(self.in_two_steps), ..outbox }
    }

    fn out(&self) -> PathBuf {
        self.scratch.path().join("share/out")
    }

    fn at(&self, path: &EntryPath) -> PathBuf {
        self.out().join(std::str::from_utf8(path.as_bytes()).unwrap())
    }

    fn staging(&self) -> PathBuf {
        self.staging
            .map_or_else(|| self.out().join(".dropbridge"), |staging| self.scratch.path().join("share").join(staging))
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

impl OutboxHarness for Harness {
    fn outbox(&self) -> Box<dyn Outbox> {
        Box::new(self.local())
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

mod staged_within {
    dropbridge_conformance::outbox_conformance!(|| super::Harness::new(None, false));
}

mod staged_beside {
    dropbridge_conformance::outbox_conformance!(|| super::Harness::new(Some("staging"), false));
}

mod in_two_steps {
    dropbridge_conformance::outbox_conformance!(|| super::Harness::new(None, true));
}

mod staged_in_the_outbox_itself {
    dropbridge_conformance::outbox_conformance!(|| super::Harness::new(Some("out"), false));
}
