//! What a feed states about drops that come again, change, or count on, and about what stays of them; what a rendering
//! states about its beginning and about names that are taken.

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

/// What to do when the name that a delivery is to have in its outbox is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetExists {
    /// Wait until the consumer has collected what is there.
    Wait,
    /// Hold the delivery for a person.
    Hold,
}

/// What becomes of a file in its inbox once all is done with it: its events are published, and where its feed is
/// interposed, it was relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It stays.
    Leave,
    /// It is deleted.
    Delete,
    /// It is moved to this directory of its share.
    Move(String),
    /// It stays where it is, with this at the end of its name.
    Rename(String),
}

/// With which files a new rendering begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the next one that is published.
    Now,
    /// With the first one that was ever published.
    Beginning,
}

/// Which events a window takes, by where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventProvenance {
    /// Those that were made from no file. What was, is in a file already.
    Native,
    /// All.
    Any,
}

/// What becomes of an event that cannot be in the file that it should be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusableEvent {
    /// The file is held for a person.
    Hold,
    /// The file is made without it, and the log says so.
    LeaveOut,
}

/// How many bad records a file may have whose good ones are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectLimit {
    /// So many, whatever the size of the file.
    pub max_records: Option<u64>,
    /// So many of a hundred.
    pub max_percent: Option<u64>,
}

impl RejectLimit {
    /// Why so many bad records are too many; `records` is how many there are in all, once that is known.
    #[must_use]
    pub fn exceeded(&self, bad: u64, records: Option<u64>) -> Option<String> {
        if let Some(most) = self.max_records.filter(|most| bad > *most) {
            return Some(format!("{bad} bad records, the feed allows {most}"));
        }
        let (most, records) = (self.max_percent?, records?);
        let is_more = u128::from(bad) * 100 > u128::from(records) * u128::from(most);
        is_more.then(|| format!("{bad} of {records} records are bad, the feed allows {most} of a hundred"))
    }
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
    fn bad_records_are_counted_against_both_limits() {
        for (max_records, max_percent, bad, records, exceeded) in [
            (Some(2), None, 2, Some(3), false),
            (Some(2), None, 3, None, true),
            (None, Some(10), 10, Some(100), false),
            (None, Some(10), 11, Some(100), true),
            (None, Some(10), 1, Some(9), true),
            (None, Some(10), 50, None, false),
            (Some(5), Some(10), 5, Some(49), true),
            (Some(0), None, 0, Some(0), false),
        ] {
            let limit = RejectLimit { max_records, max_percent };
            assert_eq!(limit.exceeded(bad, records).is_some(), exceeded, "{limit:?} {bad} {records:?}");
        }
    }

    #[test]
    fn what_is_kept_of_a_published_file() {
        let kept = |setting| [false, true].map(|needs_store| keeps_capture(setting, needs_store));
        assert_eq!(kept(KeepCaptures::None), [false, false]);
        assert_eq!(kept(KeepCaptures::All), [true, true]);
        assert_eq!(kept(KeepCaptures::Unproven), [false, true]);
    }
}
