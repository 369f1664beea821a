//! A site whose share is on a real OpenSSH server: the same directories, seen over SFTP.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::openssh::OpenSsh;

use super::{FeedOptions, LogKind, Site};

/// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy.
pub fn share_lines(server: &OpenSsh, at: SocketAddr, directory: &Path) -> String {
    format!(
        "address = \"sftp://{}@{at}{}\"\nprivate_key_file = \"{}\"\nhost_key = \"{}\"",
        server.user(),
        directory.display(),
        server.path("user_key").display(),
        server.host_key()
    )
}

/// A site with this feed, its inbox (and outbox, `out`) reached over the server; not initialised.
pub fn uninitialised(server: &OpenSsh, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = Site::uninitialised(LogKind::Embedded, options);
    fs::create_dir_all(site.path("share/out")).unwrap();
    let share = share_lines(server, at, &site.path("share"));
    site.configure(&FeedOptions { share, ..options.clone() });
    site
}

/// The same, initialised; nothing is taken as baseline.
pub fn site(server: &OpenSsh, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = uninitialised(server, at, options);
    site.ok(&["init", "--baseline", "take"]);
    site
}
