//! A directory of the server as a share: read-only.

use std::sync::Arc;

use dropbridge_port::{Capabilities, EntryPath, EntryStat, ListRequest, Listing, OpenEntry, Result, Share, Watch};
use smb2::types::status::NtStatus;

use crate::entry::SmbEntry;
use crate::failure;
use crate::found::{Kind, TICK_NS};
use crate::listing;
use crate::request::{self, Opening};
use crate::server::SmbServer;
use crate::tree::Tree;

/// A directory of the server.
pub struct SmbShare {
    server: Arc<SmbServer>,
    tree: Tree,
}

impl SmbShare {
    /// The directory `below` the path `root` of the server's share. Nothing is opened yet. An empty root is the top of
    /// the share.
    #[must_use]
    pub fn new(server: Arc<SmbServer>, root: &str, below: &str) -> Self {
        let tree = Tree::new(server.address(), root, below);
        Self { server, tree }
    }
}

impl Share for SmbShare {
    fn address(&self) -> &str {
        self.tree.address()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            mtime_precision_ns: TICK_NS,
            // It is opened when it is read, and not before: what is gone by then is gone.
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
            let found = self.tree.look(session, OPERATION, path)?;
            let Some(found) = found.filter(|found| found.kind == Kind::File) else {
                self.tree.require_root(session, OPERATION)?;
                return Ok(None);
            };
            Ok(Some(found.stat()))
        })
    }

    fn open(&self, path: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        let entry = self.server.with_session(|session| SmbEntry::open(&self.server, session, &self.tree, path))?;
        Ok(Box::new(entry))
    }

    /// Somebody who writes it is in the way of an open that allows no writing. It is closed at once.
    fn has_writer(&self, path: &EntryPath) -> Result<Option<bool>> {
        const OPERATION: &str = "look for writers of";
        let wire = self.tree.need_wire(OPERATION, path.as_bytes())?;
        self.server.with_session(|session| {
            let answer = session.touch(request::open(&wire, Opening::NoWriter))?;
            match answer.status {
                NtStatus::SHARING_VIOLATION => Ok(Some(true)),
                _ => failure::done(OPERATION, &self.tree.subject(path), &answer).map(|()| Some(false)),
            }
        })
    }

    /// The directory is listed again and again. Servers could tell of changes, but may drop what they have to tell.
    fn watch(&self, _request: ListRequest) -> Result<Option<Box<dyn Watch>>> {
        Ok(None)
    }
}

impl std::fmt::Debug for SmbShare {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SmbShare({})", self.tree.address())
    }
}
