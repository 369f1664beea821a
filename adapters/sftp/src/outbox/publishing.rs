//! Giving a staged file its final name, and telling afterwards whether that was done.
//!
//! The name is given by the protocol's own rename, which refuses a name that is taken. OpenSSH links and unlinks for it,
//! within one request. Nothing that comes between bridge and server can come between the two; only the end of the server
//! itself can. Then both names are there, and are told to be the same file by a mark on the one that shows on the other.

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{EntryPath, ErrorKind, PortError, Publication, Result, StagedName, Standing};
use dropbridge_remote::{nothing_staged, parents, pass, witness_of};

use super::SftpOutbox;
use crate::failure;
use crate::protocol::{FileAttributes, Reply, Request, status};
use crate::session::Session;

const PUBLISH: &str = "publish";

/// What stands under the names of a file.
struct Names {
    staged: Option<FileAttributes>,
    witness: Option<FileAttributes>,
    target: Option<FileAttributes>,
}

impl SftpOutbox {
    /// See [`Outbox::publish`](dropbridge_port::Outbox::publish).
    pub(super) fn give_name(&self, name: &StagedName, target: &EntryPath) -> Result<Publication> {
        let session = self.begin(PUBLISH)?;
        let subject = self.outbox.subject(target);
        // A server without the other rename may let its only one replace: looking first is all that can be done.
        if !session.extensions.posix_rename && self.names(&session, name, target)?.target.is_some() {
            return Ok(Publication::TargetExists);
        }
        let (from, to) = (self.staging.full(name.to_string().as_bytes()), self.outbox.full(target.as_bytes()));
        let mut reply = session.ask(&Request::Rename { from: &from, to: &to })?;
        if matches!(reply, Reply::Status { code: status::NO_SUCH_FILE, .. }) && !target.parent().is_empty() {
            self.make_directories(&session, target)?;
            reply = session.ask(&Request::Rename { from: &from, to: &to })?;
        }
        match reply {
            Reply::Status { code: status::OK, .. } => pass(Failpoint::OutboxRenamed, &subject)?,
            refused => match self.why_not_given(&session, name, target, &refused)? {
                Publication::Published => {}
                Publication::TargetExists => return Ok(Publication::TargetExists),
            },
        }
        pass(Failpoint::OutboxPublished, &subject)?;
        Ok(Publication::Published)
    }

    fn why_not_given(
        &self,
        session: &Session,
        name: &StagedName,
        target: &EntryPath,
        reply: &Reply,
    ) -> Result<Publication> {
        let names = self.names(session, name, target)?;
        match names {
            // What was asked once may be done, though its answer was lost.
            Names { staged: None, witness: Some(_), .. } => Ok(Publication::Published),
            Names { staged: Some(staged), target: Some(there), .. } => {
                if self.finish_half_done(session, name, target, &staged, &there)? {
                    return Ok(Publication::Published);
                }
                Ok(Publication::TargetExists)
            }
            Names { staged: None, .. } => Err(nothing_staged(self.staged_subject(name))),
            Names { target: None, .. } => {
                let subject = self.outbox.subject(target);
                Err(self
                    .two_filesystems(session, &subject)?
                    .unwrap_or_else(|| self.write_failure(session, PUBLISH, &subject, reply)))
            }
        }
    }

    /// The error of a staging directory on another file system.
    fn two_filesystems(&self, session: &Session, subject: &str) -> Result<Option<PortError>> {
        let [outbox, staging] = [&self.outbox, &self.staging].map(|tree| self.file_system(session, tree, PUBLISH));
        Ok(match (outbox?, staging?) {
            (Some(outbox), Some(staging)) if outbox.id != staging.id => {
                let message = format!("the staging directory {} is on another file system", self.staging.address());
                Some(
                    PortError::new(ErrorKind::Configuration, PUBLISH, subject, message)
                        .with_hint("name a staging directory on the outbox's file system, or none"),
                )
            }
            _ => None,
        })
    }

    /// See [`Outbox::standing`](dropbridge_port::Outbox::standing).
    pub(super) fn judge(&self, name: &StagedName, target: &EntryPath) -> Result<Standing> {
        let session = self.begin("look for")?;
        let names = self.names(&session, name, target)?;
        Ok(match names {
            Names { staged: Some(staged), target: Some(there), .. }
                if self.finish_half_done(&session, name, target, &staged, &there)? =>
            {
                Standing::Published
            }
            Names { staged: Some(_), .. } => Standing::Staged,
            Names { witness: Some(_), .. } => Standing::Published,
            Names { .. } => Standing::Nothing,
        })
    }

    fn names(&self, session: &Session, name: &StagedName, target: &EntryPath) -> Result<Names> {
        const OPERATION: &str = "look for";
        let staged = session.send(&Request::Lstat { path: &self.staging.full(name.to_string().as_bytes()) })?;
        let witness = session.send(&Request::Lstat { path: &self.staging.full(witness_of(name).as_bytes()) })?;
        let target_there = self.outbox.look(session, OPERATION, target)?;
        let subject = self.staged_subject(name);
        let found = |awaiting| failure::attributes(OPERATION, &subject, &session.reply(awaiting)?);
        Ok(Names { staged: found(&staged)?, witness: found(&witness)?, target: target_there })
    }

    /// Where the temporary name and the target are one file, the server ended between its two steps: the second is done
    /// now. Answers whether it was so.
    fn finish_half_done(
        &self,
        session: &Session,
        name: &StagedName,
        target: &EntryPath,
        staged: &FileAttributes,
        there: &FileAttributes,
    ) -> Result<bool> {
        let (true, Some((accessed, modified))) = (staged.size == there.size && staged.mode == there.mode, staged.times)
        else {
            return Ok(false);
        };
        if there.times.map(|(_, modified)| modified) != Some(modified) {
            return Ok(false);
        }
        let path = self.staging.full(name.to_string().as_bytes());
        let mark = |modified: u32| -> Result<()> {
            let attributes = FileAttributes { times: Some((accessed, modified)), ..FileAttributes::default() };
            let reply = session.ask(&Request::Setstat { path: &path, attributes })?;
            failure::done("look for", &self.staged_subject(name), &reply)
        };
        mark(modified.wrapping_add(1))?;
        let now = self.outbox.look(session, "look for", target);
        mark(modified)?;
        if now?.and_then(|found| found.times).map(|(_, modified)| modified) != Some(modified.wrapping_add(1)) {
            return Ok(false);
        }
        self.remove(session, &name.to_string(), PUBLISH)?;
        Ok(true)
    }

    /// The directories on the way to a target.
    fn make_directories(&self, session: &Session, target: &EntryPath) -> Result<()> {
        parents(target).try_for_each(|directory| self.make_directory(session, &self.outbox.full(directory), None))
    }
}
