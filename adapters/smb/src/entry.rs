//! A file of the server that is read: asked for ahead, and read on where it was when the connection was lost.
//!
//! It is opened when its first byte is wanted, and closed when the bridge lets go of it. What is open on a server keeps its
//! name when somebody deletes it, and is in the way of a file that is to replace it: a legacy job would notice.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, OpenEntry, PortError, Result};
use dropbridge_remote::{Attempts, Session as _, Turn, no_file, not_regular, read_on, short_file};
use smb2::types::FileId;

use crate::failure;
use crate::found::{Found, Kind};
use crate::read_ahead::{Piece, ReadAhead};
use crate::request::{self, OF_THE_CHAIN, Opening};
use crate::server::SmbServer;
use crate::session::Session;
use crate::tree::Tree;

const OPERATION: &str = "read";

/// A file of the server that is read, or may be.
pub(crate) struct SmbEntry {
    server: Arc<SmbServer>,
    tree: Tree,
    path: EntryPath,
    opened: RefCell<Option<Opened>>,
    /// What was last seen of it: what is read on has to be the same file still.
    seen: RefCell<Option<EntryStat>>,
    offset: u64,
    ahead: Option<ReadAhead>,
    turn: RefCell<Option<Turn>>,
    attempts: Attempts,
}

/// A handle of the server. It is given back when it is dropped.
struct Opened {
    session: Arc<Session>,
    file: FileId,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.session.tell(request::close(self.file));
    }
}

impl SmbEntry {
    /// Makes sure that it is a regular file. It is opened later.
    pub(crate) fn open(server: &Arc<SmbServer>, session: &Session, tree: &Tree, path: &EntryPath) -> Result<Self> {
        let found = tree.look(session, "open", path)?;
        match found.map(|found| found.kind) {
            Some(Kind::File) => {}
            Some(kind) => return Err(not_regular("open", &tree.subject(path), kind.name())),
            None => return Err(no_file("open", &tree.subject(path))),
        }
        Ok(Self {
            server: Arc::clone(server),
            tree: tree.clone(),
            path: path.clone(),
            opened: RefCell::default(),
            seen: RefCell::new(found.map(|found| found.stat())),
            offset: 0,
            ahead: None,
            turn: RefCell::default(),
            attempts: Attempts::default(),
        })
    }

    fn subject(&self) -> String {
        self.tree.subject(&self.path)
    }

    /// The session and the handle, opened (again) where there is none of a living connection.
    fn handle(&self) -> Result<(Arc<Session>, FileId)> {
        let mut opened = self.opened.borrow_mut();
        if opened.as_ref().is_none_or(|opened| opened.session.is_broken()) {
            *opened = None;
            *opened = Some(self.open_for_reading()?);
        }
        match opened.as_ref() {
            Some(Opened { session, file }) => Ok((Arc::clone(session), *file)),
            None => Err(PortError::new(ErrorKind::Bug, OPERATION, self.subject(), "opened, and not open")),
        }
    }

    fn open_for_reading(&self) -> Result<Opened> {
        let session = self.server.session()?;
        let subject = self.subject();
        let wire = self.tree.need_wire("open", self.path.as_bytes())?;
        let chained = session.ask_opening(request::open(&wire, Opening::Read), request::information(OF_THE_CHAIN))?;
        failure::done("open", &subject, &chained.opened)?;
        let opened = Opened { file: session.handle(&chained.opened)?, session };
        failure::done("open", &subject, &chained.done)?;
        let now = Found::information(&chained.done).map(|found| found.stat());
        let before = *self.seen.borrow();
        match (before, now) {
            (Some(before), Some(now)) if before.version != now.version => {
                let message = "another file has its name by now";
                Err(PortError::new(ErrorKind::Transient, "open", subject, message))
            }
            _ => Ok(opened),
        }
    }

    /// What the server says of it: of the open file where it is open, by its name otherwise.
    fn ask_stat(&self) -> Result<EntryStat> {
        const OPERATION: &str = "stat open file";
        let subject = self.subject();
        if self.opened.borrow().is_none() {
            let found = self.server.with_session(|session| self.tree.look(session, OPERATION, &self.path))?;
            return match found {
                Some(found) if found.kind == Kind::File => Ok(found.stat()),
                Some(found) => Err(not_regular(OPERATION, &subject, found.kind.name())),
                None => Err(PortError::new(ErrorKind::NotFound, OPERATION, subject, "no such file any more")),
            };
        }
        let (session, file) = self.handle()?;
        let answer = session.ask(request::information(file))?;
        failure::done(OPERATION, &subject, &answer)?;
        match Found::information(&answer) {
            Some(found) => Ok(found.stat()),
            None => Err(session.broken_by("the server tells less of a file than the protocol wants")),
        }
    }

    /// The next bytes; 0 at the end.
    fn next_bytes(&mut self, room: &mut [u8]) -> Result<usize> {
        loop {
            let length = self.ahead.as_mut().map_or(0, |ahead| ahead.take(room));
            if length > 0 {
                self.offset += length as u64;
                return Ok(length);
            }
            match self.receive() {
                Ok(true) => self.attempts.end(),
                Ok(false) => {
                    self.let_go();
                    return Ok(0);
                }
                Err(error) if error.kind == ErrorKind::Transient && self.is_cut_off() => self.resume(error)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the connection, and not the file, is the trouble.
    fn is_cut_off(&self) -> bool {
        match self.opened.borrow().as_ref() {
            Some(opened) => opened.session.is_broken(),
            None => !self.server.is_connected(),
        }
    }

    /// Waits for the next piece from the server; `false` at the end of the file.
    fn receive(&mut self) -> Result<bool> {
        self.turn.borrow_mut().get_or_insert_with(|| self.server.turn());
        if self.opened.borrow().as_ref().is_some_and(|opened| opened.session.is_broken()) {
            // Whether it is the same file still has to be seen before it is read on.
            return Err(PortError::new(ErrorKind::Transient, OPERATION, self.subject(), "the connection was lost"));
        }
        let (session, file) = self.handle()?;
        let known = self.seen.borrow().map(|seen| seen.size);
        let size = match known {
            Some(size) => size,
            None => self.stat()?.size,
        };
        let ahead = self.ahead.get_or_insert_with(|| ReadAhead::new(self.offset, size, session.read_bytes()));
        match ahead.receive(&session, file, &self.tree.subject(&self.path))? {
            Piece::Bytes => Ok(true),
            Piece::End if self.offset >= size => Ok(false),
            // What was announced is not there (any more): whether the file became shorter, it says itself.
            Piece::End => short_file(OPERATION, &self.subject(), self.offset, self.ask_stat()?).map(|()| false),
        }
    }

    fn let_go(&mut self) {
        self.ahead = None;
        *self.turn.borrow_mut() = None;
    }

    /// Connects again and goes on where it was, if it is the same file still.
    fn resume(&mut self, error: PortError) -> Result<()> {
        self.let_go();
        let mut attempts = self.attempts;
        let resumed = attempts.go_on(error, |lost| {
            let (before, now) = (*self.seen.borrow(), self.handle().and_then(|_| self.ask_stat())?);
            // Another file ends it: the outer answer is not tried again.
            Ok(read_on(&self.subject(), self.offset, lost, before, now))
        });
        self.attempts = attempts;
        *self.seen.borrow_mut() = Some(resumed??);
        Ok(())
    }
}

impl Read for SmbEntry {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next_bytes(buffer).map_err(|error| {
            self.let_go();
            std::io::Error::other(error)
        })
    }
}

impl OpenEntry for SmbEntry {
    fn stat(&self) -> Result<EntryStat> {
        // Whoever asks has read what it wants for now, and may keep the file for long.
        *self.turn.borrow_mut() = None;
        let stat = match self.ask_stat() {
            // A connection that was lost since it was last used.
            Err(error) if error.kind == ErrorKind::Transient => self.ask_stat()?,
            answer => answer?,
        };
        *self.seen.borrow_mut() = Some(stat);
        Ok(stat)
    }

    fn seek_to(&mut self, offset: u64) -> Result<()> {
        self.let_go();
        self.offset = offset;
        Ok(())
    }
}
