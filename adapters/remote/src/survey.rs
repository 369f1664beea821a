//! What a listing takes in, what it leaves out, and how it is ordered.

use dropbridge_port::{Entry, EntryPath, EntryStat, Listing, Skipped};

use crate::root::join;

/// Directories in which file servers show what was there before: every file of the share, once more for each snapshot.
const SNAPSHOTS: [&[u8]; 5] = [b".snapshot", b".snapshots", b"~snapshot", b"#snapshot", b".zfs"];

/// A listing on its way.
#[derive(Debug, Default)]
pub struct Survey {
    is_recursive: bool,
    listing: Listing,
}

impl Survey {
    /// Of a directory; `is_recursive` where those below it are wanted too.
    #[must_use]
    pub fn new(is_recursive: bool) -> Self {
        Self { is_recursive, ..Self::default() }
    }

    /// The path of a name in the directory `above`. A server may say anything, and nothing leads out of the directory:
    /// `None` for such a name, which is passed over.
    pub fn path_of(&mut self, above: &[u8], name: &[u8]) -> Option<EntryPath> {
        let bytes = join(above, name);
        let path = EntryPath::new(bytes.as_slice()).filter(|_| !name.contains(&b'/'));
        if path.is_none() {
            self.pass_over(String::from_utf8_lossy(&bytes).escape_debug().to_string(), "unsafe name");
        }
        path
    }

    /// A regular file.
    pub fn add_file(&mut self, path: EntryPath, stat: EntryStat) {
        self.listing.entries.push(Entry { path, stat });
    }

    /// Whether a directory is to be read; one that is not is passed over.
    pub fn is_to_be_read(&mut self, path: &EntryPath) -> bool {
        let is_snapshots = SNAPSHOTS.contains(&path.file_name());
        match (self.is_recursive, is_snapshots) {
            (true, false) => return true,
            (true, true) => self.pass_over(path.to_string(), "snapshots of the file server"),
            (false, _) => self.pass_over(path.to_string(), "directory"),
        }
        false
    }

    /// Something that is listed by no more than its name and the reason.
    pub fn pass_over(&mut self, path: String, reason: &'static str) {
        self.listing.skipped.push(Skipped { path, reason });
    }

    /// All of it in the order of the paths, each once. A name that was removed and made again while its directory was read
    /// can come twice: the later sight counts.
    #[must_use]
    pub fn finish(self) -> Listing {
        let mut listing = self.listing;
        listing.entries.sort_by(|one, other| one.path.cmp(&other.path));
        listing.entries.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        listing
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn stat(size: u64) -> EntryStat {
        EntryStat { size, modified_ns: 0, version: 0 }
    }

    #[test]
    fn the_later_sight_of_a_name_counts() {
        let mut survey = Survey::new(true);
        for (name, size) in [("b", 1), ("a", 1), ("b", 2)] {
            let path = survey.path_of(b"in", name.as_bytes()).unwrap();
            survey.add_file(path, stat(size));
        }
        let entries = survey.finish().entries;
        let found: Vec<_> = entries.iter().map(|entry| (entry.path.to_string(), entry.stat.size)).collect();
        assert_eq!(found, [("in/a".to_owned(), 1), ("in/b".to_owned(), 2)]);
    }

    #[test]
    fn what_leads_elsewhere_and_what_was_there_before_is_passed_over() {
        let mut survey = Survey::new(true);
        for name in [&b".."[..], b"a/b", b"/etc"] {
            assert_eq!(survey.path_of(b"in", name), None);
        }
        let snapshots = survey.path_of(b"in", b".snapshot").unwrap();
        let below = survey.path_of(b"in", b"below").unwrap();
        assert!(!survey.is_to_be_read(&snapshots) && survey.is_to_be_read(&below));
        assert_eq!(survey.finish().skipped.len(), 4);
        let mut flat = Survey::new(false);
        assert!(!flat.is_to_be_read(&below));
        assert_eq!(flat.finish().skipped[0].reason, "directory");
    }
}
