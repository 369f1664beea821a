//! What is in a directory, and below it.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use dropbridge_port::{Entry, EntryPath, ListRequest, Listing, Result, Skipped};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RawDir, fstat, statat};
use rustix::io::{Errno, Result as SystemResult};

use crate::failure::failure;
use crate::handle::{entry_stat, kind_name};
use crate::tree::{Tree, is_gone};

/// Room for the entries of one `getdents64(2)`: a thousand or so, so that large directories need few calls.
const BUFFER_BYTES: usize = 64 * 1024;

/// Memory for reading directories, used again for each.
pub(crate) struct DirectoryBuffer(Vec<MaybeUninit<u8>>);

impl DirectoryBuffer {
    /// An empty buffer.
    pub(crate) fn new() -> Self {
        Self(vec![MaybeUninit::uninit(); BUFFER_BYTES])
    }

    /// Visits every name in a directory but `.` and `..`, with its type where the file system tells.
    ///
    /// `rustix::fs::Dir` takes a directory that was removed meanwhile for one that ended; this does not.
    pub(crate) fn visit<E: From<Errno>>(
        &mut self,
        directory: &OwnedFd,
        mut visit: impl FnMut(&CStr, FileType) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut entries = RawDir::new(directory, &mut self.0);
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_name() == c"." || entry.file_name() == c".." => {}
                Ok(entry) => visit(entry.file_name(), entry.file_type())?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Lists the regular files of a tree. Directories are kept as paths, not as open files or stack frames, so that no
/// depth is too deep.
pub(crate) fn list(tree: &Tree, request: ListRequest) -> Result<Listing> {
    list_below(tree, &tree.open_root("list")?, request)
}

fn list_below(tree: &Tree, root: &OwnedFd, request: ListRequest) -> Result<Listing> {
    let mut survey = Survey { recursive: request.recursive, pending: vec![Vec::new()], listing: Listing::default() };
    let mut buffer = DirectoryBuffer::new();
    while let Some(path) = survey.pending.pop() {
        let listed = tree
            .read_directory(root, &path)
            .and_then(|directory| buffer.visit(&directory, |name, kind| survey.add(&directory, &path, name, kind)));
        match listed {
            Ok(()) => {}
            Err(errno) if path.is_empty() => return Err(tree.root_failure("list", errno)),
            Err(errno) if is_gone(errno) => {}
            Err(errno) => return Err(failure("list", tree.full_path(&path).to_string_lossy(), errno)),
        }
    }
    // A root that was removed while it was read looks like an empty one.
    match fstat(root) {
        Ok(found) if found.st_nlink == 0 => Err(tree.root_failure("list", Errno::NOENT)),
        Ok(_) => Ok(survey.finish()),
        Err(errno) => Err(tree.root_failure("list", errno)),
    }
}

/// A listing on its way.
struct Survey {
    recursive: bool,
    pending: Vec<Vec<u8>>,
    listing: Listing,
}

impl Survey {
    fn add(&mut self, directory: &OwnedFd, above: &[u8], name: &CStr, kind: FileType) -> SystemResult<()> {
        let path = join(above, name.to_bytes());
        // A kernel gives no such names; a FUSE server may.
        let Some(path) = EntryPath::new(path.as_slice()).filter(|_| !name.to_bytes().contains(&b'/')) else {
            let shown = String::from_utf8_lossy(&path).escape_debug().to_string();
            self.listing.skipped.push(Skipped { path: shown, reason: "unsafe name" });
            return Ok(());
        };
        let mut kind = kind;
        if matches!(kind, FileType::RegularFile | FileType::Unknown) {
            let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => return Ok(()),
                answer => answer?,
            };
            kind = FileType::from_raw_mode(found.st_mode);
            if kind == FileType::RegularFile {
                self.listing.entries.push(Entry { path, stat: entry_stat(&found) });
                return Ok(());
            }
        }
        if kind == FileType::Directory && self.recursive {
            self.pending.push(path.as_bytes().to_vec());
        } else {
            self.listing.skipped.push(Skipped { path: path.to_string(), reason: kind_name(kind) });
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

/// The path of a name in a directory; an empty directory path is the root.
pub(crate) fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(above.len() + 1 + name.len());
    path.extend_from_slice(above);
    if !above.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use dropbridge_port::{EntryStat, ErrorKind};

    use super::*;

    #[test]
    fn root_that_is_removed_while_it_is_listed_is_not_an_empty_one() {
        let scratch = tempfile::tempdir().unwrap();
        let tree = Tree::new(scratch.path().join("share"), None);
        std::fs::create_dir(tree.path()).unwrap();
        let root = tree.open_root("test").unwrap();
        assert!(list_below(&tree, &root, ListRequest::default()).is_ok());
        std::fs::remove_dir(tree.path()).unwrap();
        let error = list_below(&tree, &root, ListRequest::default()).expect_err("it is gone");
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    }

    #[test]
    fn of_two_sights_of_one_name_the_later_counts() {
        let entry = |name: &str, size| Entry {
            path: EntryPath::new(name).unwrap(),
            stat: EntryStat { size, modified_ns: 0, version: 1 },
        };
        let entries = vec![entry("b", 1), entry("a", 2), entry("b", 3), entry("b", 4)];
        let listing = Listing { entries, skipped: Vec::new() };
        let survey = Survey { recursive: false, pending: Vec::new(), listing };
        assert_eq!(survey.finish().entries, [entry("a", 2), entry("b", 4)]);
    }
}
