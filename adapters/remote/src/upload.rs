//! A file on its way to a server that is told where each block goes: some blocks are on their way beside each other, and
//! those that were not answered are sent again over another connection.

use std::collections::VecDeque;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result, StagedFile, WrittenFile};
use sha2::{Digest, Sha256};

use crate::attempts::Attempts;
use crate::staging::pass;

/// How blocks are written to one file by a protocol.
pub trait BlockWriter: Send {
    /// The answer to a block that was sent.
    type Awaiting: Send;

    /// Blocks that the server has not answered yet: what an upload takes in memory, whatever the size of the file.
    const BLOCKS_AT_A_TIME: usize;

    /// Bytes of one block.
    fn block_bytes(&self) -> usize;

    /// Sends a block.
    ///
    /// # Errors
    /// Of the connection.
    fn send(&self, offset: u64, bytes: &[u8]) -> Result<Self::Awaiting>;

    /// The answer to a block that could not be sent, which never comes.
    fn nothing() -> Self::Awaiting;

    /// Waits for the answer to a block of so many bytes: whether the server took it.
    ///
    /// # Errors
    /// Of the connection.
    fn taken(&self, awaiting: &Self::Awaiting, length: usize) -> Result<Result<()>>;

    /// Whether the connection is of no more use.
    fn is_broken(&self) -> bool;

    /// Opens the file again, over a connection that works.
    ///
    /// # Errors
    /// Of the server.
    fn open_again(&mut self) -> Result<()>;

    /// All that is left to do before the name can be published, closing it among that; it may be done again over another
    /// connection.
    ///
    /// # Errors
    /// Of the server; `Transient` where it does not have `size` bytes.
    fn complete(&mut self, size: u64) -> Result<()>;
}

/// A staged file that is being written.
pub struct Upload<W: BlockWriter> {
    writer: W,
    subject: String,
    sha256: Sha256,
    /// Bytes that are not sent yet.
    block: Vec<u8>,
    /// Blocks that are not answered yet.
    sent: VecDeque<Sent<W::Awaiting>>,
    /// Where the next block begins.
    offset: u64,
    attempts: Attempts,
}

/// A block on its way.
struct Sent<A> {
    offset: u64,
    bytes: Vec<u8>,
    awaiting: A,
}

impl<W: BlockWriter> Upload<W> {
    /// Of a file that was made just now; `subject` is what it is called in errors.
    pub fn new(writer: W, subject: String) -> Self {
        Self {
            writer,
            subject,
            sha256: Sha256::new(),
            block: Vec::new(),
            sent: VecDeque::new(),
            offset: 0,
            attempts: Attempts::default(),
        }
    }

    /// Sends what is at hand as a block, and waits where too many are on their way.
    fn send_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        while self.sent.len() >= W::BLOCKS_AT_A_TIME {
            self.receive()?;
        }
        let bytes = std::mem::take(&mut self.block);
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        match self.writer.send(offset, &bytes) {
            Ok(awaiting) => self.sent.push_back(Sent { offset, bytes, awaiting }),
            Err(error) => {
                self.sent.push_back(Sent { offset, bytes, awaiting: W::nothing() });
                self.resume(error)?;
            }
        }
        Ok(())
    }

    /// Waits for the answer to the first block on its way.
    fn receive(&mut self) -> Result<()> {
        let Some(first) = self.sent.front() else { return Ok(()) };
        match self.writer.taken(&first.awaiting, first.bytes.len()) {
            Ok(taken) => taken?,
            Err(error) => return self.resume(error),
        }
        self.sent.pop_front();
        self.attempts.end();
        Ok(())
    }

    /// Connects again and sends once more what was not answered. The name is ours alone, so writing it twice is the same.
    fn resume(&mut self, error: PortError) -> Result<()> {
        let mut attempts = self.attempts;
        let resumed = attempts.go_on(error, |error| {
            self.send_again()?;
            let offset = self.sent.front().map_or(self.offset, |sent| sent.offset);
            let why = &error.message;
            tracing::info!(file = self.subject, offset, "goes on writing after the connection was lost: {why}");
            Ok(())
        });
        self.attempts = attempts;
        resumed
    }

    fn send_again(&mut self) -> Result<()> {
        self.writer.open_again()?;
        for block in &mut self.sent {
            block.awaiting = self.writer.send(block.offset, &block.bytes)?;
        }
        Ok(())
    }
}

impl<W: BlockWriter> StagedFile for Upload<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        let block_bytes = self.writer.block_bytes().max(1);
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
            match self.writer.complete(self.offset) {
                Ok(()) => break,
                Err(error) if error.kind == ErrorKind::Transient && self.writer.is_broken() => self.resume(error)?,
                Err(error) => return Err(error),
            }
        }
        pass(Failpoint::OutboxSynced, &self.subject)?;
        Ok(WrittenFile { size: self.offset, sha256: self.sha256.clone().finalize().into() })
    }
}

/// Makes sure that the server has as many bytes of a file as were written; `None` where it does not tell.
///
/// # Errors
/// `Transient` where it has not.
pub fn require_size(subject: &str, written: u64, there: Option<u64>) -> Result<()> {
    if there == Some(written) {
        return Ok(());
    }
    let has = there.map_or_else(|| "nobody knows how many".to_owned(), |size| size.to_string());
    let message = format!("{written} bytes were written, and it has {has}");
    Err(PortError::new(ErrorKind::Transient, "stage", subject, message)
        .with_hint("who else writes to the staging directory?"))
}
