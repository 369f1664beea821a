//! Taking files out of a directory of the server.

use std::sync::Arc;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, Result};
use dropbridge_remote::{ClearingSession, Way, clear};
use smb2::types::status::NtStatus;

use crate::failure::{done, failure};
use crate::outbox::rename;
use crate::request::{self, Opening};
use crate::server::SmbServer;
use crate::session::Session;
use crate::tree::Tree;

/// Deletes files of a directory, moves them to another, or renames them.
pub struct SmbClearing {
    server: Arc<SmbServer>,
    inbox: Tree,
    way: Way<Tree>,
}

impl SmbClearing {
    /// For the directory `inbox` below the path `root` of the server's share; directories that files are moved to are
    /// below the same root.
    #[must_use]
    pub fn new(server: Arc<SmbServer>, root: &str, inbox: &str, disposal: &Disposal) -> Self {
        let tree = |below: &str| Tree::new(server.address(), root, below);
        let (inbox, way) = (tree(inbox), Way::new(disposal, tree));
        Self { server, inbox, way }
    }
}

impl Clearing for SmbClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        self.server.with_session(|session| clear(&mut &**session, &self.inbox, &self.way, path, expected))
    }
}

impl ClearingSession for &Session {
    type Tree = Tree;

    /// The protocol has a way to say that nothing is to be replaced.
    const MAY_REPLACE: bool = false;

    fn look(&mut self, operation: &'static str, tree: &Tree, path: &EntryPath) -> Result<Option<Option<EntryStat>>> {
        Ok(tree.look(self, operation, path)?.map(|found| Some(found.stat())))
    }

    fn require_root(&mut self, operation: &'static str, tree: &Tree) -> Result<()> {
        tree.require_root(self, operation).map(drop)
    }

    fn rename(&mut self, operation: &'static str, from: (&Tree, &EntryPath), to: (&Tree, &EntryPath)) -> Result<()> {
        let old = from.0.need_wire(operation, from.1.as_bytes())?;
        let new = to.0.need_wire(operation, to.1.as_bytes())?;
        match rename(self, &old, &new)? {
            NtStatus::SUCCESS => Ok(()),
            status => Err(failure(operation, &from.0.subject(from.1), status)),
        }
    }

    fn remove(&mut self, operation: &'static str, tree: &Tree, path: &EntryPath) -> Result<()> {
        let wire = tree.need_wire(operation, path.as_bytes())?;
        done(operation, &tree.subject(path), &self.touch(request::open(&wire, Opening::Delete))?)
    }

    fn subject(tree: &Tree, path: &EntryPath) -> String {
        tree.subject(path)
    }

    fn is_broken(&self) -> bool {
        <Session as dropbridge_remote::Session>::is_broken(self)
    }
}
