//! What a listing shows.

use dropbridge_port::{EntryPath, ErrorKind};

use super::{FLAT, RECURSIVE, ShareHarness, create, list, path, paths, read};

/// Nothing there is an empty listing, not an error.
pub fn empty_share_lists_nothing(harness: &dyn ShareHarness) {
    let share = harness.share();
    for request in [FLAT, RECURSIVE] {
        let listing = share.list(request).expect("list");
        assert!(listing.entries.is_empty() && listing.skipped.is_empty(), "{listing:?}");
    }
    assert!(!share.address().is_empty());
}

/// Without `recursive` only files at the root are listed, with their sizes.
pub fn flat_listing_stays_at_the_root(harness: &dyn ShareHarness) {
    create(harness, "b.dat", b"22");
    create(harness, "a.dat", b"");
    create(harness, "below/c.dat", b"333");
    let entries = list(&*harness.share(), FLAT);
    assert_eq!(paths(&entries), ["a.dat", "b.dat"]);
    assert_eq!(entries.iter().map(|entry| entry.stat.size).collect::<Vec<_>>(), [0, 2]);
}

/// With `recursive` every file is listed by its path from the root.
pub fn recursive_listing_goes_below(harness: &dyn ShareHarness) {
    for name in ["a", "one/b", "one/two/c", "other/d"] {
        create(harness, name, name.as_bytes());
    }
    harness.create_directory(&path("empty"));
    let share = harness.share();
    let entries = list(&*share, RECURSIVE);
    assert_eq!(paths(&entries), ["a", "one/b", "one/two/c", "other/d"]);
    for entry in entries {
        assert_eq!(read(&*share, &entry.path), entry.path.as_bytes());
    }
}

/// Files of one name in two directories are two files.
pub fn same_name_in_two_directories_is_two_entries(harness: &dyn ShareHarness) {
    let north = create(harness, "north/ORDERS.TXT", b"from the north");
    let south = create(harness, "south/ORDERS.TXT", b"from the south");
    let share = harness.share();
    assert_eq!(paths(&list(&*share, RECURSIVE)), ["north/ORDERS.TXT", "south/ORDERS.TXT"]);
    assert_eq!(read(&*share, &north), b"from the north");
    assert_eq!(read(&*share, &south), b"from the south");
}

/// Depth costs neither stack nor correctness.
pub fn deep_tree_is_listed(harness: &dyn ShareHarness) {
    let name = format!("{}end", "d/".repeat(harness.deepest()));
    create(harness, &name, b"deep");
    let share = harness.share();
    let entries = list(&*share, RECURSIVE);
    assert_eq!(paths(&entries), [name]);
    assert_eq!(read(&*share, &entries[0].path), b"deep");
}

/// A directory has no stat, cannot be opened, and is no entry.
pub fn directory_is_no_file(harness: &dyn ShareHarness) {
    let directory = path("looks-like-a-file.dat");
    harness.create_directory(&directory);
    let share = harness.share();
    assert!(list(&*share, FLAT).is_empty());
    assert!(list(&*share, RECURSIVE).is_empty());
    assert_eq!(share.stat(&directory).expect("stat"), None);
    let error = share.open(&directory).err().expect("a directory cannot be opened as a file");
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

/// Names come back as they are on the share, whatever is in them.
pub fn hostile_names_come_back_byte_for_byte(harness: &dyn ShareHarness) {
    let longest_name = vec![b'n'; 255];
    let names: [&[u8]; 24] = [
        b"with space",
        b" leading and trailing ",
        b"hash#mark",
        b"percent%41",
        b"per%cent%",
        b"new\nline",
        b"carriage\rreturn",
        b"tab\tulator",
        b"escape\x1b[31m",
        b"bell\x07",
        b"quote'\"`",
        b"back\\slash",
        b"*?[glob]",
        b"$(rm -rf)",
        b"-rf",
        b".hidden",
        b"...",
        b"~",
        b"colon:semi;",
        "grün €\u{202e}".as_bytes(),
        b"latin-1 \xe9\xff",
        b"cut short \xe2\x82",
        b"below \xff/with\n#inside",
        &longest_name,
    ];
    let mut expected: Vec<EntryPath> = Vec::new();
    for name in names {
        let path = EntryPath::new(name).expect("a safe name");
        if harness.create(&path, name) {
            expected.push(path);
        } else {
            println!("hostile_names_come_back_byte_for_byte: this share cannot hold {path}");
        }
    }
    assert!(expected.len() > names.len() / 2, "the harness made only {} of {} names", expected.len(), names.len());
    expected.sort();
    let share = harness.share();
    let entries = list(&*share, RECURSIVE);
    assert_eq!(entries.iter().map(|entry| &entry.path).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    for entry in &entries {
        assert_eq!(share.stat(&entry.path).expect("stat"), Some(entry.stat), "{}", entry.path);
        assert_eq!(read(&*share, &entry.path), entry.path.as_bytes());
        assert_eq!(EntryPath::parse(&entry.path.to_string()).as_ref(), Some(&entry.path));
    }
}

/// The next listing knows of a removal and of a rename.
pub fn vanished_file_is_no_longer_listed(harness: &dyn ShareHarness) {
    let taken = create(harness, "taken.dat", b"1");
    let renamed = create(harness, "part.tmp", b"2");
    let share = harness.share();
    assert_eq!(paths(&list(&*share, FLAT)), ["part.tmp", "taken.dat"]);
    harness.remove(&taken);
    harness.rename(&renamed, &path("whole.dat"));
    assert_eq!(paths(&list(&*share, FLAT)), ["whole.dat"]);
    harness.create(&taken, b"back again");
    assert_eq!(paths(&list(&*share, FLAT)), ["taken.dat", "whole.dat"]);
}
