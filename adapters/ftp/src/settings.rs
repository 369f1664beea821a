//! How a server is reached.

use std::path::PathBuf;
use std::time::Duration;

use dropbridge_port::Secret;

/// Whether and when TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Never: password and files can be read by whoever sees the line.
    None,
    /// After `AUTH TLS` on the usual port (RFC 4217).
    Explicit,
    /// With the first byte; by custom on port 990.
    Implicit,
}

/// Which certificate the server has to show. Nothing else is ever accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateTrust {
    /// SHA-256 fingerprints of the server's own certificate, in hexadecimal, with or without colons. One that is stated
    /// is accepted whoever issued it, and though it has expired; no other is then.
    pub certificate_fingerprints: Vec<String>,
    /// Authorities that may have issued it, in PEM, instead of those that this machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// How a server is reached. Secrets are resolved, and never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FtpSettings {
    /// The name that the share has in the configuration, for advice.
    pub share: String,
    /// Host name or address.
    pub host: String,
    /// Port of the control connection.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// Their password.
    pub password: Option<Secret>,
    /// Whether and when TLS begins.
    pub encryption: Encryption,
    /// Which server is the right one.
    pub trust: CertificateTrust,
    /// For reaching the server, and for logging in.
    pub connect_timeout: Duration,
    /// How long the server may be silent while an answer is awaited, and how long it may take nothing.
    pub stall_timeout: Duration,
    /// How many files are read at a time.
    pub parallel_transfers: usize,
}

impl FtpSettings {
    /// `ftp://user@host:port`, or `ftps://…`.
    #[must_use]
    pub fn address(&self) -> String {
        let scheme = if self.encryption == Encryption::None { "ftp" } else { "ftps" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{}@{host}:{}", self.user, self.port)
    }
}
