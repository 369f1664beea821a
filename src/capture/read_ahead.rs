//! Reading ahead: a reader is read by a thread of its own, so that what it does to the bytes (decompressing, hashing)
//! and what is made of them go on side by side.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// Blocks that may wait to be asked for.
const BLOCKS: usize = 2;

/// The bytes of a reader that is read ahead, at most a megabyte of them. Its errors come where they occurred, behind
/// the bytes before them.
pub struct ReadAhead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    /// Blocks that were used up, to be filled again.
    empty: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    used: usize,
    at_end: bool,
}

impl ReadAhead {
    /// Begins to read. The thread ends with the bytes, at an error, or when nobody wants any more.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn new(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (full, blocks) = sync_channel(BLOCKS);
        let (empty, used_up) = sync_channel(BLOCKS + 2);
        thread::Builder::new().name("read ahead".to_owned()).spawn(move || read_blocks(reader, &full, &used_up))?;
        Ok(Self { blocks, empty, block: Vec::new(), used: 0, at_end: false })
    }

    /// Fetches the next block; an empty one is the end.
    fn fetch(&mut self) -> io::Result<()> {
        // Only an empty block is the end: neither a thread that died, nor what stands behind an error.
        let died = || Err(io::Error::other("the thread that reads ahead has ended too early"));
        let next = self.blocks.recv().unwrap_or_else(|_| died());
        let spent = std::mem::replace(&mut self.block, next?);
        let _it_has_ended = self.empty.try_send(spent);
        self.used = 0;
        self.at_end = self.block.is_empty();
        Ok(())
    }
}

/// Sends block by block, an empty one at the end.
fn read_blocks(mut reader: impl Read, full: &SyncSender<io::Result<Vec<u8>>>, used_up: &Receiver<Vec<u8>>) {
    loop {
        let mut block = used_up.try_recv().unwrap_or_default();
        block.clear();
        block.reserve_exact(BLOCK_BYTES);
        let read = reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
        if let Err(error) = read {
            let _nobody_listens = (block.is_empty() || full.send(Ok(block)).is_ok()) && full.send(Err(error)).is_ok();
            return;
        }
        let at_end = block.is_empty();
        if full.send(Ok(block)).is_err() || at_end {
            return;
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.used == self.block.len() {
            if self.at_end {
                return Ok(0);
            }
            self.fetch()?;
        }
        let length = buffer.len().min(self.block.len() - self.used);
        buffer[..length].copy_from_slice(&self.block[self.used..self.used + length]);
        self.used += length;
        Ok(length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Gives some bytes, then fails.
    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.0);
            if length == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "damaged"));
            }
            buffer[..length].fill(7);
            self.0 -= length;
            Ok(length)
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_reader() {
        for size in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 9 * BLOCK_BYTES + 13] {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 / 7) as u8).collect();
            let mut ahead = ReadAhead::new(io::Cursor::new(bytes.clone())).unwrap();
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{size} bytes");
            assert_eq!(ahead.read(&mut [0; 4]).unwrap(), 0, "the end stays the end");
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it_and_is_no_end() {
        for size in [0, 5, BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
            let mut ahead = ReadAhead::new(Broken(size)).unwrap();
            let mut read = Vec::new();
            let error = ahead.read_to_end(&mut read).unwrap_err();
            assert_eq!((error.kind(), read.len()), (io::ErrorKind::InvalidData, size));
            assert!(ahead.read(&mut [0; 4]).is_err(), "behind an error there is no end");
        }
    }

    #[test]
    fn a_thread_that_dies_is_no_end() {
        struct Dies;
        impl Read for Dies {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::panic::resume_unwind(Box::new("dies"));
            }
        }
        let error = ReadAhead::new(Dies).unwrap().read(&mut [0; 4]).unwrap_err();
        assert!(error.to_string().contains("too early"), "{error}");
    }
}
