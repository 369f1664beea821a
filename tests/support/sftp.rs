//! A site whose share is on a real OpenSSH server: the same directories, seen over SFTP.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::openssh::OpenSsh;

use super::{FeedOptions, LogKind, Site};

/// The site's feed over the server, which is reached at `at`: directly or over a proxy. `lines`: further ones of the
/// share.
pub fn share_lines(server: &OpenSsh, at: SocketAddr, directory: &Path, lines: &str) -> String {
    format!(
        "address = \"sftp://{}@{at}{}\"\nprivate_key_file = \"{}\"\nhost_key = \"{}\"\n{lines}",
        server.user(),
        directory.display(),
        server.path("user_key").display(),
        server.host_key()
    )
}

/// A site with this feed, its inbox (and outbox, `out`) reached over the server; initialised, nothing taken as baseline.
pub fn site(server: &OpenSsh, at: SocketAddr, lines: &str, options: &FeedOptions) -> Site {
    let site = Site::uninitialised(LogKind::Embedded, options);
    fs::create_dir_all(site.path("share/out")).unwrap();
    let share = share_lines(server, at, &site.path("share"), lines);
    site.configure(&FeedOptions { share, ..options.clone() });
    site.ok(&["init", "--baseline", "take"]);
    site
}
