//! A site whose share is on a real Samba server: the same directories, seen over SMB.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::samba::{FILES, Samba};

use super::{FeedOptions, LogKind, Site};

/// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy. Nobody else gives
/// names there.
pub fn share_lines(server: &Samba, at: SocketAddr, directory: &Path) -> String {
    share_lines_of(server, at, FILES, directory)
}

/// The same of another share of the server.
pub fn share_lines_of(server: &Samba, at: SocketAddr, share: &str, directory: &Path) -> String {
    format!(
        "address = \"smb://{}@{at}/{share}{}\"\npassword_file = \"{}\"\nexclusive_rename = true",
        server.user(),
        directory.display(),
        server.path("password").display(),
    )
}

/// A site with this feed, its inbox (and outbox, `out`) reached over the server; not initialised.
pub fn uninitialised(server: &Samba, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = Site::uninitialised(LogKind::Embedded, options);
    fs::create_dir_all(site.path("share/out")).unwrap();
    let share = share_lines(server, at, &site.path("share"));
    site.configure(&FeedOptions { share, ..options.clone() });
    site
}

/// The same, initialised; nothing is taken as baseline.
pub fn site(server: &Samba, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = uninitialised(server, at, options);
    site.ok(&["init", "--baseline", "take"]);
    site
}
