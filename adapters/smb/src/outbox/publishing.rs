//! Giving a staged file its final name, and telling afterwards whether that was done.
//!
//! The name is given by the protocol's rename, which is told to replace nothing. At no instant are both names there, or
//! none. Whether two that rename to one name at once can replace each other depends on the server: Samba looks before it
//! renames, Windows does both in one.

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{EntryPath, Publication, Result, StagedName, Standing};
use dropbridge_remote::{nothing_staged, parents, pass, witness_of};
use smb2::types::status::NtStatus;

use super::SmbOutbox;
use crate::failure::failure;
use crate::request::{self, OF_THE_CHAIN, Opening};
use crate::session::Session;
use crate::tree::{answered, ask_for};

const PUBLISH: &str = "publish";

/// What stands under the names of a file.
struct Names {
    staged: bool,
    witness: bool,
}

impl SmbOutbox {
    /// See [`Outbox::publish`](dropbridge_port::Outbox::publish).
    pub(super) fn give_name(&self, name: &StagedName, target: &EntryPath) -> Result<Publication> {
        let session = self.begin(PUBLISH)?;
        let subject = self.outbox.subject(target);
        let from = self.staging.need_wire(PUBLISH, name.to_string().as_bytes())?;
        let to = self.outbox.need_wire(PUBLISH, target.as_bytes())?;
        let mut status = rename(&session, &from, &to)?;
        if status == NtStatus::OBJECT_PATH_NOT_FOUND && !target.parent().is_empty() {
            self.make_directories(&session, target)?;
            status = rename(&session, &from, &to)?;
        }
        match status {
            NtStatus::SUCCESS => pass(Failpoint::OutboxRenamed, &subject)?,
            NtStatus::OBJECT_NAME_COLLISION => return Ok(Publication::TargetExists),
            refused => {
                // What was asked once may be done, though its answer was lost.
                let names = self.names(&session, name)?;
                match names {
                    Names { staged: true, .. } => return Err(failure(PUBLISH, &subject, refused)),
                    Names { staged: false, witness: true } => {}
                    Names { staged: false, witness: false } => return Err(nothing_staged(self.staged_subject(name))),
                }
            }
        }
        pass(Failpoint::OutboxPublished, &subject)?;
        Ok(Publication::Published)
    }

    /// See [`Outbox::standing`](dropbridge_port::Outbox::standing).
    pub(super) fn judge(&self, name: &StagedName, _target: &EntryPath) -> Result<Standing> {
        let session = self.begin("look for")?;
        Ok(match self.names(&session, name)? {
            Names { staged: true, .. } => Standing::Staged,
            Names { witness: true, .. } => Standing::Published,
            Names { .. } => Standing::Nothing,
        })
    }

    fn names(&self, session: &Session, name: &StagedName) -> Result<Names> {
        const OPERATION: &str = "look for";
        let [staged, witness] = [name.to_string(), witness_of(name)].map(|name| {
            let wire = self.staging.need_wire(OPERATION, name.as_bytes())?;
            ask_for(session, &wire)
        });
        let subject = self.staged_subject(name);
        let staged = answered(session, &staged?, OPERATION, &subject)?.is_some();
        let witness = answered(session, &witness?, OPERATION, &subject)?.is_some();
        Ok(Names { staged, witness })
    }

    /// The directories on the way to a target.
    fn make_directories(&self, session: &Session, target: &EntryPath) -> Result<()> {
        parents(target).try_for_each(|directory| {
            let wire = self.outbox.need_wire("make directory", directory)?;
            self.make_directory(session, &wire)
        })
    }
}

/// Renames a file, replacing nothing; both names as they go over the wire.
pub(crate) fn rename(session: &Session, from: &str, to: &str) -> Result<NtStatus> {
    let chained = session.ask_opened(request::open(from, Opening::Rename), request::rename(OF_THE_CHAIN, to))?;
    Ok(if chained.opened.is_done() { chained.done.status } else { chained.opened.status })
}
