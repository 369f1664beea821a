//! A directory of a hundred thousand files is listed in bounded memory.

mod support;

use dropbridge_conformance::ftpd::{Ftpd, FtpdTls};
use dropbridge_conformance::large_directory::is_listed_in_bounded_memory;

/// What a listing of so many files may take, in KiB: a few hundred bytes for each.
const MOST_KIB: u64 = 48 << 10;

#[test]
fn a_hundred_thousand_files_are_listed_in_bounded_memory() {
    let Some(server) = support::server(Ftpd::Proftpd, FtpdTls::Explicit) else { return };
    let connection = support::connection(&server, FtpdTls::Explicit);
    is_listed_in_bounded_memory(|root| Box::new(support::share(&connection, root)), 1, MOST_KIB);
}
