//! The bridge is killed at the steps of its deliveries and of its forward path, with inbox and outbox on a real FTP
//! server with TLS: each file is published once, and seen once and whole by consumers of all habits.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "failpoints")]

mod support;

use std::os::unix::process::ExitStatusExt;

use dropbridge_conformance::ftpd::{FtpDaemon, FtpdOptions};
use dropbridge_port::failpoint::Failpoint;
use support::ftp::{ftps, site};
use support::relayed::{Consumer, HABITS, Habit, left_behind, options, outbox};
use support::{Site, order_name, orders};

const SIGKILL: i32 = 9;
const FILES: u32 = 3;

/// Steps of the forward path, and at which pass: the three files may share a transaction, and the first commit is that of
/// the slot's claim.
const FORWARD: [(Failpoint, u32); 5] = [
    (Failpoint::EntryOpened, 2),
    (Failpoint::Captured, 2),
    (Failpoint::Produced, 1),
    (Failpoint::CommitSent, 2),
    (Failpoint::Disposed, 2),
];

/// Every step of a delivery that a relay passes, and some of the way to the log.
fn points() -> Vec<(Failpoint, u32)> {
    let tidying = [Failpoint::RelayTidying, Failpoint::RelayTidied];
    let delivery = Failpoint::ALL.into_iter().filter(|point| {
        (point.name().starts_with("outbox_") || point.name().starts_with("relay_")) && !tidying.contains(point)
    });
    delivery.map(|point| (point, 2)).chain(FORWARD).collect()
}

fn drop_marked(site: &Site, file: u32) -> (String, Vec<u8>) {
    let (name, bytes) = (order_name(file), orders(file, 4).1);
    site.drop_file(&name, &bytes);
    site.drop_file(&format!("{name}.done"), format!("done {file}").as_bytes());
    (name, bytes)
}

/// Kills a run at a point, lets another finish, and looks at what the consumer has got.
fn play(server: &FtpDaemon, habit: Habit, point: Failpoint, hit: u32) {
    let failpoint = format!("{}:{hit}=kill", point.name());
    let site = site(server, server.address(), &options("", "marker = \"{name}.done\""));
    let consumer = Consumer::start(outbox(&site), habit, &[".done"]);
    let expected: Vec<_> = (1..=FILES).map(|file| drop_marked(&site, file)).collect();
    let mut victim = site.spawn(&["run", "--until-idle"], Some(&failpoint));
    assert_eq!(victim.wait().signal(), Some(SIGKILL), "{failpoint} was not reached: {}", victim.log());
    site.run_until_idle(0);
    site.run_until_idle(0);
    let mut taken = consumer.end();
    taken.sort();
    assert_eq!(taken, expected, "{failpoint}, a consumer that {habit:?}");
    assert!(left_behind(&site).is_empty(), "{failpoint}: {:?}", left_behind(&site));
    assert_eq!(site.numbers().len(), 4 * FILES as usize, "{failpoint}: each event once");
}

/// A pairwise choice: each point with one habit, each habit with a third of the points.
#[test]
fn each_file_once_whatever_the_step() {
    let Some(server) = ftps(FtpdOptions::default()) else { return };
    let cases: Vec<((Failpoint, u32), Habit)> = points().into_iter().zip(HABITS.into_iter().cycle()).collect();
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(4)) {
            let server = &server;
            scope.spawn(move || part.iter().for_each(|((point, hit), habit)| play(server, *habit, *point, *hit)));
        }
    });
}
