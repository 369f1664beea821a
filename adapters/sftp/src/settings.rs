//! How a server is reached.

use std::path::PathBuf;
use std::time::Duration;

use dropbridge_port::Secret;

/// A private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKeyFile {
    /// Its file, in the form of OpenSSH or PEM.
    pub path: PathBuf,
    /// What it is encrypted with.
    pub passphrase: Option<Secret>,
}

/// Which key the server has to show. Nothing else is ever accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostKeyTrust {
    /// Fingerprints (`SHA256:…`), or public keys (`ssh-ed25519 AAAA…`).
    pub host_keys: Vec<String>,
    /// A file in the form of OpenSSH's `known_hosts`.
    pub known_hosts: Option<PathBuf>,
}

/// How a server is reached. Secrets are resolved, and never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpSettings {
    /// The name that the share has in the configuration, for advice.
    pub share: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// Their password.
    pub password: Option<Secret>,
    /// Their private key; tried before the password.
    pub private_key: Option<PrivateKeyFile>,
    /// Which server is the right one.
    pub trust: HostKeyTrust,
    /// For reaching the server, and for logging in.
    pub connect_timeout: Duration,
    /// How long the server may be silent while an answer is awaited.
    pub stall_timeout: Duration,
    /// How many files are read at a time.
    pub parallel_transfers: usize,
}

impl SftpSettings {
    /// `sftp://user@host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("sftp://{}@{host}:{}", self.user, self.port)
    }
}
