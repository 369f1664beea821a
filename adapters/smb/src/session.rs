//! One session with a share: requests go out as they come, answers find the request that they are for.
//!
//! Callers are threads that block; the connection itself is driven by tasks of [`runtime`]. A session that has once
//! failed is of no more use: every request that waits, and every later one, fails with the same words.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result};
use dropbridge_remote::{Patience, Session as _};
use smb2::client::{CompoundOp, Connection};
use smb2::pack::{ReadCursor, Unpack};
use smb2::types::status::NtStatus;
use smb2::types::{CreditCharge, FileId, TreeId};
use tokio::runtime::{Builder, Runtime};

use crate::failure;
use crate::found;
use crate::request::{self, CREDIT_BYTES, OF_THE_CHAIN, Request};

/// Threads that drive all connections of the process: they check signatures, and never wait for a disk.
const DRIVING_THREADS: usize = 2;

/// More than this in one request makes nothing faster.
const MOST_BLOCK_BYTES: u32 = 512 << 10;

/// The tasks of all connections. It is never shut down: who uses it may itself be a task somewhere.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let begin = || Builder::new_multi_thread().worker_threads(DRIVING_THREADS).thread_name("smb").enable_all().build();
    let failure = |error| PortError::new(ErrorKind::Transient, "connect", "smb", error);
    RUNTIME.get_or_init(begin).as_ref().map_err(failure)
}

/// What the server answered to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: NtStatus,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether what was asked for was done, in part at least.
    pub(crate) const fn is_done(&self) -> bool {
        self.status.0 == NtStatus::SUCCESS.0 || self.status.0 == NtStatus::BUFFER_OVERFLOW.0
    }
}

/// Answers to a chain of requests over one handle: it was opened, something was done with it, and it was closed.
pub(crate) struct Chained {
    pub(crate) opened: Answer,
    pub(crate) done: Answer,
}

struct Shared {
    address: String,
    connection: Connection,
    tree: TreeId,
    /// Why the session is broken.
    broken: OnceLock<String>,
}

/// A session. It ends with its last user.
pub(crate) struct Session {
    shared: Arc<Shared>,
    stall_timeout: Duration,
    most_read_bytes: u32,
    most_write_bytes: u32,
    most_list_bytes: u32,
}

/// Answers that are awaited.
pub(crate) struct Awaiting(Receiver<Vec<Answer>>);

impl Awaiting {
    /// What could not be sent: its answer never comes.
    pub(crate) fn nothing() -> Self {
        Self(channel().1)
    }
}

impl Shared {
    /// Ends the session: all that wait are told.
    fn end(&self, why: impl Into<String>) {
        let _the_first_reason_stays = self.broken.set(why.into());
        self.connection.mark_dead();
    }

    fn failure(&self) -> PortError {
        let why = self.broken.get().map_or("the connection was lost", String::as_str);
        PortError::new(ErrorKind::Transient, "talk to server", &self.address, why)
            .with_hint("it is tried again by itself; if it lasts, look at the server and the way to it")
    }

    async fn answers(&self, chain: &[Request]) -> smb2::Result<Vec<Answer>> {
        let frames = match chain {
            [one] => {
                let cost = CreditCharge(one.credits);
                vec![self.connection.execute_with_credits(one.command, &*one.body, Some(self.tree), cost).await?]
            }
            several => {
                let operation = |one: &Request| (one.command, Arc::clone(&one.body), CreditCharge(one.credits));
                let owned: Vec<_> = several.iter().map(operation).collect();
                let operations: Vec<CompoundOp<'_>> = owned
                    .iter()
                    .map(|(command, body, cost)| CompoundOp {
                        command: *command,
                        body: &**body,
                        tree_id: Some(self.tree),
                        credit_charge: *cost,
                    })
                    .collect();
                self.connection.execute_compound(&operations).await?.into_iter().collect::<smb2::Result<_>>()?
            }
        };
        Ok(frames.into_iter().map(|frame| Answer { status: frame.header.status, body: frame.body }).collect())
    }

    /// Asks, and hands the answers over. Whatever goes wrong on the way there or back ends the session.
    async fn exchange(self: Arc<Self>, chain: Vec<Request>, to: Sender<Vec<Answer>>) {
        match self.answers(&chain).await {
            Ok(answers) => {
                if let Some(over) = answers.iter().find_map(|answer| failure::ends_session(answer.status)) {
                    return self.end(over);
                }
                // Who only told something awaits nothing.
                let _taken = to.send(answers);
            }
            Err(error) => self.end(format!("the connection was lost: {error}")),
        }
    }
}

impl dropbridge_remote::Session for Session {
    fn is_broken(&self) -> bool {
        self.shared.broken.get().is_some() || self.shared.connection.is_disconnected()
    }
}

/// Bytes of one request where the server states so many. No server may state less than one credit is worth (MS-SMB2
/// 3.3.5.4), and none at all would be no request.
fn within_bounds(stated: u32) -> u32 {
    stated.clamp(CREDIT_BYTES, MOST_BLOCK_BYTES)
}

impl Session {
    /// A session over a connection that is logged in and has the share.
    pub(crate) fn new(address: String, connection: Connection, tree: TreeId, stall_timeout: Duration) -> Self {
        let (read, write, list) = connection.params().map_or((CREDIT_BYTES, CREDIT_BYTES, CREDIT_BYTES), |stated| {
            (stated.max_read_size, stated.max_write_size, stated.max_transact_size)
        });
        Self {
            shared: Arc::new(Shared { address, connection, tree, broken: OnceLock::new() }),
            stall_timeout,
            most_read_bytes: within_bounds(read),
            most_write_bytes: within_bounds(write),
            most_list_bytes: within_bounds(list),
        }
    }

    /// Bytes of one read.
    pub(crate) fn read_bytes(&self) -> u32 {
        self.affordable(self.most_read_bytes)
    }

    /// Bytes of one write.
    pub(crate) fn write_bytes(&self) -> u32 {
        self.affordable(self.most_write_bytes)
    }

    /// Bytes of one piece of a listing.
    pub(crate) fn list_bytes(&self) -> u32 {
        self.affordable(self.most_list_bytes)
    }

    /// A server that grants few credits gets small requests.
    fn affordable(&self, bytes: u32) -> u32 {
        let credits = self.shared.connection.credit_ceiling().map_or(u32::MAX, u32::from);
        bytes.min((credits / 8).max(1).saturating_mul(CREDIT_BYTES))
    }

    /// Sends a request; the answer comes by [`Session::answer`].
    pub(crate) fn send(&self, request: Request) -> Result<Awaiting> {
        self.send_chain(vec![request])
    }

    fn send_chain(&self, chain: Vec<Request>) -> Result<Awaiting> {
        if self.is_broken() {
            return Err(self.shared.failure());
        }
        let (sender, receiver) = channel();
        runtime()?.spawn(Arc::clone(&self.shared).exchange(chain, sender));
        Ok(Awaiting(receiver))
    }

    /// Waits for an answer, as long as the server is not silent for too long, nor busy with others for much longer.
    ///
    /// # Errors
    /// `Transient` when the session broke.
    pub(crate) fn answer(&self, awaiting: &Awaiting) -> Result<Answer> {
        self.answers(awaiting)?.pop().ok_or_else(|| self.broken_by("the server answered something else"))
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// As for [`Session::answer`].
    pub(crate) fn ask(&self, request: Request) -> Result<Answer> {
        let awaiting = self.send(request)?;
        self.answer(&awaiting)
    }

    /// Sends a request whose answer is of no interest.
    pub(crate) fn tell(&self, request: Request) {
        // A broken session has forgotten what this would tell it.
        let _sent = self.send(request);
    }

    /// Opens something, does something with it, and closes it, on one way to the server and back.
    pub(crate) fn send_opened(&self, open: Request, work: Request) -> Result<Awaiting> {
        self.send_chain(vec![open, work, request::close(OF_THE_CHAIN)])
    }

    /// Waits for what [`Session::send_opened`] sent.
    ///
    /// # Errors
    /// As for [`Session::answer`].
    pub(crate) fn chained(&self, awaiting: &Awaiting) -> Result<Chained> {
        let Ok([opened, done, closed]) = <[Answer; 3]>::try_from(self.answers(awaiting)?) else {
            return Err(self.broken_by("the server answered something else"));
        };
        // What fails in the middle may take the close with it.
        if opened.is_done()
            && !closed.is_done()
            && let Some(file) = found::handle(&opened)
        {
            self.tell(request::close(file));
        }
        Ok(Chained { opened, done })
    }

    /// Both.
    ///
    /// # Errors
    /// As for [`Session::answer`].
    pub(crate) fn ask_opened(&self, open: Request, work: Request) -> Result<Chained> {
        let awaiting = self.send_opened(open, work)?;
        self.chained(&awaiting)
    }

    /// Opens something, does something with it, and keeps it open: both answers.
    ///
    /// # Errors
    /// As for [`Session::answer`].
    pub(crate) fn ask_opening(&self, open: Request, work: Request) -> Result<Chained> {
        let awaiting = self.send_chain(vec![open, work])?;
        match <[Answer; 2]>::try_from(self.answers(&awaiting)?) {
            Ok([opened, done]) => Ok(Chained { opened, done }),
            Err(_) => Err(self.broken_by("the server answered something else")),
        }
    }

    /// Opens something and closes it: what opening alone does.
    ///
    /// # Errors
    /// As for [`Session::answer`].
    pub(crate) fn touch(&self, open: Request) -> Result<Answer> {
        let awaiting = self.send_chain(vec![open, request::close(OF_THE_CHAIN)])?;
        match <[Answer; 2]>::try_from(self.answers(&awaiting)?) {
            // What opening did by half (deleting, for one), closing has finished, or it says why not.
            Ok([opened, closed]) => Ok(if opened.is_done() { Answer { body: opened.body, ..closed } } else { opened }),
            Err(_) => Err(self.broken_by("the server answered something else")),
        }
    }

    /// What an answer holds, as the crate reads it.
    ///
    /// # Errors
    /// Breaks the session: what the server said cannot be.
    pub(crate) fn unpack<T: Unpack>(&self, answer: &Answer) -> Result<T> {
        T::unpack(&mut ReadCursor::new(&answer.body)).map_err(|error| self.broken_by(&error.to_string()))
    }

    /// The handle that an answer holds.
    ///
    /// # Errors
    /// As for [`Session::unpack`].
    pub(crate) fn handle(&self, answer: &Answer) -> Result<FileId> {
        found::handle(answer).ok_or_else(|| self.broken_by("the server opened a file and names no handle"))
    }

    /// Breaks the session: what the server said cannot be.
    pub(crate) fn broken_by(&self, why: &str) -> PortError {
        self.shared.end(why);
        self.shared.failure()
    }

    fn answers(&self, awaiting: &Awaiting) -> Result<Vec<Answer>> {
        let patience = Patience::new(self.stall_timeout);
        loop {
            // Where nothing was ever heard, all of the wait was silent.
            let silent = self.shared.connection.inbound().since_last_byte.unwrap_or(Duration::MAX);
            let left = patience.left(silent);
            match awaiting.0.recv_timeout(left.as_ref().copied().unwrap_or_default()) {
                Ok(answers) => return Ok(answers),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_states_no_size_is_asked_for_something() {
        assert_eq!([0, 1 << 17, u32::MAX].map(within_bounds), [CREDIT_BYTES, 1 << 17, MOST_BLOCK_BYTES]);
    }
}
