//! One file, or one listing, on its way: over a connection of its own, beside the control connection that asked for it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use suppaftp::{FtpResult, TransferStream};

use crate::tls::FtpsStream;

/// A transfer. One that is let go of unfinished takes its control connection with it: what servers answer after an abort
/// is not the same everywhere.
pub(crate) struct Transfer {
    /// None once it is finished.
    stream: Option<TransferStream<FtpsStream>>,
    control: TcpStream,
    broken: Arc<AtomicBool>,
}

impl Transfer {
    pub(crate) const fn new(stream: TransferStream<FtpsStream>, control: TcpStream, broken: Arc<AtomicBool>) -> Self {
        Self { stream: Some(stream), control, broken }
    }

    /// For [`Connection::finish`](crate::connection::Connection::finish).
    pub(crate) fn finish(mut self) -> FtpResult<()> {
        self.stream.take().map_or(Ok(()), TransferStream::finish)
    }

    fn stream(&mut self) -> io::Result<&mut TransferStream<FtpsStream>> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Read for Transfer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream()?.read(buffer)
    }
}

impl Write for Transfer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream()?.flush()
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        self.broken.store(true, Ordering::Relaxed);
        for socket in [&self.control, stream.get_ref().get_ref()] {
            let _closed_already = socket.shutdown(Shutdown::Both);
        }
        // It fails at once: nobody answers.
        let _given_up = stream.finish();
    }
}
