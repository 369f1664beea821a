//! A [`RecordCache`](dropbridge_port::RecordCache) in a SQLite file.
//!
//! The directory holds one file, named anew each time it is made, so that a process that still uses an older one (and
//! the files that SQLite keeps beside it) is never in the way. A file gets its name when it is whole.
//!
//! SQLite does not notice every byte that changed under it, and a record that is missing would be published again. So
//! each record carries a checksum, and the file carries sums over the entries of each of its indexes: whoever means to
//! keep the cache goes through the indexes first and compares. A file that does not agree is removed.
//!
//! Writes are in WAL mode with `synchronous = NORMAL`: after a power cut the newest ones may be missing, all of a write
//! or nothing, and are read again from the partition.

mod builder;
mod cache;
mod directory;
mod errors;
mod sums;

pub use directory::SqliteCaches;
