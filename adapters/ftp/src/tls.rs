//! TLS under the control connection and under transfers, of control connection and transfers alike.
//!
//! Servers may want the session of the control connection for its transfers, to know that both have the same client
//! (vsftpd's `require_ssl_reuse`). So each control connection has sessions of its own, which only its transfers resume.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use suppaftp::{FtpError, FtpResult, TlsConnector, TlsStream};

use crate::settings::FtpSettings;
use crate::trust::Gatekeeper;

/// The library reads 4 KiB at a time where nothing stands between it and the socket.
const READ_BYTES: usize = 64 << 10;

/// How long a server may take to end an upload's connection when it has all of it.
const SESSIONS_WAIT: Duration = Duration::from_secs(2);

/// Sessions that are kept for one control connection.
const SESSIONS: usize = 8;

/// Begins TLS on sockets.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
    gatekeeper: Arc<Gatekeeper>,
    timeout: Duration,
    /// The control connection has begun: what follows are its transfers.
    has_begun: Arc<AtomicBool>,
}

impl Connector {
    /// For one control connection and its transfers. No read or write of a handshake waits longer than `timeout`.
    ///
    /// # Errors
    /// As [`Gatekeeper::of`].
    pub(crate) fn new(settings: &FtpSettings, timeout: Duration) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let gatekeeper = Arc::new(Gatekeeper::of(settings, &provider)?);
        let mut config = of_provider(provider)?
            .dangerous()
            // Nothing is left out: the gatekeeper verifies by the library's own means, and says more of what it refuses.
            .with_custom_certificate_verifier(Arc::clone(&gatekeeper) as _)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self { config: Arc::new(config), gatekeeper, timeout, has_begun: Arc::default() })
    }

    /// Why the certificate that was shown last was refused.
    pub(crate) fn take_refusal(&self) -> Option<PortError> {
        self.gatekeeper.take_refusal()
    }
}

type Versioned = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn of_provider(provider: Arc<CryptoProvider>) -> Result<Versioned> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PortError::new(ErrorKind::Bug, "prepare TLS", "its versions", error))
}

impl fmt::Debug for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connector")
    }
}

impl TlsConnector for Connector {
    type Stream = FtpsStream;

    fn connect(&self, domain: &str, stream: TcpStream) -> FtpResult<FtpsStream> {
        let secure = |error: &dyn fmt::Display| FtpError::SecureError(error.to_string());
        let name = ServerName::try_from(domain.to_owned()).map_err(|error| secure(&error))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(|error| secure(&error))?;
        for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            set(&stream, Some(self.timeout)).map_err(FtpError::ConnectionError)?;
        }
        let mut socket = Socket(BufReader::with_capacity(READ_BYTES, stream));
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|error| secure(&error))?;
        }
        let is_transfer = self.has_begun.swap(true, Ordering::Relaxed);
        Ok(FtpsStream { stream: StreamOwned::new(connection, socket), is_transfer })
    }
}

/// A socket that is read in larger pieces than it is asked for.
#[derive(Debug)]
pub(crate) struct Socket(BufReader<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

/// A connection with TLS. One that ends without saying so (`close_notify`) fails to be read: it may have been cut.
#[derive(Debug)]
pub(crate) struct FtpsStream {
    stream: StreamOwned<ClientConnection, Socket>,
    is_transfer: bool,
}

impl TlsStream for FtpsStream {
    type InnerStream = StreamOwned<ClientConnection, Socket>;

    fn tcp_stream(self) -> FtpResult<TcpStream> {
        self.get_ref().try_clone().map_err(FtpError::ConnectionError)
    }

    fn get_ref(&self) -> &TcpStream {
        self.stream.sock.0.get_ref()
    }

    fn mut_ref(&mut self) -> &mut Self::InnerStream {
        &mut self.stream
    }
}

impl FtpsStream {
    /// Reads to the end after an upload, for the sessions that the server offers meanwhile: with TLS 1.3 each is good for
    /// one further connection only, and without one the next transfer may be refused.
    fn take_sessions(&mut self) {
        let socket = self.get_ref();
        if socket.shutdown(Shutdown::Write).is_err() || socket.set_read_timeout(Some(SESSIONS_WAIT)).is_err() {
            return;
        }
        while self.stream.conn.read_tls(&mut self.stream.sock).is_ok_and(|length| length > 0)
            && self.stream.conn.process_new_packets().is_ok_and(|state| !state.peer_has_closed())
        {}
    }
}

impl Drop for FtpsStream {
    fn drop(&mut self) {
        self.stream.conn.send_close_notify();
        // A server that is gone need not hear it.
        let told = self.stream.flush();
        if self.is_transfer && told.is_ok() {
            self.take_sessions();
        }
    }
}
