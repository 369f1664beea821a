//! Temporary names in an outbox, `NAME` while a file is staged and `NAME.witness` from before its intent until after its
//! receipt; and which directory an outbox is.

use std::sync::{Mutex, PoisonError};

use dropbridge_port::failpoint::{Failpoint, reach};
use dropbridge_port::{ErrorKind, OutboxIdentity, PortError, Result, StagedName};
use sha2::{Digest, Sha256};

/// The staging directory of an outbox that names none: within the outbox, so on its file system.
pub const STAGING: &str = ".dropbridge";

/// What the name of a witness ends in.
pub const WITNESS: &str = ".witness";

/// The name of a witness.
#[must_use]
pub fn witness_of(name: &StagedName) -> String {
    format!("{name}{WITNESS}")
}

/// The error of publishing what is not there.
#[must_use]
pub fn nothing_staged(subject: String) -> PortError {
    PortError::new(ErrorKind::NotFound, "publish", subject, "nothing is staged under this name")
}

/// The staged names of an owner, found among all names of a staging directory.
#[derive(Debug)]
pub struct StagedNames<'o> {
    owner: &'o str,
    names: Vec<StagedName>,
}

impl<'o> StagedNames<'o> {
    /// Those of `owner`.
    #[must_use]
    pub const fn of(owner: &'o str) -> Self {
        Self { owner, names: Vec::new() }
    }

    /// Looks at a name of the directory: a staged file's, a witness', or somebody else's.
    pub fn see(&mut self, name: &[u8]) {
        let Ok(text) = std::str::from_utf8(name) else { return };
        let bare = text.strip_suffix(WITNESS).unwrap_or(text);
        self.names.extend(StagedName::parse(bare).filter(|name| name.owner() == self.owner));
    }

    /// Each once, in order.
    #[must_use]
    pub fn in_order(mut self) -> Vec<StagedName> {
        self.names.sort();
        self.names.dedup();
        self.names
    }
}

/// Which directory an outbox is, where nothing but its address tells.
#[must_use]
pub fn identity_of(address: &str) -> u64 {
    Sha256::digest(address).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The directory that an outbox was, when it was first used.
#[derive(Debug, Default)]
pub struct Pin(Mutex<Option<OutboxIdentity>>);

impl Pin {
    /// It is this one.
    pub fn set(&self, identity: OutboxIdentity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    /// Makes sure that what was found at `address` is what was there before.
    ///
    /// # Errors
    /// `NotFound` where it is another one.
    pub fn require(&self, found: OutboxIdentity, operation: &'static str, address: &str) -> Result<()> {
        let pinned = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pinned) = pinned.filter(|pinned| *pinned != found) else { return Ok(()) };
        let message = format!("another directory or file system is here ({found}) than before ({pinned})");
        Err(PortError::new(ErrorKind::NotFound, operation, address, message)
            .with_hint("is this the right server and path? nothing is written until the former one is back"))
    }
}

/// Passes a failpoint.
///
/// # Errors
/// `Transient`, where a test has it fail there.
pub fn pass(point: Failpoint, subject: &str) -> Result<()> {
    if reach(point) {
        return Err(PortError::new(ErrorKind::Transient, "pass failpoint", subject, point.name()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_names_of_an_owner_are_found_once_each() {
        let name = |number| StagedName::new("relay", 1, number).unwrap();
        let mut names = StagedNames::of("relay");
        let others = [StagedName::new("mirror", 1, 1).unwrap().to_string(), "orders.dat".to_owned(), ".".to_owned()];
        for text in [witness_of(&name(2)), name(2).to_string(), name(1).to_string()].into_iter().chain(others) {
            names.see(text.as_bytes());
        }
        names.see(b"\xff");
        assert_eq!(names.in_order(), [name(1), name(2)]);
    }

    #[test]
    fn another_directory_is_not_written_to() {
        let pin = Pin::default();
        let identity = |address: &str| OutboxIdentity { filesystem: 0, outbox: identity_of(address) };
        assert_ne!(identity("a"), identity("b"));
        pin.require(identity("a"), "write", "a").unwrap();
        pin.set(identity("a"));
        pin.require(identity("a"), "write", "a").unwrap();
        assert_eq!(pin.require(identity("b"), "write", "a").unwrap_err().kind, ErrorKind::NotFound);
    }
}
