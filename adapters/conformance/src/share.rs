//! What every share must do, as tests that run over any of them.
//!
//! An adapter's test gives an expression that makes a fresh, empty share and a way to change it behind its back; it is
//! evaluated anew for each case, and may return from the test:
//!
//! ```ignore
//! dropbridge_conformance::share_conformance!(harness());
//! ```
//!
//! Each case is a test of its own there. What a share cannot do, its [`Capabilities`](dropbridge_port::Capabilities)
//! say, and the case then checks that it is honest about that.

mod change;
mod directory;
mod listing;
mod reading;
mod stillness;
mod waking;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dropbridge_port::{Entry, EntryPath, ListRequest, OpenEntry, Share};

pub use change::{
    changing_directory_never_lists_nonsense, new_file_of_same_size_is_seen, rewrite_of_same_size_is_seen,
};
pub use directory::DirectoryHarness;
pub use listing::{
    deep_tree_is_listed, directory_is_no_file, empty_share_lists_nothing, flat_listing_stays_at_the_root,
    hostile_names_come_back_byte_for_byte, recursive_listing_goes_below, same_name_in_two_directories_is_two_entries,
    vanished_file_is_no_longer_listed,
};
pub use reading::{
    bytes_are_read_as_they_are, file_over_four_gib_is_read_at_its_end, handle_follows_growth,
    missing_file_is_not_found, read_survives_removal, read_survives_rename, seek_goes_anywhere, stats_agree,
};
pub use stillness::observing_changes_nothing;
pub use waking::{new_directory_is_watched_too, own_reading_wakes_nobody, watch_wakes_on_every_change};

/// How long a condition may take to come true on a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fresh, empty share, and the producers and consumers of its files. Its methods panic when they fail: a test
/// cannot go on without them.
pub trait ShareHarness: Sync {
    /// The share. Several may be asked for; all show the same directory.
    fn share(&self) -> Box<dyn Share>;

    /// Creates a file with these bytes, and the directories above it. `false` where such a name cannot exist there.
    fn create(&self, path: &EntryPath, bytes: &[u8]) -> bool;

    /// Writes these bytes in place over the beginning of a file that is there.
    fn overwrite(&self, path: &EntryPath, bytes: &[u8]);

    /// Adds bytes to the end of a file.
    fn append(&self, path: &EntryPath, bytes: &[u8]);

    /// Makes a file this long; what is added reads as zeros and takes no space. `false` where that cannot be had.
    fn extend(&self, path: &EntryPath, size_bytes: u64) -> bool;

    /// Renames a file or directory; an existing file is replaced.
    fn rename(&self, from: &EntryPath, to: &EntryPath);

    /// Removes a file.
    fn remove(&self, path: &EntryPath);

    /// Makes an empty directory.
    fn create_directory(&self, path: &EntryPath);

    /// Removes an empty directory.
    fn remove_directory(&self, path: &EntryPath);

    /// How many directories lie within each other in a deep tree: to some servers each costs as much as all above it.
    fn deepest(&self) -> usize {
        300
    }

    /// All that can be seen of the directory, its root included: path → inode, mode, size, and every time. Taking it
    /// must not change it.
    fn snapshot(&self) -> BTreeMap<String, String>;
}

/// Makes a test of each case. The argument is an expression that gives a [`ShareHarness`]; it is evaluated anew for each.
#[macro_export]
macro_rules! share_conformance {
    ($harness:expr) => {
        $crate::share_conformance! { @each $harness;
            empty_share_lists_nothing
            flat_listing_stays_at_the_root
            recursive_listing_goes_below
            same_name_in_two_directories_is_two_entries
            deep_tree_is_listed
            directory_is_no_file
            hostile_names_come_back_byte_for_byte
            vanished_file_is_no_longer_listed
            bytes_are_read_as_they_are
            missing_file_is_not_found
            stats_agree
            seek_goes_anywhere
            handle_follows_growth
            read_survives_rename
            read_survives_removal
            file_over_four_gib_is_read_at_its_end
            rewrite_of_same_size_is_seen
            new_file_of_same_size_is_seen
            changing_directory_never_lists_nonsense
            observing_changes_nothing
            watch_wakes_on_every_change
            new_directory_is_watched_too
            own_reading_wakes_nobody
        }
    };
    (@each $harness:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::share::$case(&$harness);
            }
        )*
    };
}

const FLAT: ListRequest = ListRequest { recursive: false };
const RECURSIVE: ListRequest = ListRequest { recursive: true };

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).expect("a path of a test")
}

fn create(harness: &dyn ShareHarness, name: &str, bytes: &[u8]) -> EntryPath {
    let path = path(name);
    assert!(harness.create(&path, bytes), "the harness could not create {path}");
    path
}

/// The entries of a listing in the order of their paths.
fn list(share: &dyn Share, request: ListRequest) -> Vec<Entry> {
    let mut entries = share.list(request).expect("list").entries;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

fn paths(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.path.to_string()).collect()
}

fn read_rest(handle: &mut dyn OpenEntry) -> Vec<u8> {
    let mut bytes = Vec::new();
    handle.read_to_end(&mut bytes).expect("read to the end");
    bytes
}

fn read(share: &dyn Share, path: &EntryPath) -> Vec<u8> {
    let mut handle = share.open(path).unwrap_or_else(|error| panic!("{error}"));
    read_rest(handle.as_mut())
}

/// Asks again and again until the answer is yes.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::yield_now();
    }
}
