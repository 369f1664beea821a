//! Places where files live, resolved, and how each is reached.

use std::path::PathBuf;
use std::time::Duration;

use dropbridge_port::Secret;

/// A place where files live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareSettings {
    /// A directory of this machine.
    Directory(DirectorySettings),
    /// A directory of an SFTP server.
    Sftp(Box<SftpSettings>),
    /// A directory of a share on a Windows or Samba server.
    Smb(Box<SmbSettings>),
    /// A directory of an FTP server.
    Ftp(Box<FtpSettings>),
}

/// A directory of this machine as a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorySettings {
    /// Its directory.
    pub root: PathBuf,
    /// Use notifications where they work.
    pub notify: bool,
    /// Refuse a root that is no mount point's own file system.
    pub require_mount: bool,
}

/// A directory of an SFTP server as a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpSettings {
    /// Where it is.
    pub address: RemoteAddress,
    /// The user's password.
    pub password: Option<Secret>,
    /// The file of the user's private key, and what it is encrypted with.
    pub private_key: Option<(PathBuf, Option<Secret>)>,
    /// Fingerprints or public keys that the server may show.
    pub host_keys: Vec<String>,
    /// A file in the form of OpenSSH's `known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// For reaching the server, and for logging in.
    pub connect_timeout: Duration,
    /// How long the server may be silent while an answer is awaited.
    pub stall_timeout: Duration,
    /// How many files are read at a time.
    pub parallel_transfers: usize,
}

/// A directory of a share on a Windows or Samba server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmbSettings {
    /// Where it is.
    pub address: SmbAddress,
    /// The user's password; a guest needs none.
    pub password: Option<Secret>,
    /// For reaching the server, and for logging in.
    pub connect_timeout: Duration,
    /// How long the server may be silent while an answer is awaited.
    pub stall_timeout: Duration,
    /// How many files are read at a time.
    pub parallel_transfers: usize,
    /// The server's rename refuses a name that is taken in one step.
    pub exclusive_rename: bool,
}

/// A directory of a share on a server, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmbAddress {
    /// All of it: the user with their domain, and a path that begins with the share.
    pub whole: RemoteAddress,
    /// The domain of the user; empty for one of the server's own.
    pub domain: String,
    /// The user without their domain.
    pub user: String,
    /// The share on the server.
    pub share: String,
    /// The directory below it; empty at its top.
    pub directory: String,
}

/// A directory of an FTP server as a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FtpSettings {
    /// Where it is.
    pub address: RemoteAddress,
    /// The user's password.
    pub password: Option<Secret>,
    /// Whether and when TLS begins.
    pub tls: FtpTls,
    /// SHA-256 fingerprints of certificates that the server may show, whoever issued them.
    pub certificate_fingerprints: Vec<String>,
    /// A file with the authorities that may have issued its certificate.
    pub ca_file: Option<PathBuf>,
    /// For reaching the server, and for logging in.
    pub connect_timeout: Duration,
    /// How long the server may be silent while an answer is awaited.
    pub stall_timeout: Duration,
    /// How many files are read at a time.
    pub parallel_transfers: usize,
}

/// Whether and when TLS begins on a connection to an FTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FtpTls {
    /// Never.
    None,
    /// After `AUTH TLS`.
    Explicit,
    /// With the first byte.
    Implicit,
}

/// A directory of a server, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// The scheme of its URL.
    pub scheme: &'static str,
    /// Who logs in.
    pub user: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The directory, as bytes; one that does not begin with `/` is below where the user arrives.
    pub path: Vec<u8>,
}

impl RemoteAddress {
    /// Under what this directory, or one below it, is told from others. It is no path of this machine.
    #[must_use]
    pub fn place(&self, below: &str) -> PathBuf {
        let home = if self.path.starts_with(b"/") { "" } else { "/~/" };
        let path = String::from_utf8_lossy(&self.path);
        let root = format!("{}://{}@{}:{}{home}{path}", self.scheme, self.user, self.host, self.port);
        if below.is_empty() { PathBuf::from(root) } else { PathBuf::from(root).join(below) }
    }
}
