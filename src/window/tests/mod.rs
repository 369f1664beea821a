//! Tables of cases: when dates are cut off, what is in which file, and what the files are called.
#![allow(clippy::unwrap_used)]

mod cuts;
mod files;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::domain::calendar::{Holiday, Holidays, TimeOfDay, Weekdays};
use crate::domain::policy::SequenceReset;
use crate::domain::{BusinessDate, Calendar, Moment};

fn date(text: &str) -> BusinessDate {
    BusinessDate::parse(text).unwrap()
}

fn at(text: &str) -> Moment {
    Moment::from(text.parse::<jiff::Timestamp>().unwrap())
}

/// In Vienna, on business days, numbered within each date.
fn rules(closes: &str, holidays: &[&str]) -> WindowRules {
    let holidays: Vec<Holiday> = holidays.iter().map(|text| Holiday::parse(text).unwrap()).collect();
    let zone = TimeZone::get("Europe/Vienna").unwrap();
    WindowRules {
        calendar: Arc::new(Calendar::new(zone, Weekdays::WORKING, Holidays::of(&holidays))),
        days: WindowDays::Business,
        closes: TimeOfDay::parse(closes).unwrap(),
        close_day: CloseDay::Same,
        empty: EmptyDay::EmptyFile,
        late: LateEvent::NextFile,
        sequence: SequenceRules { reset: SequenceReset::Daily, first: 1, next: None },
        name: FileNameForm::parse("INV_{business_date:YYYYMMDD}_{sequence:4}.dat").unwrap(),
    }
}

/// One partition of one topic, and the journal of a rendering of it.
struct Stage {
    rules: WindowRules,
    journal: WindowJournal,
    events: Vec<BusinessDate>,
    /// Events of each file, by its name.
    files: BTreeMap<String, Vec<usize>>,
    planned: Vec<PlannedFile>,
}

impl Stage {
    fn new(rules: WindowRules, since: &str) -> Self {
        assert_eq!(rules.problem(), None);
        let journal = WindowJournal::new("invoices", at(since));
        Self { rules, journal, events: Vec::new(), files: BTreeMap::new(), planned: Vec::new() }
    }

    fn events(&mut self, dates: &[&str]) {
        self.events.extend(dates.iter().map(|day| date(day)));
    }

    /// Journals what is due, and reads the journal back, as after a restart. Events that arrive meanwhile come behind it.
    fn cut(&mut self, now: &str, meanwhile: &[&str]) {
        let due = self.journal.due(&self.rules, at(now));
        let to = i64::try_from(self.events.len()).unwrap();
        self.journal.cut(&due, &[Mark { topic: "done".to_owned(), partition: 0, to }]);
        let text = serde_json::to_string(&self.journal).unwrap();
        self.journal = serde_json::from_str(&text).unwrap();
        self.events(meanwhile);
        for due in due {
            assert_eq!(self.journal.unplanned().unwrap().date, due.date);
            self.assemble();
        }
        assert_eq!(self.journal.unplanned(), None);
    }

    /// Makes the files of the next cut-off, of what lies between the open end and its marks.
    fn assemble(&mut self) {
        let cut = self.journal.unplanned().unwrap().clone();
        let known: Vec<Cut> = self.journal.before(&cut).into_iter().chain([&cut]).cloned().collect();
        let cuts = Cuts::new(&self.rules, &known);
        let mut members: BTreeMap<BusinessDate, Vec<usize>> = BTreeMap::new();
        let (from, to) = (self.journal.read_from("done", 0), Mark::of(&cut.marks, "done", 0));
        let mut open = to;
        for offset in from..to {
            let event = usize::try_from(offset).unwrap();
            let member = cuts.of(self.events[event], "done", 0, offset);
            if let Some(date) = member.date_at(cut.date, self.rules.late) {
                members.entry(date).or_default().push(event);
            } else if member == Member::Open {
                open = open.min(offset);
            }
        }
        let counts = members.iter().map(|(date, events)| (*date, events.len() as u64)).collect();
        let open_after = vec![Mark { topic: "done".to_owned(), partition: 0, to: open }];
        for file in self.journal.plan(&self.rules, cut.date, &counts, open_after).unwrap() {
            self.journal.finish(&file);
            let events = members.get(&file.date).cloned().unwrap_or_default();
            assert_eq!(events.len() as u64, file.events);
            assert!(self.files.insert(file.name.clone(), events).is_none(), "{} twice", file.name);
            self.planned.push(file);
        }
    }

    /// Names and events of all files, in the order in which they were made.
    fn made(&self) -> Vec<(String, Vec<usize>)> {
        self.planned.iter().map(|file| (file.name.clone(), self.files[&file.name].clone())).collect()
    }
}

fn file(name: &str, events: &[usize]) -> (String, Vec<usize>) {
    (name.to_owned(), events.to_vec())
}
