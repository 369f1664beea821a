//! A cache that is being made: records in the order in which they come, and indexes when all are there, which is many
//! times faster than keeping indexes as one goes.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use dropbridge_port::{
    CacheBuilder, CacheChange, CacheKeys, CacheLabel, CacheState, CacheUse, Identity, PortError, RecordCache, Result,
};
use rusqlite::Connection;

use crate::cache::{Counts, SqliteCache, insert, read_tallies, write_counts, write_state};
use crate::errors::failure;
use crate::sums;

/// Memory for pages and for sorting, in KiB, negative as SQLite wants it.
const PAGE_CACHE_KIB: i64 = -64 * 1024;

/// How many replaced records are looked for at a time, 8 bytes each.
const REPLACED_AT_A_TIME: usize = 1 << 20;

/// Each index has the offset at its end.
const FIRST_INDEX: &str = "CREATE INDEX by_identity ON records (identity)";

/// Classes below 5 are what nearly all records are of: see `RARE_CLASSES_FROM`.
const OTHER_INDEXES: &str = "
    CREATE INDEX by_path ON records (path);
    CREATE INDEX by_content ON records (content) WHERE content IS NOT NULL;
    CREATE INDEX by_class ON records (class) WHERE class >= 5;
";

/// Where a cache is made, and the name that it gets.
pub(crate) struct Places {
    pub(crate) unfinished: PathBuf,
    pub(crate) complete: PathBuf,
}

impl Drop for Places {
    fn drop(&mut self) {
        // Gone where it was finished: it has another name then.
        let _gone = std::fs::remove_file(&self.unfinished);
    }
}

/// A cache that is being made.
pub(crate) struct SqliteBuilder {
    connection: Connection,
    label: CacheLabel,
    /// None for one that is gone with its connection.
    places: Option<Places>,
    subject: String,
    /// Records that are gone, and since which offset.
    removed: HashMap<Identity, i64>,
    counts: Counts,
}

impl SqliteBuilder {
    /// Begins.
    pub(crate) fn new(label: &CacheLabel, places: Option<Places>) -> Result<Self> {
        // Without a name SQLite keeps what does not fit into memory in a file that nobody sees.
        let path = places.as_ref().map(|places| places.unfinished.clone()).unwrap_or_default();
        let subject = if places.is_some() { path.display().to_string() } else { "a temporary cache".to_owned() };
        let begin = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&path)?;
            connection.pragma_update(None, "journal_mode", "OFF")?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.pragma_update(None, "cache_size", PAGE_CACHE_KIB)?;
            connection.execute_batch(include_str!("schema.sql"))?;
            connection.execute_batch("BEGIN")?;
            Ok(connection)
        };
        let connection = begin().map_err(|error| failure(&subject, &error))?;
        let (removed, counts) = (HashMap::new(), Counts::default());
        Ok(Self { connection, label: label.clone(), places, subject, removed, counts })
    }

    /// Takes out what newer records replaced. Without a journal nothing can be undone, and need not be: what is not
    /// finished is thrown away.
    fn remove_replaced(&mut self) -> rusqlite::Result<()> {
        loop {
            let replaced = self.replaced()?;
            let mut statement =
                self.connection.prepare_cached("DELETE FROM records WHERE offset = ?1 RETURNING grp, class, amount")?;
            for offset in &replaced {
                let of_one = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                let (group, class, amount): (u32, u8, i64) = statement.query_row([offset], of_one)?;
                self.counts.add((group, class), -1, -amount);
            }
            if replaced.len() < REPLACED_AT_A_TIME {
                return Ok(());
            }
        }
    }

    fn replaced(&self) -> rusqlite::Result<Vec<i64>> {
        const QUERY: &str = "SELECT identity, offset FROM records ORDER BY identity, offset";
        let mut replaced = Vec::new();
        let mut last: Option<(Identity, i64)> = None;
        let mut statement = self.connection.prepare_cached(QUERY)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()?
            && replaced.len() < REPLACED_AT_A_TIME
        {
            let (identity, offset): (Identity, i64) = (row.get(0)?, row.get(1)?);
            replaced.extend(last.filter(|(before, _)| *before == identity).map(|(_, before)| before));
            let is_gone = self.removed.get(&identity).is_some_and(|since| *since > offset);
            if is_gone {
                replaced.push(offset);
            }
            last = (!is_gone).then_some((identity, offset));
        }
        Ok(replaced)
    }

    fn complete(&mut self, state: &CacheState) -> Result<()> {
        let subject = self.subject.clone();
        let sql = |error: rusqlite::Error| failure(&subject, &error);
        self.connection.execute_batch(FIRST_INDEX).map_err(sql)?;
        self.remove_replaced().map_err(sql)?;
        self.connection.execute_batch(OTHER_INDEXES).map_err(sql)?;
        let mut sums = sums::of_indexes(&self.connection, &subject)?;
        write_counts(&self.connection, &self.counts).map_err(sql)?;
        sums.tallies = sums::of_tallies(&read_tallies(&self.connection).map_err(sql)?.0);
        write_state(&self.connection, &self.label, state, sums).map_err(sql)?;
        self.connection.execute_batch("COMMIT").map_err(sql)
    }
}

impl CacheBuilder for SqliteBuilder {
    fn add(&mut self, change: CacheChange) -> Result<()> {
        match change {
            CacheChange::Put { offset, keys, record } => self.put(offset, &keys, &record),
            CacheChange::Remove { offset, identity } => {
                self.removed.insert(identity, offset);
                Ok(())
            }
        }
    }

    fn finish(mut self: Box<Self>, state: CacheState) -> Result<Box<dyn RecordCache>> {
        self.complete(&state)?;
        let Self { connection, label, places, subject, .. } = *self;
        let Some(places) = places else {
            // From now on a write that fails has to be undone.
            connection
                .pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))
                .map_err(|error| failure(&subject, &error))?;
            return Ok(Box::new(SqliteCache::over(connection, None, subject)?));
        };
        let sql = |error: rusqlite::Error| failure(&subject, &error);
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(sql)?;
        connection.close().map_err(|(_, error)| failure(&subject, &error))?;
        let place = || -> std::io::Result<()> {
            File::open(&places.unfinished)?.sync_all()?;
            std::fs::rename(&places.unfinished, &places.complete)?;
            places.complete.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        place().map_err(|error| PortError::io(crate::errors::OPERATION, &subject, &error))?;
        match SqliteCache::open(&places.complete, &label, CacheUse::Keep, true)? {
            Some(cache) => {
                crate::directory::remove_others(&places.complete)?;
                Ok(Box::new(cache))
            }
            None => Err(crate::errors::damaged(&subject, "it is not what was written")),
        }
    }
}

impl SqliteBuilder {
    fn put(&mut self, offset: i64, keys: &CacheKeys, record: &[u8]) -> Result<()> {
        insert(&self.connection, offset, keys, record).map_err(|error| failure(&self.subject, &error))?;
        self.counts.add((keys.group, keys.class), 1, i64::from(keys.amount));
        Ok(())
    }
}
