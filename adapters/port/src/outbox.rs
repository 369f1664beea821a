//! An outbox: a directory in which a legacy consumer polls, and the only kind of place outside that the bridge writes to.
//!
//! A file gets there in steps, each of which can be the last one before a crash:
//!
//! ```text
//! stage      a file under a temporary name in the staging directory, made with O_EXCL
//! finish     its bytes are synced; size and SHA-256 are known
//! witness    a second name beside it, which stays until forget(); both names are synced
//!            … the caller journals its intent here …
//! publish    the final name is given, never replacing one that is there; the directories are synced
//!            … the caller journals its receipt here …
//! forget     witness and leftovers go
//! ```
//!
//! What a crash left behind, [`Outbox::standing`] tells from these names alone:
//!
//! | staged name | witness | [`Standing`] |
//! |---|---|---|
//! | there | there or not | `Staged`: not published |
//! | gone | there | `Published`, even if the consumer has taken the file since |
//! | between two names (see [`OutboxCapabilities::publishes_in_one_step`]) | there | `InDoubt`, unless the file itself shows it |
//! | gone | gone | `Nothing`: never begun, forgotten, or the staging directory was wiped |
//!
//! `Nothing` after an intent was journaled is for a person to decide.
//!
//! Nothing is written unless the outbox is the one that was pinned ([`Outbox::pin`]): an empty mount point under the same
//! path is another place.

use std::fmt;

use crate::{EntryPath, EntryStat, OpenEntry, Result};

/// The longest name of an owner, in bytes: a file name has room for 255, and a few go to the rest.
const MOST_OWNER_BYTES: usize = 120;

/// The temporary name of a file on its way into an outbox: who stages it, in which epoch, and which one it is.
///
/// Names of one owner never repeat: an owner counts its epoch up whenever it starts, and its numbers within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StagedName {
    owner: String,
    epoch: u64,
    number: u64,
}

impl StagedName {
    /// What every name in a staging directory begins with that is ours.
    pub const PREFIX: &'static str = ".dropbridge-";

    /// A name, or `None` where the owner cannot be part of a file name: letters, digits, `.`, `_` and `-` only, and not
    /// too long.
    #[must_use]
    pub fn new(owner: &str, epoch: u64, number: u64) -> Option<Self> {
        let fits = !owner.is_empty()
            && owner.len() <= MOST_OWNER_BYTES
            && owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        fits.then(|| Self { owner: owner.to_owned(), epoch, number })
    }

    /// The reverse of [`fmt::Display`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(Self::PREFIX)?.rsplitn(3, '-');
        let number = parts.next()?.parse().ok()?;
        let epoch = parts.next()?.parse().ok()?;
        Self::new(parts.next()?, epoch, number).filter(|name| name.to_string() == text)
    }

    /// Who stages it.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The epoch of its owner.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Which one it is in its epoch.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for StagedName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}-{}-{}", Self::PREFIX, self.owner, self.epoch, self.number)
    }
}

/// What an outbox can do, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxCapabilities {
    /// [`Outbox::publish`] never replaces what has the final name already.
    pub publishes_without_replacing: bool,
    /// The final name is given and the temporary one taken in one step. Without it (file systems that refuse
    /// `RENAME_NOREPLACE`: NFS for one) it is two, and a crash between them followed by a consumer that deletes the file
    /// leaves [`Standing::InDoubt`].
    pub publishes_in_one_step: bool,
    /// [`Outbox::witness`] leaves something that outlives the consumer's taking the file.
    pub has_witness: bool,
    /// The witness is a second link to the same file, so that a published file is known again under any name.
    pub witness_is_link: bool,
    /// Mode, owner and group can be set.
    pub sets_attributes: bool,
    /// [`Outbox::identity`] tells a directory that was made anew under the same path, on the same file system, from the
    /// one before. Servers often show nothing by which it could be told.
    pub tells_directories_apart: bool,
}

/// Which directories these are: of the outbox, and of its staging.
///
/// The device number may be another after each mount; what the file system says of itself and the inodes of the
/// directories stay. An empty mount point, another disk under the same path, or a directory that was made anew differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutboxIdentity {
    /// The file system's own id (`f_fsid`), or its type where it has none (NFS); 0 where a server tells nothing.
    pub filesystem: u64,
    /// Inode of the outbox; on a server, a digest of its address.
    pub outbox: u64,
}

impl fmt::Display for OutboxIdentity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:x}:{}", self.filesystem, self.outbox)
    }
}

impl OutboxIdentity {
    /// The reverse of [`fmt::Display`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (filesystem, outbox) = text.split_once(':')?;
        Some(Self { filesystem: u64::from_str_radix(filesystem, 16).ok()?, outbox: outbox.parse().ok()? })
    }
}

/// What a file is given before it is published. `None` leaves what the process and the directory give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, whatever the umask.
    pub mode: Option<u32>,
    /// User id of its owner; needs privileges.
    pub owner: Option<u32>,
    /// Id of its group; one that the process is in, or privileges.
    pub group: Option<u32>,
}

/// A file that was written: what is under the temporary name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes that were given to [`StagedFile::write`].
    pub sha256: [u8; 32],
}

/// A file being written under a temporary name. One that is let go of unfinished stays until [`Outbox::discard`].
pub trait StagedFile: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Transient` when the disk or a quota is full, with a hint; `Refused` when it may not be written.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Gives it its attributes and makes its bytes survive a power cut.
    ///
    /// # Errors
    /// As for [`StagedFile::write`]; `Refused` when owner or group may not be set.
    fn finish(self: Box<Self>) -> Result<WrittenFile>;
}

/// How a file stands that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has its temporary name: it was not published.
    Staged,
    /// It was published; it may have been taken since.
    Published,
    /// It may have been published.
    InDoubt,
    /// No trace of it.
    Nothing,
}

/// What came of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It has its final name now.
    Published,
    /// Something else has that name; the file is staged still.
    TargetExists,
}

/// A directory that a legacy consumer polls.
///
/// Every call looks the directory up by its path, and none keeps it open: whoever unmounts it is not hindered, and notices
/// nothing but that nothing comes. Paths are relative to the outbox, and never lead out of it; staged names are in the
/// staging directory, which is on the same file system.
///
/// Errors of all calls: `NotFound` when the outbox is away, or is another one than was pinned; `Refused` without
/// permission or on a read-only file system; `Transient` when it is full or does not answer; `Configuration` when staging
/// directory and outbox are on two file systems.
pub trait Outbox: Send + Sync {
    /// What it is called in logs and errors.
    fn address(&self) -> &str;

    /// What it can do, as far as that is known; an outbox that is away promises least.
    fn capabilities(&self) -> OutboxCapabilities;

    /// Which directory it is now. Reads only.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn identity(&self) -> Result<OutboxIdentity>;

    /// Whether files could be delivered now, as far as permissions tell: nothing is written, and no probe file made.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn look(&self) -> Result<()>;

    /// From now on nothing is written unless this very directory is there.
    fn pin(&self, identity: OutboxIdentity);

    /// Begins a file under a temporary name that nobody has (`O_EXCL`). The staging directory is made where it is missing
    /// and lies in the outbox.
    ///
    /// # Errors
    /// See [`Outbox`]; `Conflict` when the name is there already.
    fn stage(&self, name: &StagedName, attributes: Attributes) -> Result<Box<dyn StagedFile>>;

    /// Puts a witness beside a finished file, and makes both names survive a power cut. One that is there already is
    /// fine.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn witness(&self, name: &StagedName) -> Result<()>;

    /// Gives a staged file its final name, unless something has it; then the directories are synced. Directories on the
    /// way to the target are made.
    ///
    /// # Errors
    /// See [`Outbox`]. After an error [`Outbox::standing`] tells whether the name was given.
    fn publish(&self, name: &StagedName, target: &EntryPath) -> Result<Publication>;

    /// How a file stands that was staged and witnessed once. Where it was published, it is made sure that its name
    /// survives a power cut, and what is left of the step is finished.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn standing(&self, name: &StagedName, target: &EntryPath) -> Result<Standing>;

    /// Removes a staged file with its witness; neither need be there. For what is not to be published.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn discard(&self, name: &StagedName) -> Result<()>;

    /// Removes the witness of a file whose receipt is safe. It need not be there.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn forget(&self, name: &StagedName) -> Result<()>;

    /// Every staged or witnessed name of an owner, once each, in order.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn staged(&self, owner: &str) -> Result<Vec<StagedName>>;

    /// The stat of whatever has a final name: a file, or something else that is in the way. `None` where nothing has it.
    ///
    /// # Errors
    /// See [`Outbox`].
    fn stat(&self, target: &EntryPath) -> Result<Option<EntryStat>>;

    /// Opens a regular file of the outbox for reading.
    ///
    /// # Errors
    /// See [`Outbox`]; `NotFound` when it is gone, `Refused` when it is no regular file.
    fn open(&self, target: &EntryPath) -> Result<Box<dyn OpenEntry>>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn staged_names_come_back() {
        let name = StagedName::new("relay.finance.bids", 7, 12).unwrap();
        assert_eq!(name.to_string(), ".dropbridge-relay.finance.bids-7-12");
        assert_eq!(StagedName::parse(&name.to_string()), Some(name));
        for other in [
            "",
            ".dropbridge-",
            ".dropbridge-a-1",
            ".dropbridge-a-1-x",
            ".dropbridge-a-01-2",
            "a-1-2",
            ".dropbridge-a/b-1-2",
        ] {
            assert_eq!(StagedName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn owners_are_told_apart() {
        for owner in ["", "a b", "a/b", "ü", &"x".repeat(200)] {
            assert_eq!(StagedName::new(owner, 1, 1), None, "{owner}");
        }
        let (one, other) = (StagedName::new("a-1", 2, 3).unwrap(), StagedName::new("a", 1, 2).unwrap());
        assert_eq!(StagedName::parse(&one.to_string()).unwrap().owner(), "a-1");
        assert_ne!(one.to_string(), other.to_string());
    }

    #[test]
    fn identities_come_back() {
        let identity = OutboxIdentity { filesystem: u64::MAX, outbox: 2 };
        assert_eq!(OutboxIdentity::parse(&identity.to_string()), Some(identity));
        assert_eq!(OutboxIdentity::parse("12"), None);
    }
}
