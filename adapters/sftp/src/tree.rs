//! Names on the server: the directory that a share is, and what is looked at below it.
//!
//! The protocol has no handle of a directory to resolve names beneath. So every directory between the root and a file is
//! looked at first, all in one go, and none may be a symbolic link; whoever may change directories on the server could
//! still be quicker.

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, PortError, Result};
use dropbridge_remote::{Root, join, no_size_and_time};

use crate::failure;
use crate::protocol::{FileAttributes, FileKind, Request};
use crate::session::Session;

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

    /// The root as the server is told.
    pub(crate) fn root(&self) -> &[u8] {
        if self.0.path().is_empty() { b"." } else { self.0.path() }
    }

    /// A path below it, as the server is told. Empty is the root.
    pub(crate) fn full(&self, path: &[u8]) -> Vec<u8> {
        if path.is_empty() { self.root().to_vec() } else { join(self.0.path(), path) }
    }

    /// A path for messages.
    pub(crate) fn subject(&self, path: &EntryPath) -> String {
        self.0.subject(path)
    }

    /// The error of a root that is not there.
    pub(crate) fn missing(&self, operation: &'static str) -> PortError {
        PortError::new(ErrorKind::NotFound, operation, self.address(), "no such directory on the server").with_hint(
            "is the path right? a gateway may show another root to each user; `sftp` with the same user tells",
        )
    }

    /// Makes sure that the root is a directory. Symbolic links on the way to it are followed.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is no directory.
    pub(crate) fn require_root(&self, session: &Session, operation: &'static str) -> Result<FileAttributes> {
        let reply = session.ask(&Request::Stat { path: self.root() })?;
        let found = failure::attributes(operation, self.address(), &reply)?;
        let found = found.ok_or_else(|| self.missing(operation))?;
        if matches!(found.kind(), FileKind::Directory | FileKind::Unknown) {
            return Ok(found);
        }
        Err(PortError::new(ErrorKind::Refused, operation, self.address(), "it is no directory")
            .with_hint("the share must be a directory"))
    }

    /// What has a name: `None` where nothing has, or where a directory on the way is none.
    ///
    /// # Errors
    /// Of the server.
    pub(crate) fn look(
        &self,
        session: &Session,
        operation: &'static str,
        path: &EntryPath,
    ) -> Result<Option<FileAttributes>> {
        let bytes = path.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([bytes.len()]);
        let asked: Vec<_> =
            ends.map(|end| session.send(&Request::Lstat { path: &self.full(&bytes[..end]) })).collect::<Result<_>>()?;
        let last = asked.len() - 1;
        let mut found = None;
        let mut is_on_the_way = true;
        for (index, awaiting) in asked.iter().enumerate() {
            // All are awaited, whatever the first ones say: the session goes on.
            let reply = session.reply(awaiting)?;
            if !is_on_the_way {
                continue;
            }
            let subject = self.subject(path);
            match (failure::attributes(operation, &subject, &reply)?, index == last) {
                (None, _) => is_on_the_way = false,
                (Some(attributes), true) => found = Some(attributes),
                (Some(attributes), false) => {
                    is_on_the_way = matches!(attributes.kind(), FileKind::Directory | FileKind::Unknown);
                }
            }
        }
        Ok(found)
    }
}

/// What something is called that is no regular file.
pub(crate) const fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "regular file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symbolic link",
        FileKind::Other(name) => name,
        FileKind::Unknown => "thing of unknown type",
    }
}

/// The port's stat; the protocol has nothing by which two files of one size and second could be told apart.
pub(crate) fn entry_stat(found: &FileAttributes) -> Option<EntryStat> {
    let (_, modified_s) = found.times?;
    Some(EntryStat { size: found.size?, modified_ns: i64::from(modified_s) * 1_000_000_000, version: 0 })
}

/// The same, or an error where the server does not say size or time.
pub(crate) fn need_stat(operation: &'static str, subject: &str, found: &FileAttributes) -> Result<EntryStat> {
    entry_stat(found).ok_or_else(|| no_size_and_time(operation, subject))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_are_below_the_root() {
        let path = |root: &[u8], below: &str, name: &[u8]| Tree::new("sftp://u@h:22", root, below).full(name);
        assert_eq!(path(b"/drops", "payroll", b"a b"), b"/drops/payroll/a b");
        assert_eq!(path(b"/", "", b"a"), b"/a");
        assert_eq!(path(b"", "", b"a"), b"a");
        assert_eq!(path(b"", "in", b""), b"in");
        assert_eq!(path(b"", "", b""), b".");
        assert_eq!(Tree::new("sftp://u@h:22", b"/drops", "in").address(), "sftp://u@h:22/drops/in");
        assert_eq!(Tree::new("sftp://u@h:22", b"", "in").address(), "sftp://u@h:22/~/in");
    }

    #[test]
    fn seconds_become_nanoseconds() {
        let found = FileAttributes { size: Some(3), times: Some((1, u32::MAX)), ..FileAttributes::default() };
        let stat = entry_stat(&found).unwrap();
        assert_eq!(stat, EntryStat { size: 3, modified_ns: 4_294_967_295_000_000_000, version: 0 });
        assert_eq!(entry_stat(&FileAttributes { size: Some(3), ..FileAttributes::default() }), None);
    }
}
