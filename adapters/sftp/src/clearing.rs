//! Taking files out of a directory of the server.

use std::sync::Arc;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, Result};
use dropbridge_remote::{ClearingSession, Way, clear};

use crate::failure;
use crate::protocol::Request;
use crate::server::SftpServer;
use crate::session::Session;
use crate::tree::{Tree, entry_stat};

/// Deletes files of a directory, moves them to another, or renames them.
pub struct SftpClearing {
    server: Arc<SftpServer>,
    inbox: Tree,
    way: Way<Tree>,
}

impl SftpClearing {
    /// For the directory `inbox` below the path `root`; directories that files are moved to are below the same root.
    #[must_use]
    pub fn new(server: Arc<SftpServer>, root: &[u8], inbox: &str, disposal: &Disposal) -> Self {
        let tree = |below: &str| Tree::new(server.address(), root, below);
        let (inbox, way) = (tree(inbox), Way::new(disposal, tree));
        Self { server, inbox, way }
    }
}

impl Clearing for SftpClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        self.server.with_session(|session| clear(&mut &**session, &self.inbox, &self.way, path, expected))
    }
}

impl ClearingSession for &Session {
    type Tree = Tree;

    /// Not every server refuses a name that is taken.
    const MAY_REPLACE: bool = true;

    fn look(&mut self, operation: &'static str, tree: &Tree, path: &EntryPath) -> Result<Option<Option<EntryStat>>> {
        Ok(tree.look(self, operation, path)?.map(|found| entry_stat(&found)))
    }

    fn require_root(&mut self, operation: &'static str, tree: &Tree) -> Result<()> {
        tree.require_root(self, operation).map(drop)
    }

    fn rename(&mut self, operation: &'static str, from: (&Tree, &EntryPath), to: (&Tree, &EntryPath)) -> Result<()> {
        let (old, new) = (from.0.full(from.1.as_bytes()), to.0.full(to.1.as_bytes()));
        let reply = self.ask(&Request::Rename { from: &old, to: &new })?;
        failure::done(operation, &from.0.subject(from.1), &reply)
    }

    fn remove(&mut self, operation: &'static str, tree: &Tree, path: &EntryPath) -> Result<()> {
        let reply = self.ask(&Request::Remove { path: &tree.full(path.as_bytes()) })?;
        failure::done(operation, &tree.subject(path), &reply)
    }

    fn subject(tree: &Tree, path: &EntryPath) -> String {
        tree.subject(path)
    }

    fn is_broken(&self) -> bool {
        <Session as dropbridge_remote::Session>::is_broken(self)
    }
}
