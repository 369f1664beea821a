//! One error type for every port; its kind decides what the bridge does.

use std::fmt;

/// What a port answers.
pub type Result<T> = std::result::Result<T, PortError>;

/// What kind of failure it was. The bridge's action depends on this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Network, broker or device trouble that may pass: try again with backoff.
    Transient,
    /// Authentication, permission or policy: pause and tell the operator.
    Refused,
    /// The entry, directory or topic is not there.
    NotFound,
    /// Something else is there already, with other content.
    Conflict,
    /// Stored bytes are not the bytes that were stored.
    Corrupt,
    /// One record can never be accepted (too large, for one): trying again is no use, other records may pass.
    Unacceptable,
    /// Another instance took over: give the slot up.
    Fenced,
    /// The settings cannot work.
    Configuration,
    /// A broken assumption of ours.
    Bug,
}

impl ErrorKind {
    /// The word used in logs and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Refused => "refused",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Unacceptable => "unacceptable",
            Self::Fenced => "fenced",
            Self::Configuration => "configuration",
            Self::Bug => "bug",
        }
    }
}

/// A failure of something outside: what was tried, on what, what came back, and what the operator can do.
#[derive(Debug)]
pub struct PortError {
    /// Decides the bridge's action.
    pub kind: ErrorKind,
    /// What was tried, as a verb phrase: `list`, `commit transaction`.
    pub operation: &'static str,
    /// On what: a path, a topic, an address. Never a secret.
    pub subject: String,
    /// What came back.
    pub message: String,
    /// What the operator can do next, where that is known.
    pub hint: Option<String>,
}

impl PortError {
    /// An error without a hint.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl Into<String>,
        message: impl fmt::Display,
    ) -> Self {
        Self { kind, operation, subject: subject.into(), message: message.to_string(), hint: None }
    }

    /// The same error with advice for the operator.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Turns an I/O error into the kind its code means. One that was made of a [`PortError`] keeps its kind and its
    /// advice: what reads through [`std::io::Read`] has no other way to say them.
    pub fn io(operation: &'static str, subject: impl Into<String>, error: &std::io::Error) -> Self {
        if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            let (subject, message) = (subject.into(), inner.message.clone());
            return Self { kind: inner.kind, operation, subject, message, hint: inner.hint.clone() };
        }
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::NotADirectory | Io::IsADirectory => ErrorKind::Refused,
            Io::AlreadyExists => ErrorKind::Conflict,
            Io::InvalidData => ErrorKind::Corrupt,
            _ => ErrorKind::Transient,
        };
        Self::new(kind, operation, subject, error)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.operation, self.subject, self.message)?;
        if let Some(hint) = &self.hint {
            write!(out, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for PortError {}
