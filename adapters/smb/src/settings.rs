//! How a share is reached.

use std::time::Duration;

use dropbridge_port::Secret;

/// How a share is reached. Secrets are resolved, and never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmbSettings {
    /// The name that the share has in the configuration, for advice.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The share on the server.
    pub share: String,
    /// The domain of the user; empty for one of the server's own.
    pub domain: String,
    /// Who logs in.
    pub user: String,
    /// Their password.
    pub password: Secret,
    /// For reaching the server, and for logging in.
    pub connect_timeout: Duration,
    /// How long the server may be silent while an answer is awaited.
    pub stall_timeout: Duration,
    /// How many files are read at a time.
    pub parallel_transfers: usize,
    /// The server's rename refuses a name that is taken in one step, as Windows does. Samba looks first, and renames then:
    /// what takes the name in between is replaced.
    pub exclusive_rename: bool,
}

impl SmbSettings {
    /// `smb://domain;user@host:port/share`.
    #[must_use]
    pub fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("smb://{}@{host}:{}/{}", self.account(';'), self.port, self.share)
    }

    /// The user with their domain, where there is one.
    pub(crate) fn account(&self, between: char) -> String {
        if self.domain.is_empty() { self.user.clone() } else { format!("{}{between}{}", self.domain, self.user) }
    }
}
