//! Stages of a department, and who speaks in each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A department's place in the migration, for a business date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Events come from the legacy files. The bridge looks on.
    Observe,
    /// Events come from the legacy files, and the candidate events are compared with them.
    Shadow,
    /// The candidate events are forwarded; legacy consumers get renderings.
    Live,
    /// The new service alone: a legacy drop is refused.
    Retired,
}

/// Who speaks for a department on a business date: whose events stand on the authoritative topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// The legacy producer, through its files.
    Legacy,
    /// The new service, through its candidate events.
    Candidate,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Shadow, Self::Live, Self::Retired];

    /// The one that follows.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Observe => Some(Self::Shadow),
            Self::Shadow => Some(Self::Live),
            Self::Live => Some(Self::Retired),
            Self::Retired => None,
        }
    }

    /// The one before it.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self {
            Self::Observe => None,
            Self::Shadow => Some(Self::Observe),
            Self::Live => Some(Self::Shadow),
            Self::Retired => Some(Self::Live),
        }
    }

    /// Who speaks in it.
    #[must_use]
    pub const fn authority(self) -> Authority {
        match self {
            Self::Observe | Self::Shadow => Authority::Legacy,
            Self::Live | Self::Retired => Authority::Candidate,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Shadow => "shadow",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Authority {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Candidate => "candidate",
        }
    }
}
