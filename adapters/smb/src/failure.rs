//! A server's answers as errors that say what to do.

use dropbridge_port::{ErrorKind, PortError, Result};
use smb2::types::status::NtStatus;

use crate::session::Answer;

/// Status codes (MS-ERREF 2.3) that the crate does not name.
pub(crate) mod status {
    use smb2::types::status::NtStatus;

    pub(crate) const INVALID_HANDLE: NtStatus = NtStatus(0xC000_0008);
    pub(crate) const QUOTA_EXCEEDED: NtStatus = NtStatus(0xC000_0044);
    pub(crate) const MEDIA_WRITE_PROTECTED: NtStatus = NtStatus(0xC000_00A2);
    pub(crate) const NOT_SAME_DEVICE: NtStatus = NtStatus(0xC000_00D4);
    pub(crate) const OBJECT_PATH_SYNTAX_BAD: NtStatus = NtStatus(0xC000_003B);
    pub(crate) const DISK_QUOTA_EXCEEDED: NtStatus = NtStatus(0xC000_0802);
}

/// Why a session is of no more use after this answer; `None` where it is.
pub(crate) fn ends_session(status: NtStatus) -> Option<&'static str> {
    Some(match status {
        NtStatus::USER_SESSION_DELETED | NtStatus::NETWORK_SESSION_EXPIRED => "the server ended the session",
        NtStatus::NETWORK_NAME_DELETED => "the server took the share away",
        NtStatus::FILE_CLOSED | status::INVALID_HANDLE => "the server closed what was open",
        _ => return None,
    })
}

/// Whether a status says that nothing has the name.
pub(crate) fn is_missing(status: NtStatus) -> bool {
    [
        NtStatus::OBJECT_NAME_NOT_FOUND,
        NtStatus::OBJECT_PATH_NOT_FOUND,
        NtStatus::NO_SUCH_FILE,
        NtStatus::NOT_FOUND,
        NtStatus::NOT_A_DIRECTORY,
        // A name that the server cannot have.
        NtStatus::OBJECT_NAME_INVALID,
        status::OBJECT_PATH_SYNTAX_BAD,
    ]
    .contains(&status)
}

/// The error that a status means for an operation on `subject`.
pub(crate) fn failure(operation: &'static str, subject: &str, status: NtStatus) -> PortError {
    let error = |kind, message: &str| PortError::new(kind, operation, subject, format!("{message} ({status})"));
    match status {
        missing if is_missing(missing) => error(ErrorKind::NotFound, "no such file or directory"),
        NtStatus::ACCESS_DENIED => error(ErrorKind::Refused, "permission denied")
            .with_hint("ask the server's owner to allow the user of the share what is tried here"),
        status::MEDIA_WRITE_PROTECTED => {
            error(ErrorKind::Refused, "the volume is write-protected").with_hint("ask the server's owner")
        }
        NtStatus::CANNOT_DELETE => error(ErrorKind::Refused, "the server does not let it be deleted")
            .with_hint("it is marked read-only, or somebody has it mapped into memory"),
        NtStatus::OBJECT_NAME_COLLISION => error(ErrorKind::Conflict, "something of this name is there"),
        NtStatus::FILE_IS_A_DIRECTORY => error(ErrorKind::Refused, "it is a directory"),
        NtStatus::STOPPED_ON_SYMLINK => {
            error(ErrorKind::Refused, "there is a symbolic link on the way").with_hint("links are not followed")
        }
        NtStatus::SHARING_VIOLATION | NtStatus::FILE_LOCK_CONFLICT => {
            error(ErrorKind::Transient, "somebody has it open and shares it with nobody")
                .with_hint("it is tried again by itself; who has it open, the server's owner can see")
        }
        NtStatus::DISK_FULL | status::QUOTA_EXCEEDED | status::DISK_QUOTA_EXCEEDED => {
            error(ErrorKind::Transient, "the disk there is full, or the user's quota used up")
                .with_hint("make room; it goes on by itself then")
        }
        status::NOT_SAME_DEVICE => error(ErrorKind::Configuration, "the two names are on two file systems")
            .with_hint("name a staging directory on the outbox's file system, or none"),
        NtStatus::PATH_NOT_COVERED => error(ErrorKind::Refused, "it leads to another server, by DFS")
            .with_hint("DFS is not followed: name the server and the share behind it, or mount the share"),
        NtStatus::DELETE_PENDING => error(ErrorKind::Transient, "it is being deleted, and somebody has it open still"),
        NtStatus::NOT_SUPPORTED
        | NtStatus::NOT_IMPLEMENTED
        | NtStatus::INVALID_PARAMETER
        | NtStatus::INVALID_INFO_CLASS
        | NtStatus::INVALID_DEVICE_REQUEST => error(ErrorKind::Refused, "the server cannot do this"),
        _ => error(ErrorKind::Transient, "the server failed").with_hint("its own log may say more"),
    }
}

/// Expects that it was done.
pub(crate) fn done(operation: &'static str, subject: &str, answer: &Answer) -> Result<()> {
    if answer.is_done() { Ok(()) } else { Err(failure(operation, subject, answer.status)) }
}
