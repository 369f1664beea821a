//! The directory in which caches lie.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dropbridge_port::{CacheBuilder, CacheLabel, CacheUse, ErrorKind, PortError, RecordCache, RecordCaches, Result};

use crate::builder::{Places, SqliteBuilder};
use crate::cache::SqliteCache;
use crate::errors::OPERATION;

/// Version of the tables in `schema.sql` and of what is written into them.
const TABLES_VERSION: u32 = 1;

/// How a complete cache ends.
const COMPLETE: &str = "sqlite";

/// How one ends that is being made.
const UNFINISHED: &str = "building";

/// What was not written to for so long is nobody's work.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

/// Caches in a directory of their own.
#[derive(Clone, Debug)]
pub struct SqliteCaches {
    directory: PathBuf,
}

impl SqliteCaches {
    /// In this directory, which is made when it is needed.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Complete caches, the newest first.
    fn complete(&self) -> Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = files(&self.directory)?;
        found.retain(|path| path.extension().is_some_and(|ending| ending == COMPLETE));
        found.sort();
        found.reverse();
        Ok(found)
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: &std::io::Error| PortError::io(OPERATION, directory.display().to_string(), error);
    match fs::read_dir(directory) {
        Ok(entries) => {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<std::io::Result<_>>().map_err(|error| failed(&error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(&error)),
    }
}

/// Removes every other cache, and what was left behind by a process that died.
pub(crate) fn remove_others(kept: &Path) -> Result<()> {
    for path in files(kept.parent().unwrap_or(Path::new(".")))? {
        let is_of_kept = path.file_stem() == kept.file_stem();
        let is_unfinished = path.extension().is_some_and(|ending| ending == UNFINISHED);
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let age = written.and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if !is_of_kept && (!is_unfinished || age > LEFT_BEHIND) {
            // Whoever still uses it goes on with what has no name any more.
            let _gone = fs::remove_file(&path);
        }
    }
    Ok(())
}

impl RecordCaches for SqliteCaches {
    fn open(&self, label: &CacheLabel, intended: CacheUse) -> Result<Option<Box<dyn RecordCache>>> {
        for path in self.complete()? {
            match SqliteCache::open(&path, &own(label), intended, false) {
                Ok(Some(cache)) => {
                    if intended == CacheUse::Keep {
                        remove_others(&path)?;
                    }
                    return Ok(Some(Box::new(cache)));
                }
                Err(error) if error.kind == ErrorKind::Corrupt && intended == CacheUse::Keep => remove(&path),
                // Another may do.
                Ok(None) => {}
                Err(error) if error.kind == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn build(&self, label: &CacheLabel, intended: CacheUse) -> Result<Box<dyn CacheBuilder>> {
        if intended == CacheUse::Look {
            return Ok(Box::new(SqliteBuilder::new(&own(label), None)?));
        }
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        made.map_err(|error| PortError::io(OPERATION, self.directory.display().to_string(), &error))?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{:020}-{}", since.as_nanos(), std::process::id());
        let path = |ending| self.directory.join(&name).with_extension(ending);
        let places = Places { unfinished: path(UNFINISHED), complete: path(COMPLETE) };
        Ok(Box::new(SqliteBuilder::new(&own(label), Some(places))?))
    }
}

/// A label that also says of which version the tables are.
fn own(label: &CacheLabel) -> CacheLabel {
    CacheLabel { origin: label.origin.clone(), form: format!("tables {TABLES_VERSION}, {}", label.form) }
}

/// Removes a cache and what SQLite keeps beside it, the file itself first: without it the rest is nothing.
pub(crate) fn remove(path: &Path) {
    for beside in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        // It may be gone already.
        let _gone = fs::remove_file(PathBuf::from(name));
    }
}
