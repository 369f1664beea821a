//! Reads that are asked for before they are needed: the way to the server and back is spent once, not for each piece.

use std::collections::VecDeque;

use dropbridge_port::Result;

use crate::failure;
use crate::protocol::{Reply, Request, status};
use crate::session::{Awaiting, Session};

/// Bytes that are on their way at most: what one transfer takes in memory, whatever the size of the file.
const WINDOW_BYTES: u64 = 4 << 20;

/// What came.
pub(crate) enum Piece {
    /// Bytes, which [`ReadAhead::take`] gives.
    Bytes,
    /// The end of the file.
    End,
}

/// A read that was asked for.
struct Asked {
    offset: u64,
    length: u32,
    awaiting: Awaiting,
}

/// Reads in the order of the file.
pub(crate) struct ReadAhead {
    asked: VecDeque<Asked>,
    /// Where the next read begins.
    next: u64,
    /// The announced size: behind it, one read asks whether there is more.
    size: u64,
    piece_bytes: u32,
    /// The piece that came, and how much of it was taken.
    piece: Vec<u8>,
    taken: usize,
}

impl ReadAhead {
    /// From an offset of a file of this size.
    pub(crate) fn new(offset: u64, size: u64, piece_bytes: u32) -> Self {
        Self { asked: VecDeque::new(), next: offset, size, piece_bytes, piece: Vec::new(), taken: 0 }
    }

    /// Bytes that came, as many as are wanted at most; `None` when there are none at hand.
    pub(crate) fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        if self.taken == 0 && !self.piece.is_empty() && self.piece.len() <= most {
            return Some(std::mem::take(&mut self.piece));
        }
        let left = self.piece.get(self.taken..).filter(|left| !left.is_empty())?;
        let some = left[..left.len().min(most)].to_vec();
        self.taken += some.len();
        Some(some)
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// Of the session and of the server.
    pub(crate) fn receive(&mut self, session: &Session, handle: &[u8], subject: &str) -> Result<Piece> {
        self.ask(session, handle)?;
        let Some(asked) = self.asked.pop_front() else { return Ok(Piece::End) };
        match session.reply(&asked.awaiting)? {
            Reply::Data(bytes) if bytes.is_empty() => Ok(Piece::End),
            Reply::Data(bytes) => {
                self.complete(session, handle, &asked, bytes.len() as u64)?;
                (self.piece, self.taken) = (bytes, 0);
                Ok(Piece::Bytes)
            }
            Reply::Status { code: status::END_OF_FILE, .. } => Ok(Piece::End),
            other => Err(failure::unexpected("read", subject, &other)),
        }
    }

    /// Asks for pieces up to the announced end, and once behind it.
    fn ask(&mut self, session: &Session, handle: &[u8]) -> Result<()> {
        let most = (WINDOW_BYTES / u64::from(self.piece_bytes)).max(1) as usize;
        let asks_behind = |asked: &Asked, size: u64| asked.offset >= size;
        while self.asked.len() < most && !self.asked.back().is_some_and(|asked| asks_behind(asked, self.size)) {
            let left = self.size.saturating_sub(self.next);
            let length = if left == 0 { self.piece_bytes } else { left.min(u64::from(self.piece_bytes)) as u32 };
            let asked = Self::send(session, handle, self.next, length)?;
            // Behind the end nobody knows how much will come.
            if left > 0 {
                self.next += u64::from(length);
            }
            self.asked.push_back(asked);
        }
        Ok(())
    }

    fn send(session: &Session, handle: &[u8], offset: u64, length: u32) -> Result<Asked> {
        let awaiting = session.send(&Request::Read { handle, offset, length })?;
        Ok(Asked { offset, length, awaiting })
    }

    /// A server may send less than it was asked for: the rest is asked for again, before what lies behind.
    fn complete(&mut self, session: &Session, handle: &[u8], asked: &Asked, came: u64) -> Result<()> {
        let (end, rest) = (asked.offset + came, u64::from(asked.length).saturating_sub(came));
        if asked.offset >= self.size {
            self.next = end;
            self.size = end;
        } else if rest > 0 {
            self.asked.push_front(Self::send(session, handle, end, rest as u32)?);
        }
        Ok(())
    }
}
