//! What the server says of a file or a directory.

use dropbridge_port::EntryStat;
use smb2::ReparseTag;
use smb2::msg::create::CreateResponse;
use smb2::msg::directory_info::DirectoryInfoEntry;
use smb2::msg::query_info::QueryInfoResponse;
use smb2::pack::{ReadCursor, Unpack};
use smb2::types::FileId;

use crate::session::Answer;

/// File attributes (MS-FSCC 2.6).
const DIRECTORY: u32 = 0x0000_0010;
const REPARSE_POINT: u32 = 0x0000_0400;

/// From 1601, where the server's clock begins, to 1970, in its steps of 100 ns.
const EPOCH_100NS: i128 = 116_444_736_000_000_000;

/// Server's clocks tick in steps of this.
pub(crate) const TICK_NS: i64 = 100;

/// Ids that servers give where a file system has none (MS-FSCC 2.1.9).
const NO_IDS: [u64; 2] = [0, u64::MAX];

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A link of whatever kind, which is not followed.
    Link,
}

impl Kind {
    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::File => "regular file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
        }
    }
}

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// When it was made, in the server's ticks.
    pub(crate) created: u64,
    /// When it was last written.
    written: u64,
    /// Which file it is on its volume; 0 where the server does not tell.
    pub(crate) id: u64,
}

impl Found {
    /// A link that the server refused to follow.
    pub(crate) const LINK: Self = Self { kind: Kind::Link, size: 0, created: 0, written: 0, id: 0 };

    /// A row of a listing. `None` where it does not say what it is: everything has an attribute, `FILE_ATTRIBUTE_NORMAL`
    /// if no other (MS-FSCC 2.6), but for what Samba could not look at any more when it had found the name.
    pub(crate) fn listed(entry: &DirectoryInfoEntry) -> Option<Self> {
        if entry.file_attributes == 0 {
            return None;
        }
        // Beside a reparse point, this field says which kind (MS-FSCC 2.4.22).
        let is_link = entry.file_attributes & REPARSE_POINT != 0 && is_link(ReparseTag(entry.ea_size));
        Some(Self {
            kind: kind(entry.file_attributes, is_link),
            size: entry.end_of_file,
            created: entry.creation_time.0,
            written: entry.last_write_time.0,
            id: known(entry.file_id.unwrap_or_default()),
        })
    }

    /// The answer to [`request::information`](crate::request::information); `None` when it is none.
    pub(crate) fn information(answer: &Answer) -> Option<Self> {
        let bytes = QueryInfoResponse::unpack(&mut ReadCursor::new(&answer.body)).ok()?.output_buffer;
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        // FileAllInformation (MS-FSCC 2.4.2): basic at 0, standard at 40, internal at 64.
        let attributes = short(32)?;
        Some(Self {
            // Links were followed, or refused, when it was opened.
            kind: kind(attributes, false),
            size: long(48)?,
            created: long(0)?,
            written: long(16)?,
            id: known(long(64)?),
        })
    }

    /// What the bridge knows a file by.
    pub(crate) fn stat(&self) -> EntryStat {
        let modified_ns = (i128::from(self.written) - EPOCH_100NS) * i128::from(TICK_NS);
        let modified_ns = i64::try_from(modified_ns).unwrap_or(if modified_ns < 0 { i64::MIN } else { i64::MAX });
        // Not the time of change: a directory may tell an older one than the file itself.
        EntryStat { size: self.size, modified_ns, version: self.id }
    }
}

/// The serial number of a volume, from the answer to [`request::volume`](crate::request::volume).
pub(crate) fn volume_serial(answer: &Answer) -> Option<u32> {
    let bytes = QueryInfoResponse::unpack(&mut ReadCursor::new(&answer.body)).ok()?.output_buffer;
    // FileFsVolumeInformation (MS-FSCC 2.5.9): behind the time of its making.
    Some(u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?))
}

/// The handle that was opened; `None` when the answer holds none.
pub(crate) fn handle(answer: &Answer) -> Option<FileId> {
    CreateResponse::unpack(&mut ReadCursor::new(&answer.body)).ok().map(|opened| opened.file_id)
}

const fn kind(attributes: u32, is_link: bool) -> Kind {
    if is_link {
        Kind::Link
    } else if attributes & DIRECTORY != 0 {
        Kind::Directory
    } else {
        Kind::File
    }
}

/// Files that are stored in another way (deduplicated, compressed, in another tier) are reparse points too, and files.
fn is_link(tag: ReparseTag) -> bool {
    [ReparseTag::SYMLINK, ReparseTag::MOUNT_POINT, ReparseTag::LX_SYMLINK, ReparseTag::NFS].contains(&tag)
}

fn known(id: u64) -> u64 {
    if NO_IDS.contains(&id) { 0 } else { id }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use smb2::pack::FileTime;

    fn row(attributes: u32, tag: u32, id: u64) -> DirectoryInfoEntry {
        DirectoryInfoEntry {
            file_attributes: attributes,
            ea_size: tag,
            file_id: Some(id),
            end_of_file: 3,
            // 2026-01-31T22:15:00.1234567Z
            last_write_time: FileTime(134_143_713_001_234_567),
            ..DirectoryInfoEntry::default()
        }
    }

    fn listed(attributes: u32, tag: u32, id: u64) -> Found {
        Found::listed(&row(attributes, tag, id)).unwrap()
    }

    #[test]
    fn a_row_without_any_attribute_tells_nothing() {
        assert_eq!(Found::listed(&row(0, 0, 7)), None);
    }

    #[test]
    fn times_keep_their_precision() {
        let stat = listed(0x20, 0, 7).stat();
        assert_eq!(stat, EntryStat { size: 3, modified_ns: 1_769_897_700_123_456_700, version: 7 });
    }

    #[test]
    fn times_that_no_clock_shows_stay_within_bounds() {
        let at = |written| Found { written, ..Found::LINK }.stat().modified_ns;
        assert_eq!(at(0), i64::MIN);
        assert_eq!(at(u64::MAX), i64::MAX);
        assert_eq!(at(116_444_736_000_000_000), 0);
    }

    #[test]
    fn links_are_told_from_files_that_are_stored_in_another_way() {
        assert_eq!(listed(REPARSE_POINT, ReparseTag::SYMLINK.0, 1).kind, Kind::Link);
        assert_eq!(listed(REPARSE_POINT | DIRECTORY, ReparseTag::MOUNT_POINT.0, 1).kind, Kind::Link);
        assert_eq!(listed(REPARSE_POINT, ReparseTag::DEDUP.0, 1).kind, Kind::File);
        assert_eq!(listed(REPARSE_POINT, ReparseTag::CLOUD.0, 1).kind, Kind::File);
        assert_eq!(listed(DIRECTORY, 0, 1).kind, Kind::Directory);
        // Beside anything else the field is the size of extended attributes.
        assert_eq!(listed(0x20, ReparseTag::SYMLINK.0, 1).kind, Kind::File);
    }

    #[test]
    fn an_id_that_means_none_is_none() {
        assert_eq!([0, 5, u64::MAX].map(|id| listed(0x80, 0, id).id), [0, 5, 0]);
    }
}
