//! A department on its way: legacy files through an interposed feed, and a new service that writes candidate events. Its
//! consumer polls one directory, whoever speaks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::relayed::files;
use super::windowed::{LAYOUT, Window, event};
use super::{FeedOptions, LogKind};

/// A feed, the windows of its successor, and gates that ask for a name alone.
pub fn options() -> FeedOptions {
    let usual = FeedOptions::default();
    let after = "[[rendering]]\nid = \"files\"\nkind = \"window\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"out\"\n\
                 file_name = \"ORD_{business_date:YYYYMMDD}_{sequence:4}.dat\"\ncalendar = \"city\"\ncut_off = \"22:00\"\n\
                 empty_day = \"empty-file\"\nlate_event = \"correction\"\n\
                 header = { date = \"file.business_date\", number = \"file.sequence\" }\n\
                 [cutover]\nparity_days = 0\n";
    FeedOptions {
        feed: format!("{}\noutbox = \"out\"", usual.feed),
        ready: "temporary = [\"*.tmp\"]".to_owned(),
        after: after.to_owned(),
        layout: LAYOUT.to_owned(),
        ..usual
    }
}

/// A department, both its sides, and its consumer.
pub struct Department {
    pub window: Window,
}

/// An event of the authoritative topic: its order, date and provenance.
pub type Fact = (String, String, String);

impl Department {
    pub fn new(log: LogKind) -> Self {
        Self::with(log, &options())
    }

    pub fn with(log: LogKind, options: &FeedOptions) -> Self {
        Self { window: Window::new(log, options) }
    }

    /// A legacy file of day 0 with the order `A-1`, and live from day 2 on.
    pub fn live(log: LogKind) -> Self {
        let department = Self::new(log);
        department.dump(0, &["A-1"]);
        department.run();
        (1..=2).for_each(|day| drop(department.advance(day)));
        department
    }

    pub fn outbox(&self) -> PathBuf {
        self.window.site.path("share/out")
    }

    /// The business date so many days from today.
    pub fn date(&self, day: u64) -> String {
        self.window.date(day)
    }

    /// The name of a day's file.
    pub fn name(&self, day: u64) -> String {
        format!("ORD_{}_0001.dat", self.date(day).replace('-', ""))
    }

    /// The bytes of a day's file, whoever writes it.
    pub fn file(&self, day: u64, orders: &[&str]) -> String {
        let mut orders = orders.to_vec();
        orders.sort_unstable();
        let rows: String = orders.iter().map(|order| format!("{order}|1.00\n")).collect();
        let date = self.date(day).replace('-', "");
        format!("H|{date}|1\n{rows}T|{}|{}.00\n", orders.len(), orders.len())
    }

    /// The batch job drops a day's file.
    pub fn dump(&self, day: u64, orders: &[&str]) {
        self.window.site.drop_file(&self.name(day), self.file(day, orders).as_bytes());
    }

    /// The new service emits orders of a day.
    pub fn emit(&self, day: u64, orders: &[&str]) {
        let date = self.date(day);
        let records: Vec<(String, Value)> = orders
            .iter()
            .map(|order| ((*order).to_owned(), event(&format!("{order}@{date}"), &date, order, "1.00")))
            .collect();
        self.write(&records);
    }

    /// Writes records to the candidate topic, in one transaction.
    pub fn write(&self, records: &[(String, Value)]) {
        self.window.begin_candidates(records).commit().unwrap();
    }

    pub fn run(&self) -> Value {
        self.window.run(0)
    }

    /// What consumers of the authoritative topic have read, in the order of orders.
    pub fn facts(&self) -> Vec<Fact> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
        let events = self.window.site.committed("OrderTaken");
        let fact = |event: &Value| {
            let order = event["data"]["number"].as_str().unwrap().to_owned();
            (order, text(event, "businessdate"), text(event, "provenance"))
        };
        let mut facts: Vec<Fact> = events.iter().map(fact).collect();
        facts.sort();
        facts
    }

    /// Those facts that are expected: orders of a day from one side.
    pub fn expected(&self, days: &[(u64, &[&str], &str)]) -> Vec<Fact> {
        let of_day = |(day, orders, provenance): &(u64, &[&str], &str)| {
            let fact = |order: &&str| ((*order).to_owned(), self.date(*day), (*provenance).to_owned());
            orders.iter().map(fact).collect::<Vec<_>>()
        };
        let mut facts: Vec<Fact> = days.iter().flat_map(of_day).collect();
        facts.sort();
        facts
    }

    /// What the consumer finds.
    pub fn delivered(&self) -> BTreeMap<String, String> {
        files(&self.outbox()).into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
    }

    /// Moves the department on from a day.
    pub fn advance(&self, day: u64) -> String {
        let date = self.date(day);
        self.window.site.ok(&["cutover", "advance", "sales", "--from", &date, "--approved-by", "owner"])
    }

    /// Moves it back from a day.
    pub fn roll_back(&self, day: u64) -> String {
        let date = self.date(day);
        let reason = ["--force", "--reason", "totals are off"];
        self.window.site.ok(&[&["cutover", "rollback", "sales", "--from", &date], reason.as_slice()].concat())
    }
}
