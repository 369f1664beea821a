//! Parity as evidence: what was compared of a department's business dates, and how many of them count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{BusinessDate, ContentHash, Moment};

/// The version of this format that this build writes.
const FORMAT: u32 = 1;

/// How far back days are counted; nobody demands more.
const MOST_DAYS: i32 = 3_660;

/// Files may be due before their business date: so many days ahead may be due already.
const AHEAD_DAYS: i32 = 100;

/// The comparison of all files of a department and a business date. A later one takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedDay {
    /// Version of this format.
    pub format: u32,
    /// The department.
    pub department: String,
    /// The business date.
    pub date: BusinessDate,
    /// When it was compared.
    pub compared_at: Moment,
    /// Who had it compared: user and host.
    pub by: String,
    /// The number of the report.
    pub report: ContentHash,
    /// Its files.
    pub files: Vec<ComparedFile>,
}

/// What came of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedFile {
    /// The feed.
    pub feed: String,
    /// The sequence number, as the legacy file's name has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// The verdict's word.
    pub verdict: String,
    /// A legacy consumer could not tell the two apart, or was said not to mind.
    pub is_parity: bool,
    /// The bytes of the legacy file, where both were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_sha256: Option<ContentHash>,
    /// The bytes of the candidate, where both were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_sha256: Option<ContentHash>,
    /// Records that both have.
    pub records: u64,
    /// Differences that no rule expects.
    pub differences: u64,
    /// Differences that rules expect.
    pub expected: u64,
    /// The rules that were needed for these: rule and place, `tolerance bid.amount`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// What a day is to a run of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Parity,
    NoParity,
    /// Neither side had a file: it says nothing, for or against.
    NoFiles,
}

impl ComparedDay {
    /// Of files that were compared.
    #[must_use]
    pub fn new(
        department: &str,
        date: BusinessDate,
        (by, compared_at): (&str, Moment),
        report: ContentHash,
        files: Vec<ComparedFile>,
    ) -> Self {
        let (department, by) = (department.to_owned(), by.to_owned());
        Self { format: FORMAT, department, date, compared_at, by, report, files }
    }

    /// The key of its record in the control topic.
    #[must_use]
    pub fn record_key(&self) -> String {
        format!("parity/{}/{}", self.department, self.date)
    }

    /// Every file of the day is in parity, and there is one.
    #[must_use]
    pub fn is_parity(&self) -> bool {
        self.standing() == Standing::Parity
    }

    fn standing(&self) -> Standing {
        match &self.files[..] {
            [] => Standing::NoFiles,
            files if files.iter().all(|file| file.is_parity) => Standing::Parity,
            _ => Standing::NoParity,
        }
    }
}

/// Compared days of one department.
pub type ComparedDays = BTreeMap<BusinessDate, ComparedDay>;

/// When the files of a business date are due; nothing for a date that has none.
pub type DueOn<'d> = dyn Fn(BusinessDate) -> Option<Moment> + 'd;

/// The newest business date whose files are due.
#[must_use]
pub fn newest_due(due: &DueOn<'_>, today: BusinessDate, now: Moment) -> Option<BusinessDate> {
    let dates = (-MOST_DAYS..=AHEAD_DAYS).rev().map(|days| today.days_later(days));
    dates.into_iter().find(|date| due(*date).is_some_and(|due| due < now))
}

/// How many business dates in a row were in parity, up to the newest one that is due. A date that is due and was not
/// compared ends the run, as one that was not in parity does.
#[must_use]
pub fn parity_days(days: &ComparedDays, due: &DueOn<'_>, today: BusinessDate, now: Moment) -> u32 {
    let Some(newest) = newest_due(due, today, now) else { return 0 };
    let mut count = 0;
    for date in (0..MOST_DAYS).map(|days| newest.days_later(-days)) {
        let standing = days.get(&date).map(ComparedDay::standing);
        match (due(date), standing) {
            // A day that is none for files of this department may have some all the same.
            (None, None) | (_, Some(Standing::NoFiles)) => {}
            (_, Some(Standing::Parity)) => count += 1,
            (_, Some(Standing::NoParity)) | (Some(_), None) => break,
        }
    }
    count
}

/// The newest business date of which a feed had a candidate that was compared.
#[must_use]
pub fn newest_candidate(days: &ComparedDays, feed: &str) -> Option<BusinessDate> {
    let has_candidate =
        |day: &ComparedDay| day.files.iter().any(|file| file.feed == feed && file.candidate_sha256.is_some());
    days.iter().rev().find(|(_, day)| has_candidate(day)).map(|(date, _)| *date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i32) -> BusinessDate {
        // A Sunday.
        BusinessDate::from(jiff::civil::date(2026, 2, 1)).days_later(number)
    }

    fn at(number: i32, hour: i64) -> Moment {
        let midnight = 1_769_904_000; // 2026-02-01T00:00:00Z
        Moment::from_unix_ns((midnight + i64::from(number) * 86_400 + hour * 3_600) * 1_000_000_000)
    }

    /// Monday to Friday, at 22 o'clock.
    fn due(date: BusinessDate) -> Option<Moment> {
        let number = (-100..200).find(|number| day(*number) == date)?;
        let is_weekend = matches!(number.rem_euclid(7), 0 | 6);
        (!is_weekend).then(|| at(number, 22))
    }

    fn compared(number: i32, parity: Option<bool>) -> (BusinessDate, ComparedDay) {
        let file = |is_parity| ComparedFile {
            feed: "bids".to_owned(),
            sequence: None,
            verdict: String::new(),
            is_parity,
            legacy_sha256: None,
            candidate_sha256: is_parity.then(|| ContentHash::of(b"x")),
            records: 0,
            differences: 0,
            expected: 0,
            rules: Vec::new(),
        };
        let files = parity.map(file).into_iter().collect();
        let date = day(number);
        (date, ComparedDay::new("parks", date, ("op@host", at(number, 23)), ContentHash::of(b""), files))
    }

    #[test]
    fn days_in_a_row_end_at_the_newest_that_is_due() {
        let good = |numbers: &[i32]| -> ComparedDays { numbers.iter().map(|day| compared(*day, Some(true))).collect() };
        // 2026-02-02 is a Monday.
        let week = [1, 2, 3, 4, 5];
        for (what, days, now, expected) in [
            ("nothing was compared", good(&[]), at(5, 23), 0),
            ("a whole week", good(&week), at(5, 23), 5),
            ("over the weekend, Monday not due yet", good(&week), at(8, 22), 5),
            ("Monday is due and was not compared", good(&week), at(8, 23), 0),
            ("Monday was compared", good(&[1, 2, 3, 4, 5, 8]), at(8, 23), 6),
            ("one is missing", good(&[1, 2, 4, 5]), at(5, 23), 2),
            ("the newest is missing", good(&[1, 2, 3, 4]), at(5, 23), 0),
            ("a Saturday behind the newest that is due", good(&[1, 2, 3, 4, 5, 6]), at(8, 20), 5),
            ("a Saturday in parity counts", good(&[1, 2, 3, 4, 5, 6, 8]), at(8, 23), 7),
            ("a day that was compared before it is due is not counted yet", good(&[1, 2, 3, 4, 5]), at(5, 20), 4),
        ] {
            assert_eq!(parity_days(&days, &due, day(5), now), expected, "{what}");
        }
        for (what, changed, expected) in
            [("no parity", Some(false), 2), ("no files on either side", None, 4), ("parity after all", Some(true), 5)]
        {
            let mut days = good(&week);
            days.extend([compared(3, changed)]);
            assert_eq!(parity_days(&days, &due, day(5), at(5, 23)), expected, "{what}");
        }
        assert_eq!(parity_days(&good(&week), &|_| None, day(5), at(5, 23)), 0, "no calendar");
        // A clock that stands elsewhere than the dates.
        assert_eq!(parity_days(&good(&week), &due, day(150), at(150, 23)), 0);
    }

    #[test]
    fn the_newest_candidate_is_one_that_was_compared() {
        let days: ComparedDays = [compared(1, Some(true)), compared(2, Some(false)), compared(3, None)].into();
        assert_eq!(newest_candidate(&days, "bids"), Some(day(1)));
        assert_eq!(newest_candidate(&days, "orders"), None);
    }

    #[test]
    fn a_record_keeps_its_form() {
        let (_, day) = compared(1, Some(true));
        assert_eq!(day.record_key(), "parity/parks/2026-02-02");
        let json = serde_json::to_value(&day).unwrap_or_default();
        assert_eq!((&json["format"], &json["files"][0]["is_parity"]), (&1.into(), &true.into()));
        assert_eq!(serde_json::from_value::<ComparedDay>(json).ok(), Some(day));
    }
}
