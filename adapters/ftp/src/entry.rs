//! A file of the server that is read, and read on where it was when the connection was lost.

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, OpenEntry, PortError, Result};
use dropbridge_remote::{Attempts, Turn, no_file, not_regular, read_on, short_file};

use crate::connection::Connection;
use crate::failure::{self, Refusal};
use crate::look::{Kind, look};
use crate::server::FtpServer;
use crate::transfer::Transfer;
use crate::tree::Tree;

/// What was seen when a file was opened is its stat still for so long, for the first who asks. Older than what is read, it
/// can only make a change show.
const FRESH: Duration = Duration::from_secs(1);

const OPERATION: &str = "read";

/// A file of the server. Nothing is kept open at the server before the first byte is read.
pub(crate) struct FtpEntry {
    server: Arc<FtpServer>,
    tree: Tree,
    path: EntryPath,
    /// What was last seen of it: what is read on has to be the same file still.
    seen: RefCell<Option<EntryStat>>,
    opened: RefCell<Option<(Instant, EntryStat)>>,
    offset: u64,
    reading: RefCell<Option<Reading>>,
    /// The transfer was finished here: the next read says that the file ends.
    ended_at: Option<u64>,
    attempts: Attempts,
}

/// A transfer, the connection that it belongs to, and the turn that it takes.
struct Reading {
    transfer: Transfer,
    connection: Connection,
    _turn: Turn,
}

/// What came of a step.
enum Step {
    Bytes(usize),
    End,
}

impl FtpEntry {
    /// Opens a regular file: it is looked at, and no more.
    pub(crate) fn open(server: &Arc<FtpServer>, tree: &Tree, path: &EntryPath) -> Result<Self> {
        const OPERATION: &str = "open";
        let subject = tree.subject(path);
        let found = server.with_connection(|connection| look(connection, OPERATION, tree, path))?;
        let found = found.ok_or_else(|| no_file(OPERATION, &subject))?;
        if found.kind != Kind::File {
            return Err(not_regular(OPERATION, &subject, found.kind.name()));
        }
        Ok(Self {
            server: Arc::clone(server),
            tree: tree.clone(),
            path: path.clone(),
            seen: RefCell::default(),
            opened: RefCell::new(found.stat().map(|stat| (Instant::now(), stat))),
            offset: 0,
            reading: RefCell::default(),
            ended_at: None,
            attempts: Attempts::default(),
        })
    }

    fn subject(&self) -> String {
        self.tree.subject(&self.path)
    }

    fn ask_stat(&self) -> Result<EntryStat> {
        const OPERATION: &str = "stat open file";
        let subject = self.subject();
        let found = self.server.with_connection(|connection| look(connection, OPERATION, &self.tree, &self.path))?;
        let found = found.ok_or_else(|| PortError::new(ErrorKind::NotFound, OPERATION, &subject, "it is gone"))?;
        match found.kind {
            Kind::File => found.need_stat(OPERATION, &subject),
            kind => Err(not_regular(OPERATION, &subject, kind.name())),
        }
    }

    /// The size that was announced last.
    fn announced(&self) -> Result<u64> {
        let known = self.seen.borrow().map(|seen| seen.size);
        match known {
            Some(size) => Ok(size),
            None => self.look_again().map(|stat| stat.size),
        }
    }

    fn look_again(&self) -> Result<EntryStat> {
        let stat = self.ask_stat()?;
        *self.seen.borrow_mut() = Some(stat);
        Ok(stat)
    }

    /// Bytes into a buffer; none at the end of the file.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.ended_at.take() == Some(self.offset) {
            return Ok(0);
        }
        loop {
            match self.step(buffer) {
                Ok(Step::Bytes(length)) => {
                    self.attempts.end();
                    self.offset += length as u64;
                    self.end_early();
                    return Ok(length);
                }
                Ok(Step::End) => return Ok(0),
                Err(error) if error.kind == ErrorKind::Transient => self.resume(error)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<Step> {
        let announced = self.announced()?;
        let mut reading = self.reading.borrow_mut().take();
        if reading.is_none() {
            // Behind the announced end there may be more by now; asking for it beyond the end is an error to some servers.
            if self.offset >= announced && self.offset >= self.look_again()?.size {
                return Ok(Step::End);
            }
            reading = Some(self.begin()?);
        }
        let Some(mut reading) = reading else { return Ok(Step::End) };
        match reading.transfer.read(buffer) {
            Ok(0) => self.end(reading),
            Ok(length) => {
                *self.reading.borrow_mut() = Some(reading);
                Ok(Step::Bytes(length))
            }
            Err(error) => Err(self.lost(&reading.connection, &error)),
        }
    }

    fn lost(&self, connection: &Connection, error: &io::Error) -> PortError {
        connection.break_off();
        failure::lost_io(OPERATION, &self.subject(), error, connection.stall_ms())
    }

    fn begin(&self) -> Result<Reading> {
        let turn = self.server.turn();
        let subject = self.subject();
        let mut connection = self.server.take()?;
        let full = self.tree.full(&connection, self.path.as_bytes());
        let restarts = connection.abilities.restart;
        let from = if restarts { self.offset } else { 0 };
        let transfer = match connection.begin(OPERATION, &subject, "RETR", &full, from)? {
            Ok(transfer) => transfer,
            Err(refusal) => {
                self.server.give_back(connection);
                return Err(self.why_refused(&refusal));
            }
        };
        let mut reading = Reading { transfer, connection, _turn: turn };
        if from < self.offset {
            let skipped = io::copy(&mut reading.transfer.by_ref().take(self.offset), &mut io::sink());
            skipped.map_err(|error| self.lost(&reading.connection, &error))?;
        }
        Ok(reading)
    }

    /// Servers say the same of what is not there and of what is not permitted.
    fn why_refused(&self, refusal: &Refusal) -> PortError {
        let error = failure::refused(OPERATION, &self.subject(), refusal);
        match self.ask_stat() {
            Err(gone) if gone.kind == ErrorKind::NotFound => gone,
            _ => error,
        }
    }

    /// The transfer's connection has ended. Whether the file has, the server says, and the announced size.
    fn end(&mut self, reading: Reading) -> Result<Step> {
        let Reading { transfer, mut connection, _turn } = reading;
        let subject = self.subject();
        let answer = connection.finish(OPERATION, &subject, transfer)?;
        self.server.give_back(connection);
        failure::done(OPERATION, &subject, answer)?;
        if self.offset >= self.announced()? {
            return Ok(Step::End);
        }
        // What was announced is not there (any more): whether the file became shorter, it says itself.
        short_file(OPERATION, &subject, self.offset, self.ask_stat()?).map(|()| Step::End)
    }

    /// Finishes the transfer where the announced end is reached, so that its connection serves others: who knows the size
    /// may not ask for more. Where more comes, or the end is in doubt, the next read sees to it.
    fn end_early(&mut self) {
        if self.seen.borrow().is_none_or(|seen| self.offset != seen.size) {
            return;
        }
        let Some(mut reading) = self.reading.borrow_mut().take() else { return };
        let mut behind = [0; 1];
        let ended = matches!(reading.transfer.read(&mut behind), Ok(0));
        if ended && matches!(self.end(reading), Ok(Step::End)) {
            self.ended_at = Some(self.offset);
        }
    }

    fn let_go(&self) {
        *self.reading.borrow_mut() = None;
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

impl Read for FtpEntry {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.fill(buffer).map_err(|error| {
            self.let_go();
            io::Error::other(error)
        })
    }
}

impl OpenEntry for FtpEntry {
    fn stat(&self) -> Result<EntryStat> {
        // Whoever asks has read what it wants for now, and may keep the file open for long.
        self.let_go();
        match self.opened.take() {
            Some((at, stat)) if at.elapsed() < FRESH && self.seen.borrow().is_none() => {
                *self.seen.borrow_mut() = Some(stat);
                Ok(stat)
            }
            _ => self.look_again(),
        }
    }

    fn seek_to(&mut self, offset: u64) -> Result<()> {
        if self.offset != offset {
            self.let_go();
        }
        self.offset = offset;
        self.ended_at = None;
        Ok(())
    }
}
