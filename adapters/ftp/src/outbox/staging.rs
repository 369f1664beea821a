//! Files and witnesses under temporary names.
//!
//! A server may carry out a line that was cut as far as it came (ProFTPD does, where there is no TLS). So everything is made
//! and removed from within its directory, and no beginning of a name is another one: what is staged has an ending, as its
//! witness has. What a cut line made all the same is empty, and is removed.

use dropbridge_port::{EntryPath, ErrorKind, PortError, Result, StagedName};
use dropbridge_remote::{STAGING, StagedNames, WITNESS, witness_of};
use suppaftp::Status;

use super::FtpOutbox;
use crate::connection::Connection;
use crate::failure;
use crate::listing::{Directory, Line, read_directory};
use crate::look::Kind;
use crate::tree::{Tree, enter};

/// What the name of a staged file ends in.
const STAGED: &str = ".staged";

/// The name of a staged file.
pub(super) fn staged_of(name: &StagedName) -> String {
    format!("{name}{STAGED}")
}

/// Whether an empty file was made by a line that was cut in the name of one of this owner's. What others stage in the same
/// directory by another protocol has no ending, and is theirs.
fn is_cut(name: &[u8], owner: &str) -> bool {
    let prefix = StagedName::PREFIX.as_bytes();
    let is_whole = [STAGED.as_bytes(), WITNESS.as_bytes()].iter().any(|ending| name.ends_with(ending));
    let staged = std::str::from_utf8(name).ok().and_then(StagedName::parse);
    let is_of_another = staged.is_some_and(|staged| staged.owner() != owner);
    !is_whole && !is_of_another && (name.starts_with(prefix) || prefix.starts_with(name))
}

/// A name of the staging directory as a path.
pub(super) fn path_of(name: &str) -> Result<EntryPath> {
    EntryPath::new(name).ok_or_else(|| PortError::new(ErrorKind::Bug, "stage", name, "it is no name"))
}

impl FtpOutbox {
    /// Sees to the staging directory, and to it that nothing has the name: uploading would replace it.
    pub(super) fn prepare(&self, connection: &mut Connection, name: &StagedName) -> Result<()> {
        const OPERATION: &str = "stage";
        let full = self.staging.full(connection, b"");
        if self.makes_staging {
            make_directory(connection, &self.outbox, STAGING.as_bytes())?;
        } else if !enter(connection, OPERATION, self.staging.address(), &full)? {
            return Err(self.staging.missing(OPERATION));
        }
        if self.look_at_staged(connection, &staged_of(name), OPERATION)?.is_some() {
            let subject = self.staged_subject(name);
            return Err(PortError::new(ErrorKind::Conflict, OPERATION, subject, "a file of this name is there"));
        }
        Ok(())
    }

    /// Puts a witness beside a staged file: an empty file, since the protocol has no links.
    pub(super) fn leave_witness(&self, connection: &mut Connection, name: &StagedName) -> Result<()> {
        const OPERATION: &str = "witness";
        let (witness, subject) = (witness_of(name), self.staged_subject(name));
        if self.look_at_staged(connection, &witness, OPERATION)?.is_some() {
            return Ok(());
        }
        self.enter_staging(connection, OPERATION)?;
        let transfer = connection.begin(OPERATION, &subject, "STOR", witness.as_bytes(), 0)?;
        let transfer = failure::done(OPERATION, &subject, transfer)?;
        let answer = connection.finish(OPERATION, &subject, transfer)?;
        failure::done(OPERATION, &subject, answer)?;
        // Nothing was sent, so that the answer may be of another mind than the disk.
        if self.look_at_staged(connection, &witness, OPERATION)?.is_none() {
            let message = "the server does not keep an empty file";
            return Err(PortError::new(ErrorKind::Refused, OPERATION, subject, message)
                .with_hint("without one nobody can tell after a crash what was delivered: ask the server's owner"));
        }
        Ok(())
    }

    /// The names of an owner, each once, in order.
    pub(super) fn staged_by(&self, connection: &mut Connection, owner: &str) -> Result<Vec<StagedName>> {
        const OPERATION: &str = "list staged files in";
        let directory = self.staging_directory(connection);
        let (mut names, mut cut) = (StagedNames::of(owner), Vec::new());
        let read = read_directory(connection, OPERATION, &directory, |line| {
            let Line::Row(row) = line else { return Ok(()) };
            if row.found.kind == Kind::File && row.found.size == Some(0) && is_cut(row.name, owner) {
                cut.extend(String::from_utf8(row.name.to_vec()));
            } else {
                names.see(row.name.strip_suffix(STAGED.as_bytes()).unwrap_or(row.name));
            }
            Ok(())
        });
        match read {
            Err(error) if error.kind == ErrorKind::NotFound && self.makes_staging => return Ok(Vec::new()),
            answer => answer?,
        }
        cut.iter().try_for_each(|name| self.remove(connection, name, "remove what a cut line made in"))?;
        Ok(names.in_order())
    }

    /// Makes sure that a listing of the staging directory does not show a staged file that the server tells nothing of. It
    /// has to show its witness, which is there: one that leaves names out proves nothing.
    ///
    /// # Errors
    /// `Transient` where it is listed, or the listing is not all.
    pub(super) fn require_unlisted(
        &self,
        connection: &mut Connection,
        name: &StagedName,
        operation: &'static str,
    ) -> Result<()> {
        let directory = self.staging_directory(connection);
        let (staged, witness) = (staged_of(name), witness_of(name));
        let (mut has_staged, mut has_witness) = (false, false);
        read_directory(connection, operation, &directory, |line| {
            match line {
                Line::Row(row) => {
                    has_staged |= row.name == staged.as_bytes();
                    has_witness |= row.name == witness.as_bytes();
                }
                Line::Unreadable(text) => {
                    has_staged |= text.windows(staged.len()).any(|part| part == staged.as_bytes());
                }
            }
            Ok(())
        })?;
        let error = |message| PortError::new(ErrorKind::Transient, operation, self.staged_subject(name), message);
        if has_staged {
            return Err(error("the server does not tell of a file that it lists")
                .with_hint("it is tried again by itself; the server's own log may say more"));
        }
        if !has_witness {
            return Err(error("the server does not list a file that it tells of").with_hint(
                "it is tried again by itself; if it lasts, listings have to show names that begin with a dot",
            ));
        }
        Ok(())
    }

    fn staging_directory(&self, connection: &Connection) -> Directory {
        Directory { full: self.staging.full(connection, b""), subject: self.staging.address().to_owned() }
    }

    /// Goes to the staging directory, which is there.
    pub(super) fn enter_staging(&self, connection: &mut Connection, operation: &'static str) -> Result<()> {
        let full = self.staging.full(connection, b"");
        if enter(connection, operation, self.staging.address(), &full)? {
            return Ok(());
        }
        Err(self.staging.missing(operation))
    }
}

/// Makes a directory below another one; one that is there is fine.
pub(super) fn make_directory(connection: &mut Connection, above: &Tree, below: &[u8]) -> Result<()> {
    const OPERATION: &str = "make directory";
    let (full, subject) = (above.full(connection, below), above.address());
    if enter(connection, OPERATION, subject, &full).is_ok_and(|is_there| is_there) {
        return Ok(());
    }
    above.require_root(connection, OPERATION)?;
    match connection.ask(OPERATION, subject, "MKD", below, &[Status::PathCreated, Status::CommandOk])? {
        Ok(_) => Ok(()),
        // Another one may have made it meanwhile.
        Err(refusal) if !enter(connection, OPERATION, subject, &full)? => {
            Err(failure::refused(OPERATION, subject, &refusal))
        }
        Err(_) => Ok(()),
    }
}

/// What the server has of a file, in bytes; `None` where it has none.
pub(super) fn staged_size(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    full: &[u8],
) -> Result<Option<u64>> {
    match connection.ask(operation, subject, "SIZE", full, &[Status::File])? {
        Ok(body) => Ok(std::str::from_utf8(&body).ok().and_then(|text| text.get(4..)?.trim().parse().ok())),
        Err(refusal) if refusal.may_be_missing() => Ok(None),
        Err(refusal) => Err(failure::refused(operation, subject, &refusal)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_beginning_of_a_name_is_another_name() {
        let name = StagedName::new("relay.orders", 1, 12).unwrap();
        for whole in [staged_of(&name), witness_of(&name)] {
            assert!(!is_cut(whole.as_bytes(), "relay.orders"), "{whole}");
            for end in 1..whole.len() {
                assert!(is_cut(&whole.as_bytes()[..end], "relay.orders"), "{whole} up to {end}");
            }
        }
        let by_another_protocol = StagedName::new("mirror", 1, 1).unwrap().to_string();
        for other in ["orders.dat", ".profile", "dropbridge", &by_another_protocol] {
            assert!(!is_cut(other.as_bytes(), "relay.orders"));
        }
    }
}
