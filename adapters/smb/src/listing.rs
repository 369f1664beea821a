//! What is in a directory of the server, and below it.

use std::sync::Arc;

use dropbridge_port::{Entry, EntryPath, ErrorKind, ListRequest, Listing, Result, Skipped};
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

/// Directories in which file servers show what was there before: every file of the share, once more for each snapshot.
const SNAPSHOTS: [&str; 5] = [".snapshot", ".snapshots", "~snapshot", "#snapshot", ".zfs"];

/// Lists the regular files of a tree. Directories wait as paths, so that no depth is too deep.
///
/// # Errors
/// `NotFound` when the root is not there; a directory below that goes away meanwhile is none.
pub(crate) fn list(session: &Session, tree: &Tree, request: ListRequest) -> Result<Listing> {
    tree.require_root(session, OPERATION)?;
    let top = Pending { path: String::new(), above: None };
    let mut survey = Survey { tree, request, pending: vec![top], listing: Listing::default() };
    while let Some(pending) = survey.pending.pop() {
        match survey.read(session, &pending) {
            Err(error) if error.kind == ErrorKind::NotFound && !pending.path.is_empty() => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Err(tree.missing(OPERATION)),
            answer => answer?,
        }
    }
    // A root that was removed while it was read looks like an empty one.
    tree.require_root(session, OPERATION)?;
    Ok(survey.finish())
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
struct Survey<'a> {
    tree: &'a Tree,
    request: ListRequest,
    pending: Vec<Pending>,
    listing: Listing,
}

impl Survey<'_> {
    fn read(&mut self, session: &Session, directory: &Pending) -> Result<()> {
        let wire = self.tree.need_wire(OPERATION, directory.path.as_bytes())?;
        let path = EntryPath::new(directory.path.as_str());
        let subject = path.as_ref().map_or_else(|| self.tree.address().to_owned(), |path| self.tree.subject(path));
        let shown = path.map_or_else(|| ".".to_owned(), |path| path.to_string());
        let (opened, found) = OpenDirectory::open(session, OPERATION, &wire, &subject)?;
        // What it is shows when it is open: a listing may tell of the link that led here.
        if Above::leads_to(directory.above.as_ref(), &found) {
            self.listing.skipped.push(Skipped { path: shown, reason: "directory that leads to itself" });
            return Ok(());
        }
        let here = Above::of(&found, directory.above.clone());
        opened.read(OPERATION, |entry| match entry {
            Some(entry) => self.add(&directory.path, &here, &entry),
            None => {
                let path = format!("{shown}/…");
                self.listing.skipped.push(Skipped { path, reason: "name that is no Unicode" });
            }
        })
    }

    fn add(&mut self, directory: &str, here: &Arc<Above>, entry: &DirectoryInfoEntry) {
        if entry.file_name == "." || entry.file_name == ".." {
            return;
        }
        let name = smb2::decode_name(&entry.file_name);
        let full = if directory.is_empty() { name.to_string() } else { format!("{directory}/{name}") };
        // A server may say anything; nothing leads out of the directory.
        let safe = !entry.file_name.contains(['/', '\\']);
        let Some(path) = EntryPath::new(full.as_str()).filter(|_| safe) else {
            let shown = full.escape_debug().to_string();
            self.listing.skipped.push(Skipped { path: shown, reason: "unsafe name" });
            return;
        };
        let found = Found::listed(entry);
        let skip = |reason| Skipped { path: path.to_string(), reason };
        match found.kind {
            Kind::File => self.listing.entries.push(Entry { path, stat: found.stat() }),
            Kind::Directory if self.request.recursive && SNAPSHOTS.contains(&&*name) => {
                self.listing.skipped.push(skip("snapshots of the file server"));
            }
            Kind::Directory if self.request.recursive => {
                self.pending.push(Pending { path: full, above: Some(Arc::clone(here)) });
            }
            kind => self.listing.skipped.push(skip(kind.name())),
        }
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
