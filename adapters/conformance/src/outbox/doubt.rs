//! What can be told after a crash.

use dropbridge_port::{Publication, StagedName, Standing};

use super::{OutboxHarness, name, path, publish, stage, standing, witnessed};

/// Not published, whoever looks: also one that comes later.
pub fn crash_before_publishing_leaves_it_staged(harness: &dyn OutboxHarness) {
    let target = path("orders.dat");
    assert_eq!(standing(&*harness.outbox(), &name(1), &target), Standing::Nothing);
    stage(&*harness.outbox(), &name(1), b"ours");
    assert_eq!(standing(&*harness.outbox(), &name(1), &target), Standing::Staged);
    harness.outbox().witness(&name(1)).expect("witness");
    assert_eq!(standing(&*harness.outbox(), &name(1), &target), Standing::Staged);
    assert_eq!(publish(&*harness.outbox(), &name(1), &target), Publication::Published);
    assert_eq!(standing(&*harness.outbox(), &name(1), &target), Standing::Published);
}

/// The witness tells it, though a consumer has deleted the file, and though another file has its name by now.
pub fn file_that_was_taken_is_known_as_published(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    assert!(outbox.capabilities().has_witness);
    witnessed(&*outbox, &name(1), b"ours");
    publish(&*outbox, &name(1), &target);
    harness.take(&target);
    assert_eq!(standing(&*harness.outbox(), &name(1), &target), Standing::Published);
    harness.put(&target, b"of somebody else");
    assert_eq!(standing(&*harness.outbox(), &name(1), &target), Standing::Published);
}

/// No temporary name and no witness: whether it was published, nobody can tell.
pub fn wiped_staging_is_no_publication(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    witnessed(&*outbox, &name(1), b"ours");
    harness.wipe_staging();
    assert_eq!(standing(&*outbox, &name(1), &target), Standing::Nothing);
    witnessed(&*outbox, &name(2), b"ours");
    publish(&*outbox, &name(2), &target);
    harness.wipe_staging();
    assert_eq!(standing(&*outbox, &name(2), &target), Standing::Nothing);
}

/// A discarded file was never there.
pub fn discarded_file_leaves_no_trace(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    for (number, with_witness) in [(1, false), (2, true)] {
        stage(&*outbox, &name(number), b"ours");
        if with_witness {
            outbox.witness(&name(number)).expect("witness");
        }
        outbox.discard(&name(number)).expect("discard");
        outbox.discard(&name(number)).expect("discard what is not there");
        assert_eq!(standing(&*outbox, &name(number), &target), Standing::Nothing);
    }
    assert!(harness.staged().is_empty(), "{:?}", harness.staged());
    assert!(harness.seen().is_empty());
}

/// After the receipt nothing is left but the file.
pub fn forgotten_file_leaves_no_trace(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    witnessed(&*outbox, &name(1), b"ours");
    publish(&*outbox, &name(1), &target);
    outbox.forget(&name(1)).expect("forget");
    outbox.forget(&name(1)).expect("forget what is not there");
    assert!(harness.staged().is_empty(), "{:?}", harness.staged());
    assert_eq!(harness.read(&target), b"ours");
}

/// Each once, whether only staged, witnessed or published; those of others are none of its business.
pub fn staged_names_of_an_owner_are_listed(harness: &dyn OutboxHarness) {
    let outbox = harness.outbox();
    assert!(outbox.staged("suite").expect("list").is_empty());
    stage(&*outbox, &name(1), b"x");
    witnessed(&*outbox, &name(2), b"x");
    witnessed(&*outbox, &name(3), b"x");
    publish(&*outbox, &name(3), &path("orders.dat"));
    let other = StagedName::new("suite-1", 1, 1).expect("a name");
    stage(&*outbox, &other, b"x");
    assert_eq!(outbox.staged("suite").expect("list"), [name(1), name(2), name(3)]);
    assert_eq!(outbox.staged("suite-1").expect("list"), [other]);
}
