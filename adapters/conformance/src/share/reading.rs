//! What an open file gives.

use std::io::Read;

use dropbridge_port::ErrorKind;

use super::{FLAT, ShareHarness, create, list, path, read, read_rest, until};

const GIB: u64 = 1 << 30;

/// More than any buffer on the way holds.
fn large() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// No translation of line ends, encodings or NULs, and no byte too few.
pub fn bytes_are_read_as_they_are(harness: &dyn ShareHarness) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let samples: [&[u8]; 5] = [b"", b"a\r\nb\rc\nd\x1a", b"\xef\xbb\xbfbom", &every_byte, &large()];
    let share = harness.share();
    for (number, bytes) in samples.iter().enumerate() {
        let path = create(harness, &format!("sample-{number}"), bytes);
        assert!(read(&*share, &path) == *bytes, "sample {number} came back changed");
    }
}

/// A name that is not there has no stat and cannot be opened; so too below a directory that is not there, and below
/// a file.
pub fn missing_file_is_not_found(harness: &dyn ShareHarness) {
    create(harness, "file", b"x");
    let share = harness.share();
    for name in ["missing", "missing/below", "file/below"] {
        assert_eq!(share.stat(&path(name)).expect("stat"), None, "{name}");
        let error = share.open(&path(name)).err().expect("nothing to open");
        assert_eq!(error.kind, ErrorKind::NotFound, "{name}: {error}");
    }
}

/// Listing, stat by name and stat of the open file say the same of a file at rest.
pub fn stats_agree(harness: &dyn ShareHarness) {
    let path = create(harness, "at-rest.dat", b"12345");
    let share = harness.share();
    let listed = list(&*share, FLAT)[0].stat;
    assert_eq!(listed.size, 5);
    assert!(listed.modified_ns > 1_500_000_000_000_000_000, "an mtime of our days: {}", listed.modified_ns);
    assert_eq!(share.stat(&path).expect("stat"), Some(listed));
    let mut handle = share.open(&path).expect("open");
    assert_eq!(handle.stat().expect("stat of the handle"), listed);
    read_rest(handle.as_mut());
    assert_eq!(handle.stat().expect("stat of the handle"), listed);
}

/// Forward, back, and behind the end.
pub fn seek_goes_anywhere(harness: &dyn ShareHarness) {
    let path = create(harness, "digits", b"0123456789");
    let mut handle = harness.share().open(&path).expect("open");
    for (offset, expected) in [(7, "789"), (0, "0123456789"), (9, "9"), (10, ""), (1000, ""), (3, "3456789")] {
        handle.seek_to(offset).expect("seek");
        assert_eq!(read_rest(handle.as_mut()), expected.as_bytes(), "from {offset}");
    }
}

/// What a slow writer adds is seen by the stat of an open file, and can be read on from where the end was.
pub fn handle_follows_growth(harness: &dyn ShareHarness) {
    let path = create(harness, "growing", b"first,");
    let mut handle = harness.share().open(&path).expect("open");
    let before = handle.stat().expect("stat");
    assert_eq!(read_rest(handle.as_mut()), b"first,");
    harness.append(&path, b"second");
    until("the open file has grown", || handle.stat().expect("stat").size == 12);
    assert_ne!(handle.stat().expect("stat"), before);
    assert_eq!(read_rest(handle.as_mut()), b"second");
}

/// A batch job renames a file while it is read: all of its bytes still come.
pub fn read_survives_rename(harness: &dyn ShareHarness) {
    survives(harness, |harness| harness.rename(&path("orders.dat"), &path("archive.dat")));
}

/// A consumer deletes a file while it is read, and a new one takes its name: all bytes of the old one still come.
pub fn read_survives_removal(harness: &dyn ShareHarness) {
    survives(harness, |harness| {
        harness.remove(&path("orders.dat"));
        create(harness, "orders.dat", b"another file");
    });
}

fn survives(harness: &dyn ShareHarness, interfere: impl Fn(&dyn ShareHarness)) {
    let bytes = large();
    let path = create(harness, "orders.dat", &bytes);
    let share = harness.share();
    if !share.capabilities().read_survives_removal {
        println!("{}: gives no promise for files that are renamed or removed", share.address());
        return;
    }
    let mut handle = share.open(&path).expect("open");
    let mut seen = vec![0; 1000];
    handle.read_exact(&mut seen).expect("read the beginning");
    interfere(harness);
    assert_eq!(handle.stat().expect("stat of the handle").size, bytes.len() as u64);
    seen.extend(read_rest(handle.as_mut()));
    assert!(seen == bytes, "the bytes of the file that was opened");
}

/// Sizes and offsets are 64 bits wide.
pub fn file_over_four_gib_is_read_at_its_end(harness: &dyn ShareHarness) {
    let path = create(harness, "huge", b"");
    if !harness.extend(&path, 5 * GIB) {
        println!("file_over_four_gib_is_read_at_its_end: no sparse files here");
        return;
    }
    harness.append(&path, b"the end");
    let share = harness.share();
    assert_eq!(list(&*share, FLAT)[0].stat.size, 5 * GIB + 7);
    let mut handle = share.open(&path).expect("open");
    assert_eq!(handle.stat().expect("stat").size, 5 * GIB + 7);
    handle.seek_to(5 * GIB - 1).expect("seek");
    let mut last = Vec::new();
    handle.by_ref().take(100).read_to_end(&mut last).expect("read");
    assert_eq!(last, b"\0the end");
    handle.seek_to(0).expect("seek");
    let mut first = [1];
    handle.read_exact(&mut first).expect("read");
    assert_eq!(first, [0]);
}
