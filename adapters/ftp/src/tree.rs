//! Names on the server: the directory that a share is, and what is below it.
//!
//! The protocol has no handle of a directory to resolve names beneath, and no way to look at a symbolic link rather than
//! through it. Listings tell links, and none is followed from there; who may change directories on the server could still
//! be quicker.

use dropbridge_port::{EntryPath, ErrorKind, PortError, Result};
use dropbridge_remote::{Root, join};
use suppaftp::Status;

use crate::connection::Connection;
use crate::failure;

/// The directory that a share is.
#[derive(Clone, Debug)]
pub(crate) struct Tree(Root);

impl Tree {
    /// The directory `below` the path `root` of the server at `server`. An empty root is where the user arrives.
    pub(crate) fn new(server: &str, root: &[u8], below: &str) -> Self {
        Self(Root::new(server, root, below))
    }

    /// The directory of this name in it.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self(self.0.below(name))
    }

    /// For logs and errors.
    pub(crate) fn address(&self) -> &str {
        self.0.address()
    }

    /// A path below it, as the server is told: from the top, so that no name is taken for an option. Empty is the root.
    pub(crate) fn full(&self, connection: &Connection, path: &[u8]) -> Vec<u8> {
        let root = self.0.path();
        let is_from_top = root.starts_with(b"/");
        join(&if is_from_top { root.to_vec() } else { join(&connection.abilities.home, root) }, path)
    }

    /// A path for messages.
    pub(crate) fn subject(&self, path: &EntryPath) -> String {
        self.0.subject(path)
    }

    /// The error of a root that is not there.
    pub(crate) fn missing(&self, operation: &'static str) -> PortError {
        let message = "no such directory on the server, or it may not be entered";
        PortError::new(ErrorKind::NotFound, operation, self.address(), message).with_hint(
            "is the path right? a server may show another root to each user; `curl` with the same user and address tells",
        )
    }

    /// Makes sure that the root is a directory that may be entered.
    ///
    /// # Errors
    /// `NotFound` where it is not there or no directory, `Refused` where the server says that it may not be entered.
    pub(crate) fn require_root(&self, connection: &mut Connection, operation: &'static str) -> Result<()> {
        if enter(connection, operation, self.address(), &self.full(connection, b""))? {
            return Ok(());
        }
        Err(self.missing(operation))
    }
}

/// Makes a directory the one that commands without a path mean. `false` where it is not there.
///
/// # Errors
/// Of the connection; `Refused` where the server says that it may not be entered.
pub(crate) fn enter(connection: &mut Connection, operation: &'static str, subject: &str, full: &[u8]) -> Result<bool> {
    let expected = [Status::RequestedFileActionOk, Status::CommandOk];
    match connection.ask(operation, subject, "CWD", full, &expected)? {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.may_be_missing() => Ok(false),
        Err(refusal) => Err(failure::refused(operation, subject, &refusal)),
    }
}
