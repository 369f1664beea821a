//! A cache that is complete.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dropbridge_port::{
    CacheChange, CacheKeys, CacheLabel, CacheState, CacheUse, CachedRecord, EachRecord, Find, Identity, RecordCache,
    Result, Tally,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior};
use siphasher::sip::SipHasher13;

use crate::errors::{damaged, failure};
use crate::sums::{self, Sums, number, stored};

/// How long a write waits for that of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory for pages, in KiB, negative as SQLite wants it.
const PAGE_CACHE_KIB: i64 = -16 * 1024;

/// Pages of the write-ahead log after which it is moved into the file.
const CHECKPOINT_PAGES: i64 = 4096;

/// A cache in a SQLite file.
pub(crate) struct SqliteCache {
    connection: Connection,
    /// None: it is gone with its connection.
    path: Option<PathBuf>,
    subject: String,
    label: CacheLabel,
    state: CacheState,
    sums: Sums,
}

/// The one row of `state`.
struct StateRow {
    label: CacheLabel,
    state: CacheState,
    sums: Sums,
    sum: i64,
}

impl SqliteCache {
    /// Opens a file; `None` where it is of another origin or form. To keep it, it is looked through first unless it was
    /// made just now.
    pub(crate) fn open(path: &Path, label: &CacheLabel, intended: CacheUse, is_new: bool) -> Result<Option<Self>> {
        let subject = path.display().to_string();
        let sql = |error: rusqlite::Error| failure(&subject, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(sql)?;
        connection.pragma_update(None, "cache_size", PAGE_CACHE_KIB).map_err(sql)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(sql)?;
        if intended == CacheUse::Look {
            connection.pragma_update(None, "query_only", true).map_err(sql)?;
            // All that is asked is answered from one state of the file.
            connection.execute_batch("BEGIN").map_err(sql)?;
        }
        let cache = Self::over(connection, Some(path.to_owned()), subject)?;
        if cache.label != *label {
            return Ok(None);
        }
        if intended == CacheUse::Keep && !is_new {
            cache.look_through(path)?;
        }
        Ok(Some(cache))
    }

    /// Over a connection to a complete cache.
    pub(crate) fn over(connection: Connection, path: Option<PathBuf>, subject: String) -> Result<Self> {
        connection.set_prepared_statement_cache_capacity(32);
        let row = read_state(&connection).map_err(|error| failure(&subject, &error))?;
        if row.sum != row.checksum() {
            return Err(damaged(&subject, "its state is not what was written"));
        }
        Ok(Self { connection, path, subject, label: row.label, state: row.state, sums: row.sums })
    }

    /// Compares the indexes with their sums, and the file with the size that it says it has.
    fn look_through(&self, path: &Path) -> Result<()> {
        let sql = |error: rusqlite::Error| failure(&self.subject, &error);
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(sql);
        // Fails to move all where another process reads: then the size says nothing.
        let moved: i64 =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(sql)?;
        let wanted = pragma("page_count")?.saturating_mul(pragma("page_size")?);
        let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if moved == 0 && i64::try_from(length).unwrap_or(i64::MAX) < wanted {
            return Err(damaged(&self.subject, format!("it has {length} bytes and should have {wanted}")));
        }
        let found = sums::of_indexes_of_file(path, &self.subject)?;
        if (Sums { tallies: self.sums.tallies, ..found }) != self.sums {
            return Err(damaged(&self.subject, "an index does not agree with its sum"));
        }
        Ok(())
    }

    fn search(&self, what: Find, each: &mut EachRecord<'_>) -> Result<()> {
        let sql = |error: rusqlite::Error| failure(&self.subject, &error);
        let (query, parameters) = query(what);
        let is_of_all = parameters.is_empty();
        let mut seen = 0;
        let mut statement = self.connection.prepare_cached(query).map_err(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let (offset, keys, sum) = read_keys(row).map_err(sql)?;
            let record = row.get_ref(8).map_err(sql)?;
            let record = record.as_blob().map_err(|error| damaged(&self.subject, error))?;
            if sums::of_record(offset, &keys, record) != sum {
                return Err(damaged(&self.subject, format!("the record of offset {offset} is not what was written")));
            }
            seen += 1;
            if what.fits(&keys) && each(&CachedRecord { offset, keys, record })?.is_break() {
                return Ok(());
            }
        }
        if is_of_all { self.check_count(seen) } else { Ok(()) }
    }

    /// No index was asked that would have noticed what is missing.
    fn check_count(&self, seen: u64) -> Result<()> {
        let read = self.connection.query_row("SELECT position FROM state", [], |row| row.get::<_, i64>(0));
        let position = read.map_err(|error| failure(&self.subject, &error))?;
        // Another process may have written meanwhile.
        if position == self.state.position && seen != self.sums.records {
            let wanted = self.sums.records;
            return Err(damaged(&self.subject, format!("it has {seen} records and should have {wanted}")));
        }
        Ok(())
    }

    fn write_all(&mut self, changes: &[CacheChange], state: &CacheState) -> rusqlite::Result<Option<Sums>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let position: i64 = transaction.query_row("SELECT position FROM state", [], |row| row.get(0))?;
        if position != self.state.position {
            return Ok(None);
        }
        let (mut sums, mut counts) = (self.sums, Counts::default());
        for change in changes {
            let (CacheChange::Put { keys: CacheKeys { identity, .. }, .. } | CacheChange::Remove { identity, .. }) =
                change;
            sums = remove(&transaction, identity, sums, &mut counts)?;
            if let CacheChange::Put { offset, keys, record } = change {
                insert(&transaction, *offset, keys, record)?;
                sums = sums.with(*offset, keys);
                counts.add((keys.group, keys.class), 1, i64::from(keys.amount));
            }
        }
        write_counts(&transaction, &counts)?;
        sums.tallies = sums::of_tallies(&read_tallies(&transaction)?.0);
        write_state(&transaction, &self.label, state, sums)?;
        transaction.commit()?;
        Ok(Some(sums))
    }
}

impl RecordCache for SqliteCache {
    fn state(&self) -> &CacheState {
        &self.state
    }

    fn find(&self, what: Find, each: &mut EachRecord<'_>) -> Result<()> {
        self.search(what, each)
    }

    fn tallies(&self) -> Result<Vec<Tally>> {
        let (tallies, sum) = read_tallies(&self.connection).map_err(|error| failure(&self.subject, &error))?;
        if sum.is_some_and(|sum| sum != sums::of_tallies(&tallies)) || (tallies.is_empty() && self.sums.records > 0) {
            return Err(damaged(&self.subject, "its counts are not what was written"));
        }
        Ok(tallies)
    }

    fn write(&mut self, changes: &[CacheChange], state: CacheState) -> Result<bool> {
        let written = self.write_all(changes, &state).map_err(|error| failure(&self.subject, &error))?;
        let Some(sums) = written else { return Ok(false) };
        (self.sums, self.state) = (sums, state);
        Ok(true)
    }

    fn condemn(&self) {
        if let Some(path) = &self.path {
            crate::directory::remove(path);
        }
    }
}

/// `offset, identity, path, content, grp, class, amount, sum, record` of what is meant, the greatest offset first.
fn query(what: Find) -> (&'static str, Vec<Value>) {
    macro_rules! select {
        ($which:literal) => {
            concat!(
                "SELECT offset, identity, path, content, grp, class, amount, sum, record FROM records ",
                $which,
                " ORDER BY offset DESC"
            )
        };
    }
    match what {
        Find::Identity(identity) => (select!("WHERE identity = ?1"), vec![Value::Blob(identity.to_vec())]),
        Find::Beginning(beginning) => {
            let bound = |rest: u8| Value::Blob([beginning, [rest; 8]].concat());
            (select!("WHERE identity BETWEEN ?1 AND ?2"), vec![bound(0), bound(u8::MAX)])
        }
        Find::Path(path) => (select!("WHERE path = ?1"), vec![Value::Integer(stored(path))]),
        Find::Content(first, last) if first == last => {
            (select!("WHERE content = ?1"), vec![Value::Integer(stored(first))])
        }
        Find::Content(first, last) => (
            select!("WHERE content BETWEEN ?1 AND ?2"),
            vec![Value::Integer(stored(first)), Value::Integer(stored(last))],
        ),
        Find::Class(class) if class >= dropbridge_port::RARE_CLASSES_FROM => {
            (select!("INDEXED BY by_class WHERE class = ?1 AND class >= 5"), vec![Value::Integer(i64::from(class))])
        }
        // Nearly all: the others are passed over.
        Find::Class(_) | Find::All => (select!(""), Vec::new()),
    }
}

/// Offset, keys and checksum of the columns that [`query`] asks for.
fn read_keys(row: &Row<'_>) -> rusqlite::Result<(i64, CacheKeys, i64)> {
    let content: Option<i64> = row.get(3)?;
    let keys = CacheKeys {
        identity: row.get(1)?,
        path: number(row.get(2)?),
        content: content.map(number),
        group: row.get(4)?,
        class: row.get(5)?,
        amount: row.get(6)?,
    };
    Ok((row.get(0)?, keys, row.get(7)?))
}

/// Adds a record.
pub(crate) fn insert(connection: &Connection, offset: i64, keys: &CacheKeys, record: &[u8]) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    statement.execute((
        offset,
        keys.identity,
        stored(keys.path),
        keys.content.map(stored),
        keys.group,
        keys.class,
        keys.amount,
        sums::of_record(offset, keys, record),
        record,
    ))
}

fn remove(
    transaction: &Transaction<'_>,
    identity: &Identity,
    sums: Sums,
    counts: &mut Counts,
) -> rusqlite::Result<Sums> {
    let mut statement = transaction.prepare_cached(
        "SELECT offset, identity, path, content, grp, class, amount, sum FROM records WHERE identity = ?1",
    )?;
    let Some((offset, keys, _)) = statement.query_row([identity], read_keys).optional()? else { return Ok(sums) };
    transaction.prepare_cached("DELETE FROM records WHERE offset = ?1")?.execute([offset])?;
    counts.add((keys.group, keys.class), -1, -i64::from(keys.amount));
    Ok(sums.without(offset, &keys))
}

/// Changes of the counts: records and amounts, by group and class.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<(u32, u8), (i64, i64)>);

impl Counts {
    pub(crate) fn add(&mut self, place: (u32, u8), records: i64, amount: i64) {
        let (own_records, own_amount) = self.0.entry(place).or_default();
        *own_records += records;
        *own_amount += amount;
    }
}

/// Adds to the counts by group and class.
pub(crate) fn write_counts(connection: &Connection, counts: &Counts) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET records = records + excluded.records, amount = amount + excluded.amount",
    )?;
    for ((group, class), (records, amount)) in &counts.0 {
        statement.execute((group, class, records, amount))?;
    }
    Ok(())
}

/// The counts, and the sum that they should have.
pub(crate) fn read_tallies(connection: &Connection) -> rusqlite::Result<(Vec<Tally>, Option<u64>)> {
    const QUERY: &str = "SELECT grp, class, records, amount, (SELECT tallies_sum FROM state) FROM tallies";
    let (mut tallies, mut sum) = (Vec::new(), None);
    let mut statement = connection.prepare_cached(QUERY)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (records, amount): (i64, i64) = (row.get(2)?, row.get(3)?);
        tallies.push(Tally {
            group: row.get(0)?,
            class: row.get(1)?,
            records: records.max(0).cast_unsigned(),
            amount: amount.max(0).cast_unsigned(),
        });
        sum = row.get::<_, Option<i64>>(4)?.map(number);
    }
    Ok((tallies, sum))
}

/// Writes the one row of `state`.
pub(crate) fn write_state(
    connection: &Connection,
    label: &CacheLabel,
    state: &CacheState,
    sums: Sums,
) -> rusqlite::Result<()> {
    let row = StateRow { label: label.clone(), state: state.clone(), sums, sum: 0 };
    connection.execute("DELETE FROM state", [])?;
    let mut statement =
        connection.prepare_cached("INSERT INTO state VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    statement.execute((
        &label.origin,
        &label.form,
        state.position,
        &state.note,
        stored(sums.records),
        stored(sums.identity),
        stored(sums.path),
        stored(sums.content),
        stored(sums.class),
        stored(sums.tallies),
        row.checksum(),
    ))?;
    Ok(())
}

fn read_state(connection: &Connection) -> rusqlite::Result<StateRow> {
    connection.query_row("SELECT * FROM state", [], |row| {
        let label = CacheLabel { origin: row.get(0)?, form: row.get(1)? };
        let state = CacheState { position: row.get(2)?, note: row.get(3)? };
        let sums = Sums {
            records: number(row.get(4)?),
            identity: number(row.get(5)?),
            path: number(row.get(6)?),
            content: number(row.get(7)?),
            class: number(row.get(8)?),
            tallies: number(row.get(9)?),
        };
        Ok(StateRow { label, state, sums, sum: row.get(10)? })
    })
}

impl StateRow {
    fn checksum(&self) -> i64 {
        let mut hasher = SipHasher13::new();
        for text in [self.label.origin.as_bytes(), self.label.form.as_bytes(), &self.state.note] {
            hasher.write_u64(text.len() as u64);
            hasher.write(text);
        }
        hasher.write_i64(self.state.position);
        let Sums { records, identity, path, content, class, tallies } = self.sums;
        for sum in [records, identity, path, content, class, tallies] {
            hasher.write_u64(sum);
        }
        hasher.finish().cast_signed()
    }
}
