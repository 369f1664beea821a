//! Connections to the file: how they are set up, and the one way to write through them.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::errors::{failure, is_busy};

/// Version of the tables in `schema.sql`, kept in `PRAGMA user_version`.
const SCHEMA_VERSION: i64 = 1;

/// `PRAGMA application_id` of an event log: "DrpB".
const APPLICATION_ID: i64 = 0x4472_7042;

/// How long a call waits for another process's short write before it gives up.
const BUSY_TIMEOUT_MS: u64 = 10_000;

/// Whether a write has to be on disk when it is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Yes: someone is told that it happened.
    Durable,
    /// No: a later durable write syncs it too, and until then nobody relies on it.
    Later,
}

/// One connection. A log in memory has only this one, shared by all; a log in a file gives each writer and reader its
/// own.
#[derive(Clone)]
pub(crate) struct Handle {
    shared: Arc<Mutex<Settings>>,
    subject: Arc<str>,
}

struct Settings {
    connection: Connection,
    sync: Sync,
}

impl Handle {
    /// Opens the file, and makes it an event log if it is empty.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let subject: Arc<str> = path.display().to_string().into();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(path, flags).map_err(|error| failure("open log", &subject, &error))?;
        prepare_file(&mut connection, &subject).map_err(|error| explain("open log", &subject, error))?;
        Ok(Self::new(connection, subject))
    }

    /// A log that lives as long as the handle and its clones.
    pub(crate) fn in_memory() -> Result<Self> {
        let subject: Arc<str> = ":memory:".into();
        let mut connection = Connection::open_in_memory().map_err(|error| failure("open log", &subject, &error))?;
        create_schema(&mut connection, &subject).map_err(|error| explain("open log", &subject, error))?;
        Ok(Self::new(connection, subject))
    }

    fn new(connection: Connection, subject: Arc<str>) -> Self {
        connection.set_prepared_statement_cache_capacity(64);
        Self { shared: Arc::new(Mutex::new(Settings { connection, sync: Sync::Durable })), subject }
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        // A panic elsewhere leaves no half-done write behind: dropping a transaction rolls it back.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` over one consistent state of the log.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
    ) -> Result<T> {
        let mut settings = self.lock();
        let begun = settings.connection.transaction_with_behavior(TransactionBehavior::Deferred);
        let answer = begun.map_err(Failure::from).and_then(|transaction| work(&transaction));
        answer.map_err(|error| explain(operation, &self.subject, error))
    }

    /// Runs `work` as one SQLite transaction; all of it happens or nothing. It must be short: it keeps every other
    /// writer out.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        sync: Sync,
        work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
    ) -> Result<T> {
        let mut settings = self.lock();
        write_through(&mut settings, sync, work).map_err(|error| explain(operation, &self.subject, error))
    }

    /// A number that changes when another connection changed the log.
    pub(crate) fn data_version(&self) -> Result<i64> {
        self.lock()
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(|error| failure("read log", &self.subject, &error))
    }
}

fn explain(operation: &'static str, subject: &str, error: Failure) -> PortError {
    match error {
        Failure::Sqlite(error) => failure(operation, subject, &error),
        Failure::Port(error) => error,
    }
}

fn write_through<T>(
    settings: &mut Settings,
    sync: Sync,
    work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
) -> Outcome<T> {
    if settings.sync != sync {
        let mode = if sync == Sync::Durable { "FULL" } else { "NORMAL" };
        settings.connection.pragma_update(None, "synchronous", mode)?;
        settings.sync = sync;
    }
    let transaction = settings.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let answer = work(&transaction)?;
    transaction.commit()?;
    Ok(answer)
}

/// What a piece of work within a SQLite transaction answers.
pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

/// Why a piece of work within a SQLite transaction stopped.
pub(crate) enum Failure {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// We did.
    Port(PortError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

fn prepare_file(connection: &mut Connection, subject: &str) -> Outcome<()> {
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // A file that is not ours is refused before anything in it is changed.
    let found = examine(connection, subject)?;
    connection.pragma_update(None, "page_size", 8192)?;
    enter_wal_mode(connection, subject)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    // Pages: 64 MiB. The less often the write-ahead log is moved into the file, the less is written twice.
    connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
    connection.pragma_update(None, "journal_size_limit", 128 << 20)?;
    match found {
        Found::Log => Ok(()),
        Found::Nothing => create_schema(connection, subject),
    }
}

/// SQLite does not always wait for others here, whatever the busy timeout says, so we do.
fn enter_wal_mode(connection: &Connection, subject: &str) -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_millis(BUSY_TIMEOUT_MS);
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let message = format!("SQLite stays in journal mode `{mode}`, the log needs `wal`");
                return Err(PortError::new(ErrorKind::Configuration, "open log", subject, message)
                    .with_hint("keep the log on a local file system, not on a network share")
                    .into());
            }
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is in a file.
enum Found {
    /// An event log of our version.
    Log,
    /// No table at all.
    Nothing,
}

fn examine(connection: &Connection, subject: &str) -> Outcome<Found> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let refuse = |message: String, hint: &str| {
        Err(PortError::new(ErrorKind::Configuration, "open log", subject, message).with_hint(hint).into())
    };
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(Found::Nothing);
    }
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return refuse("it is a SQLite file, but no event log".to_owned(), "name another path for the log");
    }
    let version = number("PRAGMA user_version")?;
    if version != SCHEMA_VERSION {
        return refuse(
            format!("its tables have version {version}, this program knows version {SCHEMA_VERSION}"),
            "another version of the program wrote it: use that one",
        );
    }
    Ok(Found::Log)
}

fn create_schema(connection: &mut Connection, subject: &str) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again now that nobody else can write: another process may have been faster.
    if matches!(examine(&transaction, subject)?, Found::Log) {
        return Ok(());
    }
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}
