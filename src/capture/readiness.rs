//! A feed's readiness rule: what has to hold before an entry is taken as complete.

use std::time::Duration;

use crate::domain::name_pattern::{NameTemplate, Wildcard};

/// Every rule that is stated must hold.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// Size and mtime unchanged for this long, on a monotonic clock from when we saw them.
    pub quiet: Option<Duration>,
    /// Names that are not there yet: the producer renames into place.
    pub temporary: Vec<Wildcard>,
    /// The name of a file beside it that says it is complete.
    pub marker: Option<NameTemplate>,
    /// A file beside it with its checksum.
    pub checksum: Option<ChecksumRule>,
    /// The last record must be the layout's trailer.
    pub trailer: bool,
    /// Nobody may have it open to write it, where the share can tell.
    pub no_writer: bool,
}

/// A checksum sidecar.
#[derive(Clone, Debug)]
pub struct ChecksumRule {
    /// The sidecar's name.
    pub sidecar: NameTemplate,
    /// How it is computed.
    pub algorithm: ChecksumAlgorithm,
}

/// How a sidecar's checksum is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    /// MD5, 32 hexadecimal digits.
    Md5,
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
}
