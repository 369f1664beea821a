//! Files and witnesses under temporary names, and how a staged file is written.

use std::sync::Arc;

use dropbridge_port::{ErrorKind, PortError, Result, StagedName};
use dropbridge_remote::{BlockWriter, Session as _, StagedNames, Upload, require_size, witness_of};
use smb2::msg::write::WriteResponse;
use smb2::types::FileId;
use smb2::types::status::NtStatus;

use super::SmbOutbox;
use crate::failure::{self, failure};
use crate::found::Found;
use crate::listing::OpenDirectory;
use crate::request::{self, Opening};
use crate::server::SmbServer;
use crate::session::{Awaiting, Session};

/// Bytes of one write.
const BLOCK_BYTES: usize = 256 << 10;

/// A staged file that is being written.
pub(super) struct SmbStaged {
    server: Arc<SmbServer>,
    session: Arc<Session>,
    /// Of the server; `None` once it is closed.
    file: Option<FileId>,
    wire: String,
    subject: String,
}

impl SmbOutbox {
    /// Makes a new file under a temporary name.
    pub(super) fn create(&self, session: &Arc<Session>, name: &StagedName) -> Result<Upload<SmbStaged>> {
        let wire = self.staging.need_wire("stage", name.to_string().as_bytes())?;
        let subject = self.staged_subject(name);
        let mut answer = session.ask(request::open(&wire, Opening::WriteNew))?;
        if answer.status == NtStatus::OBJECT_PATH_NOT_FOUND && self.makes_staging {
            self.make_directory(session, &self.staging.wire_root())?;
            answer = session.ask(request::open(&wire, Opening::WriteNew))?;
        }
        failure::done("stage", &subject, &answer)?;
        let (server, file, session) = (Arc::clone(&self.server), session.handle(&answer)?, Arc::clone(session));
        let staged = SmbStaged { server, session, file: Some(file), wire, subject: subject.clone() };
        Ok(Upload::new(staged, subject))
    }

    /// Makes a directory, named as it goes over the wire; one that is there is fine.
    pub(super) fn make_directory(&self, session: &Session, wire: &str) -> Result<()> {
        let answer = session.touch(request::open(wire, Opening::MakeDirectory))?;
        match answer.status {
            NtStatus::OBJECT_NAME_COLLISION => Ok(()),
            _ => failure::done("make directory", self.outbox.address(), &answer),
        }
    }

    /// Puts a witness beside a staged file: an empty file, since not every server has links.
    pub(super) fn leave_witness(&self, session: &Session, name: &StagedName) -> Result<()> {
        let wire = self.staging.need_wire("witness", witness_of(name).as_bytes())?;
        let answer = session.touch(request::open(&wire, Opening::WriteNew))?;
        match answer.status {
            // One that is there already is fine.
            NtStatus::OBJECT_NAME_COLLISION => Ok(()),
            _ => failure::done("witness", &self.staged_subject(name), &answer),
        }
    }

    /// The names of an owner, each once, in order.
    pub(super) fn staged_by(&self, session: &Session, owner: &str) -> Result<Vec<StagedName>> {
        const OPERATION: &str = "list staged files in";
        let mut names = StagedNames::of(owner);
        let (wire, subject) = (self.staging.wire_root(), self.staging.address());
        let (directory, _) = match OpenDirectory::open(session, OPERATION, &wire, subject) {
            Err(error) if error.kind == ErrorKind::NotFound && self.makes_staging => return Ok(Vec::new()),
            answer => answer?,
        };
        directory.read(OPERATION, |entry| {
            if let Some(entry) = entry {
                names.see(entry.file_name.as_bytes());
            }
        })?;
        Ok(names.in_order())
    }
}

impl SmbStaged {
    /// The handle, as long as it is not closed.
    fn file(&self) -> Result<FileId> {
        self.file.ok_or_else(|| PortError::new(ErrorKind::Bug, "write", &self.subject, "written after it was closed"))
    }
}

impl BlockWriter for SmbStaged {
    type Awaiting = Awaiting;

    const BLOCKS_AT_A_TIME: usize = 8;

    fn block_bytes(&self) -> usize {
        BLOCK_BYTES.min(self.session.write_bytes() as usize)
    }

    fn send(&self, offset: u64, bytes: &[u8]) -> Result<Awaiting> {
        self.session.send(request::write(self.file()?, offset, bytes.to_vec()))
    }

    fn nothing() -> Awaiting {
        Awaiting::nothing()
    }

    fn taken(&self, awaiting: &Awaiting, length: usize) -> Result<Result<()>> {
        let answer = self.session.answer(awaiting)?;
        if let Err(refused) = failure::done("write", &self.subject, &answer) {
            return Ok(Err(refused));
        }
        // Less than all of it is what a disk takes that is about to be full.
        let written: WriteResponse = self.session.unpack(&answer)?;
        let is_all = written.count as usize == length;
        Ok(if is_all { Ok(()) } else { Err(failure("write", &self.subject, NtStatus::DISK_FULL)) })
    }

    fn is_broken(&self) -> bool {
        self.session.is_broken()
    }

    fn open_again(&mut self) -> Result<()> {
        let session = self.server.session()?;
        let answer = session.ask(request::open(&self.wire, Opening::WriteOn))?;
        failure::done("write", &self.subject, &answer)?;
        self.file = Some(session.handle(&answer)?);
        self.session = session;
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<()> {
        let file = self.file()?;
        failure::done("stage", &self.subject, &self.session.ask(request::flush(file))?)?;
        let answer = self.session.ask(request::information(file))?;
        failure::done("stage", &self.subject, &answer)?;
        require_size(&self.subject, size, Found::information(&answer).map(|found| found.stat().size))?;
        failure::done("stage", &self.subject, &self.session.ask(request::close(file))?)?;
        self.file = None;
        Ok(())
    }
}

impl Drop for SmbStaged {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.session.tell(request::close(file));
        }
    }
}
