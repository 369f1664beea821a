//! Turns what SQLite answers into what the bridge should do.

use dropbridge_port::{ErrorKind, PortError};
use rusqlite::ErrorCode;

/// The kind and the advice that belong to an answer of SQLite.
fn meaning(error: &rusqlite::Error) -> (ErrorKind, Option<&'static str>) {
    let Some(code) = error.sqlite_error_code() else { return (ErrorKind::Bug, None) };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorKind::Transient,
            Some("another process holds the write lock of the log: if it is stopped or hangs, end it"),
        ),
        ErrorCode::DiskFull => (ErrorKind::Transient, Some("the disk is full: make room, the log goes on by itself")),
        ErrorCode::SystemIoFailure => {
            (ErrorKind::Transient, Some("the disk failed to read or write: look at the system's log"))
        }
        ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted | ErrorCode::SchemaChanged => {
            (ErrorKind::Transient, None)
        }
        ErrorCode::DatabaseCorrupt => (
            ErrorKind::Corrupt,
            Some("stop every process that uses the log, keep the file, and bring back the last backup"),
        ),
        ErrorCode::NotADatabase => (ErrorKind::Corrupt, Some("is this the path of an event log?")),
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::AuthorizationForStatementDenied => (
            ErrorKind::Refused,
            Some("the directory must exist, and the file and its directory must be writable for this user"),
        ),
        ErrorCode::TooBig => (ErrorKind::Unacceptable, None),
        _ => (ErrorKind::Bug, None),
    }
}

/// An error of SQLite, met during `operation` on `subject`.
pub(crate) fn failure(operation: &'static str, subject: &str, error: &rusqlite::Error) -> PortError {
    let (kind, hint) = meaning(error);
    let failure = PortError::new(kind, operation, subject, error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Whether another process was in the way, so that trying again at once may help.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use dropbridge_port::ErrorKind;
    use rusqlite::ffi;

    use super::failure;

    #[test]
    fn each_answer_of_sqlite_has_its_kind() {
        let cases = [
            (ffi::SQLITE_BUSY, ErrorKind::Transient),
            (ffi::SQLITE_BUSY_RECOVERY, ErrorKind::Transient),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Transient),
            (ffi::SQLITE_FULL, ErrorKind::Transient),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_CANTOPEN, ErrorKind::Refused),
            (ffi::SQLITE_READONLY, ErrorKind::Refused),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Bug),
        ];
        for (code, kind) in cases {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(failure("commit", "log", &error).kind, kind, "code {code}");
        }
        let full = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        assert!(failure("commit", "log", &full).to_string().contains("the disk is full"));
    }
}
