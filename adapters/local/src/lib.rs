//! A share that is a directory of this machine: local, a NAS mount or an NFS mount. Linux only.
//!
//! A share reads, and leaves no trace of it: no write, lock, rename or probe file, and no new access time where the system
//! allows that (the module `tree` says where). Nothing outside the directory is ever reached: symbolic links in it are
//! passed over, whoever plants them and whenever.
//!
//! - `tree`: the root, and directories resolved beneath it;
//! - `listing`: what is in it;
//! - `handle`: an opened file;
//! - `watch`: wake-ups;
//! - `outbox`: the part that writes, and only to an outbox; `clearing`: takes files out of an inbox, where that is asked
//!   for;
//! - `filesystem`: which kind of file system it is on, and whether it is mounted at all;
//! - `failure`: the system's answers as errors with advice.

mod clearing;
mod failure;
mod filesystem;
mod handle;
mod listing;
mod outbox;
mod tree;
mod watch;

use std::path::Path;

use dropbridge_port::{
    Capabilities, EntryPath, EntryStat, ErrorKind, ListRequest, Listing, OpenEntry, PortError, Result, Share, Watch,
};

use crate::tree::Tree;

pub use crate::clearing::LocalClearing;
pub use crate::outbox::LocalOutbox;

/// How a directory is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    /// Ask the kernel for wake-ups (inotify) where the file system has them. Without it the share is polled.
    pub notify: bool,
    /// Refuse the share unless something is mounted on its root: the empty mount point of a NAS that is away looks like
    /// a share without files.
    pub require_mount: bool,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self { notify: true, require_mount: false }
    }
}

/// A directory as a share.
///
/// The directory is looked up by its path in every call, so that one that was unmounted or moved away is noticed, and
/// noticed again when it comes back.
#[derive(Debug)]
pub struct LocalShare {
    tree: Tree,
    notify: bool,
}

impl LocalShare {
    /// The share at `root`. The directory itself is not touched: it may be away now and mounted later. Symbolic links
    /// on the way to the root are followed, those beneath it never.
    ///
    /// # Errors
    /// `Configuration` when `root` is empty or relative to a working directory that is gone.
    pub fn open(root: &Path, settings: LocalSettings) -> Result<Self> {
        Self::open_below(root, Path::new(""), settings)
    }

    /// The directory `below` a share, as a share of its own. Where a mount is required, it is required at `root`.
    ///
    /// # Errors
    /// As for [`LocalShare::open`].
    pub fn open_below(root: &Path, below: &Path, settings: LocalSettings) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|error| {
            PortError::new(ErrorKind::Configuration, "use directory", root.to_string_lossy(), error)
                .with_hint("give the directory of the share as an absolute path")
        })?;
        let path = if below.as_os_str().is_empty() { root.clone() } else { root.join(below) };
        Ok(Self { tree: Tree::new(path, settings.require_mount.then_some(root)), notify: settings.notify })
    }
}

impl Share for LocalShare {
    fn address(&self) -> &str {
        self.tree.address()
    }

    fn capabilities(&self) -> Capabilities {
        // While the root is away nothing can be promised.
        let sees_all_changes = self.tree.open_root("look at").is_ok_and(|root| filesystem::sees_all_changes(&root));
        Capabilities {
            mtime_precision_ns: 1,
            read_survives_removal: sees_all_changes,
            notifies: self.notify && sees_all_changes,
        }
    }

    fn list(&self, request: ListRequest) -> Result<Listing> {
        listing::list(&self.tree, request)
    }

    fn stat(&self, path: &EntryPath) -> Result<Option<EntryStat>> {
        handle::stat(&self.tree, path)
    }

    fn open(&self, path: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        Ok(Box::new(handle::open(&self.tree, path)?))
    }

    fn watch(&self, request: ListRequest) -> Result<Option<Box<dyn Watch>>> {
        if !self.notify {
            return Ok(None);
        }
        Ok(watch::LocalWatch::start(&self.tree, request)?.map(|watch| Box::new(watch) as Box<dyn Watch>))
    }
}
