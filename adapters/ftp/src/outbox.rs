//! A directory of the server as an outbox: together with `clearing`, the only part of this crate that changes anything.
//!
//! The protocol knows neither a creation that fails where the name is taken, nor a rename that does, nor links, nor a way
//! to make bytes survive a power cut. What it lacks is looked for first, and said in the capabilities. `staging` has the
//! temporary names and what a crash leaves of them, `upload` a file on its way, `publishing` gives final names.

mod publishing;
mod staging;
mod upload;

use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{
    Attributes, EntryPath, EntryStat, ErrorKind, OpenEntry, Outbox, OutboxCapabilities, OutboxIdentity, PortError,
    Publication, Result, StagedFile, StagedName, Standing,
};
use dropbridge_remote::{Pin, STAGING, identity_of, pass, witness_of};

use self::publishing::Unanswered;
use self::staging::staged_of;
use crate::clearing::remove;
use crate::connection::Connection;
use crate::entry::FtpEntry;
use crate::failure;
use crate::look::{Found, directory_facts, look};
use crate::server::FtpServer;
use crate::tree::{Tree, enter};

const PUBLISH: &str = "publish";

/// A directory of the server as an outbox.
pub struct FtpOutbox {
    server: Arc<FtpServer>,
    outbox: Tree,
    staging: Tree,
    /// The staging directory lies in the outbox, and is made where it is missing.
    makes_staging: bool,
    pinned: Pin,
    unanswered: Unanswered,
}

impl FtpOutbox {
    /// The outbox at `outbox` below the path `root`, staged in the directory `staging` below the same root. Without one,
    /// `.dropbridge` in the outbox is used and made when it is needed. Nothing is opened now.
    #[must_use]
    pub fn new(server: Arc<FtpServer>, root: &[u8], outbox: &str, staging: Option<&str>) -> Self {
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
            unanswered: Unanswered::default(),
        }
    }

    /// The protocol has no inodes and tells no file system: which directory it is, its address says.
    fn its_identity(&self) -> OutboxIdentity {
        OutboxIdentity { filesystem: 0, outbox: identity_of(self.outbox.address()) }
    }

    /// Makes sure that the outbox is the right one and there.
    fn require(&self, connection: &mut Connection, operation: &'static str) -> Result<()> {
        self.pinned.require(self.its_identity(), operation, self.outbox.address())?;
        self.outbox.require_root(connection, operation)
    }

    /// Does something in the outbox that may be done twice, if it is the right one.
    fn within<T>(&self, operation: &'static str, work: impl Fn(&mut Connection) -> Result<T>) -> Result<T> {
        self.server.with_connection(|connection| {
            self.require(connection, operation)?;
            work(connection)
        })
    }

    fn staged_subject(&self, name: &StagedName) -> String {
        format!("{}/{name}", self.staging.address())
    }

    /// Removes a name of the staging directory; it need not be there.
    fn remove(&self, connection: &mut Connection, name: &str, operation: &'static str) -> Result<()> {
        let subject = format!("{}/{name}", self.staging.address());
        let full = self.staging.full(connection, b"");
        if !enter(connection, operation, self.staging.address(), &full)? {
            return Ok(());
        }
        match remove(connection, operation, &subject, name.as_bytes())? {
            Ok(()) => Ok(()),
            // Whether it is away, it says itself: the number is the same where it may not be removed.
            Err(refusal) => match self.look_at_staged(connection, name, operation)? {
                None => Ok(()),
                Some(_) => Err(failure::refused(operation, &subject, &refusal)),
            },
        }
    }

    fn look_at_staged(
        &self,
        connection: &mut Connection,
        name: &str,
        operation: &'static str,
    ) -> Result<Option<Found>> {
        look(connection, operation, &self.staging, &staging::path_of(name)?)
    }
}

impl Outbox for FtpOutbox {
    fn address(&self) -> &str {
        self.outbox.address()
    }

    fn capabilities(&self) -> OutboxCapabilities {
        OutboxCapabilities {
            // Between look and rename somebody else could take the name.
            publishes_without_replacing: false,
            publishes_in_one_step: true,
            has_witness: true,
            witness_is_link: false,
            sets_attributes: false,
            tells_directories_apart: false,
        }
    }

    fn identity(&self) -> Result<OutboxIdentity> {
        self.server.with_connection(|connection| self.outbox.require_root(connection, "look at outbox"))?;
        Ok(self.its_identity())
    }

    fn look(&self) -> Result<()> {
        const OPERATION: &str = "write to outbox";
        let found = self.within(OPERATION, |connection| directory_facts(connection, OPERATION, &self.outbox))?;
        if found.and_then(|found| found.may_create) == Some(false) {
            let message = "the server says that the user may not make files there";
            return Err(PortError::new(ErrorKind::Refused, OPERATION, self.outbox.address(), message)
                .with_hint("ask the server's owner for write permission on the outbox"));
        }
        Ok(())
    }

    fn pin(&self, identity: OutboxIdentity) {
        self.pinned.set(identity);
    }

    fn stage(&self, name: &StagedName, attributes: Attributes) -> Result<Box<dyn StagedFile>> {
        const OPERATION: &str = "stage";
        let subject = self.staged_subject(name);
        if attributes != Attributes::default() {
            let message = "FTP sets neither mode nor owner of a file";
            return Err(PortError::new(ErrorKind::Configuration, OPERATION, subject, message)
                .with_hint("leave file_mode, file_owner and file_group out; the server's umask decides"));
        }
        self.within(OPERATION, |connection| self.prepare(connection, name))?;
        pass(Failpoint::OutboxBegun, &subject)?;
        let staged = self.create(name)?;
        pass(Failpoint::OutboxStaged, &subject)?;
        Ok(Box::new(staged))
    }

    fn witness(&self, name: &StagedName) -> Result<()> {
        self.within("witness", |connection| self.leave_witness(connection, name))?;
        pass(Failpoint::OutboxWitnessed, &self.staged_subject(name))
    }

    fn publish(&self, name: &StagedName, target: &EntryPath) -> Result<Publication> {
        let subject = self.outbox.subject(target);
        let publication = self.within(PUBLISH, |connection| self.give_name(connection, name, target))?;
        if publication == Publication::Published {
            pass(Failpoint::OutboxRenamed, &subject)?;
            pass(Failpoint::OutboxPublished, &subject)?;
        }
        Ok(publication)
    }

    fn standing(&self, name: &StagedName, target: &EntryPath) -> Result<Standing> {
        self.within("look for", |connection| self.judge(connection, name, target))
    }

    fn discard(&self, name: &StagedName) -> Result<()> {
        self.within("discard", |connection| {
            // The witness first: without a temporary name it would say that the file was published.
            self.remove(connection, &witness_of(name), "discard")?;
            self.remove(connection, &staged_of(name), "discard")
        })
    }

    fn forget(&self, name: &StagedName) -> Result<()> {
        self.within("forget", |connection| self.remove(connection, &witness_of(name), "forget"))?;
        pass(Failpoint::OutboxForgotten, &self.staged_subject(name))
    }

    fn staged(&self, owner: &str) -> Result<Vec<StagedName>> {
        self.within("list staged files in", |connection| self.staged_by(connection, owner))
    }

    fn stat(&self, target: &EntryPath) -> Result<Option<EntryStat>> {
        let found = self.within("stat", |connection| look(connection, "stat", &self.outbox, target))?;
        // Something is in the way, whether or not the server tells more of it.
        Ok(found.map(|found| found.stat().unwrap_or(EntryStat { size: 0, modified_ns: 0, version: 0 })))
    }

    fn open(&self, target: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        self.within("open", |_| Ok(()))?;
        Ok(Box::new(FtpEntry::open(&self.server, &self.outbox, target)?))
    }
}

impl std::fmt::Debug for FtpOutbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FtpOutbox({})", self.outbox.address())
    }
}
