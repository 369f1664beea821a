//! Taking files out of a directory of the server.

use std::sync::Arc;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, ErrorKind, PortError, Result};
use suppaftp::Status;

use crate::connection::Connection;
use crate::failure::{self, Answer};
use crate::look::{Found, look};
use crate::server::FtpServer;
use crate::tree::Tree;

/// What a file is called while it is looked at.
const ASIDE: &[u8] = b".dropbridge-clearing-";

const OPERATION: &str = "take out of the inbox";

/// Deletes files of a directory, moves them to another, or renames them.
pub struct FtpClearing {
    server: Arc<FtpServer>,
    inbox: Tree,
    way: Way,
}

/// Where they go.
enum Way {
    Delete,
    Move(Tree),
    Rename(String),
}

impl FtpClearing {
    /// For the directory `inbox` below the path `root`; directories that files are moved to are below the same root.
    #[must_use]
    pub fn new(server: Arc<FtpServer>, root: &[u8], inbox: &str, disposal: &Disposal) -> Self {
        let tree = |below: &str| Tree::new(server.address(), root, below);
        let way = match disposal {
            Disposal::Delete => Way::Delete,
            Disposal::Move(directory) => Way::Move(tree(directory)),
            Disposal::Rename(suffix) => Way::Rename(suffix.clone()),
        };
        let inbox = tree(inbox);
        Self { server, inbox, way }
    }

    fn look(&self, connection: &mut Connection, path: &EntryPath) -> Result<Option<Found>> {
        look(connection, OPERATION, &self.inbox, path)
    }

    /// Where a file that was put aside goes; the answer says whether it did.
    fn dispose(&self, connection: &mut Connection, aside: &EntryPath, path: &EntryPath) -> Result<Answer<()>> {
        let subject = self.inbox.subject(path);
        let from = self.inbox.full(connection, aside.as_bytes());
        let (tree, to) = match &self.way {
            Way::Delete => return remove(connection, OPERATION, &subject, &from),
            Way::Rename(suffix) => (&self.inbox, path.sibling(&[path.file_name(), suffix.as_bytes()].concat())),
            Way::Move(destination) => {
                destination.require_root(connection, "move to")?;
                (destination, EntryPath::new(path.file_name()))
            }
        };
        let unsafe_name = || PortError::new(ErrorKind::Bug, OPERATION, &subject, "no name to go to");
        let to = to.ok_or_else(unsafe_name)?;
        // Not every server's rename refuses a name that is taken.
        if look(connection, OPERATION, tree, &to)?.is_some() {
            let message = "a file of this name is where it is to go";
            return Err(PortError::new(ErrorKind::Conflict, OPERATION, tree.subject(&to), message)
                .with_hint("move that one away"));
        }
        rename(connection, OPERATION, &subject, &from, (tree, &to))
    }

    fn clear_over(&self, connection: &mut Connection, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        self.inbox.require_root(connection, OPERATION)?;
        let subject = self.inbox.subject(path);
        let aside = path.sibling(&[ASIDE, path.file_name()].concat());
        let aside = aside.ok_or_else(|| PortError::new(ErrorKind::Bug, OPERATION, &subject, "no name beside it"))?;
        let full = self.inbox.full(connection, path.as_bytes());
        let full_aside = self.inbox.full(connection, aside.as_bytes());
        // One that is aside already was left by a crash.
        if self.look(connection, &aside)?.is_none() {
            if self.look(connection, path)?.is_none() {
                return Ok(Cleared::Gone);
            }
            let moved = rename(connection, OPERATION, &subject, &full, (&self.inbox, &aside))?;
            failure::done(OPERATION, &subject, moved)?;
        }
        let Some(there) = self.look(connection, &aside)? else { return Ok(Cleared::Gone) };
        let stat = there.stat().map(|stat| (stat.size, stat.modified_ns));
        if stat != Some((expected.size, expected.modified_ns)) {
            self.put_back(connection, &subject, &full_aside, path)?;
            return Ok(Cleared::Changed);
        }
        let disposed = self.dispose(connection, &aside, path);
        match disposed.and_then(|answer| failure::done(OPERATION, &subject, answer)) {
            Ok(()) => Ok(Cleared::Done),
            // A connection that is lost leaves it aside: the next attempt goes on from there.
            Err(error) if connection.is_broken() => Err(error),
            Err(error) => {
                self.put_back(connection, &subject, &full_aside, path)?;
                Err(error)
            }
        }
    }

    fn put_back(&self, connection: &mut Connection, subject: &str, aside: &[u8], path: &EntryPath) -> Result<()> {
        const OPERATION: &str = "put back into the inbox";
        let moved = rename(connection, OPERATION, subject, aside, (&self.inbox, path))?;
        failure::done(OPERATION, subject, moved)
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

impl Clearing for FtpClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        // What was done before the connection was lost is found by the second attempt: put aside, or gone.
        self.server.with_connection(|connection| self.clear_over(connection, path, expected))
    }
}
