//! What every adapter of a server says of one that refuses, is away, or has not what was asked for.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use dropbridge_port::{EntryPath, ErrorKind, ListRequest, Share};

use crate::event_log::bench::wait_until;

/// The password to try where a wrong one is wanted.
pub const WRONG_PASSWORD: &str = "wrong s3cret";

fn entry(name: &str) -> EntryPath {
    EntryPath::new(name).expect("a path of a test")
}

/// Who is not let in with [`WRONG_PASSWORD`] is told so, as often as it is asked, with the section of the configuration
/// to look at. How often the server was asked is for its log to say.
///
/// # Panics
/// When something else is said, or the password.
pub fn wrong_password_is_told(share: &dyn Share, said: &str, section: &str) {
    for _ in 0..5 {
        let error = share.list(ListRequest::default()).expect_err("the password is wrong");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains(said), "{error}");
        assert!(error.hint.as_deref().expect("a hint").contains(section), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

/// A server that is away is trouble that passes: the same share goes on when it is back, whether or not it was used
/// before.
///
/// # Panics
/// When other trouble is seen, or the share stays away.
pub fn absence_passes<Server>(
    share: &dyn Share,
    server: &mut Server,
    kill: impl FnOnce(&mut Server),
    start_again: impl FnOnce(&mut Server),
) {
    kill(server);
    let error = share.list(ListRequest::default()).expect_err("the server is away");
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.hint.is_some(), "{error}");
    let again = share.list(ListRequest::default()).expect_err("the server is still away");
    assert_eq!(again.kind, ErrorKind::Transient, "{again}");
    start_again(server);
    wait_until("it connects again", || share.list(ListRequest::default()).is_ok());
}

/// The directory of this share is not there: neither a listing nor a file's stat is an answer.
///
/// # Panics
/// When it looks like an empty one, or nothing is advised.
pub fn missing_directory_is_not_found(share: &dyn Share) {
    let error = share.list(ListRequest::default()).expect_err("there is no directory");
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.hint.is_some(), "{error}");
    assert_eq!(share.stat(&entry("x")).expect_err("there is no directory").kind, ErrorKind::NotFound);
}

/// Times are the same in every zone of the server. A file is given the time `modified`, and seen with `seen_ns`.
/// `start` starts a server in a zone; none: the test is skipped.
///
/// # Panics
/// When another time is seen.
pub fn times_are_the_same_in_every_zone<Server>(
    modified: Duration,
    seen_ns: i64,
    start: impl Fn(&'static str) -> Option<Server>,
    open: impl Fn(&Server, &Path) -> Box<dyn Share>,
) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let file = fs::File::create(scratch.path().join("a")).expect("a file");
    file.set_modified(SystemTime::UNIX_EPOCH + modified).expect("its time");
    for zone in ["UTC", "America/St_Johns", "Pacific/Kiritimati"] {
        let Some(server) = start(zone) else { return };
        let share = open(&server, scratch.path());
        let stat = share.stat(&entry("a")).unwrap().expect("the file is there");
        assert_eq!(stat.modified_ns, seen_ns, "{zone}");
        assert_eq!(share.list(ListRequest::default()).unwrap().entries[0].stat, stat, "{zone}");
    }
}
