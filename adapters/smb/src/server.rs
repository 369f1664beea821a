//! A server as all its shares, outboxes and inboxes use it: one connection, opened when it is needed, and again when it
//! was lost.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result};

use crate::connect::connect;
use crate::session::Session;
use crate::settings::SmbSettings;

/// After a server could not be reached.
const TROUBLE_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// After it refused us: each attempt with a wrong password may bring the account nearer to being locked.
const REFUSED_PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// A server, and the one connection to it.
pub struct SmbServer {
    settings: SmbSettings,
    address: String,
    connection: Mutex<Connection>,
    turns: Turns,
}

#[derive(Default)]
struct Connection {
    session: Option<Arc<Session>>,
    /// Why it could not be opened, and until when that is answered without another attempt.
    failed: Option<(PortError, Instant)>,
    /// The last pause.
    pause: Duration,
}

impl SmbServer {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(settings: SmbSettings) -> Arc<Self> {
        let turns = Turns { free: Mutex::new(settings.parallel_transfers.max(1)), freed: Condvar::new() };
        Arc::new(Self { address: settings.address(), settings, connection: Mutex::default(), turns })
    }

    /// Whether no rename ever replaces a file there.
    pub(crate) fn renames_exclusively(&self) -> bool {
        self.settings.exclusive_rename
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a session that works.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection().session.as_ref().is_some_and(|session| !session.is_broken())
    }

    /// The session that is there, or a new one. Who comes while another opens one waits for that.
    ///
    /// # Errors
    /// As `connect` says. After a failure the same is answered for a growing time, without troubling the server.
    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        let mut connection = self.connection();
        if let Some(session) = connection.session.as_ref().filter(|session| !session.is_broken()) {
            return Ok(Arc::clone(session));
        }
        connection.session = None;
        if let Some((error, _)) = connection.failed.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Err(same(error));
        }
        match connect(&self.settings) {
            Ok(session) => {
                let session = Arc::new(session);
                *connection = Connection { session: Some(Arc::clone(&session)), ..Connection::default() };
                Ok(session)
            }
            Err(error) => {
                let (first, most) = if error.kind == ErrorKind::Transient { TROUBLE_PAUSES } else { REFUSED_PAUSES };
                connection.pause = (connection.pause * 2).clamp(first, most);
                let until = Instant::now() + with_jitter(connection.pause);
                connection.failed = Some((same(&error), until));
                Err(error)
            }
        }
    }

    /// Does something that may be done twice: a connection that was lost since it was last used is opened anew.
    ///
    /// # Errors
    /// Of the work, and of opening.
    pub(crate) fn with_session<T>(&self, work: impl Fn(&Arc<Session>) -> Result<T>) -> Result<T> {
        let session = self.session()?;
        match work(&session) {
            Err(error) if error.kind == ErrorKind::Transient && session.is_broken() => {
                tracing::debug!(server = self.address, %error, "connecting again");
                work(&self.session()?)
            }
            answer => answer,
        }
    }

    /// Waits until another file may be read.
    pub(crate) fn turn(self: &Arc<Self>) -> Turn {
        let free = self.turns.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.turns.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn(Arc::clone(self))
    }
}

/// The transfers that may run beside each other.
struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them.
pub(crate) struct Turn(Arc<SmbServer>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.turns.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.turns.freed.notify_one();
    }
}

/// Between half of it and all.
pub(crate) fn with_jitter(pause: Duration) -> Duration {
    // Each state has random keys of its own.
    let random = RandomState::new().hash_one(0) % 1024;
    pause / 2 + (pause / 2).mul_f64(random as f64 / 1024.0)
}

fn same(error: &PortError) -> PortError {
    PortError {
        kind: error.kind,
        operation: error.operation,
        subject: error.subject.clone(),
        message: error.message.clone(),
        hint: error.hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_shortens_by_half_at_most() {
        let pause = Duration::from_secs(8);
        let pauses: Vec<Duration> = (0..100).map(|_| with_jitter(pause)).collect();
        assert!(pauses.iter().all(|found| (pause / 2..=pause).contains(found)), "{pauses:?}");
        assert!(pauses.iter().any(|found| *found != pauses[0]), "no jitter at all");
    }
}
