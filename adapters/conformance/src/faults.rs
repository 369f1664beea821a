//! Connections that break: wherever they are cut, what is read is whole, and what is delivered is there once.
//!
//! An adapter of a server shows by [`ProxiedServer`] how it comes to one through a proxy, and calls these functions
//! from its tests. The server is a real one, and shows the files of this machine.

mod cuts;
mod disturbances;
mod session;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use dropbridge_port::{EntryPath, Outbox, Share};

use crate::fault_proxy::{Direction, FaultAt, FaultProxy, Plan};
use crate::ftp_proxy::FtpProxy;

pub use cuts::{delivering_is_once, reading_is_whole};
pub use disturbances::{another_file_is_not_read_on, reading_goes_on_elsewhere, slow_line_is_kept};

/// How long a server may be silent that is not meant to be: it bounds hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A real server that is reached through proxies.
pub trait ProxiedServer: Sync {
    /// A proxy in front of it.
    fn proxy(&self, plan: Plan) -> Box<dyn Proxy>;

    /// The share of a directory of this machine, over connections of its own.
    fn share(&self, route: Route, root: &Path) -> Box<dyn Share>;

    /// The outbox `out` below a directory of this machine, over connections of its own.
    fn outbox(&self, route: Route, root: &Path) -> Box<dyn Outbox>;

    /// Which connection of a session that lists and then reads carries the file.
    fn reading_connection(&self) -> usize {
        0
    }

    /// What is cut between two rows looks like a shorter listing; the next one has it all.
    fn cut_listing_looks_shorter(&self) -> bool {
        false
    }
}

/// How a server is reached.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Where its proxy listens.
    pub address: SocketAddr,
    /// How long it may be silent.
    pub stall_timeout: Duration,
}

/// A proxy, or several that stand for one server. It ends when it is dropped.
pub trait Proxy {
    /// Where clients connect.
    fn address(&self) -> SocketAddr;

    /// Connections that were asked for.
    fn connections(&self) -> usize;

    /// Bytes that went this way, over all connections.
    fn bytes(&self, direction: Direction) -> u64;

    /// Bytes that went up and down, for each connection that was asked for.
    fn carried(&self) -> Vec<[u64; 2]>;

    /// Closes all connections that are open.
    fn cut_all(&self);
}

/// Each does already what is asked of it.
macro_rules! proxies {
    ($($proxy:ident)*) => {
        $(impl Proxy for $proxy {
            fn address(&self) -> SocketAddr {
                $proxy::address(self)
            }

            fn connections(&self) -> usize {
                $proxy::connections(self)
            }

            fn bytes(&self, direction: Direction) -> u64 {
                $proxy::bytes(self, direction)
            }

            fn carried(&self) -> Vec<[u64; 2]> {
                $proxy::carried(self)
            }

            fn cut_all(&self) {
                $proxy::cut_all(self);
            }
        })*
    };
}

proxies! { FaultProxy FtpProxy }

/// The route that leads through this proxy.
#[must_use]
pub fn through(proxy: &dyn Proxy, stall_timeout: Duration) -> Route {
    Route { address: proxy.address(), stall_timeout }
}

/// No faults.
#[must_use]
pub fn undisturbed() -> Plan {
    Box::new(|_| Vec::new())
}

/// These faults for one connection, none for all others.
#[must_use]
pub fn only(connection: usize, faults: &[FaultAt]) -> Plan {
    let faults = faults.to_vec();
    Box::new(move |number| if number == connection { faults.clone() } else { Vec::new() })
}

/// Larger than what is asked for at a time, so that some are on their way when the connection ends.
#[must_use]
pub fn large() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn entry(name: &str) -> EntryPath {
    EntryPath::new(name).expect("a path of a test")
}

/// A scratch directory with one file, `large`.
fn with_large(bytes: &[u8]) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    std::fs::write(scratch.path().join("large"), bytes).expect("a large file");
    scratch
}
