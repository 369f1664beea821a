//! A server as all its shares, outboxes and inboxes use it: one connection for commands, further ones for files that are
//! on their way, all used again while they live.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dropbridge_port::{ErrorKind, Result};
use dropbridge_remote::{Pauses, Turn, Turns};
use suppaftp::Status;

use crate::connect::connect;
use crate::connection::{Abilities, Connection};
use crate::settings::FtpSettings;

/// One that was idle for so long is asked first whether it lives: servers close idle connections after some minutes.
const ASKED_AFTER: Duration = Duration::from_secs(20);

/// Those that nothing needed for so long are closed.
const CLOSED_AFTER: Duration = Duration::from_secs(60);

/// A server, and the connections to it.
pub struct FtpServer {
    settings: FtpSettings,
    address: String,
    connections: Mutex<Connections>,
    /// Held by who asks something: commands go one after the other, over one connection.
    commands: Mutex<()>,
    turns: Turns,
}

#[derive(Default)]
struct Connections {
    /// The one that was used last is the last.
    idle: Vec<Connection>,
    abilities: Option<Arc<Abilities>>,
    pauses: Pauses,
}

impl FtpServer {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(settings: FtpSettings) -> Arc<Self> {
        let turns = Turns::new(settings.parallel_transfers);
        Arc::new(Self {
            address: settings.address(),
            settings,
            connections: Mutex::default(),
            commands: Mutex::default(),
            turns,
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is idle and lives, or a new one.
    ///
    /// # Errors
    /// As `connect` says. After a failure the same is answered for a growing time, without troubling the server.
    pub(crate) fn take(&self) -> Result<Connection> {
        loop {
            let Some(mut idle) = self.connections().idle.pop() else { return self.open() };
            if idle.idle() < ASKED_AFTER {
                return Ok(idle);
            }
            let alive = idle.ask("ask", &self.address, "NOOP", b"", &[Status::CommandOk]);
            if alive.is_ok_and(|answer| answer.is_ok()) {
                return Ok(idle);
            }
        }
    }

    fn open(&self) -> Result<Connection> {
        let known = {
            let connections = self.connections();
            connections.pauses.require_over()?;
            connections.abilities.clone()
        };
        let opened = connect(&self.settings, known);
        let mut connections = self.connections();
        match opened {
            Ok(connection) => {
                connections.pauses.end();
                connections.abilities = Some(Arc::clone(&connection.abilities));
                Ok(connection)
            }
            Err(error) => {
                connections.pauses.begin(&error);
                // Where the server was replaced meanwhile, another one may answer.
                connections.abilities = None;
                Err(error)
            }
        }
    }

    /// Keeps a connection for the next one who needs it.
    pub(crate) fn give_back(&self, connection: Connection) {
        let mut connections = self.connections();
        if connection.is_broken() {
            // The others were cut with it, mostly; those that live are soon replaced.
            connections.idle.clear();
            return;
        }
        connections.idle.retain(|idle| idle.idle() < CLOSED_AFTER);
        connections.idle.push(connection);
    }

    /// Does something that may be done twice: a connection that was lost since it was last used is opened anew.
    ///
    /// # Errors
    /// Of the work, and of opening.
    pub(crate) fn with_connection<T>(&self, work: impl Fn(&mut Connection) -> Result<T>) -> Result<T> {
        let _one_at_a_time = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = self.take()?;
        let mut answer = work(&mut connection);
        let lost = connection.is_broken();
        self.give_back(connection);
        if lost && answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Transient) {
            let mut connection = self.take()?;
            answer = work(&mut connection);
            self.give_back(connection);
        }
        answer
    }

    /// Waits until another file may be read.
    pub(crate) fn turn(&self) -> Turn {
        self.turns.take()
    }
}
