//! A directory of the server as a share: read-only.

use std::sync::Arc;

use dropbridge_port::{
    Capabilities, EntryPath, EntryStat, ErrorKind, ListRequest, Listing, OpenEntry, Result, Share, Watch,
};

use crate::entry::SftpEntry;
use crate::listing;
use crate::protocol::FileKind;
use crate::server::SftpServer;
use crate::tree::{Tree, need_stat};

/// A directory of the server.
pub struct SftpShare {
    server: Arc<SftpServer>,
    tree: Tree,
}

impl SftpShare {
    /// The directory `below` the path `root`. Nothing is opened yet. An empty root is where the user arrives.
    #[must_use]
    pub fn new(server: Arc<SftpServer>, root: &[u8], below: &str) -> Self {
        let tree = Tree::new(server.address(), root, below);
        Self { server, tree }
    }
}

impl Share for SftpShare {
    fn address(&self) -> &str {
        self.tree.address()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            mtime_precision_ns: 1_000_000_000,
            // While the connection lasts it does: nobody can promise that.
            read_survives_removal: false,
            notifies: false,
        }
    }

    fn list(&self, request: ListRequest) -> Result<Listing> {
        self.server.with_session(|session| listing::list(session, &self.tree, request))
    }

    fn stat(&self, path: &EntryPath) -> Result<Option<EntryStat>> {
        const OPERATION: &str = "stat";
        self.server.with_session(|session| {
            let found = match self.tree.look(session, OPERATION, path) {
                Ok(found) => found,
                // A name that the server cannot have.
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let Some(found) = found.filter(|found| found.kind() == FileKind::Regular) else {
                self.tree.require_root(session, OPERATION)?;
                return Ok(None);
            };
            need_stat(OPERATION, &self.tree.subject(path), &found).map(Some)
        })
    }

    fn open(&self, path: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        let entry = self.server.with_session(|session| SftpEntry::open(&self.server, session, &self.tree, path))?;
        Ok(Box::new(entry))
    }

    /// A server tells nobody of changes.
    fn watch(&self, _request: ListRequest) -> Result<Option<Box<dyn Watch>>> {
        Ok(None)
    }
}

impl std::fmt::Debug for SftpShare {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SftpShare({})", self.tree.address())
    }
}
