//! What has a name: by `MLST` where the server has it, by `SIZE` and `MDTM` otherwise, and by the listing of its
//! directory where it has neither.

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, PortError, Result};
use dropbridge_remote::no_size_and_time;
use suppaftp::Status;

use crate::connection::Connection;
use crate::facts;
use crate::failure::{self, Refusal};
use crate::listing::{Directory, Line, read_directory};
use crate::timestamp::{number, time_val};
use crate::tree::{Tree, enter};

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Also where the server does not tell.
    #[default]
    File,
    Directory,
    Link,
    /// The directory that is listed, and the one above it.
    Itself,
    Other,
}

impl Kind {
    /// What something is called that is no regular file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::File => "regular file",
            Self::Directory | Self::Itself => "directory",
            Self::Link => "symbolic link",
            Self::Other => "special file",
        }
    }
}

/// What a server tells of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) size: Option<u64>,
    pub(crate) modified_ns: Option<i64>,
    /// Of what the server calls unique; 0 where it does not.
    pub(crate) version: u64,
    /// Whether files may be made in this directory, where the server tells.
    pub(crate) may_create: Option<bool>,
}

impl Found {
    /// The port's stat; `None` where the server tells too little for one.
    pub(crate) fn stat(&self) -> Option<EntryStat> {
        Some(EntryStat { size: self.size?, modified_ns: self.modified_ns?, version: self.version })
    }

    /// The same, or an error.
    pub(crate) fn need_stat(&self, operation: &'static str, subject: &str) -> Result<EntryStat> {
        self.stat().ok_or_else(|| no_size_and_time(operation, subject))
    }
}

/// What has a name: `None` where nothing has.
///
/// # Errors
/// Of the server.
pub(crate) fn look(
    connection: &mut Connection,
    operation: &'static str,
    tree: &Tree,
    path: &EntryPath,
) -> Result<Option<Found>> {
    let (full, subject) = (tree.full(connection, path.as_bytes()), tree.subject(path));
    if connection.abilities.facts {
        return by_facts(connection, operation, &subject, &full);
    }
    if connection.abilities.size && connection.abilities.mdtm {
        return by_size_and_time(connection, operation, &subject, &full);
    }
    by_listing(connection, operation, tree, path)
}

/// What a directory is, by its facts; `None` where the server does not tell.
pub(crate) fn directory_facts(
    connection: &mut Connection,
    operation: &'static str,
    tree: &Tree,
) -> Result<Option<Found>> {
    if !connection.abilities.facts {
        return Ok(None);
    }
    let full = tree.full(connection, b"");
    by_facts(connection, operation, tree.address(), &full)
}

fn by_facts(connection: &mut Connection, operation: &'static str, subject: &str, full: &[u8]) -> Result<Option<Found>> {
    match connection.ask(operation, subject, "MLST", full, &[Status::RequestedFileActionOk])? {
        Ok(body) => {
            // The second of three lines, behind a blank (RFC 3659, section 7.2).
            let row = body.split(|byte| *byte == b'\n').nth(1).and_then(|row| row.strip_prefix(b" "));
            let found = row.and_then(|row| facts::parse(row.strip_suffix(b"\r").unwrap_or(row)));
            let unreadable = || {
                PortError::new(ErrorKind::Refused, operation, subject, "the server's answer to MLST cannot be read")
                    .with_hint("ask its owner")
            };
            found.map(|(found, _)| Some(found)).ok_or_else(unreadable)
        }
        Err(refusal) => nothing(operation, subject, &refusal),
    }
}

/// A name that nothing has is no error.
fn nothing(operation: &'static str, subject: &str, refusal: &Refusal) -> Result<Option<Found>> {
    if refusal.may_be_missing() {
        return Ok(None);
    }
    Err(failure::refused(operation, subject, refusal))
}

fn by_size_and_time(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    full: &[u8],
) -> Result<Option<Found>> {
    let size = match connection.ask(operation, subject, "SIZE", full, &[Status::File])? {
        Ok(body) => value(&body).and_then(number).and_then(|size| u64::try_from(size).ok()),
        // Of a directory most servers tell no size.
        Err(_) if enter(connection, operation, subject, full)? => {
            return Ok(Some(Found { kind: Kind::Directory, ..Found::default() }));
        }
        Err(refusal) => return nothing(operation, subject, &refusal),
    };
    match modified(connection, operation, subject, full)? {
        Some(modified_ns) => Ok(Some(Found { size, modified_ns, ..Found::default() })),
        None => Ok(None),
    }
}

/// When a file was modified, by `MDTM`: `None` where it is gone, `Some(None)` where the answer is no time.
///
/// # Errors
/// Of the server.
pub(crate) fn modified(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    full: &[u8],
) -> Result<Option<Option<i64>>> {
    match connection.ask(operation, subject, "MDTM", full, &[Status::File])? {
        Ok(body) => Ok(Some(value(&body).and_then(time_val))),
        Err(refusal) if refusal.may_be_missing() => Ok(None),
        Err(refusal) => Err(failure::refused(operation, subject, &refusal)),
    }
}

/// What stands behind the number of a reply.
fn value(body: &[u8]) -> Option<&[u8]> {
    body.get(4..).map(<[u8]>::trim_ascii)
}

fn by_listing(
    connection: &mut Connection,
    operation: &'static str,
    tree: &Tree,
    path: &EntryPath,
) -> Result<Option<Found>> {
    let directory = Directory { full: tree.full(connection, path.parent()), subject: tree.subject(path) };
    let mut found = None;
    let read = read_directory(connection, operation, &directory, |line| {
        if let Line::Row(row) = line
            && row.name == path.file_name()
        {
            found = Some(row.found);
        }
        Ok(())
    });
    match read {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(()) => Ok(found),
    }
}
