//! Points in time: stored in UTC, shown in the local zone with its offset.

use std::time::Duration;

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

    /// How long ago an earlier point was; nothing for a later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.0.duration_since(earlier.0)).unwrap_or_default()
    }

    /// The point that comes so much later; the last one of the calendar where there is none.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.checked_add(time).unwrap_or(Timestamp::MAX))
    }

    /// As a timestamp of the calendar's library.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        self.0
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
