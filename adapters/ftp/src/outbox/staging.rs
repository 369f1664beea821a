//! Files and witnesses under temporary names.

use dropbridge_port::{EntryPath, ErrorKind, PortError, Result, StagedName};
use dropbridge_remote::{StagedNames, witness_of};
use suppaftp::Status;

use super::{FtpOutbox, make_directory};
use crate::connection::Connection;
use crate::failure;
use crate::listing::{Directory, Line, read_directory};
use crate::tree::enter;

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
            make_directory(connection, self.staging.address(), &full)?;
        } else if !enter(connection, OPERATION, self.staging.address(), &full)? {
            return Err(self.staging.missing(OPERATION));
        }
        if self.staged_is_there(connection, &name.to_string(), OPERATION)? {
            let subject = self.staged_subject(name);
            return Err(PortError::new(ErrorKind::Conflict, OPERATION, subject, "a file of this name is there"));
        }
        Ok(())
    }

    /// Puts a witness beside a staged file: an empty file, since the protocol has no links.
    pub(super) fn leave_witness(&self, connection: &mut Connection, name: &StagedName) -> Result<()> {
        const OPERATION: &str = "witness";
        let (witness, subject) = (witness_of(name), self.staged_subject(name));
        if self.staged_is_there(connection, &witness, OPERATION)? {
            return Ok(());
        }
        let full = self.staging.full(connection, witness.as_bytes());
        let transfer = connection.begin(OPERATION, &subject, "STOR", &full, 0)?;
        let transfer = failure::done(OPERATION, &subject, transfer)?;
        let answer = connection.finish(OPERATION, &subject, transfer)?;
        failure::done(OPERATION, &subject, answer)?;
        // Nothing was sent, so that the answer may be of another mind than the disk.
        if !self.staged_is_there(connection, &witness, OPERATION)? {
            let message = "the server does not keep an empty file";
            return Err(PortError::new(ErrorKind::Refused, OPERATION, subject, message)
                .with_hint("without one nobody can tell after a crash what was delivered: ask the server's owner"));
        }
        Ok(())
    }

    /// The names of an owner, each once, in order.
    pub(super) fn staged_by(&self, connection: &mut Connection, owner: &str) -> Result<Vec<StagedName>> {
        const OPERATION: &str = "list staged files in";
        let full = self.staging.full(connection, b"");
        let directory = Directory { full, subject: self.staging.address().to_owned() };
        let mut names = StagedNames::of(owner);
        let read = read_directory(connection, OPERATION, &directory, |line| {
            if let Line::Row(row) = line {
                names.see(row.name);
            }
            Ok(())
        });
        match read {
            Err(error) if error.kind == ErrorKind::NotFound && self.makes_staging => Ok(Vec::new()),
            answer => answer.map(|()| names.in_order()),
        }
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
