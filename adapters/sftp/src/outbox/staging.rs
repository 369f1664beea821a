//! Temporary names: `NAME` while a file is staged, `NAME.witness` from before its intent until after its receipt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::sleep;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{Attributes, ErrorKind, PortError, Result, StagedFile, StagedName, WrittenFile};
use sha2::{Digest, Sha256};

use super::{SftpOutbox, pass};
use crate::entry::{FIRST_PAUSE, MOST_ATTEMPTS};
use crate::failure;
use crate::listing::read_directory;
use crate::protocol::{FileAttributes, OpenFor, Reply, Request, status};
use crate::server::{SftpServer, with_jitter};
use crate::session::{Awaiting, Session};

const WITNESS: &str = ".witness";

/// Bytes of one write.
const BLOCK_BYTES: usize = 64 << 10;

/// Writes that the server has not answered yet: what an upload takes in memory, whatever the size of the file.
const BLOCKS_AT_A_TIME: usize = 16;

/// Permission bits of what is nobody's to read until it has its own, and of the staging directory.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// The name of a witness.
pub(super) fn witness_of(name: &StagedName) -> String {
    format!("{name}{WITNESS}")
}

/// A staged file that is being written.
pub(super) struct SftpStaged {
    server: Arc<SftpServer>,
    session: Arc<Session>,
    /// Of the server; empty once it is closed.
    handle: Vec<u8>,
    path: Vec<u8>,
    subject: String,
    attributes: Attributes,
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

impl SftpOutbox {
    /// Makes a new file under a temporary name.
    pub(super) fn create(
        &self,
        session: &Arc<Session>,
        name: &StagedName,
        attributes: Attributes,
    ) -> Result<SftpStaged> {
        let path = self.staging.full(name.to_string().as_bytes());
        let subject = self.staged_subject(name);
        let mode = attributes.mode.map(|_| PRIVATE_FILE);
        let request = Request::Open { path: &path, how: OpenFor::WritingNew, mode };
        let mut reply = session.ask(&request)?;
        if matches!(reply, Reply::Status { code: status::NO_SUCH_FILE, .. }) && self.makes_staging {
            self.make_directory(session, self.staging.root(), Some(PRIVATE_DIRECTORY))?;
            reply = session.ask(&request)?;
        }
        let handle = match reply {
            Reply::Handle(handle) => handle,
            other => return Err(self.why_not_made(session, &path, &subject, &other)?),
        };
        Ok(SftpStaged {
            server: Arc::clone(&self.server),
            session: Arc::clone(session),
            handle,
            path,
            subject,
            attributes,
            sha256: Sha256::new(),
            block: Vec::new(),
            sent: VecDeque::new(),
            offset: 0,
            attempts: 0,
        })
    }

    /// The server says of a name that is taken only that it failed.
    fn why_not_made(&self, session: &Session, path: &[u8], subject: &str, reply: &Reply) -> Result<PortError> {
        let there = failure::attributes("stage", subject, &session.ask(&Request::Lstat { path })?)?;
        Ok(match there {
            Some(_) => PortError::new(ErrorKind::Conflict, "stage", subject, "a file of this name is there"),
            None => self.write_failure(session, "stage", subject, reply),
        })
    }

    /// Makes a directory; one that is there is fine.
    pub(super) fn make_directory(&self, session: &Session, path: &[u8], mode: Option<u32>) -> Result<()> {
        let reply = session.ask(&Request::MakeDirectory { path, mode })?;
        let subject = self.outbox.address();
        if failure::done("make directory", subject, &reply).is_ok() {
            return Ok(());
        }
        let there = failure::attributes("make directory", subject, &session.ask(&Request::Stat { path })?)?;
        match there {
            Some(_) => Ok(()),
            None => Err(self.write_failure(session, "make directory", subject, &reply)),
        }
    }

    /// Puts a witness beside a staged file. Answers whether it is a link.
    pub(super) fn leave_witness(&self, session: &Session, name: &StagedName) -> Result<bool> {
        let (staged, witness) = (name.to_string(), witness_of(name));
        let [staged, witness] = [staged, witness].map(|name| self.staging.full(name.as_bytes()));
        let subject = self.staged_subject(name);
        if session.extensions.hardlink {
            let reply = session.ask(&Request::Hardlink { from: &staged, to: &witness })?;
            if failure::done("witness", &subject, &reply).is_ok() {
                return Ok(true);
            }
            // One that is there already is fine.
            let there = session.ask(&Request::Lstat { path: &witness })?;
            if failure::attributes("witness", &subject, &there)?.is_some() {
                return Ok(true);
            }
        }
        let request = Request::Open { path: &witness, how: OpenFor::WritingNew, mode: Some(PRIVATE_FILE) };
        match session.ask(&request)? {
            Reply::Handle(handle) => {
                let closed = session.ask(&Request::Close { handle: &handle })?;
                failure::done("witness", &subject, &closed).map(|()| false)
            }
            other => match session.ask(&Request::Lstat { path: &witness })? {
                Reply::Attributes(_) => Ok(false),
                _ => Err(self.write_failure(session, "witness", &subject, &other)),
            },
        }
    }

    /// The names of an owner, each once, in order.
    pub(super) fn staged_by(&self, session: &Session, owner: &str) -> Result<Vec<StagedName>> {
        const OPERATION: &str = "list staged files in";
        let mut names = Vec::new();
        let read = read_directory(session, OPERATION, self.staging.root(), self.staging.address(), |file| {
            let Ok(text) = std::str::from_utf8(&file.name) else { return Ok(()) };
            let bare = text.strip_suffix(WITNESS).unwrap_or(text);
            names.extend(StagedName::parse(bare).filter(|name| name.owner() == owner));
            Ok(())
        });
        match read {
            Err(error) if error.kind == ErrorKind::NotFound && self.makes_staging => return Ok(Vec::new()),
            answer => answer?,
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

impl SftpStaged {
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
        self.session.send(&Request::Write { handle: &self.handle, offset, bytes })
    }

    /// Waits for the answer to the first block on its way.
    fn receive(&mut self) -> Result<()> {
        let Some(first) = self.sent.front() else { return Ok(()) };
        match self.session.reply(&first.awaiting) {
            Ok(Reply::Status { code: status::OK, .. }) => {
                self.sent.pop_front();
                self.attempts = 0;
                Ok(())
            }
            Ok(other) => Err(failure::unexpected("write", &self.subject, &other).with_hint(
                "is the disk there full, or the user's quota used up? Make room; it goes on by itself then",
            )),
            Err(error) => self.resume(error),
        }
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
        let request = Request::Open { path: &self.path, how: OpenFor::WritingOn, mode: None };
        self.handle = failure::handle("write", &self.subject, session.ask(&request)?)?;
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
        let ask = |request: Request<'_>| -> Result<()> {
            failure::done("stage", &self.subject, &self.session.ask(&request)?)
        };
        let wanted = self.wanted_attributes()?;
        if wanted != FileAttributes::default() {
            let set = ask(Request::Fsetstat { handle: &self.handle, attributes: wanted });
            set.map_err(|error| {
                error.with_hint("only a privileged user may give files away, or to a group that it is not in")
            })?;
        }
        if self.session.extensions.fsync {
            ask(Request::Fsync { handle: &self.handle })?;
        }
        let reply = self.session.ask(&Request::Fstat { handle: &self.handle })?;
        let there = failure::attributes("stage", &self.subject, &reply)?.and_then(|found| found.size);
        if there != Some(self.offset) {
            let has = there.map_or_else(|| "nobody knows how many".to_owned(), |size| size.to_string());
            let message = format!("{} bytes were written, and it has {has}", self.offset);
            return Err(PortError::new(ErrorKind::Transient, "stage", &self.subject, message)
                .with_hint("who else writes to the staging directory?"));
        }
        ask(Request::Close { handle: &self.handle })
    }

    fn wanted_attributes(&self) -> Result<FileAttributes> {
        let Attributes { mode, owner, group } = self.attributes;
        let mut wanted = FileAttributes { mode, ..FileAttributes::default() };
        if owner.is_some() || group.is_some() {
            let reply = self.session.ask(&Request::Fstat { handle: &self.handle })?;
            let there = failure::attributes("stage", &self.subject, &reply)?.and_then(|found| found.owner);
            let (usual_owner, usual_group) = there.unwrap_or_default();
            wanted.owner = Some((owner.unwrap_or(usual_owner), group.unwrap_or(usual_group)));
        }
        Ok(wanted)
    }
}

impl StagedFile for SftpStaged {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        let block_bytes = BLOCK_BYTES.min(self.session.limits.write_bytes as usize).max(1);
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
                    self.handle.clear();
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

impl Drop for SftpStaged {
    fn drop(&mut self) {
        // A handle that was closed may be another file's by now.
        if !self.handle.is_empty() {
            self.session.tell(&Request::Close { handle: &self.handle });
        }
    }
}
