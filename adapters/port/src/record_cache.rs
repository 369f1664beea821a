//! A cache of the newest record of each key of a compacted partition, on local disk.
//!
//! It is never the truth: whatever is in it was read from the partition, up to a position that is written in the same
//! transaction, so that what is missing is read again from there. It can be deleted at any moment. A cache that is
//! damaged, of another origin or of another form is made anew. It knows nothing of what the records say: whoever writes
//! them also says by which numbers they are to be found, and has to compare what is found, since numbers may collide.

use std::ops::ControlFlow;

use crate::Result;

/// Classes from this one on are rare, and records of one of them are found without looking at all others.
pub const RARE_CLASSES_FROM: u8 = 5;

/// Which record it is: a later one with the same identity replaces it. Records whose first eight bytes are equal are
/// found together.
pub type Identity = [u8; 16];

/// By what a record is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheKeys {
    /// Which record it is.
    pub identity: Identity,
    /// A digest of the name that it is of.
    pub path: u64,
    /// The beginning of the digest of the bytes that it is of.
    pub content: Option<u64>,
    /// A number for what it belongs to; counted by.
    pub group: u32,
    /// A number for what it says; counted by.
    pub class: u8,
    /// Summed up, by group and class.
    pub amount: u32,
}

/// What changes in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheChange {
    /// A record, which replaces that of the same identity.
    Put {
        /// Its offset in the partition.
        offset: i64,
        /// By what it is found.
        keys: CacheKeys,
        /// The record.
        record: Vec<u8>,
    },
    /// A record is gone.
    Remove {
        /// The offset of what said so.
        offset: i64,
        /// Which record.
        identity: Identity,
    },
}

/// A record as it is found.
#[derive(Clone, Copy, Debug)]
pub struct CachedRecord<'r> {
    /// Its offset in the partition.
    pub offset: i64,
    /// By what it is found.
    pub keys: CacheKeys,
    /// The record.
    pub record: &'r [u8],
}

/// What to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// The record with this identity.
    Identity(Identity),
    /// Records whose identity begins so.
    Beginning([u8; 8]),
    /// Records of this name.
    Path(u64),
    /// Records whose content is within, both ends included.
    Content(u64, u64),
    /// Records of this class.
    Class(u8),
    /// Every record.
    All,
}

impl Find {
    /// Whether a record with these keys is meant.
    #[must_use]
    pub fn fits(self, keys: &CacheKeys) -> bool {
        match self {
            Self::Identity(identity) => keys.identity == identity,
            Self::Beginning(beginning) => keys.identity.starts_with(&beginning),
            Self::Path(path) => keys.path == path,
            Self::Content(first, last) => keys.content.is_some_and(|content| (first..=last).contains(&content)),
            Self::Class(class) => keys.class == class,
            Self::All => true,
        }
    }
}

/// How many records of one group and class there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally {
    /// The group.
    pub group: u32,
    /// The class.
    pub class: u8,
    /// How many.
    pub records: u64,
    /// The sum of their amounts.
    pub amount: u64,
}

/// How far a cache has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheState {
    /// Offset in the partition up to which everything is taken in: the first one to be read next.
    pub position: i64,
    /// What its owner remembers beside the records.
    pub note: Vec<u8>,
}

/// Of what a cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheLabel {
    /// Which partition of which log: another one's cache is of no use.
    pub origin: String,
    /// Changes whenever the same records would be found by other numbers.
    pub form: String,
}

/// What is intended with a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// To look into it once, and to change nothing that others see.
    Look,
    /// To keep it up to date. It is looked through for damage first.
    Keep,
}

/// Is handed one record after the other, until it has seen enough. It must not use the cache.
pub type EachRecord<'e> = dyn FnMut(&CachedRecord<'_>) -> Result<ControlFlow<()>> + 'e;

/// A cache.
pub trait RecordCache: Send {
    /// How far it has come.
    fn state(&self) -> &CacheState;

    /// Hands records over, those with the greatest offset first.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged: it is not used again. `Transient`.
    fn find(&self, what: Find, each: &mut EachRecord<'_>) -> Result<()>;

    /// Counts, by group and class.
    ///
    /// # Errors
    /// As for [`RecordCache::find`].
    fn tallies(&self) -> Result<Vec<Tally>>;

    /// Takes changes in and comes to a new state, all or none. `false`: somebody else has written since it was opened,
    /// and nothing was done.
    ///
    /// # Errors
    /// As for [`RecordCache::find`].
    fn write(&mut self, changes: &[CacheChange], state: CacheState) -> Result<bool>;

    /// Sees to it that nobody uses it again.
    fn condemn(&self);
}

/// A cache that is being made.
pub trait CacheBuilder: Send {
    /// Takes a change in. Offsets only grow.
    ///
    /// # Errors
    /// `Transient` when there is no room; `Refused`.
    fn add(&mut self, change: CacheChange) -> Result<()>;

    /// The cache, complete.
    ///
    /// # Errors
    /// As for [`CacheBuilder::add`].
    fn finish(self: Box<Self>, state: CacheState) -> Result<Box<dyn RecordCache>>;
}

/// A place for caches.
pub trait RecordCaches: Send + Sync {
    /// The cache with this label, if there is one that is whole.
    ///
    /// # Errors
    /// `Transient`, `Refused`. A damaged one is no error: there is none.
    fn open(&self, label: &CacheLabel, intended: CacheUse) -> Result<Option<Box<dyn RecordCache>>>;

    /// Begins a new one. To [`CacheUse::Keep`]: it takes the place of those that are there when it is finished. To
    /// [`CacheUse::Look`]: it is gone when it is let go of.
    ///
    /// # Errors
    /// As for [`CacheBuilder::add`].
    fn build(&self, label: &CacheLabel, intended: CacheUse) -> Result<Box<dyn CacheBuilder>>;
}
