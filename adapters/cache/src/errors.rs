//! Turns what SQLite answers into what the bridge should do.

use dropbridge_port::{ErrorKind, PortError};
use rusqlite::ErrorCode;

/// What was tried, in errors.
pub(crate) const OPERATION: &str = "use cache";

/// An error of SQLite.
pub(crate) fn failure(subject: &str, error: &rusqlite::Error) -> PortError {
    let (kind, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch) => {
            (ErrorKind::Corrupt, None)
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::Transient, Some("make room on the disk, or in TMPDIR")),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            (ErrorKind::Refused, Some("the state directory, and TMPDIR, have to be writable for this user"))
        }
        Some(_) => (ErrorKind::Transient, None),
        // A column that is not what it was written as.
        None => (ErrorKind::Corrupt, None),
    };
    let failure = PortError::new(kind, OPERATION, subject, error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The file does not say what was written.
pub(crate) fn damaged(subject: &str, what: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Corrupt, OPERATION, subject, what)
}
