//! A server's answers as errors that say what to do.

use std::io;

use dropbridge_port::{ErrorKind, PortError, Result};
use suppaftp::FtpError;
use suppaftp::types::Response;

/// What the server said when it did not do what it was asked for (RFC 959, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The number of its reply.
    pub(crate) code: u32,
    /// The text of its reply.
    pub(crate) text: String,
}

/// What servers say of a name that nothing has.
const MISSING: [&str; 6] =
    ["no such file", "not found", "cannot find", "does not exist", "doesn't exist", "not a directory"];

/// What servers say of trouble that passes, by the number of a name that nothing has.
const TEMPORARY: [&str; 12] = [
    "being used",
    "busy",
    "in use",
    "locked",
    "input/output error",
    "i/o error",
    "timed out",
    "timeout",
    "stale",
    "temporar",
    "try again",
    "too many",
];

/// What a command came to: the text of the reply, or a refusal.
pub(crate) type Answer<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// Of the reply that a server gave. The library knows some numbers only; the text has each.
    pub(crate) fn of(response: &Response) -> Self {
        let text = String::from_utf8_lossy(&response.body);
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let digits = line.get(..3).and_then(|digits| Some((digits.parse().ok()?, digits.len())));
        let (code, length) = digits.unwrap_or((response.status.code(), 0));
        Self { code, text: line[length..].trim().escape_debug().to_string() }
    }

    fn says(&self, any: &[&str]) -> bool {
        let text = self.text.to_ascii_lowercase();
        any.iter().any(|what| text.contains(what))
    }

    /// It says by words that nothing has the name. Servers have one number for this and for what is not permitted.
    pub(crate) fn says_missing(&self) -> bool {
        self.says(&MISSING)
    }

    /// It says by words that it is not permitted.
    pub(crate) fn says_forbidden(&self) -> bool {
        self.says(&["permission", "denied", "not allowed", "forbidden", "not permitted"])
    }

    /// It says by words that it may pass: some servers give that the number of what is missing. Many say which name they
    /// mean, and then why; only the reason counts, since a name may have any word in it.
    fn says_temporary(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        let reason = text.rsplit(": ").next().unwrap_or_default();
        let is_said = |what: &&str| {
            // Not within another word: what is blocked, or unlocked, is not locked.
            reason.match_indices(*what).any(|(at, _)| !reason[..at].ends_with(|before: char| before.is_alphanumeric()))
        };
        !MISSING.iter().any(|what| reason.contains(what)) && TEMPORARY.iter().any(is_said)
    }

    /// Nothing has the name, as far as that can be told. By 550 alone servers say so without any word that means it; by 450
    /// they say that it may pass.
    pub(crate) fn may_be_missing(&self) -> bool {
        if self.code == 550 && self.says_temporary() {
            return false;
        }
        self.code == 550 && !self.says_forbidden() || self.says_missing()
    }
}

/// The error of a refusal of an operation on `subject`.
pub(crate) fn refused(operation: &'static str, subject: &str, refusal: &Refusal) -> PortError {
    let message = format!("the server says: {} {}", refusal.code, refusal.text);
    let error = |kind| PortError::new(kind, operation, subject, &message);
    let full = ["quota", "space", "exceeded"];
    match refusal.code {
        452 | 552 => error(ErrorKind::Transient)
            .with_hint("the user's quota is used up, or the disk there is full: make room; it goes on by itself then"),
        _ if refusal.says(&full) && !refusal.says_forbidden() => error(ErrorKind::Transient)
            .with_hint("is the user's quota used up, or the disk there full? it goes on by itself when there is room"),
        400..=499 => {
            error(ErrorKind::Transient).with_hint("it is tried again by itself; the server's own log may say more")
        }
        550 if refusal.says_temporary() => {
            error(ErrorKind::Transient).with_hint("it is tried again by itself; the server's own log may say more")
        }
        530 | 532 => error(ErrorKind::Refused).with_hint("ask the server's owner what the user of the share may do"),
        550 if refusal.says_missing() => error(ErrorKind::NotFound),
        550 | 553 => error(ErrorKind::Refused)
            .with_hint("ask the server's owner to allow the user of the share what is tried here"),
        _ => error(ErrorKind::Refused).with_hint("the server cannot do this: ask its owner"),
    }
}

/// Whether a reply has come to the end of its line: one that was cut may be a number with fewer digits.
pub(crate) fn is_whole(body: &[u8]) -> bool {
    body.ends_with(b"\n")
}

/// The library takes what came before the end of a connection for a reply. One that was cut is none.
pub(crate) fn without_cut_reply(error: FtpError) -> FtpError {
    match error {
        FtpError::UnexpectedResponse(response) if !is_whole(&response.body) => {
            FtpError::ConnectionError(io::ErrorKind::UnexpectedEof.into())
        }
        other => other,
    }
}

/// The error of a login that the server has forgotten. The connection is of no more use.
pub(crate) fn logged_out(operation: &'static str, subject: &str, refusal: &Refusal) -> PortError {
    let message = format!("the server says: {} {}", refusal.code, refusal.text);
    PortError::new(ErrorKind::Transient, operation, subject, message)
        .with_hint("it is logged in to again; if it lasts, ask the server's owner what the user of the share may do")
}

/// Expects that it was done.
pub(crate) fn done<T>(operation: &'static str, subject: &str, answer: Answer<T>) -> Result<T> {
    answer.map_err(|refusal| refused(operation, subject, &refusal))
}

/// The error of a connection that is of no more use.
pub(crate) fn lost(operation: &'static str, subject: &str, error: &FtpError, stall_ms: u128) -> PortError {
    let message = match error {
        FtpError::ConnectionError(error) => return lost_io(operation, subject, error, stall_ms),
        FtpError::SecureError(message) => format!("TLS: {message}"),
        other => other.to_string(),
    };
    PortError::new(ErrorKind::Transient, operation, subject, message)
}

/// The same, of a read or a write.
pub(crate) fn lost_io(operation: &'static str, subject: &str, error: &io::Error, stall_ms: u128) -> PortError {
    let message = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the server was silent for {stall_ms} ms (stall_timeout_ms)")
        }
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => format!("the connection was lost: {error}"),
    };
    PortError::new(ErrorKind::Transient, operation, subject, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u32, body: &str) -> ErrorKind {
        let refusal = Refusal::of(&Response::new(suppaftp::Status::Unknown, body.as_bytes().to_vec()));
        assert_eq!(refusal.code, code);
        refused("try", "x", &refusal).kind
    }

    #[test]
    fn replies_have_kinds() {
        assert_eq!(kind(550, "550 a: No such file or directory\r\n"), ErrorKind::NotFound);
        assert_eq!(kind(550, "550 a: Permission denied\r\n"), ErrorKind::Refused);
        assert_eq!(kind(550, "550 Failed to open file.\r\n"), ErrorKind::Refused);
        assert_eq!(kind(552, "552 Transfer aborted. Disk quota exceeded\r\n"), ErrorKind::Transient);
        assert_eq!(kind(550, "550 STOR: notice: quota reached: transaction would exceed\r\n"), ErrorKind::Transient);
        assert_eq!(kind(426, "426 Failure writing network stream.\r\n"), ErrorKind::Transient);
        assert_eq!(kind(502, "502 Command not implemented\r\n"), ErrorKind::Refused);
    }

    #[test]
    fn what_may_pass_is_not_missing() {
        let missing = |code: u32, text: &str| Refusal { code, text: text.to_owned() }.may_be_missing();
        for text in [
            "The process cannot access the file because it is being used by another process.",
            "a: Device or resource busy",
            "not found.dat: File is locked",
            "a: Input/output error",
            "a: Connection timed out",
            "a: Stale file handle",
            "a: Resource temporarily unavailable",
            "Try again later",
            "a: Too many open files",
        ] {
            assert!(!missing(550, text), "{text}");
            assert_eq!(kind(550, &format!("550 {text}\r\n")), ErrorKind::Transient, "{text}");
        }
        for text in ["Could not get file size.", "Failed to change directory.", "busy.dat: No such file or directory"] {
            assert!(missing(550, text), "{text}");
        }
        assert!(missing(550, "unlocked.dat") && missing(450, "a: No such file or directory"));
        for text in ["File busy", "Requested file action not taken"] {
            assert!(!missing(450, text), "{text}");
            assert_eq!(kind(450, &format!("450 {text}\r\n")), ErrorKind::Transient, "{text}");
        }
    }

    #[test]
    fn the_text_is_the_last_line_without_its_number() {
        let text = |body: &[u8]| Refusal::of(&Response::new(suppaftp::Status::Unknown, body.to_vec())).text;
        assert_eq!(text(b"550-first\r\n550 no such file\r\n"), "no such file");
        assert_eq!(text(b"550 bell\x07\r\n"), "bell\\u{7}");
        assert_eq!(text("höh".as_bytes()), "höh");
    }
}
