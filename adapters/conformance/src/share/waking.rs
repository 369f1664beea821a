//! Wake-ups.

use std::time::{Duration, Instant};

use dropbridge_port::{ListRequest, Share, Wake, Watch};

use super::{FLAT, PATIENCE, RECURSIVE, ShareHarness, create, list, path, paths, read, until};

/// Long enough for an event that was caused already to arrive. A machine too slow for that makes the test miss a
/// fault, never invent one.
const SILENCE: Duration = Duration::from_millis(100);

/// A watch, or `None` after checking that the share does not claim to have any.
fn watch(share: &dyn Share, request: ListRequest) -> Option<Box<dyn Watch>> {
    let watch = share.watch(request).expect("watch");
    let notifies = share.capabilities().notifies;
    assert!(watch.is_none() || notifies, "gives wake-ups that its capabilities deny");
    assert!(watch.is_some() || !notifies, "denies the wake-ups that its capabilities claim");
    if watch.is_none() {
        println!("{}: has no wake-ups", share.address());
    }
    watch
}

fn expect_change(watch: &mut dyn Watch, what: &str) {
    assert_eq!(watch.wait(PATIENCE), Wake::Changed, "{what}");
    // One change may be told in several parts (a file is created, written, closed): wait for the last.
    let begun = Instant::now();
    while watch.wait(SILENCE) == Wake::Changed {
        assert!(begun.elapsed() < PATIENCE, "{what}: the wake-ups do not end");
    }
}

/// Each kind of change wakes, alone.
pub fn watch_wakes_on_every_change(harness: &dyn ShareHarness) {
    let file = create(harness, "there.dat", b"was there");
    let below = create(harness, "below/there.dat", b"was there");
    let share = harness.share();
    for request in [FLAT, RECURSIVE] {
        let Some(mut watch) = watch(&*share, request) else { return };
        let new = create(harness, "new.tmp", b"new");
        expect_change(watch.as_mut(), "create");
        harness.append(&file, b", grew");
        expect_change(watch.as_mut(), "append");
        harness.overwrite(&file, b"IS");
        expect_change(watch.as_mut(), "overwrite");
        harness.rename(&new, &path("new.dat"));
        expect_change(watch.as_mut(), "rename");
        harness.remove(&path("new.dat"));
        expect_change(watch.as_mut(), "remove");
        if request.recursive {
            harness.append(&below, b", grew");
            expect_change(watch.as_mut(), "append below");
        }
    }
}

/// A directory that comes later is watched too, whether it is made there or moved in with what it holds.
pub fn new_directory_is_watched_too(harness: &dyn ShareHarness) {
    let share = harness.share();
    let Some(mut watch) = watch(&*share, RECURSIVE) else { return };
    let first = create(harness, "made/inside/first.dat", b"1");
    until("the first file is listed after a wake-up", || {
        assert_ne!(watch.wait(PATIENCE), Wake::TimedOut, "nothing was heard of a new directory");
        paths(&list(&*share, RECURSIVE)) == ["made/inside/first.dat"]
    });
    drain(watch.as_mut());
    harness.append(&first, b"2");
    expect_change(watch.as_mut(), "append in a directory that was made");
    harness.rename(&path("made"), &path("moved"));
    expect_change(watch.as_mut(), "rename of a directory");
    harness.append(&path("moved/inside/first.dat"), b"3");
    expect_change(watch.as_mut(), "append in a directory that was moved");
}

/// Listing, stat, open and read cause no wake-up, or the bridge would wake itself for ever. A change afterwards shows
/// that the watch was alive.
pub fn own_reading_wakes_nobody(harness: &dyn ShareHarness) {
    let file = create(harness, "sub/quiet.dat", &vec![b'q'; 100_000]);
    let share = harness.share();
    let Some(mut watch) = watch(&*share, RECURSIVE) else { return };
    drain(watch.as_mut());
    for _ in 0..3 {
        assert_eq!(list(&*share, RECURSIVE).len(), 1);
        share.stat(&file).expect("stat");
        assert_eq!(read(&*share, &file).len(), 100_000);
        assert_eq!(watch.wait(SILENCE), Wake::TimedOut, "woken by its own reading");
    }
    create(harness, "sentinel", b"");
    assert_eq!(watch.wait(PATIENCE), Wake::Changed, "the watch was dead");
}

fn drain(watch: &mut dyn Watch) {
    let begun = Instant::now();
    while watch.wait(SILENCE) == Wake::Changed {
        assert!(begun.elapsed() < PATIENCE, "the wake-ups do not end");
    }
}
