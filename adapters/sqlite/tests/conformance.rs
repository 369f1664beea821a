//! The conformance suite over a log in a file, and over one in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicU32, Ordering};

use dropbridge_conformance::event_log::Bench;
use dropbridge_port::EventLog;
use dropbridge_sqlite::SqliteLog;
use tempfile::TempDir;

fn numbered(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

struct InFile(TempDir);

impl InFile {
    fn log(&self) -> SqliteLog {
        SqliteLog::open(&self.0.path().join("log.db")).unwrap()
    }
}

impl Bench for InFile {
    fn open(&self) -> Box<dyn EventLog> {
        Box::new(self.log())
    }

    fn unique(&self, stem: &str) -> String {
        numbered(stem)
    }

    fn compact(&self, _topic: &str) {
        self.log().compact().unwrap();
    }
}

struct InMemory(SqliteLog);

impl Bench for InMemory {
    fn open(&self) -> Box<dyn EventLog> {
        Box::new(self.0.clone())
    }

    fn unique(&self, stem: &str) -> String {
        numbered(stem)
    }

    fn compact(&self, _topic: &str) {
        self.0.compact().unwrap();
    }
}

mod in_file {
    dropbridge_conformance::event_log_cases!(super::InFile(tempfile::tempdir().unwrap()));
}

mod in_memory {
    dropbridge_conformance::event_log_cases!(super::InMemory(super::SqliteLog::in_memory().unwrap()));
}
