//! A crash between a link and the removal of the temporary name, on a file system that cannot do both at once.

use std::fs;

use dropbridge_conformance::outbox::OutboxDirectory;
use dropbridge_port::{Attributes, EntryPath, Outbox, Publication, StagedName, Standing};

use super::{harness, local};

/// As a crash leaves it that came after the temporary name was given up, before or after the link.
fn interrupted(linked: bool) -> (OutboxDirectory, StagedName, EntryPath) {
    let harness = harness(None, true);
    let (outbox, name) = (local(&harness.share(), None, true), StagedName::new("test", 1, 1).unwrap());
    let mut staged = outbox.stage(&name, Attributes::default()).unwrap();
    staged.write(b"ours").unwrap();
    staged.finish().unwrap();
    outbox.witness(&name).unwrap();
    let linking = harness.staging().join(format!("{name}.linking"));
    fs::rename(harness.staging().join(name.to_string()), &linking).unwrap();
    if linked {
        fs::hard_link(&linking, harness.out().join("orders.dat")).unwrap();
    }
    (harness, name, EntryPath::new("orders.dat").unwrap())
}

#[test]
fn a_link_that_is_there_shows_that_it_was_published() {
    let (harness, name, target) = interrupted(true);
    assert_eq!(local(&harness.share(), None, true).standing(&name, &target).unwrap(), Standing::Published);
    assert!(!harness.staging().join(format!("{name}.linking")).exists(), "the step is finished");
    assert_eq!(local(&harness.share(), None, true).standing(&name, &target).unwrap(), Standing::Published);
}

#[test]
fn a_consumer_that_renames_it_leaves_the_link() {
    let (harness, name, target) = interrupted(true);
    fs::rename(harness.out().join("orders.dat"), harness.out().join("orders.done")).unwrap();
    assert_eq!(local(&harness.share(), None, true).standing(&name, &target).unwrap(), Standing::Published);
}

#[test]
fn whether_it_was_deleted_or_never_linked_nobody_can_tell() {
    let (harness, name, target) = interrupted(false);
    assert_eq!(local(&harness.share(), None, true).standing(&name, &target).unwrap(), Standing::InDoubt);
    let (harness, name, target) = interrupted(true);
    fs::remove_file(harness.out().join("orders.dat")).unwrap();
    assert_eq!(local(&harness.share(), None, true).standing(&name, &target).unwrap(), Standing::InDoubt);
    local(&harness.share(), None, true).discard(&name).unwrap();
    assert_eq!(local(&harness.share(), None, true).standing(&name, &target).unwrap(), Standing::Nothing);
}

#[test]
fn a_file_system_that_refuses_the_one_step_is_published_to_in_two() {
    let harness = harness(None, true);
    assert!(!local(&harness.share(), None, true).capabilities().publishes_in_one_step);
    let (outbox, name) = (local(&harness.share(), None, true), StagedName::new("test", 1, 1).unwrap());
    outbox.stage(&name, Attributes::default()).unwrap().finish().unwrap();
    outbox.witness(&name).unwrap();
    assert_eq!(outbox.publish(&name, &EntryPath::new("empty").unwrap()).unwrap(), Publication::Published);
    assert_eq!(fs::read_dir(harness.staging()).unwrap().count(), 1, "the witness alone");
}
