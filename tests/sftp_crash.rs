//! The bridge is killed at the steps of its deliveries and of its forward path, with inbox and outbox on a real OpenSSH
//! server: each file is published once, and seen once and whole by consumers of all habits.
#![cfg(feature = "failpoints")]

mod support;

use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use support::remote::crash;

#[test]
fn each_file_once_whatever_the_step() {
    let Some(server) = OpenSsh::start(OpenSshOptions::default()) else { return };
    crash::each_file_once_whatever_the_step(&server);
}
