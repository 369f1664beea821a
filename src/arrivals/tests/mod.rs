//! Tables of cases: what came and when, and what is said of it.
#![allow(clippy::unwrap_used)]

mod dates;
mod findings;
mod numbers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::*;
use crate::domain::calendar::{Calendar, Holiday, Holidays, TimeOfDay, Weekdays};
use crate::domain::policy::SequenceReset;
use crate::domain::{BusinessDate, LogicalKey, Moment};

fn date(text: &str) -> BusinessDate {
    BusinessDate::parse(text).unwrap()
}

fn at(text: &str) -> Moment {
    Moment::from(text.parse::<jiff::Timestamp>().unwrap())
}

/// In Vienna, Monday to Friday, by this time, one file.
fn deadline(by: &str, holidays: &[&str]) -> Deadline {
    let holidays: Vec<Holiday> = holidays.iter().map(|text| Holiday::parse(text).unwrap()).collect();
    let zone = TimeZone::get("Europe/Vienna").unwrap();
    Deadline {
        calendar: Arc::new(Calendar::new(zone, Weekdays::WORKING, Holidays::of(&holidays))),
        by: TimeOfDay::parse(by).unwrap(),
        days: ExpectedDays::Business,
        date_offset_days: 0,
        files: 1,
        grace: Duration::ZERO,
    }
}

fn by(by: &str, holidays: &[&str]) -> Expectation {
    Expectation { deadline: Some(deadline(by, holidays)), ..Expectation::default() }
}

fn gapless(reset: SequenceReset) -> Expectation {
    let grace = Duration::from_secs(900);
    Expectation { gapless: Some(Gapless { reset, grace }), ..Expectation::default() }
}

fn empty_look(moment: &str) -> Look {
    Look { at: at(moment), since: at("2026-01-01T00:00:00Z"), settling: BTreeSet::new(), in_flight: BTreeSet::new() }
}

/// A feed under watch; what is found is written as short lines.
struct Feed {
    expectation: Expectation,
    journal: Journal,
    said: Vec<String>,
    ids: Vec<String>,
}

impl Feed {
    fn new(expectation: Expectation) -> Self {
        Self { expectation, journal: Journal::new("orders"), said: Vec::new(), ids: Vec::new() }
    }

    fn watching_since(expectation: Expectation, moment: &str) -> Self {
        let mut feed = Self::new(expectation);
        feed.look(moment);
        assert!(feed.said.is_empty(), "{:?}", feed.said);
        feed
    }

    /// Each step goes on from the journal as it is read back: as if there was a restart in between.
    fn step(&mut self, step: impl FnOnce(&mut Watch<'_>)) {
        let journal = serde_json::to_string(&self.journal).unwrap();
        let mut watch = Watch::new(&self.expectation, serde_json::from_str(&journal).unwrap());
        step(&mut watch);
        let (journal, findings) = watch.finish();
        self.journal = journal;
        for finding in findings {
            self.ids.push(finding.id("orders"));
            self.said.push(short(&finding));
        }
    }

    fn look(&mut self, moment: &str) {
        self.step(|watch| watch.looked(&empty_look(moment), at(moment)));
    }

    fn look_with(&mut self, look: &Look, now: &str) {
        self.step(|watch| watch.looked(look, at(now)));
    }

    fn file(&mut self, day: &str, number: Option<u64>, written: &str, now: &str) {
        self.arrival(&came(day, number, written), now);
    }

    fn arrival(&mut self, arrival: &Arrival, now: &str) {
        self.step(|watch| watch.arrived(arrival, at(now)));
    }

    /// What was said since the last time this was asked.
    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

fn came(day: &str, number: Option<u64>, written: &str) -> Arrival {
    let number_text = number.map(|number| format!("/{number:04}")).unwrap_or_default();
    Arrival {
        what: What::Came,
        business_date: BusinessDate::parse(day),
        number,
        key: LogicalKey::from_text(&format!("{day}{number_text}")),
        path: format!("ORD{number_text}"),
        sha256: Some("00ff".to_owned()),
        bytes: 1000,
        modified: at(written),
    }
}

fn short(finding: &Finding) -> String {
    let date = finding.business_date.map(|date| date.to_string()).unwrap_or_default();
    let word = finding.kind.as_str();
    let text = match &finding.kind {
        FindingKind::Missing { due, expected, arrived } => {
            format!("{word} {date} {arrived}/{expected} {}", due.rfc3339())
        }
        FindingKind::Late { expected, arrived, was_missing, .. } => {
            format!("{word} {date} {arrived}/{expected}{}", if *was_missing { " was missing" } else { "" })
        }
        FindingKind::Gap { from, to } => format!("{word} {date} {from}-{to}"),
        FindingKind::GapFilled { number, open } => format!("{word} {date} {number}, {open} open"),
        FindingKind::Back { number, highest } => format!("{word} {date} {number} after {highest}"),
        FindingKind::Repeated { times } => format!("{word} {times}"),
        FindingKind::Empty | FindingKind::Vanished { .. } => word.to_owned(),
        FindingKind::Small { usual, .. } | FindingKind::Large { usual, .. } => format!("{word}: {usual}"),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
