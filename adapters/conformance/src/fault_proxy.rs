//! A TCP proxy that breaks connections at chosen bytes: cuts, delays, throttles, corrupts, falls silent, in either
//! direction. It knows nothing of the protocol that goes through it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// Bytes that are passed on at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is closed, both ways.
    Cut,
    /// Nothing more comes through this way, and the connection stays open.
    Silence,
    /// What follows comes so much later.
    Delay(Duration),
    /// From here on so many bytes come through in a second.
    Throttle(u64),
    /// All bits of the next byte are turned.
    Corrupt,
}

/// A fault, and where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// In what goes this way …
    pub direction: Direction,
    /// … after so many bytes.
    pub after_bytes: u64,
    /// What happens.
    pub fault: Fault,
}

/// What is decided when a connection begins: its number, from 0, and its faults.
pub type Plan = Box<dyn FnMut(usize) -> Vec<FaultAt> + Send>;

struct Shared {
    target: Mutex<SocketAddr>,
    plan: Mutex<Plan>,
    open: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
    connections: AtomicUsize,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    /// Of each connection, up and down.
    carried: Mutex<Vec<Arc<[AtomicU64; 2]>>>,
}

/// The proxy. It ends when it is dropped, and its connections with it.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Passes connections on to `target`; `plan` says the faults of each.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn start(target: SocketAddr, plan: impl FnMut(usize) -> Vec<FaultAt> + Send + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), target, plan)
    }

    /// The same, listening at this address.
    ///
    /// # Panics
    /// When it cannot be had.
    pub fn start_at(
        listen: SocketAddr,
        target: SocketAddr,
        plan: impl FnMut(usize) -> Vec<FaultAt> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(listen).expect("a port for the proxy");
        let address = listener.local_addr().expect("the proxy's address");
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            plan: Mutex::new(Box::new(plan)),
            open: Mutex::default(),
            over: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            up_bytes: AtomicU64::new(0),
            down_bytes: AtomicU64::new(0),
            carried: Mutex::default(),
        });
        let accepting = spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were asked for.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Bytes that went this way, over all connections.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.counter(direction).load(Ordering::SeqCst)
    }

    /// Bytes that went up and down, for each connection that was asked for.
    #[must_use]
    pub fn carried(&self) -> Vec<[u64; 2]> {
        let counters = locked(&self.shared.carried);
        counters.iter().map(|both| [0, 1].map(|way| both[way].load(Ordering::SeqCst))).collect()
    }

    /// Other faults for the connections that come.
    pub fn plan(&self, plan: impl FnMut(usize) -> Vec<FaultAt> + Send + 'static) {
        *locked(&self.shared.plan) = Box::new(plan);
    }

    /// Closes all connections that are open.
    pub fn cut_all(&self) {
        for stream in locked(&self.shared.open).drain(..) {
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.cut_all();
        // The one that waits for a connection gets one.
        let _woken = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
    }
}

impl Shared {
    fn counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Up => &self.up_bytes,
            Direction::Down => &self.down_bytes,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, client) in listener.incoming().enumerate() {
        let Ok(client) = client else { continue };
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        locked(&shared.carried).push(Arc::default());
        let faults = (locked(&shared.plan))(number);
        let target = *locked(&shared.target);
        // A server that is away refuses: the client sees its connection closed.
        let Ok(server) = TcpStream::connect(target) else { continue };
        let Some([up, down]) = pumps(&client, &server, &faults, shared) else { continue };
        spawn(move || up.run());
        spawn(move || down.run());
    }
}

fn pumps(client: &TcpStream, server: &TcpStream, faults: &[FaultAt], shared: &Arc<Shared>) -> Option<[Pump; 2]> {
    for stream in [client, server] {
        stream.set_nodelay(true).ok()?;
        locked(&shared.open).push(stream.try_clone().ok()?);
    }
    let carried = Arc::clone(locked(&shared.carried).last()?);
    let pump = |from: &TcpStream, to: &TcpStream, direction| {
        let mut faults: Vec<FaultAt> = faults.iter().copied().filter(|fault| fault.direction == direction).collect();
        faults.sort_by_key(|fault| fault.after_bytes);
        let (from, to) = (from.try_clone().ok()?, to.try_clone().ok()?);
        let (shared, carried) = (Arc::clone(shared), Arc::clone(&carried));
        Some(Pump { from, to, direction, faults: faults.into(), passed: 0, rate: None, shared, carried })
    };
    Some([pump(client, server, Direction::Up)?, pump(server, client, Direction::Down)?])
}

/// One way of a connection.
struct Pump {
    from: TcpStream,
    to: TcpStream,
    direction: Direction,
    faults: std::collections::VecDeque<FaultAt>,
    passed: u64,
    rate: Option<u64>,
    shared: Arc<Shared>,
    carried: Arc<[AtomicU64; 2]>,
}

impl Pump {
    fn run(mut self) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length) = self.from.read(&mut chunk) {
            if length == 0 || !self.pass(&mut chunk[..length]) {
                break;
            }
        }
        for stream in [&self.from, &self.to] {
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
    }

    /// Passes bytes on; `false` when the connection is to end.
    fn pass(&mut self, mut bytes: &mut [u8]) -> bool {
        while let Some(next) = self.faults.front().copied() {
            let until = usize::try_from(next.after_bytes.saturating_sub(self.passed)).unwrap_or(usize::MAX);
            if until >= bytes.len() {
                break;
            }
            self.faults.pop_front();
            let (before, after) = bytes.split_at_mut(until);
            if !self.write(before) {
                return false;
            }
            bytes = after;
            match next.fault {
                Fault::Cut => return false,
                Fault::Silence => return self.swallow(),
                Fault::Delay(time) => sleep(time),
                Fault::Throttle(rate) => self.rate = Some(rate.max(1)),
                Fault::Corrupt => bytes[0] = !bytes[0],
            }
        }
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        // Small pieces when it is slow, so that it flows.
        let piece = self.rate.map_or(bytes.len(), |rate| usize::try_from(rate / 20).unwrap_or(1)).max(1);
        for piece in bytes.chunks(piece) {
            if self.to.write_all(piece).is_err() {
                return false;
            }
            self.passed += piece.len() as u64;
            self.shared.counter(self.direction).fetch_add(piece.len() as u64, Ordering::SeqCst);
            self.carried[usize::from(self.direction == Direction::Down)]
                .fetch_add(piece.len() as u64, Ordering::SeqCst);
            if let Some(rate) = self.rate {
                sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64));
            }
        }
        true
    }

    /// Takes what comes, until the other side gives up.
    fn swallow(&mut self) -> bool {
        let mut nobody_sees = [0; 1024];
        while self.from.read(&mut nobody_sees).is_ok_and(|length| length > 0) {}
        false
    }
}
