//! What every way of taking files out of an inbox must do.

use std::fs;
use std::path::Path;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, ErrorKind, Share};

/// Files are taken out of an inbox if they are as they were. `share` opens the inbox `in` below a directory of this
/// machine, and `clearing` what takes files out of it.
///
/// # Panics
/// When one is lost, or stays that should not.
pub fn takes_files_that_are_as_they_were(
    share: impl FnOnce(&Path) -> Box<dyn Share>,
    clearing: impl Fn(&Path, &Disposal) -> Box<dyn Clearing>,
) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (inbox, done) = (scratch.path().join("in"), scratch.path().join("done"));
    for directory in [&inbox, &done] {
        fs::create_dir(directory).expect("a directory");
    }
    let share = share(scratch.path());
    let by = |disposal| clearing(scratch.path(), &disposal);
    let (moving, deleting) = (by(Disposal::Move("done".to_owned())), by(Disposal::Delete));
    let name = EntryPath::new("a").expect("a path of a test");
    let put = |text: &str| fs::write(inbox.join("a"), text).expect("a file in the inbox");
    let stat = || share.stat(&name).unwrap().expect("the file is there");

    put("relayed");
    let relayed = stat();
    put("the next one");
    assert_eq!(deleting.clear(&name, relayed).unwrap(), Cleared::Changed);
    assert_eq!(names_in(&inbox), ["a"]);
    let next = stat();
    assert_eq!(moving.clear(&name, next).unwrap(), Cleared::Done);
    assert_eq!((names_in(&inbox).len(), names_in(&done)), (0, vec!["a".to_owned()]));
    assert_eq!(moving.clear(&name, next).unwrap(), Cleared::Gone);
    put("of the next week");
    let of_next_week = stat();
    assert_eq!(moving.clear(&name, of_next_week).unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(names_in(&inbox), ["a"]);
    assert_eq!(fs::read(done.join("a")).expect("the one before"), b"the next one");
    // A crash left it aside, and the next one came.
    fs::rename(inbox.join("a"), inbox.join(".dropbridge-clearing-a")).expect("put aside");
    put("after that");
    assert_eq!(deleting.clear(&name, of_next_week).unwrap(), Cleared::Done);
    assert_eq!(names_in(&inbox), ["a"]);
    assert_eq!(fs::read(inbox.join("a")).expect("the next one"), b"after that");
    // What is aside is another file than the one that is to go, and the name is taken: both stay.
    let aside = inbox.join(".dropbridge-clearing-a");
    fs::write(&aside, "somebody else's").expect("a file aside");
    let error = deleting.clear(&name, stat()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    assert!(error.message.contains("while it was put aside"), "{error}");
    let read = |path: &Path| fs::read_to_string(path).expect("a file that was there");
    assert_eq!((read(&aside), read(&inbox.join("a"))), ("somebody else's".to_owned(), "after that".to_owned()));
    fs::remove_file(&aside).expect("a file aside");
    assert_eq!(by(Disposal::Rename(".old".to_owned())).clear(&name, stat()).unwrap(), Cleared::Done);
    assert_eq!(names_in(&inbox), ["a.old"]);
}

fn names_in(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory").map(|file| file.expect("a file"));
    files.map(|file| file.file_name().into_string().expect("text")).collect()
}
