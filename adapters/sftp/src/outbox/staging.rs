//! Files and witnesses under temporary names, and how a staged file is written.

use std::sync::Arc;

use dropbridge_port::{Attributes, ErrorKind, PortError, Result, StagedName};
use dropbridge_remote::{BlockWriter, Session as _, StagedNames, Upload, require_size, witness_of};

use super::SftpOutbox;
use crate::failure;
use crate::listing::read_directory;
use crate::protocol::{FileAttributes, OpenFor, Reply, Request, status};
use crate::server::SftpServer;
use crate::session::{Awaiting, Session};

/// Bytes of one write.
const BLOCK_BYTES: usize = 64 << 10;

/// Permission bits of what is nobody's to read until it has its own, and of the staging directory.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// A staged file that is being written.
pub(super) struct SftpStaged {
    server: Arc<SftpServer>,
    session: Arc<Session>,
    /// Of the server; empty once it is closed.
    handle: Vec<u8>,
    path: Vec<u8>,
    subject: String,
    attributes: Attributes,
}

impl SftpOutbox {
    /// Makes a new file under a temporary name.
    pub(super) fn create(
        &self,
        session: &Arc<Session>,
        name: &StagedName,
        attributes: Attributes,
    ) -> Result<Upload<SftpStaged>> {
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
        let (server, session) = (Arc::clone(&self.server), Arc::clone(session));
        let staged = SftpStaged { server, session, handle, path, subject: subject.clone(), attributes };
        Ok(Upload::new(staged, subject))
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
        let mut names = StagedNames::of(owner);
        let read = read_directory(session, OPERATION, self.staging.root(), self.staging.address(), |file| {
            names.see(&file.name);
            Ok(())
        });
        match read {
            Err(error) if error.kind == ErrorKind::NotFound && self.makes_staging => Ok(Vec::new()),
            answer => answer.map(|()| names.in_order()),
        }
    }
}

impl SftpStaged {
    fn ask(&self, request: &Request<'_>) -> Result<()> {
        failure::done("stage", &self.subject, &self.session.ask(request)?)
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

impl BlockWriter for SftpStaged {
    type Awaiting = Awaiting;

    const BLOCKS_AT_A_TIME: usize = 16;

    fn block_bytes(&self) -> usize {
        BLOCK_BYTES.min(self.session.limits.write_bytes as usize)
    }

    fn send(&self, offset: u64, bytes: &[u8]) -> Result<Awaiting> {
        self.session.send(&Request::Write { handle: &self.handle, offset, bytes })
    }

    fn nothing() -> Awaiting {
        Awaiting::nothing()
    }

    fn taken(&self, awaiting: &Awaiting, _length: usize) -> Result<Result<()>> {
        Ok(match self.session.reply(awaiting)? {
            Reply::Status { code: status::OK, .. } => Ok(()),
            other => Err(failure::unexpected("write", &self.subject, &other).with_hint(
                "is the disk there full, or the user's quota used up? Make room; it goes on by itself then",
            )),
        })
    }

    fn is_broken(&self) -> bool {
        self.session.is_broken()
    }

    fn open_again(&mut self) -> Result<()> {
        let session = self.server.session()?;
        let request = Request::Open { path: &self.path, how: OpenFor::WritingOn, mode: None };
        self.handle = failure::handle("write", &self.subject, session.ask(&request)?)?;
        self.session = session;
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<()> {
        let wanted = self.wanted_attributes()?;
        if wanted != FileAttributes::default() {
            let set = self.ask(&Request::Fsetstat { handle: &self.handle, attributes: wanted });
            set.map_err(|error| {
                error.with_hint("only a privileged user may give files away, or to a group that it is not in")
            })?;
        }
        if self.session.extensions.fsync {
            self.ask(&Request::Fsync { handle: &self.handle })?;
        }
        let reply = self.session.ask(&Request::Fstat { handle: &self.handle })?;
        let there = failure::attributes("stage", &self.subject, &reply)?.and_then(|found| found.size);
        require_size(&self.subject, size, there)?;
        self.ask(&Request::Close { handle: &self.handle })?;
        self.handle.clear();
        Ok(())
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
