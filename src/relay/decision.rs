//! What a person decided about a relay: a file in the directory of the journals, which the process that has the journal
//! takes in with its next pass. It works whether or not one runs.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dropbridge_port::{ErrorKind, PortError, Result};
use serde::{Deserialize, Serialize};

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// A held file is to be relayed (again).
    Again {
        /// Its path in the inbox.
        path: String,
    },
    /// A held file was delivered, or need not be.
    Delivered {
        /// Its path in the inbox.
        path: String,
    },
    /// The directory that is at the outbox's path now is the outbox.
    AdoptOutbox,
}

/// Leaves a decision. `number` tells decisions apart: the time in microseconds will do.
///
/// # Errors
/// Of the file system.
pub fn leave(directory: &Path, feed: &str, number: i64, decision: &Decision) -> Result<()> {
    let path = directory.join(format!("{feed}.{number}.decision"));
    let io = |error: &std::io::Error| PortError::io("leave decision", path.display().to_string(), error);
    let part = path.with_extension("part");
    let bytes = serde_json::to_vec(decision)
        .map_err(|error| PortError::new(ErrorKind::Bug, "leave decision", path.display().to_string(), error))?;
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| io(&error))
}

/// Decisions that wait, in order, each with its file.
///
/// # Errors
/// Of the file system; `Corrupt` where a file is none of ours.
pub fn waiting(directory: &Path, feed: &str) -> Result<Vec<(PathBuf, Decision)>> {
    let io = |error: &std::io::Error| PortError::io("look for decisions in", directory.display().to_string(), error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| io(&error))? {
        let name = entry.map_err(|error| io(&error))?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(feed)?.strip_prefix('.')?.strip_suffix(".decision"));
        if let Some(number) = number.and_then(|number| number.parse::<i64>().ok()) {
            paths.push((number, directory.join(name)));
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).map_err(|error| io(&error))?;
        let decision = serde_json::from_slice(&bytes).map_err(|error| {
            PortError::new(ErrorKind::Corrupt, "read decision", path.display().to_string(), error)
                .with_hint("remove the file, and decide again")
        })?;
        Ok((path, decision))
    };
    paths.into_iter().map(|(_, path)| read(path)).collect()
}

/// Removes a decision that was taken in.
///
/// # Errors
/// Of the file system.
pub fn done(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| PortError::io("remove decision", path.display().to_string(), &error))
}
