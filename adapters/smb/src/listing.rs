//! What is in a directory of the server, and below it.

use std::sync::Arc;

use dropbridge_port::{EntryPath, ErrorKind, ListRequest, Listing, Result};
use dropbridge_remote::Survey;
use smb2::msg::directory_info::{DirectoryInfoEntry, parse_entries};
use smb2::msg::query_directory::QueryDirectoryResponse;
use smb2::types::FileId;
use smb2::types::status::NtStatus;

use crate::failure::failure;
use crate::found::{Found, Kind};
use crate::request::{self, LISTED, OF_THE_CHAIN, Opening};
use crate::session::Session;
use crate::tree::Tree;

const OPERATION: &str = "list";

/// Lists the regular files of a tree. Directories wait as paths, so that no depth is too deep.
///
/// # Errors
/// `NotFound` when the root is not there; a directory below that goes away meanwhile is none.
pub(crate) fn list(session: &Session, tree: &Tree, request: ListRequest) -> Result<Listing> {
    tree.require_root(session, OPERATION)?;
    let top = Pending { path: String::new(), above: None };
    let mut walk = Walk { tree, pending: vec![top], doubtful: Vec::new(), survey: Survey::new(request.recursive) };
    while let Some(pending) = walk.pending.pop() {
        match walk.read(session, &pending) {
            Err(error) if error.kind == ErrorKind::NotFound && !pending.path.is_empty() => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Err(tree.missing(OPERATION)),
            answer => answer?,
        }
    }
    // A root that was removed while it was read looks like an empty one.
    tree.require_root(session, OPERATION)?;
    Ok(walk.survey.finish())
}

/// A directory that is open. It is closed when it is dropped.
pub(crate) struct OpenDirectory<'a> {
    session: &'a Session,
    handle: FileId,
    subject: &'a str,
}

impl<'a> OpenDirectory<'a> {
    /// Opens one, named as it goes over the wire, and says what it is.
    ///
    /// # Errors
    /// `NotFound` where there is none; others of the server.
    pub(crate) fn open(
        session: &'a Session,
        operation: &'static str,
        wire: &str,
        subject: &'a str,
    ) -> Result<(Self, Found)> {
        let chained = session.ask_opening(request::open(wire, Opening::List), request::information(OF_THE_CHAIN))?;
        if !chained.opened.is_done() {
            return Err(match chained.opened.status {
                // Deleted, though somebody has it open still.
                NtStatus::DELETE_PENDING => failure(operation, subject, NtStatus::OBJECT_NAME_NOT_FOUND),
                status => failure(operation, subject, status),
            });
        }
        let directory = Self { session, handle: session.handle(&chained.opened)?, subject };
        match Found::information(&chained.done).filter(|_| chained.done.is_done()) {
            Some(found) => Ok((directory, found)),
            None => Err(failure(operation, subject, chained.done.status)),
        }
    }

    /// Visits every name in it, `.` and `..` among them, a piece at a time; `None` is one that is no Unicode.
    ///
    /// # Errors
    /// Of the server.
    pub(crate) fn read(
        &self,
        operation: &'static str,
        mut visit: impl FnMut(Option<DirectoryInfoEntry>),
    ) -> Result<()> {
        // The next piece is asked for while this one is looked at.
        let ask = || self.session.send(request::list(self.handle, self.session.list_bytes()));
        let mut asked = ask()?;
        loop {
            let answer = self.session.answer(&asked)?;
            if [NtStatus::NO_MORE_FILES, NtStatus::NO_SUCH_FILE].contains(&answer.status) {
                return Ok(());
            }
            if !answer.is_done() {
                return Err(failure(operation, self.subject, answer.status));
            }
            asked = ask()?;
            let piece: QueryDirectoryResponse = self.session.unpack(&answer)?;
            entries(&piece.output_buffer).into_iter().for_each(&mut visit);
        }
    }
}

impl Drop for OpenDirectory<'_> {
    fn drop(&mut self) {
        self.session.tell(request::close(self.handle));
    }
}

/// The entries of a piece, one by one: a name that is no Unicode, as Windows may have it, hides no other.
fn entries(piece: &[u8]) -> Vec<Option<DirectoryInfoEntry>> {
    let mut found = Vec::new();
    let mut left = piece;
    // Each begins with how far it is to the next (MS-FSCC 2.4.22); the last says 0.
    while let Some(to_next) = left.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize) {
        let (one, rest) = if to_next == 0 { (left, &[][..]) } else { left.split_at(to_next.min(left.len())) };
        found.push(parse_entries(LISTED, one).ok().and_then(|mut one| one.pop()));
        left = rest;
    }
    found
}

/// A directory that waits to be read.
struct Pending {
    path: String,
    above: Option<Arc<Above>>,
}

/// A directory on the way to another. One that is on the way to itself is there by a link that the server follows.
struct Above {
    id: u64,
    created: u64,
    above: Option<Arc<Self>>,
}

impl Above {
    fn of(found: &Found, above: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { id: found.id, created: found.created, above })
    }

    fn leads_to(above: Option<&Arc<Self>>, found: &Found) -> bool {
        let mut at = above;
        while let Some(directory) = at {
            // Two file systems may give one id, but not at the same instant.
            if found.id != 0 && (directory.id, directory.created) == (found.id, found.created) {
                return true;
            }
            at = directory.above.as_ref();
        }
        false
    }
}

/// A listing on its way.
struct Walk<'a> {
    tree: &'a Tree,
    pending: Vec<Pending>,
    /// What a row does not tell, the name may.
    doubtful: Vec<EntryPath>,
    survey: Survey,
}

impl Walk<'_> {
    fn read(&mut self, session: &Session, directory: &Pending) -> Result<()> {
        let wire = self.tree.need_wire(OPERATION, directory.path.as_bytes())?;
        let path = EntryPath::new(directory.path.as_str());
        let subject = path.as_ref().map_or_else(|| self.tree.address().to_owned(), |path| self.tree.subject(path));
        let shown = path.map_or_else(|| ".".to_owned(), |path| path.to_string());
        let (opened, found) = OpenDirectory::open(session, OPERATION, &wire, &subject)?;
        // What it is shows when it is open: a listing may tell of the link that led here.
        if Above::leads_to(directory.above.as_ref(), &found) {
            self.survey.pass_over(shown, "directory that leads to itself");
            return Ok(());
        }
        let here = Above::of(&found, directory.above.clone());
        opened.read(OPERATION, |entry| match entry {
            Some(entry) => self.add(&directory.path, &here, &entry),
            None => self.survey.pass_over(format!("{shown}/…"), "name that is no Unicode"),
        })?;
        for path in std::mem::take(&mut self.doubtful) {
            if let Some(found) = self.tree.look(session, OPERATION, &path)? {
                self.take_in(path, &found, &here);
            }
        }
        Ok(())
    }

    fn add(&mut self, directory: &str, here: &Arc<Above>, entry: &DirectoryInfoEntry) {
        if entry.file_name == "." || entry.file_name == ".." {
            return;
        }
        let name = smb2::decode_name(&entry.file_name);
        // A name's own backslash stands in it as another character; this one would lead to another directory.
        if entry.file_name.contains('\\') {
            return self.survey.pass_over(entry.file_name.escape_debug().to_string(), "unsafe name");
        }
        let Some(path) = self.survey.path_of(directory.as_bytes(), name.as_bytes()) else { return };
        match Found::listed(entry) {
            Some(found) => self.take_in(path, &found, here),
            None => self.doubtful.push(path),
        }
    }

    fn take_in(&mut self, path: EntryPath, found: &Found, here: &Arc<Above>) {
        match found.kind {
            Kind::File => self.survey.add_file(path, found.stat()),
            Kind::Directory => {
                if self.survey.is_to_be_read(&path) {
                    let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
                    self.pending.push(Pending { path, above: Some(Arc::clone(here)) });
                }
            }
            kind => self.survey.pass_over(path.to_string(), kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use smb2::msg::directory_info::pack_entries;

    use super::*;

    fn named(name: &str) -> DirectoryInfoEntry {
        DirectoryInfoEntry { file_name: name.to_owned(), file_id: Some(1), ..DirectoryInfoEntry::default() }
    }

    #[test]
    fn a_name_that_is_no_unicode_hides_no_other() {
        let mut piece = pack_entries(LISTED, &[named("a"), named("b"), named("c")]).unwrap();
        let names = |piece: &[u8]| -> Vec<Option<String>> {
            entries(piece).into_iter().map(|entry| entry.map(|entry| entry.file_name)).collect()
        };
        let [a, b, c] = ["a", "b", "c"].map(|name| Some(name.to_owned()));
        assert_eq!(names(&piece), [a.clone(), b, c.clone()]);
        let at = piece.windows(2).position(|two| two == [b'b', 0]).unwrap();
        // Half of a pair.
        piece[at..at + 2].copy_from_slice(&0xd800_u16.to_le_bytes());
        assert_eq!(names(&piece), [a, None, c]);
        assert_eq!(names(b""), []);
        assert_eq!(names(&[255; 20]), [None], "nonsense ends it");
    }
}
