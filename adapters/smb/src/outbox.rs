//! A directory of the server as an outbox: together with `clearing`, the only part of this crate that changes anything.
//!
//! `staging` has the temporary names and what a crash leaves of them; `publishing` gives final names.

mod publishing;
mod staging;

use std::sync::Arc;

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{
    Attributes, EntryPath, EntryStat, ErrorKind, OpenEntry, Outbox, OutboxCapabilities, OutboxIdentity, PortError,
    Publication, Result, StagedFile, StagedName, Standing,
};
use dropbridge_remote::{Pin, STAGING, identity_of, pass, witness_of};

use crate::entry::SmbEntry;
use crate::failure;
use crate::found::volume_serial;
use crate::request::{self, OF_THE_CHAIN, Opening};
use crate::server::SmbServer;
use crate::session::Session;
use crate::tree::Tree;

pub(crate) use publishing::rename;

/// A directory of the server as an outbox.
pub struct SmbOutbox {
    server: Arc<SmbServer>,
    outbox: Tree,
    staging: Tree,
    /// The staging directory lies in the outbox, and is made where it is missing.
    makes_staging: bool,
    pinned: Pin,
}

impl SmbOutbox {
    /// The outbox at `outbox` below the path `root` of the server's share, staged in the directory `staging` below the
    /// same root. Without one, `.dropbridge` in the outbox is used and made when it is needed. Nothing is opened now.
    #[must_use]
    pub fn new(server: Arc<SmbServer>, root: &str, outbox: &str, staging: Option<&str>) -> Self {
        let tree = Tree::new(server.address(), root, outbox);
        let staged = match staging {
            Some(staging) => Tree::new(server.address(), root, staging),
            None => tree.below(STAGING),
        };
        Self { server, outbox: tree, staging: staged, makes_staging: staging.is_none(), pinned: Pin::default() }
    }

    /// A session that is alive, after making sure that the outbox is the right one.
    fn begin(&self, operation: &'static str) -> Result<Arc<Session>> {
        self.server.with_session(|session| {
            let found = self.identify(session, operation)?;
            self.pinned.require(found, operation, self.outbox.address())?;
            Ok(Arc::clone(session))
        })
    }

    /// Which directory it is: its id on its volume where the server tells one, its address otherwise.
    fn identify(&self, session: &Session, operation: &'static str) -> Result<OutboxIdentity> {
        let asked = session
            .send_opened(request::open(&self.outbox.wire_root(), Opening::Look), request::volume(OF_THE_CHAIN))?;
        let found = self.outbox.require_root(session, operation)?;
        let serial = volume_serial(&session.chained(&asked)?.done).unwrap_or_default();
        let outbox = match found.id {
            0 => identity_of(self.outbox.address()),
            id => id,
        };
        Ok(OutboxIdentity { filesystem: u64::from(serial), outbox })
    }

    fn staged_subject(&self, name: &StagedName) -> String {
        format!("{}/{name}", self.staging.address())
    }

    fn remove(&self, session: &Session, name: &str, operation: &'static str) -> Result<()> {
        let wire = self.staging.need_wire(operation, name.as_bytes())?;
        let answer = session.touch(request::open(&wire, Opening::Delete))?;
        match failure::done(operation, &format!("{}/{name}", self.staging.address()), &answer) {
            // It need not be there.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }
}

impl Outbox for SmbOutbox {
    fn address(&self) -> &str {
        self.outbox.address()
    }

    fn capabilities(&self) -> OutboxCapabilities {
        let look = |session: &Arc<Session>| self.outbox.require_root(session, "look at outbox");
        OutboxCapabilities {
            publishes_without_replacing: self.server.renames_exclusively(),
            publishes_in_one_step: true,
            has_witness: true,
            witness_is_link: false,
            sets_attributes: false,
            tells_directories_apart: self.server.with_session(look).is_ok_and(|found| found.id != 0),
        }
    }

    fn identity(&self) -> Result<OutboxIdentity> {
        self.server.with_session(|session| self.identify(session, "look at outbox"))
    }

    /// A directory that is opened to add files to it is not changed by that, and the server says whether it may be.
    fn look(&self) -> Result<()> {
        const OPERATION: &str = "write to outbox";
        let session = self.begin(OPERATION)?;
        let answer = session.touch(request::open(&self.outbox.wire_root(), Opening::MayWrite))?;
        failure::done(OPERATION, self.outbox.address(), &answer).map_err(|error| match error.kind {
            ErrorKind::Refused => error.with_hint("ask the server's owner for write permission on the outbox"),
            _ => error,
        })
    }

    fn pin(&self, identity: OutboxIdentity) {
        self.pinned.set(identity);
    }

    fn stage(&self, name: &StagedName, attributes: Attributes) -> Result<Box<dyn StagedFile>> {
        let subject = self.staged_subject(name);
        if attributes != Attributes::default() {
            let message = "file_mode, file_owner and file_group cannot be set over SMB";
            return Err(PortError::new(ErrorKind::Configuration, "stage", subject, message)
                .with_hint("leave them out: files inherit from their directory, as the server's owner has set it"));
        }
        let session = self.begin("stage")?;
        pass(Failpoint::OutboxBegun, &subject)?;
        let staged = self.create(&session, name)?;
        pass(Failpoint::OutboxStaged, &subject)?;
        Ok(Box::new(staged))
    }

    fn witness(&self, name: &StagedName) -> Result<()> {
        let session = self.begin("witness")?;
        self.leave_witness(&session, name)?;
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
        Ok(self.outbox.look(&session, "stat", target)?.map(|found| found.stat()))
    }

    fn open(&self, target: &EntryPath) -> Result<Box<dyn OpenEntry>> {
        let session = self.begin("open")?;
        Ok(Box::new(SmbEntry::open(&self.server, &session, &self.outbox, target)?))
    }
}

impl std::fmt::Debug for SmbOutbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SmbOutbox({})", self.outbox.address())
    }
}
