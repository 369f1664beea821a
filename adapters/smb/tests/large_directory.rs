//! A directory of a hundred thousand files is listed in bounded memory.

mod support;

use dropbridge_conformance::large_directory::is_listed_in_bounded_memory;
use dropbridge_conformance::samba::{Samba, SambaOptions};

/// What two listings of so many files may take, in KiB: a few hundred bytes for each.
const MOST_KIB: u64 = 48 << 10;

#[test]
fn a_hundred_thousand_files_are_listed_in_bounded_memory() {
    let Some(server) = Samba::start(SambaOptions::default()) else { return };
    let connection = support::connection(&server);
    is_listed_in_bounded_memory(|root| Box::new(support::share(&connection, root)), 2, MOST_KIB);
}
