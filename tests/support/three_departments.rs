//! Three departments that are switched while facts come from both sides of each, late and early; and the account of what
//! has to be where in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use dropbridge_port::{EventLog, OutgoingRecord, Writer};
use serde_json::Value;

use super::relayed::files;
use super::windowed::{DAY, add_calendar, event, open_log, set_clock, unix_seconds};
use super::{Random, Site, stages, wait_for};

pub const DEPARTMENTS: [&str; 3] = ["sales", "parks", "roads"];

/// Both sides write a fact within so many days: from the day before its date to the second behind it.
const EARLIEST: i64 = -1;
const LATEST: i64 = 2;

/// One fact: department, day, key, and its number among those of the key.
type Fact = (usize, i64, String, u32);

/// The departments, what was generated for them, and who reads it.
pub struct ThreeDepartments {
    pub site: Site,
    log: Box<dyn EventLog>,
    service: Option<Box<dyn Writer>>,
    /// What is to be added to the clock to be at noon of day 0.
    base: u64,
    /// What each side writes on a day.
    dumps: BTreeMap<i64, Vec<(usize, i64)>>,
    emissions: BTreeMap<i64, Vec<Fact>>,
    facts: BTreeMap<(usize, i64), Vec<Fact>>,
}

impl ThreeDepartments {
    /// `days` of facts. The site is not initialised yet.
    pub fn new(mut site: Site, days: i64, random: &mut Random) -> Self {
        let clock = site.path("clock");
        site.set_environment("DROPBRIDGE_TEST_CLOCK", clock);
        add_calendar(&site);
        let sales = fs::read_to_string(site.path("config/departments/sales.toml")).unwrap();
        for name in DEPARTMENTS {
            let directory = |kind: &str| site.path(&format!("share/{kind}-{name}"));
            fs::create_dir_all(directory("in")).unwrap();
            fs::create_dir_all(directory("out")).unwrap();
            let text = sales
                .replace("department = \"sales\"", &format!("department = \"{name}\""))
                .replace("id = \"orders\"", &format!("id = \"{name}.orders\""))
                .replace("feed = \"orders\"", &format!("feed = \"{name}.orders\""))
                .replace("inbox = \"orders\"", &format!("inbox = \"in-{name}\""))
                .replace("outbox = \"out\"", &format!("outbox = \"out-{name}\""))
                .replace("id = \"files\"", &format!("id = \"{name}.files\""));
            fs::write(site.path(&format!("config/departments/{name}.toml")), text).unwrap();
        }
        let base = (DAY + DAY / 2 - unix_seconds() % DAY) % DAY;
        set_clock(&site, base);
        site.ok(&["init", "--baseline", "take"]);
        let log = open_log(&site);
        let (dumps, emissions, facts) = Default::default();
        let mut all = Self { site, log, service: None, base, dumps, emissions, facts };
        for day in 0..days {
            (0..DEPARTMENTS.len()).for_each(|department| all.generate(department, day, random));
        }
        all
    }

    /// Facts of a day, and when each side writes them. Those of one key are written in their order.
    fn generate(&mut self, department: usize, day: i64, random: &mut Random) {
        let mut lag = || EARLIEST + i64::try_from(random.below((LATEST - EARLIEST + 1).unsigned_abs())).unwrap();
        // The first file comes on its day: without one nothing is proven.
        let dumped = if day == 0 { 0 } else { day + lag() };
        self.dumps.entry(dumped).or_default().push((department, day));
        let lags: Vec<i64> = (0..3).map(|_| lag()).collect();
        for (key, lag) in lags.into_iter().enumerate() {
            for number in 1..=u32::try_from(1 + random.below(2)).unwrap() {
                let fact = (department, day, format!("{}-{day:03}-{key}", DEPARTMENTS[department]), number);
                self.emissions.entry(day + lag).or_default().push(fact.clone());
                self.facts.entry((department, day)).or_default().push(fact);
            }
        }
    }

    pub fn date(&self, day: i64) -> String {
        let seconds = i64::try_from(unix_seconds() + self.base).unwrap() + day * i64::try_from(DAY).unwrap();
        jiff::Timestamp::from_second(seconds).unwrap().strftime("%Y-%m-%d").to_string()
    }

    /// It is so many hours of a day.
    pub fn set_clock(&self, day: i64, hours: i64) {
        let seconds = i64::try_from(self.base).unwrap() + day * i64::try_from(DAY).unwrap() + (hours - 12) * 3600;
        set_clock(&self.site, u64::try_from(seconds.max(0)).unwrap());
    }

    /// Both sides write what they have on a day.
    pub fn write(&mut self, day: i64) {
        for (department, of) in self.dumps.get(&day).cloned().unwrap_or_default() {
            let facts = &self.facts[&(department, of)];
            let date = self.date(of).replace('-', "");
            let rows: String = facts.iter().map(|(_, _, key, number)| format!("{key}|{number}.00\n")).collect();
            let total: u32 = facts.iter().map(|fact| fact.3).sum();
            let text = format!("H|{date}|1\n{rows}T|{}|{total}.00\n", facts.len());
            let inbox = self.site.path(&format!("share/in-{}", DEPARTMENTS[department]));
            let part = inbox.join(".part.tmp");
            fs::write(&part, text).unwrap();
            fs::rename(part, inbox.join(format!("ORD_{date}_0001.dat"))).unwrap();
        }
        let facts = self.emissions.get(&day).cloned().unwrap_or_default();
        // A service that does not know whether it has written, writes again: the same events.
        wait_for("the service to write", || self.try_emit(&facts).is_ok());
    }

    fn try_emit(&mut self, facts: &[Fact]) -> dropbridge_port::Result<()> {
        let topic = format!("{}OrderTaken.candidate", self.site.prefix);
        let mut writer = match self.service.take() {
            Some(writer) => writer,
            None => self.log.writer(&format!("{}service", self.site.prefix))?,
        };
        writer.begin()?;
        for (department, day, key, number) in facts {
            let mut value: Value = event(&format!("{key}-{number}"), &self.date(*day), key, &format!("{number}.00"));
            value["department"] = DEPARTMENTS[*department].into();
            let value = serde_json::to_vec(&value).unwrap();
            let key = Some(key.as_bytes());
            let record =
                OutgoingRecord { topic: &topic, partition: None, key, value: Some(&value), headers: &[], tag: 0 };
            writer.send(record)?;
        }
        writer.commit()?;
        self.service = Some(writer);
        Ok(())
    }

    /// Who spoke for each day of a department, by the journal.
    fn is_live(&self, department: usize) -> impl Fn(&str) -> bool + use<> {
        let history = self.site.ok(&["--json", "cutover", "history", DEPARTMENTS[department]]);
        let journal: Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let transitions = journal["transitions"].as_array().unwrap();
        let transitions: Vec<_> = transitions.iter().map(|one| (text(&one["effective"]), text(&one["to"]))).collect();
        move |date| transitions.iter().rev().find(|(from, _)| from.as_str() <= date).is_some_and(|(_, to)| to == "live")
    }

    /// Holds what is on the topic, and what the consumers have, against what was generated and decided.
    pub fn check(&self) {
        let events = self.site.committed("OrderTaken");
        let mut found: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
        for event in &events {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (department, date) = (text(&event["department"]), text(&event["businessdate"]));
            let amount = format!("{}|{}", text(&event["data"]["number"]), text(&event["data"]["amount"]));
            found.entry((department, date)).or_default().push((amount, text(&event["provenance"])));
        }
        let (mut live_days, mut legacy_days) = (0, 0);
        for (department, name) in DEPARTMENTS.iter().enumerate() {
            let is_live = self.is_live(department);
            let outbox = files(&self.site.path(&format!("share/out-{name}")));
            for ((_, day), facts) in self.facts.range((department, i64::MIN)..=(department, i64::MAX)) {
                let date = self.date(*day);
                let live = is_live(&date);
                *(if live { &mut live_days } else { &mut legacy_days }) += 1;
                let place = format!("{name} on day {day}, {date}, live: {live}");
                let mut expected: Vec<String> =
                    facts.iter().map(|(_, _, key, number)| format!("{key}|{number}.00")).collect();
                let found = found.remove(&((*name).to_owned(), date.clone())).unwrap_or_default();
                let speakers: BTreeSet<&str> = found.iter().map(|(_, provenance)| provenance.as_str()).collect();
                assert_eq!(speakers, BTreeSet::from([if live { "native" } else { "legacy" }]), "{place}: {found:?}");
                let mut read: Vec<String> = found.into_iter().map(|(fact, _)| fact).collect();
                check_order(&read, &place);
                expected.sort();
                read.sort();
                assert_eq!(read, expected, "{place}: facts on the topic");
                let mut rows = rows_of(&outbox, &date.replace('-', ""));
                rows.sort();
                assert_eq!(rows, expected, "{place}: rows of the consumer");
            }
        }
        assert!(found.is_empty(), "facts that nobody has written: {found:?}");
        assert!(live_days > 0 && legacy_days > 0, "{live_days} days were live, {legacy_days} were not");
        eprintln!("{} facts, {live_days} days were live, {legacy_days} were not", events.len());
    }
}

/// Facts of one key stand in the order in which they were written.
fn check_order(facts: &[String], place: &str) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for fact in facts {
        let (key, amount) = fact.split_once('|').unwrap();
        let before = last.insert(key, amount);
        assert!(before.is_none_or(|before| before < amount), "{place}: {key} is out of order");
    }
}

/// What a consumer has read of a date, from all files of it.
fn rows_of(outbox: &BTreeMap<String, Vec<u8>>, date: &str) -> Vec<String> {
    let of_date = outbox.iter().filter(|(name, _)| name.contains(date));
    let text = of_date.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect::<String>();
    let rows = text.lines().filter(|line| !line.starts_with("H|") && !line.starts_with("T|"));
    rows.map(str::to_owned).collect()
}

/// What the site of these departments is configured with.
pub fn options() -> super::FeedOptions {
    super::FeedOptions { takeover_after_ms: 2000, ..stages::options() }
}
