//! `[feed.expect]`: when a feed's files are to come, and what they are to be like.

use std::time::Duration;

use crate::arrivals::{Deadline, Expectation, ExpectedDays, Gapless, Sizes};
use crate::domain::calendar::TimeOfDay;
use crate::domain::policy::SequenceReset;

use super::bridge::{DAY_MS, narrow};
use super::calendar::{self, Calendars};
use super::section::Section;

/// Nobody dumps a file for a date further away, in expected days.
const MOST_OFFSET_DAYS: i64 = 31;

/// Far more files than a person waits for.
const MOST_FILES: u64 = 100_000;

/// How long a gap in sequence numbers may be open where the feed says nothing.
const GAP_GRACE_MS: u64 = 900_000;

/// What the feed's names and its other settings mean for what can be expected.
pub(super) struct Around<'a> {
    pub(super) calendars: &'a Calendars,
    /// Every name carries a business date.
    pub(super) names_have_date: bool,
    /// Some name carries a sequence number.
    pub(super) names_have_sequence: bool,
    pub(super) sequence: SequenceReset,
    pub(super) recursive: bool,
}

/// Reads `[feed.expect]`.
pub(super) fn read(section: Section<'_>, around: &Around<'_>) -> Expectation {
    let deadline = deadline(&section, around);
    let gapless = gapless(&section, around);
    let sizes = sizes(&section);
    let empty_is_fine = section.word("empty", &[("report", false), ("fine", true)], false);
    section.end();
    Expectation { deadline, gapless, sizes, empty_is_fine }
}

fn deadline(section: &Section<'_>, around: &Around<'_>) -> Option<Deadline> {
    let Some(by) = section.find("by") else {
        for key in ["calendar", "days", "date_offset_days", "files", "grace_ms"] {
            section.refuse(key, "has no meaning without `by`, the time of day at which files are due");
        }
        return None;
    };
    let by = by.text().and_then(|text| TimeOfDay::parse(&text).map_err(|message| by.problem(message)).ok());
    let calendar = section.need("calendar").and_then(|given| calendar::named(&given, around.calendars));
    let words = [("business", ExpectedDays::Business), ("every", ExpectedDays::Every)];
    let days = section.word("days", &words, ExpectedDays::Business);
    let files = section.number("files", 1..=MOST_FILES).and_then(narrow).unwrap_or(1);
    let grace_ms = section.number("grace_ms", 0..=DAY_MS).unwrap_or(0);
    let date_offset_days = offset(section, around).unwrap_or(0);
    Some(Deadline {
        calendar: calendar?,
        by: by?,
        days,
        date_offset_days,
        files,
        grace: Duration::from_millis(grace_ms),
    })
}

fn offset(section: &Section<'_>, around: &Around<'_>) -> Option<i32> {
    let given = section.find("date_offset_days")?;
    let Some(days) = given.as_integer() else {
        given.problem(format!("must be a whole number, not {}", given.describe()));
        return None;
    };
    if !around.names_have_date {
        given.problem("needs names that carry {business_date}: files without one count for the day on which they come");
    } else if days.abs() > MOST_OFFSET_DAYS {
        given.problem(format!("must be from -{MOST_OFFSET_DAYS} to {MOST_OFFSET_DAYS}, is {days}"));
    }
    i32::try_from(days).ok()
}

fn gapless(section: &Section<'_>, around: &Around<'_>) -> Option<Gapless> {
    let wanted = section.flag("gapless", false);
    if !wanted {
        section.refuse("gap_grace_ms", "has no meaning without gapless = true");
        return None;
    }
    if !around.names_have_sequence {
        section.problem("gapless", "needs names that carry {sequence}", None);
    } else if around.recursive {
        section.problem("gapless", "has no meaning in a recursive feed: each directory counts on its own", None);
    }
    let grace_ms = section.number("gap_grace_ms", 0..=DAY_MS).unwrap_or(GAP_GRACE_MS);
    Some(Gapless { reset: around.sequence, grace: Duration::from_millis(grace_ms) })
}

fn sizes(section: &Section<'_>) -> Sizes {
    let number = |key: &str| section.number(key, 0..=u64::MAX / 2);
    let sizes = Sizes {
        min_records: number("min_records"),
        max_records: number("max_records"),
        min_bytes: number("min_bytes"),
        max_bytes: number("max_bytes"),
        usual_percent: section.number("usual_percent", 1..=10_000),
    };
    for (least, most, key) in
        [(sizes.min_records, sizes.max_records, "max_records"), (sizes.min_bytes, sizes.max_bytes, "max_bytes")]
    {
        if let (Some(least), Some(most)) = (least, most)
            && most < least
        {
            section.problem(key, format!("is below its least, {least}: every file would be unusual"), None);
        }
    }
    sizes
}
