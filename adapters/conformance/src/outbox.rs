//! What every outbox must do, as tests that run over any of them.
//!
//! ```ignore
//! dropbridge_conformance::outbox_conformance!(harness());
//! ```

mod directory;
mod doubt;
mod place;
mod publishing;

use dropbridge_port::{Attributes, EntryPath, Outbox, Publication, StagedName, Standing, WrittenFile};

pub use directory::OutboxDirectory;
pub use doubt::{
    crash_before_publishing_leaves_it_staged, discarded_file_leaves_no_trace,
    file_that_was_taken_is_known_as_published, forgotten_file_leaves_no_trace, staged_names_of_an_owner_are_listed,
    wiped_staging_is_no_publication,
};
pub use place::{outbox_that_is_away_is_not_written_to, outbox_under_the_same_path_is_noticed};
pub use publishing::{
    directories_on_the_way_are_made, existing_target_is_not_replaced, mode_is_set, of_two_publishers_one_wins,
    staged_file_is_out_of_sight, staged_name_is_given_once, written_bytes_are_hashed,
};

/// A fresh, empty outbox, and the consumer in it. Its methods panic when they fail.
pub trait OutboxHarness: Sync {
    /// The outbox. Several may be asked for; all are the same directory.
    fn outbox(&self) -> Box<dyn Outbox>;

    /// What a consumer sees that lists the outbox and everything below: paths of files, in order, without the staging
    /// directory and temporary names.
    fn seen(&self) -> Vec<String>;

    /// Names in the staging directory.
    fn staged(&self) -> Vec<String>;

    /// Bytes of a file of the outbox.
    fn read(&self, path: &EntryPath) -> Vec<u8>;

    /// Permission bits of a file, where the place has such.
    fn mode(&self, path: &EntryPath) -> Option<u32>;

    /// Puts a file there, as somebody else.
    fn put(&self, path: &EntryPath, bytes: &[u8]);

    /// A consumer takes a file: it is deleted.
    fn take(&self, path: &EntryPath);

    /// Removes all that is in the staging directory.
    fn wipe_staging(&self);

    /// Takes the outbox away: nothing is at its path any more.
    fn take_away(&self);

    /// Puts another, empty directory at its path.
    fn put_another(&self);

    /// Takes that away and puts the first one back.
    fn put_back(&self);
}

/// Makes a test of each case. The argument is an expression that gives an [`OutboxHarness`]; it is evaluated anew for each.
#[macro_export]
macro_rules! outbox_conformance {
    ($harness:expr) => {
        $crate::outbox_conformance! { @each $harness;
            staged_file_is_out_of_sight
            staged_name_is_given_once
            written_bytes_are_hashed
            existing_target_is_not_replaced
            of_two_publishers_one_wins
            directories_on_the_way_are_made
            mode_is_set
            crash_before_publishing_leaves_it_staged
            file_that_was_taken_is_known_as_published
            wiped_staging_is_no_publication
            discarded_file_leaves_no_trace
            forgotten_file_leaves_no_trace
            staged_names_of_an_owner_are_listed
            outbox_that_is_away_is_not_written_to
            outbox_under_the_same_path_is_noticed
        }
    };
    (@each $harness:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::outbox::$case(&$harness);
            }
        )*
    };
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).expect("a path of a test")
}

fn name(number: u64) -> StagedName {
    StagedName::new("suite", 1, number).expect("a name of a test")
}

fn stage(outbox: &dyn Outbox, name: &StagedName, bytes: &[u8]) -> WrittenFile {
    let mut staged = outbox.stage(name, Attributes::default()).unwrap_or_else(|error| panic!("{error}"));
    for block in bytes.chunks(3) {
        staged.write(block).unwrap_or_else(|error| panic!("{error}"));
    }
    staged.finish().unwrap_or_else(|error| panic!("{error}"))
}

fn witnessed(outbox: &dyn Outbox, name: &StagedName, bytes: &[u8]) {
    stage(outbox, name, bytes);
    outbox.witness(name).unwrap_or_else(|error| panic!("{error}"));
}

fn publish(outbox: &dyn Outbox, name: &StagedName, target: &EntryPath) -> Publication {
    outbox.publish(name, target).unwrap_or_else(|error| panic!("{error}"))
}

fn standing(outbox: &dyn Outbox, name: &StagedName, target: &EntryPath) -> Standing {
    outbox.standing(name, target).unwrap_or_else(|error| panic!("{error}"))
}
