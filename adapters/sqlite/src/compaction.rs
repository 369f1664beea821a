//! Removes from compacted topics what newer records of the same keys replaced.

use dropbridge_port::{Isolation, Result};
use rusqlite::Transaction;

use crate::connection::{Handle, Outcome, Sync};
use crate::position::position;
use crate::reader::end_of;

/// How many positions are kept in memory at a time, 8 bytes each.
const LIST_LENGTH: usize = 200_000;
/// How many records one SQLite transaction removes at most, so that it stays short.
const REMOVE_STEP: usize = 4096;

/// When a partition is worth the work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// At once.
    Always,
    /// When at least half of what is in it came since the last time.
    MostlyNew,
}

/// A partition of a compacted topic, and what the last compaction left.
struct Partition {
    partition_id: i64,
    compacted_to: i64,
    compacted_count: i64,
    stable_offset: i64,
}

/// Compacts every partition that is worth it. Records without value go when they are older than `oldest_tombstone_ms`
/// (milliseconds since the Unix epoch).
pub(crate) fn compact(handle: &Handle, when: When, oldest_tombstone_ms: i64) -> Result<()> {
    for partition in handle.read("compact log", partitions)? {
        let fresh = partition.stable_offset - partition.compacted_to;
        if when == When::Always || (fresh > 0 && fresh >= partition.compacted_count) {
            compact_partition(handle, &partition, oldest_tombstone_ms)?;
        }
    }
    Ok(())
}

fn partitions(transaction: &Transaction<'_>) -> Outcome<Vec<Partition>> {
    let mut statement = transaction.prepare_cached(
        "SELECT partition_id, compacted_to, compacted_count FROM partitions JOIN topics USING (topic_id)
         WHERE cleanup = 'compact' ORDER BY partition_id",
    )?;
    let mut partitions = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let partition_id = row.get(0)?;
        partitions.push(Partition {
            partition_id,
            compacted_to: row.get(1)?,
            compacted_count: row.get(2)?,
            stable_offset: end_of(transaction, Isolation::ReadCommitted, partition_id)?.unwrap_or(0),
        });
    }
    Ok(partitions)
}

fn compact_partition(handle: &Handle, partition: &Partition, oldest_tombstone_ms: i64) -> Result<()> {
    loop {
        let replaced =
            handle.read("compact log", |transaction| replaced(transaction, partition, oldest_tombstone_ms))?;
        // From the oldest on: a record without value goes after everything that it removes, whatever happens between.
        for step in replaced.chunks(REMOVE_STEP) {
            handle.write("compact log", Sync::Later, |transaction| remove(transaction, step))?;
        }
        if replaced.len() < LIST_LENGTH {
            break;
        }
    }
    let kept = handle.read("compact log", |transaction| count(transaction, partition))?;
    handle.write("compact log", Sync::Later, |transaction| {
        transaction
            .prepare_cached("UPDATE partitions SET compacted_to = ?2, compacted_count = ?3 WHERE partition_id = ?1")?
            .execute([partition.partition_id, partition.stable_offset, kept])?;
        Ok(())
    })
}

fn count(transaction: &Transaction<'_>, partition: &Partition) -> Outcome<i64> {
    let mut statement =
        transaction.prepare_cached("SELECT count(*) FROM records WHERE position >= ?1 AND position < ?2")?;
    let from = position(partition.partition_id, 0);
    let to = position(partition.partition_id, partition.stable_offset);
    Ok(statement.query_row([from, to], |row| row.get(0))?)
}

/// Positions of records below the last stable offset that may go, the oldest first.
fn replaced(transaction: &Transaction<'_>, partition: &Partition, oldest_tombstone_ms: i64) -> Outcome<Vec<i64>> {
    let mut statement = transaction.prepare_cached(
        "SELECT position FROM (
             SELECT position, value IS NULL AND timestamp_ms < ?3 AS expired,
                    lead(position) OVER (PARTITION BY key ORDER BY position) AS newer
             FROM records WHERE position >= ?1 AND position < ?2
         )
         WHERE newer IS NOT NULL OR expired
         ORDER BY position LIMIT ?4",
    )?;
    let rows = statement.query_map(
        [
            position(partition.partition_id, 0),
            position(partition.partition_id, partition.stable_offset),
            oldest_tombstone_ms,
            LIST_LENGTH as i64,
        ],
        |row| row.get(0),
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn remove(transaction: &Transaction<'_>, positions: &[i64]) -> Outcome<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM records WHERE position = ?1")?;
    for position in positions {
        statement.execute([position])?;
    }
    Ok(())
}
