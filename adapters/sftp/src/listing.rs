//! What is in a directory of the server, and below it.

use std::collections::VecDeque;

use dropbridge_port::{EntryPath, ErrorKind, ListRequest, Listing, Result};
use dropbridge_remote::{Survey, no_size_and_time};

use crate::failure;
use crate::protocol::{FileKind, NamedFile, Reply, Request, status};
use crate::session::{Awaiting, Session};
use crate::tree::{Tree, entry_stat, kind_name};

/// So many pieces of a directory are asked for at a time: a server sends a hundred names in each, and the way there and
/// back takes longer than reading them.
const PIECES_AT_A_TIME: usize = 8;

const OPERATION: &str = "list";

/// Lists the regular files of a tree. Directories wait as paths, so that no depth is too deep.
///
/// # Errors
/// `NotFound` when the root is not there; a directory below that goes away meanwhile is none.
pub(crate) fn list(session: &Session, tree: &Tree, request: ListRequest) -> Result<Listing> {
    tree.require_root(session, OPERATION)?;
    let mut walk = Walk { tree, pending: vec![Vec::new()], survey: Survey::new(request.recursive) };
    while let Some(path) = walk.pending.pop() {
        match walk.read(session, &path) {
            Err(error) if error.kind == ErrorKind::NotFound && !path.is_empty() => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Err(tree.missing(OPERATION)),
            answer => answer?,
        }
    }
    // A root that was removed while it was read looks like an empty one.
    tree.require_root(session, OPERATION)?;
    Ok(walk.survey.finish())
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
struct Walk<'a> {
    tree: &'a Tree,
    /// Directories that wait to be read.
    pending: Vec<Vec<u8>>,
    survey: Survey,
}

impl Walk<'_> {
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
        let Some(path) = self.survey.path_of(above, &file.name) else { return Ok(()) };
        let says_all = |file: &NamedFile| match file.attributes.kind() {
            FileKind::Unknown => false,
            FileKind::Regular => entry_stat(&file.attributes).is_some(),
            _ => true,
        };
        if !says_all(&file) {
            let reply = session.ask(&Request::Lstat { path: &self.tree.full(path.as_bytes()) })?;
            match failure::attributes(OPERATION, &self.tree.subject(&path), &reply)? {
                Some(found) => file.attributes = found,
                None => return Ok(()),
            }
        }
        match (file.attributes.kind(), entry_stat(&file.attributes)) {
            (FileKind::Regular, Some(stat)) => self.survey.add_file(path, stat),
            (FileKind::Regular | FileKind::Unknown, _) => {
                return Err(no_size_and_time(OPERATION, &self.tree.subject(&path)));
            }
            (FileKind::Directory, _) => {
                if self.survey.is_to_be_read(&path) {
                    self.pending.push(path.as_bytes().to_vec());
                }
            }
            (kind, _) => self.survey.pass_over(path.to_string(), kind_name(kind)),
        }
        Ok(())
    }
}
