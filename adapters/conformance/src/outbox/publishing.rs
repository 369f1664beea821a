//! From a temporary name to the final one.

use dropbridge_port::{Attributes, ErrorKind, Publication};

use super::{OutboxHarness, name, path, publish, stage, standing, witnessed};
use dropbridge_port::Standing;

/// Nothing shows under the final name before it is published, and then all of it.
pub fn staged_file_is_out_of_sight(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    assert_eq!(outbox.stat(&target).expect("stat"), None);
    witnessed(&*outbox, &name(1), b"all of it");
    assert!(harness.seen().is_empty(), "{:?}", harness.seen());
    assert_eq!(publish(&*outbox, &name(1), &target), Publication::Published);
    assert_eq!(harness.seen(), ["orders.dat"]);
    assert_eq!(harness.read(&target), b"all of it");
    assert_eq!(outbox.stat(&target).expect("stat").expect("a file").size, 9);
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut outbox.open(&target).expect("open"), &mut read).expect("read");
    assert_eq!(read, b"all of it");
}

/// A temporary name that is there is never opened again.
pub fn staged_name_is_given_once(harness: &dyn OutboxHarness) {
    let outbox = harness.outbox();
    stage(&*outbox, &name(1), b"first");
    let error = outbox.stage(&name(1), Attributes::default()).err().expect("the name is given");
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    witnessed(&*outbox, &name(2), b"second");
    outbox.witness(&name(2)).expect("a witness that is there is fine");
}

/// Size and SHA-256 of what was written.
pub fn written_bytes_are_hashed(harness: &dyn OutboxHarness) {
    let outbox = harness.outbox();
    let written = stage(&*outbox, &name(1), b"abc");
    assert_eq!(written.size, 3);
    // FIPS 180-2, appendix B.1.
    assert_eq!(written.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!(stage(&*outbox, &name(2), b"").size, 0);
}

/// What has the final name stays as it is, and so does the staged file: once the name is free it is published. An outbox
/// that cannot keep two from taking a name at once looks first.
pub fn existing_target_is_not_replaced(harness: &dyn OutboxHarness) {
    let (outbox, target) = (harness.outbox(), path("orders.dat"));
    harness.put(&target, b"of somebody else");
    witnessed(&*outbox, &name(1), b"ours");
    for _ in 0..2 {
        assert_eq!(publish(&*outbox, &name(1), &target), Publication::TargetExists);
        assert_eq!(harness.read(&target), b"of somebody else");
        assert_eq!(standing(&*outbox, &name(1), &target), Standing::Staged);
    }
    harness.take(&target);
    assert_eq!(publish(&*outbox, &name(1), &target), Publication::Published);
    assert_eq!(harness.read(&target), b"ours");
}

/// Many publishers of one name at once: one wins, and its bytes are whole.
pub fn of_two_publishers_one_wins(harness: &dyn OutboxHarness) {
    const PUBLISHERS: u64 = 8;
    let outbox = harness.outbox();
    if !outbox.capabilities().publishes_without_replacing {
        println!("{}: gives no promise for two that publish under one name at once", outbox.address());
        return;
    }
    for round in 0..20 {
        let target = path(&format!("orders-{round}.dat"));
        let won: Vec<u64> = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..PUBLISHERS)
                .map(|publisher| {
                    let target = &target;
                    scope.spawn(move || {
                        let (outbox, name) = (harness.outbox(), name(round * PUBLISHERS + publisher));
                        witnessed(&*outbox, &name, &publisher.to_be_bytes());
                        (publish(&*outbox, &name, target) == Publication::Published).then_some(publisher)
                    })
                })
                .collect();
            publishers.into_iter().filter_map(|publisher| publisher.join().expect("a publisher")).collect()
        });
        assert_eq!(won.len(), 1, "{won:?} published {target}");
        assert_eq!(harness.read(&target), won[0].to_be_bytes());
    }
}

/// A target in a directory that is not there yet.
pub fn directories_on_the_way_are_made(harness: &dyn OutboxHarness) {
    let outbox = harness.outbox();
    for (number, target) in [(1, "north/2026/orders.dat"), (2, "north/2026/bids.dat"), (3, "south/orders.dat")] {
        witnessed(&*outbox, &name(number), target.as_bytes());
        assert_eq!(publish(&*outbox, &name(number), &path(target)), Publication::Published);
    }
    assert_eq!(harness.seen(), ["north/2026/bids.dat", "north/2026/orders.dat", "south/orders.dat"]);
}

/// Permission bits as stated, whatever the umask.
pub fn mode_is_set(harness: &dyn OutboxHarness) {
    let outbox = harness.outbox();
    if !outbox.capabilities().sets_attributes {
        println!("{}: sets no attributes", outbox.address());
        return;
    }
    for (number, mode) in [(1, 0o600), (2, 0o666), (3, 0o464)] {
        let attributes = Attributes { mode: Some(mode), ..Attributes::default() };
        let mut staged = outbox.stage(&name(number), attributes).expect("stage");
        staged.write(b"x").expect("write");
        staged.finish().expect("finish");
        let target = path(&format!("{mode:o}"));
        assert_eq!(publish(&*outbox, &name(number), &target), Publication::Published);
        assert_eq!(harness.mode(&target), Some(mode));
    }
}
