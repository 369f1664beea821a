//! Fault proxies in front of an FTP server: one for its control connections, and one for each port that transfers go to.
//!
//! They listen at an address of their own and at the same ports, so that nothing of what is said has to be understood or
//! rewritten, whether or not it is encrypted: a client that takes for transfers the address that it is connected to comes
//! here with them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::daemon::own_address;
use crate::fault_proxy::{Direction, FaultAt, FaultProxy, Plan};
use crate::ftpd::FtpDaemon;

/// Ports for transfers, beneath those that the kernel gives away.
pub const PASSIVE_PORTS: (u16, u16) = (26_000, 26_031);

/// The proxies. They end when this is dropped.
pub struct FtpProxy {
    control: FaultProxy,
    transfers: Vec<FaultProxy>,
    plan: Arc<Mutex<Numbered>>,
}

struct Numbered {
    /// Connections are numbered over all kinds.
    plan: Plan,
    /// Which proxy each connection came to, by its port at the server.
    ports: Vec<u16>,
}

impl FtpProxy {
    /// In front of a server that has [`PASSIVE_PORTS`].
    ///
    /// # Panics
    /// When a port cannot be had.
    pub fn start(server: &FtpDaemon, plan: impl FnMut(usize) -> Vec<FaultAt> + Send + 'static) -> Self {
        let plan = Arc::new(Mutex::new(Numbered { plan: Box::new(plan), ports: Vec::new() }));
        let host = own_address();
        let proxy = |port, target: SocketAddr| {
            let plan = Arc::clone(&plan);
            FaultProxy::start_at(SocketAddr::from((host, port)), target, move |_| {
                let mut numbered = plan.lock().unwrap_or_else(PoisonError::into_inner);
                let number = numbered.ports.len();
                numbered.ports.push(port);
                (numbered.plan)(number)
            })
        };
        let control = proxy(0, server.address());
        let ports = PASSIVE_PORTS.0..=PASSIVE_PORTS.1;
        let transfers = ports.map(|port| proxy(port, SocketAddr::from((server.address().ip(), port)))).collect();
        Self { control, transfers, plan }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.control.address()
    }

    /// Connections that were asked for, of both kinds.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).ports.len()
    }

    /// Bytes that went this way, over all connections.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.all().map(|proxy| proxy.bytes(direction)).sum()
    }

    /// Bytes that went up and down, for each connection since the plan was made.
    #[must_use]
    pub fn carried(&self) -> Vec<[u64; 2]> {
        let ports = self.plan.lock().unwrap_or_else(PoisonError::into_inner).ports.clone();
        let each: Vec<Vec<[u64; 2]>> = self.transfers.iter().map(FaultProxy::carried).collect();
        let control = self.control.carried();
        let mut seen = std::collections::BTreeMap::new();
        let of_port = |port: u16| match port.checked_sub(PASSIVE_PORTS.0) {
            Some(index) => &each[usize::from(index)],
            None => &control,
        };
        let carried = ports.into_iter().map(|port| {
            let nth: &mut usize = seen.entry(port).or_default();
            *nth += 1;
            of_port(port)[*nth - 1]
        });
        carried.collect()
    }

    /// Other faults for the connections that come; they are counted anew.
    pub fn plan(&self, plan: impl FnMut(usize) -> Vec<FaultAt> + Send + 'static) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) =
            Numbered { plan: Box::new(plan), ports: Vec::new() };
    }

    /// Closes all connections that are open.
    pub fn cut_all(&self) {
        self.all().for_each(FaultProxy::cut_all);
    }

    fn all(&self) -> impl Iterator<Item = &FaultProxy> {
        self.transfers.iter().chain([&self.control])
    }
}
