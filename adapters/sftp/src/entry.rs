//! A file of the server that is read: asked for ahead, and read on where it was when the connection was lost.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, OpenEntry, PortError, Result};
use dropbridge_remote::{Attempts, Session as _, Turn, no_file, not_regular, read_on, short_file};

use crate::failure;
use crate::protocol::{FileKind, OpenFor, Request};
use crate::read_ahead::{Piece, ReadAhead};
use crate::server::SftpServer;
use crate::session::Session;
use crate::tree::{Tree, kind_name, need_stat};

/// Files that were opened early, so that they can be read when their names are gone, keep so many handles of a server:
/// it has only so many for all. Those beyond are opened when they are read.
const MOST_KEPT_HANDLES: usize = 64;

const OPERATION: &str = "read";

/// A file of the server, opened for reading.
pub(crate) struct SftpEntry {
    server: Arc<SftpServer>,
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
    handle: Vec<u8>,
}

impl Opened {
    fn new(session: &Arc<Session>, tree: &Tree, path: &EntryPath) -> Result<Self> {
        let request = Request::Open { path: &tree.full(path.as_bytes()), how: OpenFor::Reading, mode: None };
        let handle = failure::handle("open", &tree.subject(path), session.ask(&request)?)?;
        session.kept_handles.fetch_add(1, Ordering::Relaxed);
        Ok(Self { session: Arc::clone(session), handle })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.session.kept_handles.fetch_sub(1, Ordering::Relaxed);
        self.session.tell(&Request::Close { handle: &self.handle });
    }
}

impl SftpEntry {
    /// Opens a regular file. What it is is asked first: opening a pipe would make the server wait.
    pub(crate) fn open(
        server: &Arc<SftpServer>,
        session: &Arc<Session>,
        tree: &Tree,
        path: &EntryPath,
    ) -> Result<Self> {
        require_regular(session, tree, path)?;
        let keeps = session.kept_handles.load(Ordering::Relaxed) < MOST_KEPT_HANDLES;
        let opened = if keeps { Some(Opened::new(session, tree, path)?) } else { None };
        Ok(Self {
            server: Arc::clone(server),
            tree: tree.clone(),
            path: path.clone(),
            opened: RefCell::new(opened),
            seen: RefCell::default(),
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
    fn handle(&self) -> Result<(Arc<Session>, Vec<u8>)> {
        let mut opened = self.opened.borrow_mut();
        if opened.as_ref().is_none_or(|opened| opened.session.is_broken()) {
            *opened = None;
            let session = self.server.session()?;
            require_regular(&session, &self.tree, &self.path)?;
            *opened = Some(Opened::new(&session, &self.tree, &self.path)?);
        }
        match opened.as_ref() {
            Some(Opened { session, handle }) => Ok((Arc::clone(session), handle.clone())),
            None => Err(PortError::new(ErrorKind::Bug, OPERATION, self.subject(), "opened, and not open")),
        }
    }

    fn ask_stat(&self) -> Result<EntryStat> {
        const OPERATION: &str = "stat open file";
        let (session, handle) = self.handle()?;
        let reply = session.ask(&Request::Fstat { handle: &handle })?;
        let found = failure::attributes(OPERATION, &self.subject(), &reply)?;
        let gone = || PortError::new(ErrorKind::NotFound, OPERATION, self.subject(), "the server lost it");
        let found = found.ok_or_else(gone)?;
        match found.kind() {
            FileKind::Regular | FileKind::Unknown => need_stat(OPERATION, &self.subject(), &found),
            kind => Err(not_regular(OPERATION, &self.subject(), kind_name(kind))),
        }
    }

    /// The next bytes; empty at the end.
    fn next_piece(&mut self, most: usize) -> Result<Vec<u8>> {
        loop {
            if let Some(piece) = self.ahead.as_mut().and_then(|ahead| ahead.take(most)) {
                self.offset += piece.len() as u64;
                return Ok(piece);
            }
            match self.receive() {
                Ok(true) => self.attempts.end(),
                Ok(false) => {
                    self.let_go();
                    return Ok(Vec::new());
                }
                Err(error) if error.kind == ErrorKind::Transient => self.resume(error)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the next piece from the server; `false` at the end of the file.
    fn receive(&mut self) -> Result<bool> {
        self.turn.borrow_mut().get_or_insert_with(|| self.server.turn());
        let (session, handle) = self.handle()?;
        let known = self.seen.borrow().map(|seen| seen.size);
        let size = match known {
            Some(size) => size,
            None => self.stat()?.size,
        };
        let ahead = self.ahead.get_or_insert_with(|| ReadAhead::new(self.offset, size, session.limits.read_bytes));
        match ahead.receive(&session, &handle, &self.tree.subject(&self.path))? {
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
            let (before, now) = (*self.seen.borrow(), self.ask_stat()?);
            // Another file ends it: the outer answer is not tried again.
            Ok(read_on(&self.subject(), self.offset, lost, before, now))
        });
        self.attempts = attempts;
        *self.seen.borrow_mut() = Some(resumed??);
        Ok(())
    }
}

fn require_regular(session: &Session, tree: &Tree, path: &EntryPath) -> Result<()> {
    let found = tree.look(session, "open", path)?;
    match found.map(|found| found.kind()) {
        Some(FileKind::Regular | FileKind::Unknown) => Ok(()),
        Some(kind) => Err(not_regular("open", &tree.subject(path), kind_name(kind))),
        None => Err(no_file("open", &tree.subject(path))),
    }
}

impl Read for SftpEntry {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.next_piece(buffer.len()) {
            Ok(piece) => {
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Err(error) => {
                self.let_go();
                Err(std::io::Error::other(error))
            }
        }
    }
}

impl OpenEntry for SftpEntry {
    fn stat(&self) -> Result<EntryStat> {
        // Whoever asks has read what it wants for now, and may keep the file open for long.
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
