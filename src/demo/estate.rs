//! The estate on disk: the tree's own sample configuration, the directories that the jobs drop into, and what lies
//! there from before the bridge came. Everything is in the program itself, so that it needs no source tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::inbound::slot::random_id;

/// Says that a directory is an estate of ours.
const SIGN: &str = "dropbridge-estate";

const SIGN_TEXT: &str =
    "Made by `dropbridge demo`, which makes config, var and spare anew each time. Delete it at will.\n";

/// Directories that are made anew.
const OWN: [&str; 3] = ["config", "var", "spare"];

macro_rules! files_of_the_tree {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../", $path)).as_slice())),*]
    };
}

/// The sample configuration, as it stands in the tree.
const CONFIGURATION: [(&str, &[u8]); 16] = files_of_the_tree![
    "config/bridge.toml",
    "config/departments/facilities.toml",
    "config/departments/parks.toml",
    "config/departments/public_works.toml",
    "config/layouts/facilities-bids.toml",
    "config/layouts/facilities-completions.toml",
    "config/layouts/facilities-work-orders.toml",
    "config/layouts/parks-bids.toml",
    "config/layouts/parks-completions.toml",
    "config/layouts/parks-work-orders.toml",
    "config/layouts/public-works-bids.toml",
    "config/layouts/public-works-completions.toml",
    "config/layouts/public-works-work-orders.toml",
    "config/schemas/BidProcessed.schema.json",
    "config/schemas/WorkOrderCompleted.schema.json",
    "config/schemas/WorkOrderCreated.schema.json",
];

/// What legacy consumers of the estate still poll for: mirrors of two feeds.
const CONSUMERS: (&str, &str) = (
    "config/departments/finance.toml",
    r#"# Legacy consumers: they go on polling for files, which the bridge makes of events.
department = "finance"

# Deletes what it takes.
[[rendering]]
id = "finance.invoicing"
kind = "mirror"
feed = "public_works.completions"
share = "estate"
outbox = "invoicing/completions"

# Leaves what it takes.
[[rendering]]
id = "finance.work_desk"
kind = "mirror"
feed = "facilities.work_orders"
share = "estate"
outbox = "work_desk/orders"
"#,
);

/// Inboxes of the sample configuration.
const INBOXES: [&str; 10] = [
    "public_works/bids",
    "public_works/work_orders",
    "public_works/completions",
    "parks/bids",
    "parks/work_orders/riverside_park",
    "parks/work_orders/castle_garden/north",
    "parks/completions",
    "facilities/bids",
    "facilities/work_orders",
    "facilities/completions",
];

/// Bytes of the legacy files, by where they stand below `fixtures/legacy-files`.
macro_rules! legacy_file {
    ($path:literal) => {
        include_bytes!(concat!("../../fixtures/legacy-files/", $path)).as_slice()
    };
}
pub(super) use legacy_file;

/// What lay in the inboxes before the bridge came.
const OLD_FILES: [(&str, &[u8]); 4] = [
    (
        "public_works/bids/BID_20260129_0040.dat",
        legacy_file!("public_works/bids/one-record/input/BID_20260131_0043.dat"),
    ),
    (
        "public_works/bids/BID_20260130_0041.dat",
        legacy_file!("public_works/bids/typical-day/input/BID_20260131_0042.dat"),
    ),
    (
        "public_works/work_orders/PWWO20260130.txt",
        legacy_file!("public_works/work_orders/typical-day/input/PWWO20260131.txt"),
    ),
    ("public_works/work_orders/PWWO20260130.txt.done", b""),
];

/// The file with the wrong trailer, as it should have been.
const SPARE: (&str, &[u8]) =
    ("BID_20260131_0046.dat", legacy_file!("public_works/bids/typical-day/input/BID_20260131_0042.dat"));

/// A directory with configuration, inboxes and old files.
pub(super) struct Estate {
    directory: PathBuf,
}

impl Estate {
    /// Makes one where it is asked for: in a directory that is new, empty, or an estate of an earlier demonstration,
    /// which is made anew. Without a wish, in a new one under the system's temporary directory.
    ///
    /// # Errors
    /// Of the file system; when something else is in the directory.
    pub(super) fn make(wanted: Option<&Path>) -> anyhow::Result<Self> {
        let estate = Self::empty(wanted)?;
        for (path, bytes) in CONFIGURATION {
            estate.write(path, bytes)?;
        }
        estate.write(CONSUMERS.0, CONSUMERS.1.as_bytes())?;
        for directory in INBOXES.into_iter().chain(super::consumers::CONSUMERS.iter().map(|consumer| consumer.outbox)) {
            estate.make_directory(directory)?;
        }
        for (path, bytes) in OLD_FILES {
            estate.write(&format!("var/estate/{path}"), bytes)?;
        }
        estate.write(&format!("spare/{}", SPARE.0), SPARE.1)?;
        Ok(estate)
    }

    /// One without anything in it, to be filled.
    ///
    /// # Errors
    /// As for [`Estate::make`].
    pub(super) fn empty(wanted: Option<&Path>) -> anyhow::Result<Self> {
        let directory = match wanted {
            Some(directory) => directory.to_path_buf(),
            None => std::env::temp_dir().join(format!("dropbridge-estate-{}", &random_id()[..8])),
        };
        fs::create_dir_all(&directory).with_context(|| format!("create directory {}", directory.display()))?;
        let directory = directory.canonicalize().with_context(|| directory.display().to_string())?;
        let estate = Self { directory };
        estate.clear()?;
        estate.write(SIGN, SIGN_TEXT.as_bytes())?;
        Ok(estate)
    }

    /// Makes a directory below the share.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn make_directory(&self, below: &str) -> anyhow::Result<()> {
        let path = self.share().join(below);
        fs::create_dir_all(&path).with_context(|| format!("create directory {}", path.display()))
    }

    /// Takes an earlier estate away; refuses to touch anything else.
    fn clear(&self) -> anyhow::Result<()> {
        let shown = self.directory.display();
        let is_empty = fs::read_dir(&self.directory).with_context(|| format!("list {shown}"))?.next().is_none();
        if !is_empty && !self.directory.join(SIGN).is_file() {
            bail!("{shown} is not empty, and was not made by `dropbridge demo`: name a new or empty directory");
        }
        for own in OWN {
            let path = self.directory.join(own);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file below the directory.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.directory.join(path);
        let parent = path.parent().unwrap_or(&self.directory);
        fs::create_dir_all(parent).with_context(|| format!("create directory {}", parent.display()))?;
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its bridge's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("config/bridge.toml")
    }

    /// What the jobs drop into.
    pub(super) fn share(&self) -> PathBuf {
        self.directory.join("var/estate")
    }

    /// The good twin of the file with the wrong trailer.
    pub(super) fn spare(&self) -> PathBuf {
        self.directory.join("spare").join(SPARE.0)
    }
}

/// How many data files lay in the inboxes of a feed before the bridge came.
pub(super) fn old_files_of(inbox: &str) -> u64 {
    let of_inbox = |path: &str| path.strip_prefix(inbox).is_some_and(|rest| rest.starts_with('/'));
    OLD_FILES.iter().filter(|(path, _)| of_inbox(path) && !path.ends_with(".done")).count() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn the_whole_sample_configuration_is_in_the_program() {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        let mut pending = vec![tree.join("config")];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    found.push(path.strip_prefix(tree).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        assert_eq!(found, CONFIGURATION.map(|(path, _)| path.to_owned()));
    }
}
