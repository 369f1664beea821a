//! Taking files out of a directory of the server.

use std::sync::Arc;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, ErrorKind, PortError, Result};
use dropbridge_remote::Session as _;
use smb2::types::status::NtStatus;

use crate::failure::{failure, is_missing};
use crate::outbox::rename;
use crate::request::{self, Opening};
use crate::server::SmbServer;
use crate::session::Session;
use crate::tree::{Tree, answered, ask_for};

/// What a file is called while it is looked at.
const ASIDE: &str = ".dropbridge-clearing-";

const OPERATION: &str = "take out of the inbox";

/// Deletes files of a directory, moves them to another, or renames them.
pub struct SmbClearing {
    server: Arc<SmbServer>,
    inbox: Tree,
    way: Way,
}

/// Where they go.
enum Way {
    Delete,
    Move(Tree),
    Rename(String),
}

impl SmbClearing {
    /// For the directory `inbox` below the path `root` of the server's share; directories that files are moved to are
    /// below the same root.
    #[must_use]
    pub fn new(server: Arc<SmbServer>, root: &str, inbox: &str, disposal: &Disposal) -> Self {
        let tree = |below: &str| Tree::new(server.address(), root, below);
        let way = match disposal {
            Disposal::Delete => Way::Delete,
            Disposal::Move(directory) => Way::Move(tree(directory)),
            Disposal::Rename(suffix) => Way::Rename(suffix.clone()),
        };
        let inbox = tree(inbox);
        Self { server, inbox, way }
    }

    /// Where a file that was put aside goes; the status says whether it did.
    fn dispose(&self, session: &Session, aside: &str, path: &EntryPath) -> Result<NtStatus> {
        let to = match &self.way {
            Way::Delete => return Ok(session.touch(request::open(aside, Opening::Delete))?.status),
            Way::Rename(suffix) => self.inbox.need_wire(OPERATION, &[path.as_bytes(), suffix.as_bytes()].concat())?,
            Way::Move(destination) => {
                destination.require_root(session, "move to")?;
                destination.need_wire(OPERATION, path.file_name())?
            }
        };
        rename(session, aside, &to)
    }
}

/// The error of a step; one that met a taken name says what to do.
fn refused(subject: &str, status: NtStatus) -> PortError {
    let error = failure(OPERATION, subject, status);
    match error.kind {
        ErrorKind::Conflict => PortError { message: "a file of this name is where it is to go".to_owned(), ..error }
            .with_hint("move that one away"),
        _ => error,
    }
}

impl Clearing for SmbClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        let session = self.server.with_session(|session| {
            self.inbox.require_root(session, OPERATION)?;
            Ok(Arc::clone(session))
        })?;
        let subject = self.inbox.subject(path);
        let full = self.inbox.need_wire(OPERATION, path.as_bytes())?;
        let name = [ASIDE.as_bytes(), path.file_name()].concat();
        let Some(beside) = path.sibling(&name) else { return Ok(Cleared::Gone) };
        let aside = self.inbox.need_wire(OPERATION, beside.as_bytes())?;
        let look = || answered(&session, &ask_for(&session, &aside)?, OPERATION, &subject);
        // One that is aside already was left by a crash.
        if look()?.is_none() {
            match rename(&session, &full, &aside)? {
                NtStatus::SUCCESS => {}
                status if is_missing(status) => return Ok(Cleared::Gone),
                status => return Err(refused(&subject, status)),
            }
        }
        let Some(there) = look()?.map(|found| found.stat()) else { return Ok(Cleared::Gone) };
        let back = || match rename(&session, &aside, &full)? {
            NtStatus::SUCCESS => Ok(()),
            status => Err(failure("put back into the inbox", &subject, status)),
        };
        if (there.size, there.modified_ns) != (expected.size, expected.modified_ns) {
            back()?;
            return Ok(Cleared::Changed);
        }
        match self.dispose(&session, &aside, path) {
            Ok(NtStatus::SUCCESS) => Ok(Cleared::Done),
            Ok(status) => {
                back()?;
                Err(refused(&subject, status))
            }
            // A connection that is lost leaves it aside: the next attempt goes on from there.
            Err(error) if session.is_broken() => Err(error),
            Err(error) => {
                back()?;
                Err(error)
            }
        }
    }
}
