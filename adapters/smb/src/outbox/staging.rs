//! Temporary names: `NAME` while a file is staged, `NAME.witness` from before its intent until after its receipt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::sleep;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result, StagedFile, StagedName, WrittenFile};
use sha2::{Digest, Sha256};
use smb2::types::FileId;
use smb2::types::status::NtStatus;

use super::{SmbOutbox, pass};
use crate::entry::{FIRST_PAUSE, MOST_ATTEMPTS};
use crate::failure::{self, failure};
use crate::found::Found;
use crate::listing::OpenDirectory;
use crate::request::{self, Opening};
use crate::server::{SmbServer, with_jitter};
use crate::session::{Awaiting, Session};

const WITNESS: &str = ".witness";

/// Bytes of one write.
const BLOCK_BYTES: usize = 256 << 10;

/// Writes that the server has not answered yet: what an upload takes in memory, whatever the size of the file.
const BLOCKS_AT_A_TIME: usize = 8;

/// The name of a witness.
pub(super) fn witness_of(name: &StagedName) -> String {
    format!("{name}{WITNESS}")
}

/// A staged file that is being written.
pub(super) struct SmbStaged {
    server: Arc<SmbServer>,
    session: Arc<Session>,
    /// Of the server; `None` once it is closed.
    file: Option<FileId>,
    wire: String,
    subject: String,
    sha256: Sha256,
    /// Bytes that are not sent yet.
    block: Vec<u8>,
    /// Blocks that are not answered yet: they are sent again over another connection.
    sent: VecDeque<Sent>,
    /// Where the next block begins.
    offset: u64,
    attempts: u32,
}

/// A block on its way.
struct Sent {
    offset: u64,
    bytes: Vec<u8>,
    awaiting: Awaiting,
}

impl SmbOutbox {
    /// Makes a new file under a temporary name.
    pub(super) fn create(&self, session: &Arc<Session>, name: &StagedName) -> Result<SmbStaged> {
        let wire = self.staging.need_wire("stage", name.to_string().as_bytes())?;
        let subject = self.staged_subject(name);
        let mut answer = session.ask(request::open(&wire, Opening::WriteNew))?;
        if answer.status == NtStatus::OBJECT_PATH_NOT_FOUND && self.makes_staging {
            self.make_directory(session, &self.staging.wire_root())?;
            answer = session.ask(request::open(&wire, Opening::WriteNew))?;
        }
        failure::done("stage", &subject, &answer)?;
        Ok(SmbStaged {
            server: Arc::clone(&self.server),
            session: Arc::clone(session),
            file: Some(session.handle(&answer)?),
            wire,
            subject,
            sha256: Sha256::new(),
            block: Vec::new(),
            sent: VecDeque::new(),
            offset: 0,
            attempts: 0,
        })
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
        let mut names = Vec::new();
        let (wire, subject) = (self.staging.wire_root(), self.staging.address());
        let (directory, _) = match OpenDirectory::open(session, OPERATION, &wire, subject) {
            Err(error) if error.kind == ErrorKind::NotFound && self.makes_staging => return Ok(Vec::new()),
            answer => answer?,
        };
        directory.read(OPERATION, |entry| {
            let Some(name) = entry.map(|entry| entry.file_name) else { return };
            let bare = name.strip_suffix(WITNESS).unwrap_or(&name);
            names.extend(StagedName::parse(bare).filter(|name| name.owner() == owner));
        })?;
        names.sort();
        names.dedup();
        Ok(names)
    }
}

impl SmbStaged {
    /// The handle, as long as it is not closed.
    fn file(&self) -> Result<FileId> {
        self.file.ok_or_else(|| PortError::new(ErrorKind::Bug, "write", &self.subject, "written after it was closed"))
    }

    /// Sends what is at hand as a block, and waits where too many are on their way.
    fn send_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        while self.sent.len() >= BLOCKS_AT_A_TIME {
            self.receive()?;
        }
        let bytes = std::mem::take(&mut self.block);
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        match self.send(offset, &bytes) {
            Ok(awaiting) => self.sent.push_back(Sent { offset, bytes, awaiting }),
            Err(error) => {
                self.sent.push_back(Sent { offset, bytes, awaiting: Awaiting::nothing() });
                self.resume(error)?;
            }
        }
        Ok(())
    }

    fn send(&self, offset: u64, bytes: &[u8]) -> Result<Awaiting> {
        self.session.send(request::write(self.file()?, offset, bytes.to_vec()))
    }

    /// Waits for the answer to the first block on its way.
    fn receive(&mut self) -> Result<()> {
        let Some(first) = self.sent.front() else { return Ok(()) };
        let answer = match self.session.answer(&first.awaiting) {
            Ok(answer) => answer,
            Err(error) => return self.resume(error),
        };
        failure::done("write", &self.subject, &answer)?;
        // Less than all of it is what a disk takes that is about to be full.
        let written: smb2::msg::write::WriteResponse = self.session.unpack(&answer)?;
        if written.count as usize != first.bytes.len() {
            return Err(failure("write", &self.subject, NtStatus::DISK_FULL));
        }
        self.sent.pop_front();
        self.attempts = 0;
        Ok(())
    }

    /// Connects again and sends once more what was not answered. The name is ours alone, so writing it twice is the same.
    fn resume(&mut self, mut error: PortError) -> Result<()> {
        while self.attempts < MOST_ATTEMPTS {
            sleep(with_jitter(FIRST_PAUSE * 2_u32.pow(self.attempts)));
            self.attempts += 1;
            match self.open_again() {
                Ok(()) => {
                    let offset = self.sent.front().map_or(self.offset, |sent| sent.offset);
                    tracing::info!(
                        file = self.subject,
                        offset,
                        "goes on writing after the connection was lost: {}",
                        error.message
                    );
                    return Ok(());
                }
                Err(next) if next.kind == ErrorKind::Transient => error = next,
                Err(next) => return Err(next),
            }
        }
        Err(error)
    }

    fn open_again(&mut self) -> Result<()> {
        let session = self.server.session()?;
        let answer = session.ask(request::open(&self.wire, Opening::WriteOn))?;
        failure::done("write", &self.subject, &answer)?;
        self.file = Some(session.handle(&answer)?);
        self.session = session;
        let mut sent = std::mem::take(&mut self.sent);
        let mut result = Ok(());
        for block in &mut sent {
            match self.send(block.offset, &block.bytes) {
                Ok(awaiting) => block.awaiting = awaiting,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.sent = sent;
        result
    }

    /// All that is left to do before the name can be published; it may be done again over another connection.
    fn complete(&self) -> Result<()> {
        let file = self.file()?;
        failure::done("stage", &self.subject, &self.session.ask(request::flush(file))?)?;
        let answer = self.session.ask(request::information(file))?;
        failure::done("stage", &self.subject, &answer)?;
        let there = Found::information(&answer).map(|found| found.stat().size);
        if there != Some(self.offset) {
            let has = there.map_or_else(|| "nobody knows how many".to_owned(), |size| size.to_string());
            let message = format!("{} bytes were written, and it has {has}", self.offset);
            return Err(PortError::new(ErrorKind::Transient, "stage", &self.subject, message)
                .with_hint("who else writes to the staging directory?"));
        }
        failure::done("stage", &self.subject, &self.session.ask(request::close(file))?)
    }
}

impl StagedFile for SmbStaged {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        let block_bytes = BLOCK_BYTES.min(self.session.write_bytes() as usize).max(1);
        let mut left = bytes;
        while !left.is_empty() {
            let room = block_bytes.saturating_sub(self.block.len()).max(1);
            let (some, rest) = left.split_at(room.min(left.len()));
            self.block.extend_from_slice(some);
            left = rest;
            if self.block.len() >= block_bytes {
                self.send_block()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<WrittenFile> {
        self.send_block()?;
        while !self.sent.is_empty() {
            self.receive()?;
        }
        pass(Failpoint::OutboxWritten, &self.subject)?;
        loop {
            match self.complete() {
                Ok(()) => {
                    self.file = None;
                    break;
                }
                Err(error) if error.kind == ErrorKind::Transient && self.session.is_broken() => self.resume(error)?,
                Err(error) => return Err(error),
            }
        }
        pass(Failpoint::OutboxSynced, &self.subject)?;
        Ok(WrittenFile { size: self.offset, sha256: self.sha256.clone().finalize().into() })
    }
}

impl Drop for SmbStaged {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.session.tell(request::close(file));
        }
    }
}
