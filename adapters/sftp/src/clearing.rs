//! Taking files out of a directory of the server.

use std::sync::Arc;

use dropbridge_port::{Cleared, Clearing, Disposal, EntryPath, EntryStat, ErrorKind, PortError, Result};
use dropbridge_remote::{Session as _, join};

use crate::failure;
use crate::protocol::{Reply, Request, status};
use crate::server::SftpServer;
use crate::session::Session;
use crate::tree::{Tree, entry_stat};

/// What a file is called while it is looked at.
const ASIDE: &[u8] = b".dropbridge-clearing-";

const OPERATION: &str = "take out of the inbox";

/// Deletes files of a directory, moves them to another, or renames them.
pub struct SftpClearing {
    server: Arc<SftpServer>,
    inbox: Tree,
    way: Way,
}

/// Where they go.
enum Way {
    Delete,
    Move(Tree),
    Rename(String),
}

impl SftpClearing {
    /// For the directory `inbox` below the path `root`; directories that files are moved to are below the same root.
    #[must_use]
    pub fn new(server: Arc<SftpServer>, root: &[u8], inbox: &str, disposal: &Disposal) -> Self {
        let tree = |below: &str| Tree::new(server.address(), root, below);
        let way = match disposal {
            Disposal::Delete => Way::Delete,
            Disposal::Move(directory) => Way::Move(tree(directory)),
            Disposal::Rename(suffix) => Way::Rename(suffix.clone()),
        };
        let inbox = tree(inbox);
        Self { server, inbox, way }
    }

    fn lstat(&self, session: &Session, path: &EntryPath, full: &[u8]) -> Result<Option<EntryStat>> {
        let reply = session.ask(&Request::Lstat { path: full })?;
        let found = failure::attributes(OPERATION, &self.inbox.subject(path), &reply)?;
        Ok(found.map(|found| entry_stat(&found).unwrap_or(EntryStat { size: 0, modified_ns: -1, version: 0 })))
    }

    /// Where a file that was put aside goes; the reply says whether it did.
    fn dispose(&self, session: &Session, aside: &[u8], full: &[u8], name: &[u8]) -> Result<Reply> {
        let to = match &self.way {
            Way::Delete => return session.ask(&Request::Remove { path: aside }),
            Way::Rename(suffix) => [full, suffix.as_bytes()].concat(),
            Way::Move(destination) => {
                destination.require_root(session, "move to")?;
                destination.full(name)
            }
        };
        // Not every server's rename refuses a name that is taken.
        if let Reply::Attributes(_) = session.ask(&Request::Lstat { path: &to })? {
            let message = "a file of this name is where it is to go";
            return Err(PortError::new(ErrorKind::Conflict, OPERATION, String::from_utf8_lossy(&to), message)
                .with_hint("move that one away"));
        }
        session.ask(&Request::Rename { from: aside, to: &to })
    }
}

impl Clearing for SftpClearing {
    fn clear(&self, path: &EntryPath, expected: EntryStat) -> Result<Cleared> {
        let session = self.server.with_session(|session| {
            self.inbox.require_root(session, OPERATION)?;
            Ok(Arc::clone(session))
        })?;
        let subject = self.inbox.subject(path);
        let full = self.inbox.full(path.as_bytes());
        let directory = self.inbox.full(path.parent());
        let aside = join(&directory, &[ASIDE, path.file_name()].concat());
        // One that is aside already was left by a crash.
        if self.lstat(&session, path, &aside)?.is_none() {
            match session.ask(&Request::Rename { from: &full, to: &aside })? {
                Reply::Status { code: status::NO_SUCH_FILE, .. } => return Ok(Cleared::Gone),
                reply => failure::done(OPERATION, &subject, &reply)?,
            }
        }
        let Some(there) = self.lstat(&session, path, &aside)? else { return Ok(Cleared::Gone) };
        let back = || -> Result<()> {
            let reply = session.ask(&Request::Rename { from: &aside, to: &full })?;
            failure::done("put back into the inbox", &subject, &reply)
        };
        if (there.size, there.modified_ns) != (expected.size, expected.modified_ns) {
            back()?;
            return Ok(Cleared::Changed);
        }
        let disposed = self.dispose(&session, &aside, &full, path.file_name());
        match disposed.and_then(|reply| failure::done(OPERATION, &subject, &reply)) {
            Ok(()) => Ok(Cleared::Done),
            // A connection that is lost leaves it aside: the next attempt goes on from there.
            Err(error) if session.is_broken() => Err(error),
            Err(error) => {
                back()?;
                Err(error)
            }
        }
    }
}
