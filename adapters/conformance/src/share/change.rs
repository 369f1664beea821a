//! How changes show.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use dropbridge_port::{EntryPath, Share};

use super::{RECURSIVE, ShareHarness, create, path, until};
use crate::random::Random;

/// How often the other thread changes something.
const CHANGES: usize = 4000;

/// Files that stay as they are while others come and go.
const STEADY: usize = 40;

/// Bytes of each write of the other thread.
const BLOCK: &[u8] = b"0123456789";

/// Whether two versions of one size can be told apart without waiting for the clock.
fn tells_versions_apart(share: &dyn Share, path: &EntryPath) -> bool {
    let stat = share.stat(path).expect("stat").expect("a file");
    stat.version != 0 || share.capabilities().mtime_precision_ns < 1_000_000
}

/// Other bytes in the same file, as many as before: the stat changes. The clock of a file system may stand still for
/// some milliseconds, so the writer goes on until it shows.
pub fn rewrite_of_same_size_is_seen(harness: &dyn ShareHarness) {
    let path = create(harness, "rewritten", b"first ");
    let share = harness.share();
    if !tells_versions_apart(&*share, &path) {
        println!("{}: cannot tell a rewrite within one tick of its clock", share.address());
        return;
    }
    let before = share.stat(&path).expect("stat").expect("a file");
    until("a rewrite shows", || {
        harness.overwrite(&path, b"second");
        share.stat(&path).expect("stat").expect("a file") != before
    });
    assert_eq!(share.stat(&path).expect("stat").expect("a file").size, before.size);
}

/// Another file of the same name and size takes the place of the first: the stat changes.
pub fn new_file_of_same_size_is_seen(harness: &dyn ShareHarness) {
    let path = create(harness, "orders", b"monday");
    let share = harness.share();
    if !tells_versions_apart(&*share, &path) {
        println!("{}: cannot tell a new file within one tick of its clock", share.address());
        return;
    }
    let before = share.stat(&path).expect("stat").expect("a file");
    let next = create(harness, "orders.tmp", b"friday");
    harness.rename(&next, &path);
    let after = share.stat(&path).expect("stat").expect("a file");
    assert_eq!(after.size, before.size);
    assert_ne!(after, before);
}

/// While another thread creates, appends, renames and removes, every listing succeeds; files that stay are in it once
/// each, and nothing is in it that never was.
pub fn changing_directory_never_lists_nonsense(harness: &dyn ShareHarness) {
    let mut random = Random::announced("changing_directory_never_lists_nonsense");
    for number in 0..STEADY {
        create(harness, &steady(number), BLOCK);
    }
    let share = harness.share();
    let over = AtomicBool::new(false);
    let mut listings = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Also when a change panics, or the listing would go on for ever.
            let _end = SetAtEnd(&over);
            Churn::default().run(harness, &mut random);
        });
        while !over.load(Ordering::SeqCst) {
            check_listing(&*share);
            listings += 1;
        }
    });
    check_listing(&*share);
    println!("{listings} listings during {CHANGES} changes");
    assert!(listings > 0, "no listing met a change");
}

struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn steady(number: usize) -> String {
    if number.is_multiple_of(2) { format!("steady-{number}") } else { format!("steady/steady-{number}") }
}

fn volatile(number: usize) -> String {
    match number % 3 {
        0 => format!("volatile-{number}"),
        1 => format!("steady/volatile-{number}"),
        _ => format!("comes-and-goes-{number}/volatile"),
    }
}

fn check_listing(share: &dyn Share) {
    let listing = share.list(RECURSIVE).unwrap_or_else(|error| panic!("a change made the listing fail: {error}"));
    assert!(listing.skipped.is_empty(), "{:?}", listing.skipped);
    let mut seen = BTreeSet::new();
    for entry in &listing.entries {
        let name = entry.path.to_string();
        assert!(seen.insert(name.clone()), "{name} twice in one listing");
        if name.contains("volatile") {
            assert_eq!(entry.stat.size % BLOCK.len() as u64, 0, "{name} never had this size");
        }
    }
    for number in 0..STEADY {
        assert!(seen.remove(&steady(number)), "{} is not in the listing", steady(number));
    }
    let known: BTreeSet<_> = (0..Churn::NAMES).map(volatile).collect();
    assert!(seen.is_subset(&known), "what never was: {:?}", seen.difference(&known).collect::<Vec<_>>());
}

/// The other thread: knows which files are there, so that each change can succeed.
#[derive(Default)]
struct Churn {
    present: BTreeSet<usize>,
}

impl Churn {
    const NAMES: usize = 60;

    fn run(&mut self, harness: &dyn ShareHarness, random: &mut Random) {
        for _ in 0..CHANGES {
            let one = random.below(Self::NAMES);
            let other = random.below(Self::NAMES);
            match random.below(4) {
                _ if !self.present.contains(&one) => self.create(harness, one),
                0 => self.remove(harness, one),
                1 if self.present.contains(&other) && one != other => self.rename(harness, one, other),
                _ => harness.append(&path(&volatile(one)), BLOCK),
            }
        }
    }

    fn create(&mut self, harness: &dyn ShareHarness, number: usize) {
        create(harness, &volatile(number), BLOCK);
        self.present.insert(number);
    }

    fn remove(&mut self, harness: &dyn ShareHarness, number: usize) {
        harness.remove(&path(&volatile(number)));
        self.forget(harness, number);
    }

    /// Over a file that is there.
    fn rename(&mut self, harness: &dyn ShareHarness, from: usize, to: usize) {
        harness.rename(&path(&volatile(from)), &path(&volatile(to)));
        self.forget(harness, from);
    }

    /// The directory that a file had for itself goes with it.
    fn forget(&mut self, harness: &dyn ShareHarness, number: usize) {
        self.present.remove(&number);
        if number % 3 == 2 {
            harness.remove_directory(&path(&format!("comes-and-goes-{number}")));
        }
    }
}
