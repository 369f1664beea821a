//! Names on the server: the directory that a share is, and what is looked at below it.
//!
//! Names go to the server as one path each, and it is the server that resolves them; links on the way are refused by it
//! or, where it follows them itself (Samba), are none to anybody outside.

use dropbridge_port::{EntryPath, ErrorKind, PortError, Result};
use smb2::types::status::NtStatus;

use crate::failure::{failure, is_missing};
use crate::found::{Found, Kind};
use crate::request::{self, OF_THE_CHAIN, Opening};
use crate::session::{Awaiting, Session};

/// The directory that a share is.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Below the share of the server; empty at its top.
    root: String,
    address: String,
}

impl Tree {
    /// The directory `below` the path `root` of the share at `server`.
    pub(crate) fn new(server: &str, root: &str, below: &str) -> Self {
        let root = join(root.trim_matches('/'), below);
        let address = if root.is_empty() { server.to_owned() } else { format!("{server}/{root}") };
        Self { root, address }
    }

    /// The directory of this name in it.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { root: join(&self.root, name), address: format!("{}/{name}", self.address) }
    }

    /// For logs and errors.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A path below it, as the server is told; empty is the root. `None` for what the server cannot have: its names are
    /// Unicode.
    ///
    /// What Windows allows in no name goes over the wire as the characters that other clients of Unix send for it.
    pub(crate) fn wire(&self, path: &[u8]) -> Option<String> {
        Some(smb2::encode_path(&join(&self.root, std::str::from_utf8(path).ok()?)))
    }

    /// The same, or the error of a name that nothing can have.
    pub(crate) fn need_wire(&self, operation: &'static str, path: &[u8]) -> Result<String> {
        self.wire(path).ok_or_else(|| {
            let subject = format!("{}/{}", self.address, String::from_utf8_lossy(path).escape_debug());
            PortError::new(ErrorKind::NotFound, operation, subject, "names on the server are Unicode, and this is none")
        })
    }

    /// The root as the server is told.
    pub(crate) fn wire_root(&self) -> String {
        smb2::encode_path(&self.root)
    }

    /// A path for messages.
    pub(crate) fn subject(&self, path: &EntryPath) -> String {
        format!("{}/{path}", self.address)
    }

    /// The error of a root that is not there.
    pub(crate) fn missing(&self, operation: &'static str) -> PortError {
        PortError::new(ErrorKind::NotFound, operation, &self.address, "no such directory on the server")
            .with_hint("is the path behind the share's name right? `smbclient` with the same user tells")
    }

    /// Makes sure that the root is a directory.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is no directory.
    pub(crate) fn require_root(&self, session: &Session, operation: &'static str) -> Result<Found> {
        let awaiting = ask_for(session, &self.wire_root())?;
        let found = answered(session, &awaiting, operation, &self.address)?.ok_or_else(|| self.missing(operation))?;
        if found.kind == Kind::Directory {
            return Ok(found);
        }
        let message = format!("it is no directory but a {}", found.kind.name());
        Err(PortError::new(ErrorKind::Refused, operation, &self.address, message)
            .with_hint("the share must be a directory"))
    }

    /// What has a name; `None` where nothing has.
    ///
    /// # Errors
    /// Of the server.
    pub(crate) fn look(&self, session: &Session, operation: &'static str, path: &EntryPath) -> Result<Option<Found>> {
        let Some(wire) = self.wire(path.as_bytes()) else { return Ok(None) };
        let awaiting = ask_for(session, &wire)?;
        answered(session, &awaiting, operation, &self.subject(path))
    }
}

/// Asks what has a name, given as it goes over the wire.
pub(crate) fn ask_for(session: &Session, wire: &str) -> Result<Awaiting> {
    session.send_opened(request::open(wire, Opening::Look), request::information(OF_THE_CHAIN))
}

/// What has the name that was asked for.
///
/// # Errors
/// Of the server.
pub(crate) fn answered(
    session: &Session,
    awaiting: &Awaiting,
    operation: &'static str,
    subject: &str,
) -> Result<Option<Found>> {
    let chained = session.chained(awaiting)?;
    match chained.opened.status {
        // Deleted, though somebody has it open still.
        NtStatus::DELETE_PENDING => return Ok(None),
        NtStatus::STOPPED_ON_SYMLINK => return Ok(Some(Found::LINK)),
        status if is_missing(status) => return Ok(None),
        _ if !chained.opened.is_done() => return Err(failure(operation, subject, chained.opened.status)),
        _ => {}
    }
    if !chained.done.is_done() {
        return Err(failure(operation, subject, chained.done.status));
    }
    match Found::information(&chained.done) {
        Some(found) => Ok(Some(found)),
        None => Err(session.broken_by("the server tells less of a file than the protocol wants")),
    }
}

/// The path of a name in a directory.
fn join(above: &str, name: &str) -> String {
    match (above, name) {
        ("", name) => name.to_owned(),
        (above, "") => above.to_owned(),
        (above, name) => format!("{above}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_are_below_the_root() {
        let path = |root: &str, below: &str, name: &[u8]| Tree::new("smb://u@h:445/s", root, below).wire(name).unwrap();
        assert_eq!(path("drops", "payroll", b"a b#"), "drops\\payroll\\a b#");
        assert_eq!(path("/drops/", "", b"x/y"), "drops\\x\\y");
        assert_eq!(path("", "", b"a"), "a");
        assert_eq!(path("", "", b""), "");
        assert_eq!(path("", "in", b""), "in");
        assert_eq!(Tree::new("smb://u@h:445/s", "drops", "in").address(), "smb://u@h:445/s/drops/in");
        assert_eq!(Tree::new("smb://u@h:445/s", "", "").address(), "smb://u@h:445/s");
    }

    /// A colon would name a stream of another file, a backslash another directory.
    #[test]
    fn no_name_leads_elsewhere() {
        let tree = Tree::new("smb://u@h:445/s", "drops", "");
        for (name, wire) in
            [("a:b", "drops\\a\u{f022}b"), ("..\\x", "drops\\..\u{f026}x"), ("a*?", "drops\\a\u{f021}\u{f025}")]
        {
            assert_eq!(tree.wire(name.as_bytes()).unwrap(), wire);
        }
        assert_eq!(tree.wire(b"latin-1 \xe9"), None);
    }
}
