//! The crash matrix of a protocol: the bridge is killed at the steps of its deliveries and of its forward path, with
//! inbox and outbox on a real server, beside consumers of all habits.

use std::os::unix::process::ExitStatusExt;

use dropbridge_port::failpoint::Failpoint;

use super::{Ready, RemoteServer, drop_marked, site};
use crate::support::lanes::side_by_side;
use crate::support::relayed::{Consumer, HABITS, Habit, Taken, left_behind, outbox};
use crate::support::{Site, order_name, orders};

const SIGKILL: i32 = 9;
const FILES: u32 = 3;
const ORDERS: u32 = 4;

/// A point, and at which pass the bridge is killed there.
type Step = (Failpoint, u32);

/// Steps of the forward path: the three files may share a transaction, and the first commit is that of the slot's
/// claim.
const FORWARD: [Step; 5] = [
    (Failpoint::EntryOpened, 2),
    (Failpoint::Captured, 2),
    (Failpoint::Produced, 1),
    (Failpoint::CommitSent, 2),
    (Failpoint::Disposed, 2),
];

/// Every step of a delivery that a relay passes, and some of the way to the log.
fn steps() -> impl Iterator<Item = Step> {
    let tidying = [Failpoint::RelayTidying, Failpoint::RelayTidied];
    let delivery = Failpoint::ALL.into_iter().filter(move |point| {
        (point.name().starts_with("outbox_") || point.name().starts_with("relay_")) && !tidying.contains(point)
    });
    delivery.map(|point| (point, 2)).chain(FORWARD)
}

/// Each step with one habit and each habit with a third of the steps, so that a run stays short; all with all where
/// `DROPBRIDGE_TEST_MATRIX` is `full`.
fn cases() -> Vec<(Step, Habit)> {
    if std::env::var("DROPBRIDGE_TEST_MATRIX").is_ok_and(|matrix| matrix == "full") {
        return steps().flat_map(|step| HABITS.map(|habit| (step, habit))).collect();
    }
    steps().zip(HABITS.into_iter().cycle()).collect()
}

/// Each file is published once, and seen once and whole, wherever the bridge was killed.
pub fn each_file_once_whatever_the_step(server: &impl RemoteServer) {
    let cases = cases();
    let count = cases.len();
    side_by_side(cases, |(step, habit)| play(server, habit, step));
    eprintln!("{count} cases of {} steps and {} habits were played", steps().count(), HABITS.len());
}

/// Kills a run at a step, lets another finish, and looks at what the consumer has got.
fn play(server: &impl RemoteServer, habit: Habit, (point, hit): Step) {
    let failpoint = format!("{}:{hit}=kill", point.name());
    let site = site(server, server.address(), &Ready::Marked.options());
    let consumer = Consumer::start(outbox(&site), habit, Ready::Marked.beside());
    let expected: Vec<Taken> = (1..=FILES).map(|file| drop_orders(&site, file)).collect();
    let mut victim = site.spawn(&["run", "--until-idle"], Some(&failpoint));
    assert_eq!(victim.wait().signal(), Some(SIGKILL), "{failpoint} was not reached: {}", victim.log());
    site.run_until_idle(0);
    site.run_until_idle(0);
    let mut taken = consumer.end();
    taken.sort();
    assert_eq!(taken, expected, "{failpoint}, a consumer that {habit:?}");
    assert!(left_behind(&site).is_empty(), "{failpoint}: {:?}", left_behind(&site));
    assert_eq!(site.numbers().len(), (ORDERS * FILES) as usize, "{failpoint}: each event once");
}

/// Drops a file, and a marker that is not empty.
fn drop_orders(site: &Site, file: u32) -> Taken {
    let bytes = orders(file, ORDERS).1;
    drop_marked(site, file, &bytes, format!("done {file}").as_bytes());
    (order_name(file), bytes)
}
