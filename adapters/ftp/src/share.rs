//! A directory of the server as a share: read-only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dropbridge_port::{Capabilities, EntryPath, EntryStat, ListRequest, Listing, OpenEntry, Result, Share, Watch};

use crate::entry::FtpEntry;
use crate::listing::{self, KnownRows};
use crate::look::{Kind, look};
use crate::names::can_be_told;
use crate::server::FtpServer;
use crate::tree::Tree;

/// A directory of the server.
pub struct FtpShare {
    server: Arc<FtpServer>,
    tree: Tree,
    known: Mutex<KnownRows>,
}

impl FtpShare {
    /// The directory `below` the path `root`. Nothing is opened yet. An empty root is where the user arrives.
    #[must_use]
    pub fn new(server: Arc<FtpServer>, root: &[u8], below: &str) -> Self {
        let tree = Tree::new(server.address(), root, below);
        Self { server, tree, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, KnownRows> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share for FtpShare {
    fn address(&self) -> &str {
        self.tree.address()
    }

    fn capabilities(&self) -> Capabilities {
        const SECOND_NS: i64 = 1_000_000_000;
        const MINUTE_NS: i64 = 60 * SECOND_NS;
        let precise = self.server.with_connection(|connection| {
            let abilities = &connection.abilities;
            Ok(abilities.facts || (abilities.size && abilities.mdtm))
        });
        Capabilities {
            // The rows of a listing tell minutes, and days of old files, which do not change any more.
            mtime_precision_ns: if precise.unwrap_or(false) { SECOND_NS } else { MINUTE_NS },
            read_survives_removal: false,
            notifies: false,
        }
    }

    fn list(&self, request: ListRequest) -> Result<Listing> {
        let before = std::mem::take(&mut *self.known());
        let listed = self.server.with_connection(|connection| {
            let mut known = before.clone();
            let listing = listing::list(connection, &self.tree, request, &mut known)?;
            Ok((listing, known))
        });
        match listed {
            Ok((listing, known)) => {
                *self.known() = known;
                Ok(listing)
            }
            Err(error) => {
                *self.known() = before;
                Err(error)
            }
        }
    }

    fn stat(&self, path: &EntryPath) -> Result<Option<EntryStat>> {
        const OPERATION: &str = "stat";
        let found = self.server.with_connection(|connection| {
            // A name that no command can carry is none that a listing told.
            let found =
                if can_be_told(path.as_bytes()) { look(connection, OPERATION, &self.tree, path)? } else { None };
            match found.filter(|found| found.kind == Kind::File) {
                Some(found) => found.need_stat(OPERATION, &self.tree.subject(path)).map(Some),
                None => self.tree.require_root(connection, OPERATION).map(|()| None),
            }
        })?;
        if let Some(found) = found {
            // What is known by now is what the next listing tells, unless its row is another one.
            if let Some((_, stat)) = self.known().get_mut(path.as_bytes()) {
                *stat = found;
            }
        }
        Ok(found)
    }

    fn open(&self, path: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        Ok(Box::new(FtpEntry::open(&self.server, &self.tree, path)?))
    }

    /// A server tells nobody of changes.
    fn watch(&self, _request: ListRequest) -> Result<Option<Box<dyn Watch>>> {
        Ok(None)
    }
}

impl std::fmt::Debug for FtpShare {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FtpShare({})", self.tree.address())
    }
}
