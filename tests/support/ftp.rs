//! A site whose share is on a real FTP server: the same directories, seen over FTP.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::ftpd::{FtpDaemon, FtpdOptions, FtpdTls};

use super::{FeedOptions, LogKind, Site};

/// ProFTPD with TLS where it is explicit.
pub fn ftps(options: FtpdOptions) -> Option<FtpDaemon> {
    FtpDaemon::start(FtpdOptions { tls: FtpdTls::Explicit, ..options })
}

/// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy.
pub fn share_lines(server: &FtpDaemon, at: SocketAddr, directory: &Path) -> String {
    let password = server.path("password");
    fs::write(&password, format!("{}\n", server.password())).unwrap();
    format!(
        "address = \"ftps://{}@{at}{}\"\npassword_file = \"{}\"\ncertificate_fingerprint = \"{}\"",
        server.user(),
        directory.display(),
        password.display(),
        server.fingerprint()
    )
}

/// A site with this feed, its inbox (and outbox, `out`) reached over the server; not initialised.
pub fn uninitialised(server: &FtpDaemon, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = Site::uninitialised(LogKind::Embedded, options);
    fs::create_dir_all(site.path("share/out")).unwrap();
    let share = share_lines(server, at, &site.path("share"));
    site.configure(&FeedOptions { share, ..options.clone() });
    site
}

/// The same, initialised; nothing is taken as baseline.
pub fn site(server: &FtpDaemon, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = uninitialised(server, at, options);
    site.ok(&["init", "--baseline", "take"]);
    site
}
