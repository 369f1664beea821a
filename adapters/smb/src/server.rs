//! A server as all its shares, outboxes and inboxes use it: over one connection.

use std::sync::Arc;

use dropbridge_port::Result;
use dropbridge_remote::{Sessions, Turn, Turns};

use crate::connect::connect;
use crate::session::Session;
use crate::settings::SmbSettings;

/// A server, and the one connection to it.
pub struct SmbServer {
    settings: SmbSettings,
    address: String,
    sessions: Sessions<Session>,
    turns: Turns,
}

impl SmbServer {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(settings: SmbSettings) -> Arc<Self> {
        let turns = Turns::new(settings.parallel_transfers);
        Arc::new(Self { address: settings.address(), settings, sessions: Sessions::default(), turns })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether no rename ever replaces a file there.
    pub(crate) fn renames_exclusively(&self) -> bool {
        self.settings.exclusive_rename
    }

    /// Whether there is a session that works.
    pub(crate) fn is_connected(&self) -> bool {
        self.sessions.is_connected()
    }

    /// The session that is there, or a new one.
    ///
    /// # Errors
    /// As `connect` says; after a failure the same for a while.
    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        self.sessions.get(|| connect(&self.settings))
    }

    /// Does something that may be done twice: a connection that was lost since it was last used is opened anew.
    ///
    /// # Errors
    /// Of the work, and of opening.
    pub(crate) fn with_session<T>(&self, work: impl Fn(&Arc<Session>) -> Result<T>) -> Result<T> {
        self.sessions.with(|| connect(&self.settings), work)
    }

    /// Waits until another file may be read.
    pub(crate) fn turn(&self) -> Turn {
        self.turns.take()
    }
}
