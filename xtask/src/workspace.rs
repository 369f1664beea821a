//! Where things are in the tree.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Cargo's target directory, the one place for what is made.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// Where Kafka's jars and the test nodes are.
pub(crate) fn kafka() -> PathBuf {
    target().join("kafka")
}

/// Programs that are unpacked for the tests, each in a directory by the name of its package.
pub(crate) fn programs() -> PathBuf {
    target().join("programs")
}

/// This program, as the tests call it to bring back a node they killed.
pub(crate) fn xtask_program() -> PathBuf {
    target().join("release/xtask")
}
