//! A server's answers as errors that say what to do.

use dropbridge_port::{ErrorKind, PortError, Result};

use crate::protocol::{FileAttributes, Reply, status};

/// The error that a status means for an operation on `subject`.
pub(crate) fn failure(operation: &'static str, subject: &str, code: u32, message: &str) -> PortError {
    let said = |fallback: &str| if message.is_empty() { fallback.to_owned() } else { message.to_owned() };
    match code {
        status::NO_SUCH_FILE => PortError::new(ErrorKind::NotFound, operation, subject, said("no such file")),
        status::PERMISSION_DENIED => PortError::new(ErrorKind::Refused, operation, subject, said("permission denied"))
            .with_hint("ask the server's owner to allow the user of the share what is tried here"),
        status::BAD_MESSAGE | status::UNSUPPORTED => {
            PortError::new(ErrorKind::Refused, operation, subject, said("the server cannot do this"))
        }
        _ => PortError::new(ErrorKind::Transient, operation, subject, said("failure"))
            .with_hint("the server says no more than this: its own log does"),
    }
}

/// The error of a reply that was not the one hoped for.
pub(crate) fn unexpected(operation: &'static str, subject: &str, reply: &Reply) -> PortError {
    match reply {
        Reply::Status { code, message } if *code != status::OK => failure(operation, subject, *code, message),
        _ => PortError::new(ErrorKind::Transient, operation, subject, "the server answered something else"),
    }
}

/// Expects that it was done.
pub(crate) fn done(operation: &'static str, subject: &str, reply: &Reply) -> Result<()> {
    match reply {
        Reply::Status { code: status::OK, .. } => Ok(()),
        other => Err(unexpected(operation, subject, other)),
    }
}

/// Expects a handle.
pub(crate) fn handle(operation: &'static str, subject: &str, reply: Reply) -> Result<Vec<u8>> {
    match reply {
        Reply::Handle(handle) => Ok(handle),
        other => Err(unexpected(operation, subject, &other)),
    }
}

/// Expects attributes; `None` where nothing has the name.
pub(crate) fn attributes(operation: &'static str, subject: &str, reply: &Reply) -> Result<Option<FileAttributes>> {
    match reply {
        Reply::Attributes(found) => Ok(Some(*found)),
        Reply::Status { code: status::NO_SUCH_FILE, .. } => Ok(None),
        other => Err(unexpected(operation, subject, other)),
    }
}
