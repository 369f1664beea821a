//! Only the place that was meant is written to.

use dropbridge_port::{Attributes, ErrorKind, Outbox, OutboxIdentity, Publication, Standing};

use super::{OutboxHarness, name, path, publish, standing, witnessed};

/// No directory is made in its stead, and one that is not the pinned one is not written to; when it is back, all goes on.
pub fn outbox_that_is_away_is_not_written_to(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    outbox.pin(outbox.identity().expect("identity"));
    witnessed(&*outbox, &name(1), b"ours");
    harness.take_away();
    assert_eq!(outbox.identity().expect_err("it is away").kind, ErrorKind::NotFound);
    everything_fails(&*outbox);
    harness.put_back();
    let right = outbox.identity().expect("identity");
    outbox.pin(OutboxIdentity { outbox: right.outbox.wrapping_add(1), ..right });
    everything_fails(&*outbox);
    outbox.pin(right);
    assert_eq!(standing(&*outbox, &name(1), &target), Standing::Staged);
    assert_eq!(publish(&*outbox, &name(1), &target), Publication::Published);
    assert_eq!(harness.seen(), ["orders.dat"]);
}

/// An empty mount point, or another disk: nothing is written there.
pub fn outbox_under_the_same_path_is_noticed(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    if !outbox.capabilities().tells_directories_apart {
        println!("{}: another directory under the same path looks the same", outbox.address());
        return;
    }
    let identity = outbox.identity().expect("identity");
    outbox.pin(identity);
    witnessed(&*outbox, &name(1), b"ours");
    harness.take_away();
    harness.put_another();
    assert_ne!(outbox.identity().expect("identity of the other"), identity);
    everything_fails(&*outbox);
    assert!(harness.seen().is_empty(), "{:?}", harness.seen());
    let new = name(2).to_string();
    assert!(harness.staged().iter().all(|staged| !staged.starts_with(&new)), "{:?}", harness.staged());
    harness.put_back();
    assert_eq!(outbox.identity().expect("identity"), identity);
    assert_eq!(publish(&*outbox, &name(1), &target), Publication::Published);
    assert_eq!(harness.seen(), ["orders.dat"]);
}

fn everything_fails(outbox: &dyn Outbox) {
    let target = path("orders.dat");
    let kinds = [
        outbox.stage(&name(2), Attributes::default()).err().map(|error| error.kind),
        outbox.witness(&name(1)).err().map(|error| error.kind),
        outbox.publish(&name(1), &target).err().map(|error| error.kind),
        outbox.standing(&name(1), &target).err().map(|error| error.kind),
        outbox.discard(&name(1)).err().map(|error| error.kind),
        outbox.forget(&name(1)).err().map(|error| error.kind),
        outbox.staged("suite").err().map(|error| error.kind),
        outbox.stat(&target).err().map(|error| error.kind),
        outbox.open(&target).err().map(|error| error.kind),
    ];
    assert_eq!(kinds, [Some(ErrorKind::NotFound); 9]);
}
