//! A service's own database: what came, what followed from it, and what is still to be sent.
//!
//! Look at it whenever you like, while the service runs too:
//!
//! ```sh
//! sqlite3 -readonly invoicer.sqlite 'SELECT * FROM invoices'
//! sqlite3 -readonly invoicer.sqlite 'SELECT place, reason FROM set_aside'
//! ```

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

/// The tables of every service; each has its own beside them.
///
/// Ids are kept for ever. To forget those that cannot come again: `DELETE FROM received WHERE received_at < '2026-01-01'`,
/// with a day before the oldest record of any topic that is read.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS received (
        id TEXT PRIMARY KEY, place TEXT NOT NULL, received_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS set_aside (
        place TEXT PRIMARY KEY, reason TEXT NOT NULL, value BLOB, set_aside_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS instance (id TEXT NOT NULL) STRICT;
    INSERT INTO instance SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT * FROM instance);";

/// A service's database, which no other process works with.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Held as long as the store is open; the system gives it back however the process ends.
    _lock: File,
}

/// A record that is still to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Its place in the order.
    pub number: i64,
    /// Where it goes.
    pub topic: String,
    /// The business key.
    pub key: String,
    /// The event.
    pub value: Vec<u8>,
}

impl Store {
    /// Opens or makes it, with the tables that the service has of its own.
    ///
    /// # Errors
    /// When another process works with it, or the file cannot be used.
    pub fn open(path: &Path, tables: &str) -> Result<Self> {
        let what = || format!("open the state {}", path.display());
        let lock = lock(path).with_context(what)?;
        let connection = Connection::open(path).with_context(what)?;
        // An event must not be sent before the disk has what it follows from: hence no `synchronous = NORMAL`.
        connection.pragma_update(None, "journal_mode", "WAL").with_context(what)?;
        connection.pragma_update(None, "synchronous", "FULL").with_context(what)?;
        connection.execute_batch(TABLES).and_then(|()| connection.execute_batch(tables)).with_context(what)?;
        Ok(Self { connection, path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells this store from all others: drawn when it was made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn instance(&self) -> Result<String> {
        Ok(self.connection.query_row("SELECT id FROM instance", [], |row| row.get(0))?)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        Ok(self.connection.transaction()?)
    }

    /// The connection, to read.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The oldest of what is still to be sent, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox(&self, most: usize) -> Result<Vec<Outgoing>> {
        let sql = "SELECT number, topic, key, value FROM outbox ORDER BY number LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([i64::try_from(most)?], |row| {
            Ok(Outgoing { number: row.get(0)?, topic: row.get(1)?, key: row.get(2)?, value: row.get(3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Takes what was sent out of the outbox.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn sent(&mut self, numbers: &[i64]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for number in numbers {
            transaction.prepare_cached("DELETE FROM outbox WHERE number = ?")?.execute([number])?;
        }
        Ok(transaction.commit()?)
    }

    /// How many records are still to be sent.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn waiting(&self) -> Result<usize> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?;
        Ok(usize::try_from(count)?)
    }
}

/// Notes an event's id; `false` when it was known already.
///
/// # Errors
/// When the database cannot be written.
pub fn note_received(store: &Transaction<'_>, id: &str, place: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO received VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    Ok(store.prepare_cached(sql)?.execute(params![id, place, now.to_string()])? == 1)
}

/// Keeps a record that cannot be used, for a person to look at. It does not stop those behind it.
///
/// # Errors
/// When the database cannot be written.
pub fn set_aside(
    store: &Transaction<'_>,
    place: &str,
    reason: &str,
    value: Option<&[u8]>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO set_aside VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
    store.prepare_cached(sql)?.execute(params![place, reason, value, now.to_string()])?;
    Ok(())
}

/// Puts an event behind the others that are to be sent.
///
/// # Errors
/// When the database cannot be written.
pub fn put_in_outbox(store: &Transaction<'_>, topic: &str, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO outbox (topic, key, value) VALUES (?, ?, ?)";
    store.prepare_cached(sql)?.execute(params![topic, key, value])?;
    Ok(())
}

/// A lock beside the database, so that readers of the database itself are not locked out.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).write(true).truncate(false).open(&name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another process works with it; give each process a --state of its own"),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn now() -> Timestamp {
        "2026-02-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_not_committed_was_never_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&directory.path().join("state"), "").unwrap();
        let transaction = store.transaction().unwrap();
        assert!(note_received(&transaction, "a", "topic 0 0", now()).unwrap());
        put_in_outbox(&transaction, "t", "k", b"v").unwrap();
        drop(transaction);
        assert_eq!(store.waiting().unwrap(), 0);
        let transaction = store.transaction().unwrap();
        assert!(note_received(&transaction, "a", "topic 0 0", now()).unwrap());
        assert!(!note_received(&transaction, "a", "topic 0 9", now()).unwrap());
    }

    #[test]
    fn the_outbox_keeps_its_order_over_restarts_and_only_what_was_not_sent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let mut store = Store::open(&path, "").unwrap();
        let transaction = store.transaction().unwrap();
        for key in ["a", "b", "c", "d"] {
            put_in_outbox(&transaction, "t", key, b"v").unwrap();
        }
        transaction.commit().unwrap();
        let first: Vec<i64> = store.outbox(2).unwrap().iter().map(|outgoing| outgoing.number).collect();
        store.sent(&first).unwrap();
        let instance = store.instance().unwrap();
        drop(store);
        let store = Store::open(&path, "").unwrap();
        let keys: Vec<String> = store.outbox(9).unwrap().into_iter().map(|outgoing| outgoing.key).collect();
        assert_eq!((keys, store.waiting().unwrap()), (vec!["c".to_owned(), "d".to_owned()], 2));
        assert_eq!(store.instance().unwrap(), instance);
    }

    #[test]
    fn two_processes_do_not_share_a_state() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let first = Store::open(&path, "").unwrap();
        let error = Store::open(&path, "").err().unwrap();
        assert!(format!("{error:#}").contains("another process works with it"), "{error:#}");
        drop(first);
        Store::open(&path, "").unwrap();
    }
}
