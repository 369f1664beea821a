//! What a feed states about drops that come again, change, or count on.

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
