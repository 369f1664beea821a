//! An event log in one SQLite file: Kafka's meaning of topics, partitions, offsets, transactions and groups, without
//! a server. It is what a first trial, a demonstration and a small site use; several processes may share the file.
//!
//! # How the log is kept
//!
//! **Records.** A record is a row of `records`. Its place in the log is one number, `position`, made of its partition
//! (the upper bits) and its offset (the lower 40), so that the table's own order is the order of the log and an
//! append touches only the last page of its partition. `headers` is a run of name and value, each behind its length
//! as 32 bits, little-endian; `NULL` where there are none.
//!
//! **Transactions.** A writer collects records in memory and puts them into the table a few megabytes at a time, in
//! short SQLite transactions: SQLite has one write lock, and a process that is stopped while it holds it keeps everyone
//! else out until it is continued or killed (they fail with `Transient` and a hint after ten seconds, and may try
//! again). What belongs to a transaction that is still open is written down in `open_ranges`, one row for each unbroken
//! run `[from_offset, to_offset)`. To commit is to delete these rows; to abort is to delete the records in them first.
//! Offsets of aborted records are not used again. A transaction small enough to be still in memory when it commits
//! never has such a row.
//!
//! **What a reader sees.** `partitions.next_offset` is the high watermark. The last stable offset of a partition is
//! the smallest `from_offset` in it, or the high watermark when nothing is open; `read_committed` reads up to there.
//! Below it every row is committed, since aborted ones are gone.
//!
//! **Fencing.** `writers` holds an epoch for each transactional id. Opening a writer raises it and aborts what its
//! predecessor left open; every write of a writer compares the epoch within its own SQLite transaction, so one that
//! was taken over cannot add or commit anything. `writers.committed` numbers the committed transactions, which tells
//! a commit that is asked for again whether it had happened. An open transaction does not expire: it stays open, and
//! stalls readers of its partitions, until a writer with the same id comes.
//!
//! **Groups.** `group_offsets` holds the committed positions of consumer groups, written by the SQLite transaction that
//! commits.
//!
//! **Compaction** removes from a topic with `cleanup = 'compact'` each record below the last stable offset that has
//! a newer one with the same key, and records without a value a day after they were written. It runs when a writer is
//! opened and at least half of a partition is new since the last time (`compacted_to`, `compacted_count`), or when
//! [`SqliteLog::compact`] is called. Topics with `cleanup = 'delete'` are kept for ever: there is no retention by age.
//!
//! **Durability.** The file is in WAL mode with `synchronous=FULL`: a commit has been synced when it is answered, by
//! one fsync as a rule, by a few more when SQLite moves the write-ahead log into the file, every 64 MiB. What is
//! flushed before the commit is not synced on its own: losing it loses nothing that anyone was promised.
//!
//! **Looking inside** needs no more than the `sqlite3` tool. The view `committed_records (topic, partition, offset,
//! timestamp_ms, key, value)` shows what a `read_committed` reader sees; `partition_ends (topic, partition,
//! partition_id, stable_offset, next_offset)` shows where each partition ends, and an open transaction where the two
//! offsets differ. `PRAGMA user_version` is the version of these tables; a newer one than we know is refused.
//!
//! The tables themselves are in `schema.sql` beside this file.

mod batch;
mod compaction;
mod connection;
mod errors;
mod headers;
mod log;
mod placement;
mod position;
mod reader;
mod topics;
mod transactions;
mod wake;
mod writer;

pub use log::{Options, SqliteLog};
