//! Transactional ids, and what a transaction leaves in the tables: claim, check, extend, commit, abort.

use std::collections::HashMap;

use dropbridge_port::{ErrorKind, PortError, Result};
use rusqlite::{OptionalExtension, Transaction};

use crate::batch::Run;
use crate::connection::{Handle, Outcome, Sync};
use crate::position::position;

/// How many offsets one SQLite transaction of an abort clears at most: a few megabytes, so that it stays short.
const ABORT_STEP: i64 = 8192;

/// The right to write under a transactional id, until someone else takes it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) transactional_id: String,
    pub(crate) writer_id: i64,
    pub(crate) epoch: i64,
    /// Number of the last transaction that was committed under the id when it was taken.
    pub(crate) committed: i64,
}

/// Takes a transactional id. Its predecessor is fenced from here on, but what it left open is still there.
pub(crate) fn claim(transaction: &Transaction<'_>, transactional_id: &str) -> Outcome<Claim> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO writers (transactional_id, epoch) VALUES (?1, 1)
         ON CONFLICT (transactional_id) DO UPDATE SET epoch = epoch + 1
         RETURNING writer_id, epoch, committed",
    )?;
    let claim = statement.query_row([transactional_id], |row| {
        Ok(Claim {
            transactional_id: transactional_id.to_owned(),
            writer_id: row.get(0)?,
            epoch: row.get(1)?,
            committed: row.get(2)?,
        })
    })?;
    Ok(claim)
}

/// Fails with `Fenced` when the claim was taken over; gives the number of the last committed transaction.
pub(crate) fn check(transaction: &Transaction<'_>, operation: &'static str, claim: &Claim) -> Outcome<i64> {
    let mut statement = transaction.prepare_cached("SELECT epoch, committed FROM writers WHERE writer_id = ?1")?;
    let (epoch, committed): (i64, i64) =
        statement.query_row([claim.writer_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if epoch == claim.epoch { Ok(committed) } else { Err(fenced(operation, claim).into()) }
}

/// The error of a writer that was taken over.
pub(crate) fn fenced(operation: &'static str, claim: &Claim) -> PortError {
    let subject = format!("writer `{}`", claim.transactional_id);
    PortError::new(ErrorKind::Fenced, operation, subject, "another instance took this transactional id over")
        .with_hint("one instance is active at a time; see which one is, and whether this one was meant to run")
}

/// Writes down that runs of offsets belong to an open transaction. `ends` has the start of the newest run of each
/// partition and its end: a run that goes on there makes it longer.
pub(crate) fn extend(
    transaction: &Transaction<'_>,
    claim: &Claim,
    runs: &[Run],
    ends: &HashMap<i64, (i64, i64)>,
) -> Outcome<()> {
    for run in runs {
        match ends.get(&run.partition_id) {
            Some(&(from, to)) if to == run.from => transaction
                .prepare_cached("UPDATE open_ranges SET to_offset = ?3 WHERE partition_id = ?1 AND from_offset = ?2")?
                .execute([run.partition_id, from, run.to])?,
            _ => transaction
                .prepare_cached(
                    "INSERT INTO open_ranges (partition_id, from_offset, to_offset, writer_id) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute([run.partition_id, run.from, run.to, claim.writer_id])?,
        };
    }
    Ok(())
}

/// Makes everything of the open transaction visible, and writes down that transaction `number` is committed.
pub(crate) fn commit(transaction: &Transaction<'_>, claim: &Claim, number: i64) -> Outcome<()> {
    transaction.prepare_cached("DELETE FROM open_ranges WHERE writer_id = ?1")?.execute([claim.writer_id])?;
    transaction
        .prepare_cached("UPDATE writers SET committed = ?2 WHERE writer_id = ?1")?
        .execute([claim.writer_id, number])?;
    Ok(())
}

/// Removes everything of the open transaction, in steps that are short each. Interrupted, it can be done again, by the
/// same writer or the next one under its id.
pub(crate) fn abort(handle: &Handle, operation: &'static str, claim: &Claim) -> Result<()> {
    // What is not synced here comes back open after a power cut, invisible, and is aborted by the next writer.
    while handle.write(operation, Sync::Later, |transaction| {
        check(transaction, operation, claim)?;
        abort_step(transaction, claim)
    })? {}
    Ok(())
}

/// Removes up to [`ABORT_STEP`] records; says whether there may be more.
fn abort_step(transaction: &Transaction<'_>, claim: &Claim) -> Outcome<bool> {
    let mut budget = ABORT_STEP;
    while budget > 0 {
        let Some((partition_id, from, to)) = first_open_range(transaction, claim)? else { return Ok(false) };
        let end = to.min(from + budget);
        budget -= end - from;
        transaction
            .prepare_cached("DELETE FROM records WHERE position >= ?1 AND position < ?2")?
            .execute([position(partition_id, from), position(partition_id, end)])?;
        if end == to {
            transaction
                .prepare_cached("DELETE FROM open_ranges WHERE partition_id = ?1 AND from_offset = ?2")?
                .execute([partition_id, from])?;
        } else {
            transaction
                .prepare_cached("UPDATE open_ranges SET from_offset = ?3 WHERE partition_id = ?1 AND from_offset = ?2")?
                .execute([partition_id, from, end])?;
        }
    }
    Ok(true)
}

fn first_open_range(transaction: &Transaction<'_>, claim: &Claim) -> Outcome<Option<(i64, i64, i64)>> {
    let mut statement = transaction.prepare_cached(
        "SELECT partition_id, from_offset, to_offset FROM open_ranges WHERE writer_id = ?1
         ORDER BY partition_id, from_offset LIMIT 1",
    )?;
    Ok(statement.query_row([claim.writer_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?)
}
