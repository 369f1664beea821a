//! What a feed states about drops that come again, change, or count on, and about what stays of them.

use std::time::Duration;

/// What to do with a drop whose name carries no identity and whose bytes were there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The same bytes under the same name are the same drop.
    Ignore,
    /// Each arrival is a drop of its own.
    New,
}

/// What to do with other bytes under a known logical key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrections {
    /// Hold them for a person.
    Hold,
    /// Publish them as the next revision.
    Publish,
}

/// How sequence numbers go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceReset {
    /// They begin again each business date.
    Daily,
    /// They never begin again.
    Never,
    /// After this number comes 1 (or 0).
    Wrap {
        /// The last number.
        last: u64,
    },
}

/// Which captures a feed keeps in the store after their events were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepCaptures {
    /// None.
    None,
    /// Every one.
    All,
    /// Those whose events are not enough to write the file again.
    Unproven,
}

/// Whether a published capture stays in the store. `verdict_needs_store`: its events alone do not give its bytes.
#[must_use]
pub const fn keeps_capture(setting: KeepCaptures, verdict_needs_store: bool) -> bool {
    match setting {
        KeepCaptures::None => false,
        KeepCaptures::All => true,
        KeepCaptures::Unproven => verdict_needs_store,
    }
}

/// How long the store keeps bytes that no open drop needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Captures that are kept after publishing.
    pub kept: Duration,
    /// Files that a person discarded.
    pub discarded: Duration,
    /// Files that could not be finished.
    pub abandoned: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let ninety_days = Duration::from_secs(90 * 24 * 3600);
        Self { kept: ninety_days, discarded: Duration::ZERO, abandoned: ninety_days }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_published_file() {
        let kept = |setting| [false, true].map(|needs_store| keeps_capture(setting, needs_store));
        assert_eq!(kept(KeepCaptures::None), [false, false]);
        assert_eq!(kept(KeepCaptures::All), [true, true]);
        assert_eq!(kept(KeepCaptures::Unproven), [false, true]);
    }
}
