//! Taking files out of a directory of the server.

use std::sync::Arc;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, ErrorKind, PortError, Result};
use dropbridge_remote::{ClearingSession, Way, clear};
use suppaftp::Status;

use crate::connection::Connection;
use crate::failure::{self, Answer};
use crate::look::look;
use crate::server::FtpServer;
use crate::tree::Tree;

/// Deletes files of a directory, moves them to another, or renames them.
pub struct FtpClearing {
    server: Arc<FtpServer>,
    inbox: Tree,
    way: Way<Tree>,
}

impl FtpClearing {
    /// For the directory `inbox` below the path `root`; directories that files are moved to are below the same root.
    #[must_use]
    pub fn new(server: Arc<FtpServer>, root: &[u8], inbox: &str, disposal: &Disposal) -> Self {
        let tree = |below: &str| Tree::new(server.address(), root, below);
        let (inbox, way) = (tree(inbox), Way::new(disposal, tree));
        Self { server, inbox, way }
    }
}

impl Clearing for FtpClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        // What was done before the connection was lost is found by the second attempt: put aside, or gone.
        self.server.with_connection(|connection| clear(connection, &self.inbox, &self.way, path, expected))
    }
}

impl ClearingSession for Connection {
    type Tree = Tree;

    /// Most servers' do.
    const MAY_REPLACE: bool = true;

    fn look(&mut self, operation: &'static str, tree: &Tree, path: &EntryPath) -> Result<Option<Option<EntryStat>>> {
        Ok(look(self, operation, tree, path)?.map(|found| found.stat()))
    }

    fn require_root(&mut self, operation: &'static str, tree: &Tree) -> Result<()> {
        tree.require_root(self, operation)
    }

    fn rename(&mut self, operation: &'static str, from: (&Tree, &EntryPath), to: (&Tree, &EntryPath)) -> Result<()> {
        let (subject, full) = (from.0.subject(from.1), from.0.full(self, from.1.as_bytes()));
        let Err(refusal) = rename(self, operation, &subject, &full, to)? else { return Ok(()) };
        // Servers have one number for what is missing and for what is not permitted.
        if refusal.may_be_missing() && look(self, operation, from.0, from.1)?.is_none() {
            return Err(PortError::new(ErrorKind::NotFound, operation, subject, refusal.text));
        }
        Err(failure::refused(operation, &subject, &refusal))
    }

    fn remove(&mut self, operation: &'static str, tree: &Tree, path: &EntryPath) -> Result<()> {
        let (subject, full) = (tree.subject(path), tree.full(self, path.as_bytes()));
        let removed = remove(self, operation, &subject, &full)?;
        failure::done(operation, &subject, removed)
    }

    fn subject(tree: &Tree, path: &EntryPath) -> String {
        tree.subject(path)
    }

    fn is_broken(&self) -> bool {
        Self::is_broken(self)
    }
}

/// Renames, whatever has the new name, which is stated from within its directory: a line that is cut leads to no other.
///
/// # Errors
/// Of the connection; `NotFound` where the directory is not there.
pub(crate) fn rename(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    from: &[u8],
    (directory, to): (&Tree, &EntryPath),
) -> Result<Answer<()>> {
    directory.require_root(connection, operation)?;
    if let Err(refusal) = connection.ask(operation, subject, "RNFR", from, &[Status::RequestFilePending])? {
        return Ok(Err(refusal));
    }
    let done = [Status::RequestedFileActionOk, Status::CommandOk];
    Ok(connection.ask(operation, subject, "RNTO", to.as_bytes(), &done)?.map(drop))
}

/// Removes a file.
///
/// # Errors
/// Of the connection.
pub(crate) fn remove(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    full: &[u8],
) -> Result<Answer<()>> {
    let done = [Status::RequestedFileActionOk, Status::CommandOk];
    Ok(connection.ask(operation, subject, "DELE", full, &done)?.map(drop))
}
