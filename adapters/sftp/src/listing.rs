//! What is in a directory of the server, and below it.

use std::collections::VecDeque;

use dropbridge_port::{Entry, EntryPath, ErrorKind, ListRequest, Listing, PortError, Result, Skipped};

use crate::failure;
use crate::protocol::{FileKind, NamedFile, Reply, Request, status};
use crate::session::{Awaiting, Session};
use crate::tree::{Tree, entry_stat, join, kind_name};

/// So many pieces of a directory are asked for at a time: a server sends a hundred names in each, and the way there and
/// back takes longer than reading them.
const PIECES_AT_A_TIME: usize = 8;

const OPERATION: &str = "list";

/// Directories in which file servers show what was there before: every file of the share, once more for each snapshot.
const SNAPSHOTS: [&[u8]; 5] = [b".snapshot", b".snapshots", b"~snapshot", b"#snapshot", b".zfs"];

/// Lists the regular files of a tree. Directories wait as paths, so that no depth is too deep.
///
/// # Errors
/// `NotFound` when the root is not there; a directory below that goes away meanwhile is none.
pub(crate) fn list(session: &Session, tree: &Tree, request: ListRequest) -> Result<Listing> {
    tree.require_root(session, OPERATION)?;
    let mut survey = Survey { tree, request, pending: vec![Vec::new()], listing: Listing::default() };
    while let Some(path) = survey.pending.pop() {
        match survey.read(session, &path) {
            Err(error) if error.kind == ErrorKind::NotFound && !path.is_empty() => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Err(tree.missing(OPERATION)),
            answer => answer?,
        }
    }
    // A root that was removed while it was read looks like an empty one.
    tree.require_root(session, OPERATION)?;
    Ok(survey.finish())
}

/// Visits every name of a directory, `.` and `..` among them.
///
/// # Errors
/// Of the server, and of `visit`.
pub(crate) fn read_directory(
    session: &Session,
    operation: &'static str,
    path: &[u8],
    subject: &str,
    mut visit: impl FnMut(NamedFile) -> Result<()>,
) -> Result<()> {
    let opened = session.ask(&Request::OpenDirectory { path })?;
    let handle = failure::handle(operation, subject, opened)?;
    let mut asked: VecDeque<Awaiting> = VecDeque::new();
    let mut pieces = || -> Result<()> {
        loop {
            while asked.len() < PIECES_AT_A_TIME {
                asked.push_back(session.send(&Request::ReadDirectory { handle: &handle })?);
            }
            let Some(awaiting) = asked.pop_front() else { return Ok(()) };
            match session.reply(&awaiting)? {
                Reply::Names(names) => names.into_iter().try_for_each(&mut visit)?,
                Reply::Status { code: status::END_OF_FILE, .. } => return Ok(()),
                other => return Err(failure::unexpected(operation, subject, &other)),
            }
        }
    };
    let read = pieces();
    session.tell(&Request::Close { handle: &handle });
    read
}

/// A listing on its way.
struct Survey<'a> {
    tree: &'a Tree,
    request: ListRequest,
    pending: Vec<Vec<u8>>,
    listing: Listing,
}

impl Survey<'_> {
    fn read(&mut self, session: &Session, path: &[u8]) -> Result<()> {
        let (full, subject) = (self.tree.full(path), self.subject(path));
        read_directory(session, OPERATION, &full, &subject, |file| self.add(session, path, file))
    }

    fn subject(&self, path: &[u8]) -> String {
        EntryPath::new(path).map_or_else(|| self.tree.address().to_owned(), |path| self.tree.subject(&path))
    }

    fn add(&mut self, session: &Session, above: &[u8], mut file: NamedFile) -> Result<()> {
        if file.name == b"." || file.name == b".." {
            return Ok(());
        }
        let bytes = join(above, &file.name);
        // A server may say anything; nothing leads out of the directory.
        let Some(path) = EntryPath::new(bytes.as_slice()).filter(|_| !file.name.contains(&b'/')) else {
            let shown = String::from_utf8_lossy(&bytes).escape_debug().to_string();
            self.listing.skipped.push(Skipped { path: shown, reason: "unsafe name" });
            return Ok(());
        };
        let says_all = |file: &NamedFile| match file.attributes.kind() {
            FileKind::Unknown => false,
            FileKind::Regular => entry_stat(&file.attributes).is_some(),
            _ => true,
        };
        if !says_all(&file) {
            let reply = session.ask(&Request::Lstat { path: &self.tree.full(&bytes) })?;
            match failure::attributes(OPERATION, &self.tree.subject(&path), &reply)? {
                Some(found) => file.attributes = found,
                None => return Ok(()),
            }
        }
        match (file.attributes.kind(), entry_stat(&file.attributes)) {
            (FileKind::Regular, Some(stat)) => self.listing.entries.push(Entry { path, stat }),
            (FileKind::Regular | FileKind::Unknown, _) => {
                let message = "the server does not tell type, size and time of its files";
                return Err(PortError::new(ErrorKind::Refused, OPERATION, self.tree.subject(&path), message)
                    .with_hint("without them nobody can tell whether a file is whole: ask the server's owner"));
            }
            (FileKind::Directory, _) if self.request.recursive && SNAPSHOTS.contains(&file.name.as_slice()) => {
                self.listing.skipped.push(Skipped { path: path.to_string(), reason: "snapshots of the file server" });
            }
            (FileKind::Directory, _) if self.request.recursive => self.pending.push(bytes),
            (kind, _) => self.listing.skipped.push(Skipped { path: path.to_string(), reason: kind_name(kind) }),
        }
        Ok(())
    }

    /// A name that was removed and made again while its directory was read can come twice: the later sight counts.
    fn finish(mut self) -> Listing {
        self.listing.entries.sort_by(|one, other| one.path.cmp(&other.path));
        self.listing.entries.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        self.listing
    }
}
