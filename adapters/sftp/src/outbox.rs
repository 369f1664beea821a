//! A directory of the server as an outbox: together with `clearing`, the only part of this crate that changes anything.
//!
//! `staging` has the temporary names and what a crash leaves of them; `publishing` gives final names.

mod publishing;
mod staging;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{
    Attributes, EntryPath, EntryStat, ErrorKind, OpenEntry, Outbox, OutboxCapabilities, OutboxIdentity, PortError,
    Publication, Result, StagedFile, StagedName, Standing,
};
use dropbridge_remote::{Pin, STAGING, identity_of, pass, witness_of};

use crate::entry::SftpEntry;
use crate::failure;
use crate::protocol::{self, Reply, Request};
use crate::server::SftpServer;
use crate::session::Session;
use crate::tree::{Tree, entry_stat};

/// A directory of the server as an outbox.
pub struct SftpOutbox {
    server: Arc<SftpServer>,
    outbox: Tree,
    staging: Tree,
    /// The staging directory lies in the outbox, and is made where it is missing.
    makes_staging: bool,
    pinned: Pin,
    /// The server was seen to have no hard links.
    no_links: AtomicBool,
}

/// What `statvfs` says of a file system.
struct FileSystem {
    id: u64,
    is_full: bool,
    is_read_only: bool,
}

impl SftpOutbox {
    /// The outbox at `outbox` below the path `root`, staged in the directory `staging` below the same root. Without one,
    /// `.dropbridge` in the outbox is used and made when it is needed. Nothing is opened now.
    #[must_use]
    pub fn new(server: Arc<SftpServer>, root: &[u8], outbox: &str, staging: Option<&str>) -> Self {
        let tree = Tree::new(server.address(), root, outbox);
        let staged = match staging {
            Some(staging) => Tree::new(server.address(), root, staging),
            None => tree.below(STAGING),
        };
        Self {
            server,
            outbox: tree,
            staging: staged,
            makes_staging: staging.is_none(),
            pinned: Pin::default(),
            no_links: AtomicBool::new(false),
        }
    }

    /// A session that is alive, after making sure that the outbox is the right one.
    fn begin(&self, operation: &'static str) -> Result<Arc<Session>> {
        self.server.with_session(|session| {
            let found = self.identify(session, operation)?;
            self.pinned.require(found, operation, self.outbox.address())?;
            Ok(Arc::clone(session))
        })
    }

    /// The protocol has no inodes: which directory it is, its address says, and its file system where the server tells.
    fn identify(&self, session: &Session, operation: &'static str) -> Result<OutboxIdentity> {
        self.outbox.require_root(session, operation)?;
        let filesystem = self.file_system(session, &self.outbox, operation)?.map_or(0, |found| found.id);
        Ok(OutboxIdentity { filesystem, outbox: identity_of(self.outbox.address()) })
    }

    /// The file system of a directory; `None` where the server does not tell.
    fn file_system(&self, session: &Session, tree: &Tree, operation: &'static str) -> Result<Option<FileSystem>> {
        if !session.extensions.file_system {
            return Ok(None);
        }
        match session.ask(&Request::FileSystem { path: tree.root() })? {
            Reply::Extended(bytes) => {
                // Block sizes, blocks, free, available; files, free, available; id, flags, longest name.
                let stated = protocol::decode_longs(&bytes);
                let at = |index: usize| stated.get(index).copied().unwrap_or_default();
                Ok(Some(FileSystem { id: at(8), is_full: at(4) == 0, is_read_only: at(9) & 1 != 0 }))
            }
            other => match failure::unexpected(operation, tree.address(), &other) {
                error if error.kind == ErrorKind::NotFound => Err(tree.missing(operation)),
                // Some servers name the extension and have it for some file systems only.
                _ => Ok(None),
            },
        }
    }

    /// An error of a step that writes, with what can be found out about it.
    fn write_failure(&self, session: &Session, operation: &'static str, subject: &str, reply: &Reply) -> PortError {
        let error = failure::unexpected(operation, subject, reply);
        if error.kind != ErrorKind::Transient {
            return error;
        }
        let found = self.file_system(session, &self.staging, operation).ok().flatten();
        let hint = match found {
            Some(found) if found.is_full => "the disk there is full: make room; it goes on by itself then",
            _ => {
                "the server gives no reason: is the user's quota used up, the disk full, or a file of this name there? Its \
                 own log may say; it goes on by itself when the cause is gone"
            }
        };
        error.with_hint(hint)
    }

    fn staged_subject(&self, name: &StagedName) -> String {
        format!("{}/{name}", self.staging.address())
    }

    fn remove(&self, session: &Session, name: &str, operation: &'static str) -> Result<()> {
        let reply = session.ask(&Request::Remove { path: &self.staging.full(name.as_bytes()) })?;
        let subject = format!("{}/{name}", self.staging.address());
        match failure::done(operation, &subject, &reply) {
            // It need not be there.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }
}

impl Outbox for SftpOutbox {
    fn address(&self) -> &str {
        self.outbox.address()
    }

    fn capabilities(&self) -> OutboxCapabilities {
        let offered = self.server.session().map(|session| session.extensions).unwrap_or_default();
        OutboxCapabilities {
            publishes_without_replacing: offered.posix_rename,
            // The server links and unlinks, in one request: between the two nothing but its own end can come.
            publishes_in_one_step: false,
            has_witness: true,
            witness_is_link: offered.hardlink && !self.no_links.load(Ordering::Relaxed),
            sets_attributes: true,
            tells_directories_apart: false,
        }
    }

    fn identity(&self) -> Result<OutboxIdentity> {
        self.server.with_session(|session| self.identify(session, "look at outbox"))
    }

    fn look(&self) -> Result<()> {
        const OPERATION: &str = "write to outbox";
        let session = self.begin(OPERATION)?;
        let refused = |message: &str, hint: &str| {
            Err(PortError::new(ErrorKind::Refused, OPERATION, self.outbox.address(), message).with_hint(hint))
        };
        let found = self.outbox.require_root(&session, OPERATION)?;
        // Who we are on the server, the protocol does not tell: only what nobody may is certain.
        if found.mode.is_some_and(|mode| mode & 0o222 == 0) {
            return refused("nobody may write there", "ask the server's owner for write permission on the outbox");
        }
        match self.file_system(&session, &self.outbox, OPERATION)? {
            Some(found) if found.is_read_only => {
                refused("the file system is mounted read-only", "ask the server's owner")
            }
            _ => Ok(()),
        }
    }

    fn pin(&self, identity: OutboxIdentity) {
        self.pinned.set(identity);
    }

    fn stage(&self, name: &StagedName, attributes: Attributes) -> Result<Box<dyn StagedFile>> {
        let subject = self.staged_subject(name);
        let session = self.begin("stage")?;
        pass(Failpoint::OutboxBegun, &subject)?;
        let staged = self.create(&session, name, attributes)?;
        pass(Failpoint::OutboxStaged, &subject)?;
        Ok(Box::new(staged))
    }

    fn witness(&self, name: &StagedName) -> Result<()> {
        let session = self.begin("witness")?;
        let is_link = self.leave_witness(&session, name)?;
        if !is_link {
            self.no_links.store(true, Ordering::Relaxed);
        }
        pass(Failpoint::OutboxWitnessed, &self.staged_subject(name))
    }

    fn publish(&self, name: &StagedName, target: &EntryPath) -> Result<Publication> {
        self.give_name(name, target)
    }

    fn standing(&self, name: &StagedName, target: &EntryPath) -> Result<Standing> {
        self.judge(name, target)
    }

    fn discard(&self, name: &StagedName) -> Result<()> {
        let session = self.begin("discard")?;
        // The witness first: without a temporary name it would say that the file was published.
        self.remove(&session, &witness_of(name), "discard")?;
        self.remove(&session, &name.to_string(), "discard")
    }

    fn forget(&self, name: &StagedName) -> Result<()> {
        let session = self.begin("forget")?;
        self.remove(&session, &witness_of(name), "forget")?;
        pass(Failpoint::OutboxForgotten, &self.staged_subject(name))
    }

    fn staged(&self, owner: &str) -> Result<Vec<StagedName>> {
        let session = self.begin("list staged files in")?;
        self.staged_by(&session, owner)
    }

    fn stat(&self, target: &EntryPath) -> Result<Option<EntryStat>> {
        let session = self.begin("stat")?;
        let found = self.outbox.look(&session, "stat", target)?;
        // Something is in the way, whether or not the server tells more of it.
        Ok(found.map(|found| entry_stat(&found).unwrap_or(EntryStat { size: 0, modified_ns: 0, version: 0 })))
    }

    fn open(&self, target: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        let session = self.begin("open")?;
        Ok(Box::new(SftpEntry::open(&self.server, &session, &self.outbox, target)?))
    }
}

impl std::fmt::Debug for SftpOutbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SftpOutbox({})", self.outbox.address())
    }
}
