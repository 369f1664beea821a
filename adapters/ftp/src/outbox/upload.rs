//! A file on its way to the server, under its temporary name.
//!
//! What was sent last is kept until the end: when the connection is lost, the server tells how much it has, and the rest
//! is sent behind that (RFC 3659, section 5.4). A server that has less than is kept, or that does not append, gets the file
//! from its beginning again, under another name.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{ErrorKind, PortError, Result, StagedFile, StagedName, WrittenFile};
use dropbridge_remote::{Attempts, pass};
use sha2::{Digest, Sha256};

use super::FtpOutbox;
use super::staging::{staged_of, staged_size};
use crate::connection::Connection;
use crate::failure::{self, Refusal};
use crate::server::FtpServer;
use crate::transfer::Transfer;
use crate::tree::Tree;

/// Bytes that are sent at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// Bytes that are kept: more than is on its way between two machines, mostly.
const KEPT_BYTES: usize = 8 << 20;

const OPERATION: &str = "write";

/// A staged file that is being written.
pub(super) struct FtpStaged {
    server: Arc<FtpServer>,
    staging: Tree,
    /// Its name in the staging directory.
    name: String,
    subject: String,
    sha256: Sha256,
    /// None while the connection is away.
    sending: Option<Sending>,
    /// Bytes that are not sent yet.
    block: Vec<u8>,
    /// Blocks that were sent last.
    kept: VecDeque<Vec<u8>>,
    kept_bytes: usize,
    /// Bytes that were sent.
    sent: u64,
    attempts: Attempts,
}

/// A transfer and the connection that it belongs to.
struct Sending {
    transfer: Transfer,
    connection: Connection,
}

impl FtpOutbox {
    /// Makes a new file under a temporary name. Nothing had it a moment ago, and no other ever gets it.
    pub(super) fn create(&self, name: &StagedName) -> Result<FtpStaged> {
        let mut connection = self.server.take()?;
        self.enter_staging(&mut connection, "stage")?;
        let (name, subject) = (staged_of(name), self.staged_subject(name));
        let transfer = match connection.begin("stage", &subject, "STOR", name.as_bytes(), 0)? {
            Ok(transfer) => transfer,
            Err(refusal) => {
                self.server.give_back(connection);
                return Err(failure::refused("stage", &subject, &refusal));
            }
        };
        Ok(FtpStaged {
            server: Arc::clone(&self.server),
            staging: self.staging.clone(),
            name,
            subject,
            sha256: Sha256::new(),
            sending: Some(Sending { transfer, connection }),
            block: Vec::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            sent: 0,
            attempts: Attempts::default(),
        })
    }
}

impl FtpStaged {
    /// Sends what is at hand as a block, and keeps it.
    fn send_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        let written = match &mut self.sending {
            Some(Sending { transfer, connection }) => transfer
                .write_all(&block)
                .map_err(|error| failure::lost_io(OPERATION, &self.subject, &error, connection.stall_ms())),
            None => Err(PortError::new(ErrorKind::Transient, OPERATION, &self.subject, "the connection was lost")),
        };
        self.sent += block.len() as u64;
        self.kept_bytes += block.len();
        self.kept.push_back(block);
        while self.kept_bytes > KEPT_BYTES {
            self.kept_bytes -= self.kept.pop_front().map_or(0, |block| block.len());
        }
        match written {
            Ok(()) => {
                self.attempts.end();
                Ok(())
            }
            Err(error) => self.resume(error),
        }
    }

    /// What the server has of it, in bytes; `None` where it has none.
    fn size_there(&self, connection: &mut Connection) -> Result<Option<u64>> {
        let full = self.staging.full(connection, self.name.as_bytes());
        staged_size(connection, OPERATION, &self.subject, &full)
    }

    /// Why a server stops taking bytes it says, as a rule: a disk that is full, a quota that is used up.
    fn said(&mut self) -> Option<PortError> {
        let Sending { transfer, mut connection } = self.sending.take()?;
        match connection.finish(OPERATION, &self.subject, transfer) {
            Ok(Err(refusal)) if !is_cut(&refusal) => Some(failure::refused(OPERATION, &self.subject, &refusal)),
            _ => None,
        }
    }

    /// Connects again and goes on behind what the server has.
    fn resume(&mut self, error: PortError) -> Result<()> {
        if let Some(said) = self.said() {
            return Err(said);
        }
        let mut attempts = self.attempts;
        let resumed = attempts.go_on(error, |_| match self.go_on() {
            // What cannot be gone on with is not tried again, though sending it anew may help.
            Err(Stop::Now(anew)) => Ok(Err(anew)),
            Err(Stop::ForNow(error)) => Err(error),
            Ok(()) => Ok(Ok(())),
        });
        self.attempts = attempts;
        resumed?
    }

    fn go_on(&mut self) -> std::result::Result<(), Stop> {
        let anew = |message: String| {
            Stop::Now(
                PortError::new(ErrorKind::Transient, OPERATION, &self.subject, message)
                    .with_hint("it is sent again from its beginning"),
            )
        };
        let mut connection = self.server.take()?;
        let there = self.size_there(&mut connection)?;
        let there =
            there.ok_or_else(|| anew("the server has nothing of it after the connection was lost".to_owned()))?;
        let missing = self.sent.checked_sub(there);
        let missing = missing.filter(|missing| *missing <= self.kept_bytes as u64).ok_or_else(|| {
            anew(format!("the server has {there} bytes of {} after the connection was lost", self.sent))
        })?;
        self.staging.require_root(&mut connection, OPERATION)?;
        let begun = connection.begin(OPERATION, &self.subject, "STOR", self.name.as_bytes(), there)?;
        let mut transfer = begun.map_err(|refusal| anew(format!("it cannot be gone on with: {}", refusal.text)))?;
        let mut skip = self.kept_bytes as u64 - missing;
        for block in &self.kept {
            let from = skip.min(block.len() as u64);
            skip -= from;
            let rest = &block[usize::try_from(from).unwrap_or(block.len())..];
            let stall_ms = connection.stall_ms();
            transfer.write_all(rest).map_err(|error| failure::lost_io(OPERATION, &self.subject, &error, stall_ms))?;
        }
        tracing::info!(file = self.subject, offset = there, "goes on after the connection was lost");
        self.sending = Some(Sending { transfer, connection });
        Ok(())
    }

    /// Ends the transfer, and goes on with it where it was cut.
    fn end(&mut self) -> Result<()> {
        loop {
            let Some(Sending { transfer, mut connection }) = self.sending.take() else {
                let away = PortError::new(ErrorKind::Transient, OPERATION, &self.subject, "the connection was lost");
                self.resume(away)?;
                continue;
            };
            let error = match connection.finish(OPERATION, &self.subject, transfer) {
                Ok(Ok(())) => match self.size_there(&mut connection) {
                    Ok(Some(there)) if there == self.sent => {
                        self.server.give_back(connection);
                        return Ok(());
                    }
                    Ok(there) => {
                        let message = format!("the server has {} of {} bytes", there.unwrap_or(0), self.sent);
                        PortError::new(ErrorKind::Transient, OPERATION, &self.subject, message)
                    }
                    Err(error) => error,
                },
                Ok(Err(refusal)) if !is_cut(&refusal) => {
                    return Err(failure::refused(OPERATION, &self.subject, &refusal));
                }
                Ok(Err(refusal)) => {
                    let message = format!("the server says: {} {}", refusal.code, refusal.text);
                    PortError::new(ErrorKind::Transient, OPERATION, &self.subject, message)
                }
                Err(error) => error,
            };
            self.resume(error)?;
        }
    }
}

/// Why going on failed.
enum Stop {
    /// Another attempt would fail as well.
    Now(PortError),
    /// It may pass.
    ForNow(PortError),
}

impl From<PortError> for Stop {
    fn from(error: PortError) -> Self {
        if error.kind == ErrorKind::Transient { Self::ForNow(error) } else { Self::Now(error) }
    }
}

/// The server says no more than that the line was cut.
const fn is_cut(refusal: &Refusal) -> bool {
    matches!(refusal.code, 425 | 426)
}

impl StagedFile for FtpStaged {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (some, left) = rest.split_at(rest.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(some);
            rest = left;
            if self.block.len() >= BLOCK_BYTES {
                self.send_block()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<WrittenFile> {
        self.send_block()?;
        self.end()?;
        pass(Failpoint::OutboxWritten, &self.subject)?;
        // The protocol cannot make bytes survive a power cut of the server; that they are all there was compared.
        pass(Failpoint::OutboxSynced, &self.subject)?;
        let sha256 = self.sha256.clone().finalize().into();
        Ok(WrittenFile { size: self.sent, sha256 })
    }
}
