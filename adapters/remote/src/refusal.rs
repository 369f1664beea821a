//! Errors that read the same over every protocol.

use dropbridge_port::{EntryStat, ErrorKind, PortError, Result};

/// Of opening what is no regular file but something called `kind`.
#[must_use]
pub fn not_regular(operation: &'static str, subject: &str, kind: &str) -> PortError {
    let message = format!("it is no regular file but a {kind}");
    PortError::new(ErrorKind::Refused, operation, subject, message).with_hint("only regular files are read")
}

/// Of a name that nothing has.
#[must_use]
pub fn no_file(operation: &'static str, subject: &str) -> PortError {
    PortError::new(ErrorKind::NotFound, operation, subject, "no such file")
}

/// Of a server that tells too little of its files.
#[must_use]
pub fn no_size_and_time(operation: &'static str, subject: &str) -> PortError {
    let message = "the server tells neither size nor time of its files";
    PortError::new(ErrorKind::Refused, operation, subject, message)
        .with_hint("without them nobody can tell whether a file is whole: ask the server's owner")
}

/// Of a login that ended (`how`) before the password was answered. It may be the way in which a server refuses it, so that
/// it is not tried again soon. `section` names the share in the configuration.
#[must_use]
pub fn unanswered_login(subject: &str, section: &str, how: &str) -> PortError {
    let message = format!("the server did not answer the login: {how}");
    PortError::new(ErrorKind::Refused, "connect", subject, message).with_hint(format!(
        "is the password of [share.{section}] right? some servers end the connection when it is not; it is tried seldom, so \
         that the account is not locked"
    ))
}

/// The server ended a file before the size that it had announced: that is its end only if it is that short `now`.
///
/// # Errors
/// `Transient` where it is not.
pub fn short_file(operation: &'static str, subject: &str, offset: u64, now: EntryStat) -> Result<()> {
    if now.size <= offset {
        return Ok(());
    }
    let message = format!("the server ended the file after {offset} of {} bytes", now.size);
    Err(PortError::new(ErrorKind::Transient, operation, subject, message))
}
