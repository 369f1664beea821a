//! Points in time: stored in UTC, shown in the local zone with its offset.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A point in time; serialised as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(Timestamp);

impl Moment {
    /// From nanoseconds since the Unix epoch; times that no calendar has become the epoch.
    #[must_use]
    pub fn from_unix_ns(ns: i64) -> Self {
        Self(Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// RFC 3339 in UTC.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.0.to_string()
    }

    /// For people: the local zone with its offset, to the second.
    #[must_use]
    pub fn local(self) -> String {
        self.0.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}
