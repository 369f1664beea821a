//! One SFTP session: requests go out as they come, replies find the request that they are for.
//!
//! Callers are threads that block; the connection itself is driven by tasks of [`runtime`]. A session that has once
//! failed is of no more use: every request that waits, and every later one, fails with the same words.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result};
use dropbridge_remote::{Patience, Session as _};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::protocol::{self, Extension, MOST_PACKET_BYTES, Reply, Request};

/// Threads that drive all connections of the process: they decrypt, and never wait for a disk.
const DRIVING_THREADS: usize = 2;

/// More than this in one request makes nothing faster.
const MOST_BLOCK_BYTES: u64 = 128 << 10;

/// The tasks of all connections. It is never shut down: who uses it may itself be a task somewhere.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let begin = || Builder::new_multi_thread().worker_threads(DRIVING_THREADS).thread_name("sftp").enable_all().build();
    let failure = |error| PortError::new(ErrorKind::Transient, "connect", "sftp", error);
    RUNTIME.get_or_init(begin).as_ref().map_err(failure)
}

/// What a server offers beside the draft.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) hardlink: bool,
    pub(crate) posix_rename: bool,
    pub(crate) fsync: bool,
    pub(crate) file_system: bool,
    pub(crate) limits: bool,
}

impl Extensions {
    /// From the extensions of its version packet.
    pub(crate) fn of(stated: &[Extension]) -> Self {
        let has = |name: &str| stated.iter().any(|(stated, _)| stated == name.as_bytes());
        Self {
            hardlink: has("hardlink@openssh.com"),
            posix_rename: has("posix-rename@openssh.com"),
            fsync: has("fsync@openssh.com"),
            file_system: has("statvfs@openssh.com"),
            limits: has("limits@openssh.com"),
        }
    }
}

/// Sizes that the server takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of one read.
    pub(crate) read_bytes: u32,
    /// Bytes of one write.
    pub(crate) write_bytes: u32,
}

/// Replies that are awaited; `None` once the session is broken.
type Awaited = HashMap<u32, Sender<Reply>>;

struct Shared {
    address: String,
    awaited: Mutex<Awaited>,
    /// Why the session is broken.
    broken: OnceLock<String>,
    begun: Instant,
    /// When something was heard of the server, or taken by it, in milliseconds since the session began.
    heard_ms: AtomicU64,
    /// The connection, to end it from any thread.
    socket: TcpStream,
}

/// A session. It ends with its last user.
pub(crate) struct Session {
    shared: Arc<Shared>,
    outgoing: UnboundedSender<Vec<u8>>,
    next_id: AtomicU32,
    stall_timeout: Duration,
    pub(crate) extensions: Extensions,
    pub(crate) limits: Limits,
    /// Handles of the server that files which wait for their turn keep open.
    pub(crate) kept_handles: AtomicUsize,
}

/// A reply that is awaited.
pub(crate) struct Awaiting(Receiver<Reply>);

impl Awaiting {
    /// What could not be sent: its reply never comes.
    pub(crate) fn nothing() -> Self {
        Self(channel().1)
    }
}

impl Shared {
    fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self) {
        self.heard_ms.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Ends the session: all that wait are told.
    fn end(&self, why: impl Into<String>) {
        let _the_first_reason_stays = self.broken.set(why.into());
        self.awaited().clear();
        // One that is closed already is fine.
        let _closed = self.socket.shutdown(Shutdown::Both);
    }

    fn failure(&self) -> PortError {
        let why = self.broken.get().map_or("the connection was lost", String::as_str);
        PortError::new(ErrorKind::Transient, "talk to server", &self.address, why)
            .with_hint("it is tried again by itself; if it lasts, look at the server and the way to it")
    }
}

impl dropbridge_remote::Session for Session {
    fn is_broken(&self) -> bool {
        self.shared.broken.get().is_some()
    }
}

impl Session {
    /// Begins over a channel on which the subsystem was started. Blocks until the server has said its version.
    ///
    /// # Errors
    /// `Transient` when it does not answer, `Refused` when it speaks something else.
    pub(crate) fn begin<H: client::Handler + 'static>(
        address: &str,
        handle: client::Handle<H>,
        subsystem: russh::Channel<client::Msg>,
        socket: TcpStream,
        stall_timeout: Duration,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            awaited: Mutex::default(),
            broken: OnceLock::new(),
            begun: Instant::now(),
            heard_ms: AtomicU64::new(0),
            socket,
        });
        let (outgoing, to_send) = tokio::sync::mpsc::unbounded_channel();
        let (version, versions) = channel();
        let (reading, writing) = subsystem.split();
        let runtime = runtime()?;
        runtime.spawn(send(Arc::clone(&shared), writing, to_send));
        runtime.spawn(receive(Arc::clone(&shared), reading, version, handle));
        let mut session = Self {
            shared,
            outgoing,
            next_id: AtomicU32::new(0),
            stall_timeout,
            extensions: Extensions::default(),
            limits: Limits { read_bytes: 32 << 10, write_bytes: 32 << 10 },
            kept_handles: AtomicUsize::new(0),
        };
        session.put(protocol::init())?;
        let packet = session.await_on(&versions)?;
        let Some((spoken, stated)) = protocol::decode_version(&packet) else {
            return Err(session.broken_by("the server does not speak SFTP"));
        };
        if spoken != protocol::VERSION {
            let message = format!("the server speaks version {spoken} of SFTP, not {}", protocol::VERSION);
            return Err(PortError::new(ErrorKind::Refused, "connect", address, message));
        }
        session.extensions = Extensions::of(&stated);
        session.learn_limits()?;
        Ok(session)
    }

    fn learn_limits(&mut self) -> Result<()> {
        if !self.extensions.limits {
            return Ok(());
        }
        if let Reply::Extended(bytes) = self.ask(&Request::Limits)? {
            // Longest packet, read, write; number of handles. 0: not limited.
            let stated = protocol::decode_longs(&bytes);
            let within = |index: usize| match stated.get(index) {
                Some(&limit) if limit > 0 => limit.min(MOST_BLOCK_BYTES) as u32,
                _ => 32 << 10,
            };
            self.limits = Limits { read_bytes: within(1), write_bytes: within(2) };
        }
        Ok(())
    }

    /// Sends a request; the reply comes by [`Session::reply`].
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Awaiting> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        self.shared.awaited().insert(id, sender);
        self.put(protocol::encode(id, request))?;
        Ok(Awaiting(receiver))
    }

    /// Waits for a reply, as long as the server is not silent for too long, nor busy with others for much longer.
    ///
    /// # Errors
    /// `Transient` when the session broke.
    pub(crate) fn reply(&self, awaiting: &Awaiting) -> Result<Reply> {
        self.await_on(&awaiting.0)
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// As for [`Session::reply`].
    pub(crate) fn ask(&self, request: &Request<'_>) -> Result<Reply> {
        let awaiting = self.send(request)?;
        self.reply(&awaiting)
    }

    /// Sends a request whose reply is of no interest.
    pub(crate) fn tell(&self, request: &Request<'_>) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // A broken session has forgotten what this would tell it.
        let _sent = self.put(protocol::encode(id, request));
    }

    /// Breaks the session: what the server said cannot be.
    pub(crate) fn broken_by(&self, why: &str) -> PortError {
        self.shared.end(why);
        self.shared.failure()
    }

    fn put(&self, packet: Vec<u8>) -> Result<()> {
        match self.outgoing.send(packet) {
            Ok(()) if !self.is_broken() => Ok(()),
            _ => Err(self.shared.failure()),
        }
    }

    fn await_on<T>(&self, receiver: &Receiver<T>) -> Result<T> {
        let patience = Patience::new(self.stall_timeout);
        loop {
            let heard = Duration::from_millis(self.shared.heard_ms.load(Ordering::Relaxed));
            let left = patience.left(self.shared.begun.elapsed().saturating_sub(heard));
            match receiver.recv_timeout(left.as_ref().copied().unwrap_or_default()) {
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => return Err(self.shared.failure()),
                Err(RecvTimeoutError::Timeout) => left.map(drop).map_err(|why| self.broken_by(&why))?,
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.end("it is not needed any more");
    }
}

async fn send(shared: Arc<Shared>, writing: ChannelWriteHalf<client::Msg>, mut to_send: UnboundedReceiver<Vec<u8>>) {
    while let Some(packet) = to_send.recv().await {
        if let Err(error) = writing.data_bytes(packet).await {
            shared.end(format!("the connection was lost: {error}"));
            return;
        }
        shared.hear();
    }
    let _ended = writing.close().await;
}

async fn receive<H: client::Handler>(
    shared: Arc<Shared>,
    mut reading: ChannelReadHalf,
    version: Sender<Vec<u8>>,
    // The connection lives as long as this is held.
    _handle: client::Handle<H>,
) {
    let mut version = Some(version);
    let mut received = Vec::new();
    while let Some(message) = reading.wait().await {
        shared.hear();
        match message {
            ChannelMsg::Data { data } => received.extend_from_slice(&data),
            ChannelMsg::Eof | ChannelMsg::Close => break,
            ChannelMsg::Failure => return shared.end("the server offers no SFTP"),
            _ => continue,
        }
        if let Err(why) = hand_over(&shared, &mut version, &mut received) {
            return shared.end(why);
        }
    }
    shared.end("the server closed the connection");
}

/// Hands all whole packets over, and keeps the rest.
fn hand_over(
    shared: &Shared,
    version: &mut Option<Sender<Vec<u8>>>,
    received: &mut Vec<u8>,
) -> std::result::Result<(), String> {
    let mut at = 0;
    while let Some(head) = received.get(at..at + 4) {
        let length = head.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
        if length > MOST_PACKET_BYTES {
            return Err(format!("the server sent a packet of {length} bytes, which is none of SFTP"));
        }
        let Some(packet) = received.get(at + 4..at + 4 + length) else { break };
        at += 4 + length;
        if let Some(version) = version.take() {
            // Whoever began the session may have given up.
            let _taken = version.send(packet.to_vec());
            continue;
        }
        let Some((id, reply)) = protocol::decode(packet) else {
            return Err("the server sent a packet that is none of SFTP".to_owned());
        };
        // The reply to one that only told something is expected by nobody.
        if let Some(sender) = shared.awaited().remove(&id) {
            let _taken = sender.send(reply);
        }
    }
    received.drain(..at);
    Ok(())
}
