//! The system's answers as errors that say what to do.

use dropbridge_port::{ErrorKind, PortError};
use rustix::io::Errno;

/// The error that `errno` means for an operation on `subject`, with advice where there is any.
pub(crate) fn failure(operation: &'static str, subject: impl Into<String>, errno: Errno) -> PortError {
    let mut error = PortError::io(operation, subject, &errno.into());
    if errno == Errno::LOOP {
        error.kind = ErrorKind::Refused;
    }
    match advice(errno) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The same for an operation that writes.
pub(crate) fn write_failure(operation: &'static str, subject: impl Into<String>, errno: Errno) -> PortError {
    let hint = match errno {
        Errno::NOSPC => "the disk is full: make room there; it goes on by itself then",
        Errno::DQUOT => "the user's quota there is used up: raise it or make room; it goes on by itself then",
        Errno::ROFS => "the file system is mounted read-only: look at the kernel log, and mount it for writing",
        Errno::ACCESS | Errno::PERM => {
            "give the user that runs dropbridge read, write and execute permission on the outbox and its staging directory"
        }
        _ => return failure(operation, subject, errno),
    };
    PortError::io(operation, subject, &errno.into()).with_hint(hint)
}

fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ACCESS | Errno::PERM => {
            "give the user that runs dropbridge read permission on the files, and read and execute permission on the \
             directories"
        }
        Errno::LOOP => "symbolic links in a share are not followed: name the real directory",
        Errno::STALE => "the server no longer knows this mount: mount the share again",
        Errno::NOTCONN | Errno::IO | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::TIMEDOUT => {
            "the disk or server behind the mount does not answer: look at it and at the kernel log"
        }
        Errno::MFILE | Errno::NFILE => "too many files are open: raise the limit (`ulimit -n`, fs.file-max)",
        Errno::AGAIN => "another process holds a lease on it: it will be tried again",
        _ => return None,
    })
}
