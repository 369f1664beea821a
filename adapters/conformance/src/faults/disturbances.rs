//! What else happens while a file is on its way: silence, nonsense, a slow line, another file under its name.

use std::fs;
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError};

use super::session::read_through;
use super::{PATIENCE, ProxiedServer, Proxy, entry, large, only, through, with_large};
use crate::fault_proxy::{Direction, Fault, FaultAt, Plan};

/// A server that falls silent or speaks nonsense is left, and reading goes on over another connection. `proof` looks at
/// what came through the proxy, for each of the faults.
pub fn reading_goes_on_elsewhere(server: &dyn ProxiedServer, proof: impl Fn(Fault, &dyn Proxy)) {
    // Only the silent one waits for it.
    in_the_middle(server, [Fault::Silence, Fault::Corrupt], Duration::from_secs(2), proof);
}

/// A slow line is no broken one: no more than these connections are made.
pub fn slow_line_is_kept(server: &dyn ProxiedServer, connections: usize) {
    let faults = [Fault::Throttle(600_000), Fault::Delay(Duration::from_millis(300))];
    in_the_middle(server, faults, PATIENCE, |fault, proxy| assert_eq!(proxy.connections(), connections, "{fault:?}"));
}

/// Reads a file for each of the faults, which happens where its middle is on its way.
fn in_the_middle(
    server: &dyn ProxiedServer,
    faults: [Fault; 2],
    stall_timeout: Duration,
    proof: impl Fn(Fault, &dyn Proxy),
) {
    let bytes = large();
    let scratch = with_large(&bytes);
    for fault in faults {
        let middle = FaultAt { direction: Direction::Down, after_bytes: 600_000, fault };
        let proxy = server.proxy(only(server.reading_connection(), &[middle]));
        read_through(server, through(&*proxy, stall_timeout), scratch.path(), &bytes);
        proof(fault, &*proxy);
    }
}

/// A file that is replaced while the connection is away is never continued with the bytes of another. What is said of
/// it has one of `said`.
pub fn another_file_is_not_read_on(server: &dyn ProxiedServer, plan: Plan, said: &[&str]) {
    let bytes = large();
    let scratch = with_large(&bytes);
    let proxy = server.proxy(plan);
    let share = server.share(through(&*proxy, PATIENCE), scratch.path());
    let mut file = share.open(&entry("large")).unwrap_or_else(|error| panic!("{error}"));
    file.stat().unwrap_or_else(|error| panic!("{error}"));
    file.read_exact(&mut [0; 1000]).expect("the beginning");
    fs::write(scratch.path().join("large"), &bytes[..1_100_000]).expect("another file");
    proxy.cut_all();
    // What was on its way already may still come.
    let error = file.read_to_end(&mut Vec::new()).expect_err("it is another file");
    let error = PortError::io("read", "large", &error);
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(said.iter().any(|said| error.message.contains(said)), "{error}");
}
