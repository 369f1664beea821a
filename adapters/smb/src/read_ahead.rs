//! Reads that are asked for before they are needed: the way to the server and back is spent once, not for each piece.

use std::collections::VecDeque;

use dropbridge_port::Result;
use smb2::types::FileId;
use smb2::types::status::NtStatus;

use crate::failure::failure;
use crate::request;
use crate::session::{Answer, Awaiting, Session};

/// Bytes that are on their way at most: what one transfer takes in memory, whatever the size of the file.
const WINDOW_BYTES: u64 = 4 << 20;

/// Header of every message (MS-SMB2 2.2.1): where data lies is told from its beginning.
const HEADER_BYTES: usize = 64;

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
    /// The answer that came, and which part of it was not taken yet.
    piece: Vec<u8>,
    left: std::ops::Range<usize>,
}

impl ReadAhead {
    /// From an offset of a file of this size.
    pub(crate) fn new(offset: u64, size: u64, piece_bytes: u32) -> Self {
        Self { asked: VecDeque::new(), next: offset, size, piece_bytes, piece: Vec::new(), left: 0..0 }
    }

    /// Takes bytes that came, as many as there is room for; 0 when there are none at hand.
    pub(crate) fn take(&mut self, room: &mut [u8]) -> usize {
        let length = self.left.len().min(room.len());
        let Some(some) = self.piece.get(self.left.start..self.left.start + length) else { return 0 };
        room[..length].copy_from_slice(some);
        self.left.start += length;
        length
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// Of the session and of the server.
    pub(crate) fn receive(&mut self, session: &Session, file: FileId, subject: &str) -> Result<Piece> {
        self.ask(session, file)?;
        let Some(asked) = self.asked.pop_front() else { return Ok(Piece::End) };
        let answer = session.answer(&asked.awaiting)?;
        if answer.status == NtStatus::END_OF_FILE {
            return Ok(Piece::End);
        }
        if !answer.is_done() {
            return Err(failure("read", subject, answer.status));
        }
        let Some(data) = data(&answer, asked.length) else {
            return Err(session.broken_by("the server sent other bytes than were asked for"));
        };
        if data.is_empty() {
            return Ok(Piece::End);
        }
        self.complete(session, file, &asked, data.len() as u64)?;
        (self.piece, self.left) = (answer.body, data);
        Ok(Piece::Bytes)
    }

    /// Asks for pieces up to the announced end, and once behind it.
    fn ask(&mut self, session: &Session, file: FileId) -> Result<()> {
        let most = (WINDOW_BYTES / u64::from(self.piece_bytes)).max(1) as usize;
        let asks_behind = |asked: &Asked, size: u64| asked.offset >= size;
        while self.asked.len() < most && !self.asked.back().is_some_and(|asked| asks_behind(asked, self.size)) {
            let left = self.size.saturating_sub(self.next);
            let length = if left == 0 { self.piece_bytes } else { left.min(u64::from(self.piece_bytes)) as u32 };
            let asked = Self::send(session, file, self.next, length)?;
            // Behind the end nobody knows how much will come.
            if left > 0 {
                self.next += u64::from(length);
            }
            self.asked.push_back(asked);
        }
        Ok(())
    }

    fn send(session: &Session, file: FileId, offset: u64, length: u32) -> Result<Asked> {
        let awaiting = session.send(request::read(file, offset, length))?;
        Ok(Asked { offset, length, awaiting })
    }

    /// A server may send less than it was asked for: the rest is asked for again, before what lies behind.
    fn complete(&mut self, session: &Session, file: FileId, asked: &Asked, came: u64) -> Result<()> {
        let (end, rest) = (asked.offset + came, u64::from(asked.length).saturating_sub(came));
        if asked.offset >= self.size {
            self.next = end;
            self.size = end;
        } else if rest > 0 {
            self.asked.push_front(Self::send(session, file, end, rest as u32)?);
        }
        Ok(())
    }
}

/// Which part of an answer is what was read (MS-SMB2 2.2.20); `None` when it cannot be.
fn data(answer: &Answer, most: u32) -> Option<std::ops::Range<usize>> {
    let start = usize::from(*answer.body.get(2)?).checked_sub(HEADER_BYTES)?;
    let length = u32::from_le_bytes(answer.body.get(4..8)?.try_into().ok()?);
    let data = start..start.checked_add(length as usize)?;
    (length <= most && (length == 0 || data.end <= answer.body.len())).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offset: u8, length: u32, data: &[u8]) -> Answer {
        let mut body = vec![17, 0, offset, 0];
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(data);
        Answer { status: NtStatus::SUCCESS, body }
    }

    #[test]
    fn what_was_read_lies_where_the_answer_says() {
        assert_eq!(data(&answer(80, 3, b"abc"), 3), Some(16..19));
        assert_eq!(data(&answer(82, 1, b"..a"), 3), Some(18..19));
        assert_eq!(data(&answer(80, 4, b"abc"), 4), None, "less than it says");
        assert_eq!(data(&answer(80, 3, b"abc"), 2), None, "more than was asked for");
        assert_eq!(data(&answer(10, 3, b"abc"), 3), None, "within the header");
    }

    #[test]
    fn a_piece_is_taken_bit_by_bit() {
        let mut ahead = ReadAhead::new(0, 3, 3);
        (ahead.piece, ahead.left) = (answer(80, 3, b"abc").body, 16..19);
        let mut room = [0; 2];
        assert_eq!((ahead.take(&mut room), &room), (2, b"ab"));
        assert_eq!((ahead.take(&mut room), room[0]), (1, b'c'));
        assert_eq!(ahead.take(&mut room), 0);
    }
}
