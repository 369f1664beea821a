//! What real servers for one test have in common: a directory of their own, a free port, and an end with all that serve
//! their connections.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

/// How long one may take to answer on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a loopback port. It is killed when it is dropped.
pub(crate) struct Daemon {
    scratch: tempfile::TempDir,
    host: Ipv4Addr,
    port: u16,
    child: Option<Child>,
}

impl Daemon {
    /// Nothing runs yet; its directory is there, named after the program.
    pub(crate) fn new(program: &str) -> Self {
        let prefix = format!("dropbridge-{program}-");
        let scratch = tempfile::Builder::new().prefix(&prefix).tempdir().expect("a scratch directory");
        Self { scratch, host: Ipv4Addr::LOCALHOST, port: 0, child: None }
    }

    /// It will listen at another address of the loopback.
    pub(crate) fn move_to(&mut self, host: Ipv4Addr) {
        self.host = host;
    }

    /// Its own directory.
    pub(crate) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Something in its own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What stands in a file of its own directory; nothing where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((self.host, self.port))
    }

    /// A command that writes what it complains of to a file of this name in its own directory.
    pub(crate) fn command(&self, program: impl AsRef<Path>, complaints: &str) -> Command {
        let complaints = fs::File::create(self.path(complaints)).expect("a file for its complaints");
        let mut command = Command::new(program.as_ref());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        command
    }

    /// Starts it on a free port and waits until it answers there; `false` when it never does. The command is asked for
    /// each port anew.
    pub(crate) fn start(
        &mut self,
        mut command: impl FnMut(&Self) -> Command,
        answers: impl Fn(SocketAddr) -> bool,
    ) -> bool {
        // Somebody may take the port before it does.
        (0..10).any(|_| {
            let free = TcpListener::bind((self.host, 0)).and_then(|free| free.local_addr()).expect("a free port");
            self.port = free.port();
            let command = command(self);
            self.launch(command, &answers)
        })
    }

    /// Starts it on the port that it has; `false` when it ended.
    pub(crate) fn launch(&mut self, mut command: Command, answers: impl Fn(SocketAddr) -> bool) -> bool {
        let mut child = command.spawn().expect("a server that is installed");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if child.try_wait().expect("wait").is_some() {
                return false;
            }
            if answers(self.address()) {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ended = child.kill().and_then(|()| child.wait());
        false
    }

    /// Kills it and all that serve its connections, as a power cut would.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        for id in with_descendants(child.id()) {
            // One that has ended already is fine.
            if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ended = kill_process(pid, Signal::KILL);
            }
        }
        let _reaped = child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of the loopback that nobody else has: of this process, and of others that run now.
pub(crate) fn own_address() -> Ipv4Addr {
    const EACH: u32 = 1 << 12;
    // Neither 127.0.0.1 nor the broadcast address.
    static NEXT: AtomicU32 = AtomicU32::new(2);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    assert!(number < EACH - 1, "as many addresses as a process has");
    Ipv4Addr::from_bits((127 << 24) | (std::process::id() % EACH * EACH) | number)
}

/// Says by name that a test is skipped; where nothing may be skipped, it fails.
///
/// # Panics
/// Then.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let message = format!("skipped: {}: {why}", thread.name().unwrap_or("a test"));
    let disallowed = std::env::var("CI").is_ok_and(|value| value == "true")
        || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
    assert!(!disallowed, "{message}");
    // Not by `eprintln!`: what a test prints by that is shown only when it fails.
    std::io::stderr().write_all(format!("{message}\n").as_bytes()).expect("standard error");
}

/// The name of the user that runs this.
pub(crate) fn user() -> String {
    name_of(geteuid().as_raw(), "/etc/passwd")
}

/// The name of a user or group in a file of them.
pub(crate) fn name_of(id: u32, file: &str) -> String {
    let id = id.to_string();
    let known = fs::read_to_string(file).expect("a file of users or groups");
    let mut all = known.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = all.find(|fields| fields.get(2) == Some(&id.as_str()));
    found.unwrap_or_else(|| panic!("{id} must stand in {file}"))[0].to_owned()
}

/// A process and all that descend from it, by what the kernel says now.
fn with_descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // The name in parentheses may hold anything; the parent is the second field behind it.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    let mut found = vec![of];
    let mut at = 0;
    while let Some(&above) = found.get(at) {
        at += 1;
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(id, _)| *id));
    }
    found
}
