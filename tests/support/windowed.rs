//! A site whose events come from a service of its own, and are rolled into files.

use std::fs;

use dropbridge_port::{Cleanup, EventLog, OutgoingRecord, TopicSpec, Watermarks, Writer};
use serde_json::{Value, json};

use super::{FeedOptions, LogKind, Site, tampering};

pub const DAY: u64 = 86_400;

/// Orders with a header that has date and number, and a trailer that counts.
pub const LAYOUT: &str = r#"
name = "orders"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
[delimited]
delimiter = "|"
quote = ""
quoting = "none"
[discriminator]
column = 1
[[record]]
name = "header"
role = "header"
match = "H"
field = [ { name = "kind", type = "constant", value = "H" }, { name = "date", type = "date", format = "YYYYMMDD" }, { name = "number", type = "integer" } ]
[[record]]
name = "order"
field = [ { name = "number", type = "text" }, { name = "amount", type = "decimal", scale = 2 } ]
[[record]]
name = "trailer"
role = "trailer"
match = "T"
field = [ { name = "kind", type = "constant", value = "T" }, { name = "count", type = "integer" }, { name = "total", type = "decimal", scale = 2 } ]
[[control]]
count = ["order"]
equals = "trailer.count"
[[control]]
sum = "order.amount"
equals = "trailer.total"
"#;

/// The configuration of a site with a window that is cut off at 22:00.
pub fn options(empty_day: &str, late_event: &str) -> FeedOptions {
    let rendering = format!(
        "[[rendering]]\nid = \"files\"\nkind = \"window\"\nfeed = \"orders\"\nshare = \"nas\"\noutbox = \"desk\"\n\
         file_name = \"OUT_{{business_date:YYYYMMDD}}_{{sequence:2}}.dat\"\ncalendar = \"city\"\ncut_off = \"22:00\"\n\
         empty_day = \"{empty_day}\"\nlate_event = \"{late_event}\"\n\
         header = {{ date = \"file.business_date\", number = \"file.sequence\" }}\n"
    );
    FeedOptions { after: rendering, layout: LAYOUT.to_owned(), takeover_after_ms: 600_000, ..FeedOptions::default() }
}

/// The site, its clock, and its service.
pub struct Window {
    pub site: Site,
    /// By so many seconds the program's clock is fast when a test begins: it is noon then.
    base: u64,
    log: Box<dyn EventLog>,
}

impl Window {
    pub fn new(log: LogKind, options: &FeedOptions) -> Self {
        let mut site = Site::uninitialised(log, options);
        let clock = site.path("clock");
        site.set_environment("DROPBRIDGE_TEST_CLOCK", clock);
        ["desk", "out"].iter().for_each(|name| fs::create_dir_all(site.path("share").join(name)).unwrap());
        add_calendar(&site);
        let base = (DAY + DAY / 2 - unix_seconds() % DAY) % DAY;
        set_clock(&site, base);
        site.ok(&["init", "--baseline", "take"]);
        let log = open_log(&site);
        let window = Self { site, base, log };
        // The rendering begins.
        window.run(0);
        window
    }

    /// Writes another configuration.
    pub fn configure(&self, options: &FeedOptions) {
        self.site.configure(options);
        add_calendar(&self.site);
    }

    /// The log removes what is in the topic of events, as retention does; on Kafka.
    pub fn remove_events(&self) {
        let topic = format!("{}OrderTaken", self.site.prefix);
        (0..3).for_each(|partition| tampering::remove_kafka_records(&self.site.brokers, &topic, partition));
    }

    /// In how many partitions the rendering's group stands before the end.
    pub fn partitions_with_open_events(&self) -> usize {
        let topic = format!("{}OrderTaken", self.site.prefix);
        let group = format!("dropbridge-{}-rendering-files", self.site.prefix.trim_end_matches('.'));
        let committed = self.log.committed(&group, &topic).unwrap();
        assert_eq!(committed.len(), 3, "{committed:?}");
        let ends = self.log.watermarks(&topic).unwrap();
        let is_behind = |ends: &&Watermarks| {
            committed.iter().any(|known| known.partition == ends.partition && known.offset < ends.high)
        };
        ends.iter().filter(is_behind).count()
    }

    /// So many seconds later, by the program's clock.
    pub fn set_clock(&self, seconds: u64) {
        set_clock(&self.site, self.base + seconds);
    }

    /// The business date so many days from today.
    pub fn date(&self, days: u64) -> String {
        let seconds = i64::try_from(unix_seconds() + self.base + days * DAY).unwrap();
        jiff::Timestamp::from_second(seconds).unwrap().strftime("%Y-%m-%d").to_string()
    }

    /// The name of a file.
    pub fn name(&self, date: &str, number: u32) -> String {
        format!("OUT_{}_{number:02}.dat", date.replace('-', ""))
    }

    /// The service writes orders of a date, in one transaction.
    pub fn emit(&self, date: &str, orders: &[(&str, &str)]) {
        let events: Vec<(String, Value)> = orders
            .iter()
            .map(|(number, amount)| ((*number).to_owned(), event(&format!("{number}@{date}"), date, number, amount)))
            .collect();
        self.write(&events);
    }

    /// Writes records as they are, in one transaction.
    pub fn write(&self, records: &[(String, Value)]) {
        self.begin(records).commit().unwrap();
    }

    /// A service that nobody acts on yet writes orders of a date, in one transaction.
    pub fn propose(&self, date: &str, orders: &[(&str, &str)]) {
        let events: Vec<(String, Value)> = orders
            .iter()
            .map(|(number, amount)| ((*number).to_owned(), event(&format!("{number}@{date}"), date, number, amount)))
            .collect();
        self.begin_candidates(&events).commit().unwrap();
    }

    /// Writes records beside those that are acted on, and leaves the transaction open.
    pub fn begin_candidates(&self, records: &[(String, Value)]) -> Box<dyn Writer> {
        let topic = format!("{}OrderTaken.candidate", self.site.prefix);
        let spec = TopicSpec {
            name: topic.clone(),
            partitions: 3,
            cleanup: Cleanup::Delete,
            replication: None,
            properties: Default::default(),
        };
        self.log.create_topics(&[spec]).unwrap();
        self.begin_in(&topic, None, records)
    }

    /// Writes the journal of the department as if it had been moved, from a date on.
    pub fn move_department(&self, from: &str, to: &str, effective: &str) {
        let evidence = json!({ "feeds": [], "open_drops": 0, "parity_days": 0, "legacy_runs": true, "forwards": true });
        let transition = json!({
            "from": from, "to": to, "effective": effective, "decided_at": "2026-01-01T00:00:00Z", "by": "test@test",
            "evidence": evidence,
        });
        let journal = json!({ "format": 1, "department": "sales", "transitions": [transition] });
        let topic = format!("{}control", self.site.prefix);
        self.begin_in(&topic, Some(1), &[("cutover/sales".to_owned(), journal)]).commit().unwrap();
    }

    /// Writes records, and leaves the transaction open.
    pub fn begin(&self, records: &[(String, Value)]) -> Box<dyn Writer> {
        self.begin_in(&format!("{}OrderTaken", self.site.prefix), None, records)
    }

    fn begin_in(&self, topic: &str, partition: Option<u32>, records: &[(String, Value)]) -> Box<dyn Writer> {
        let mut writer = self.log.writer(&format!("{}service", self.site.prefix)).unwrap();
        writer.begin().unwrap();
        for (key, value) in records {
            let value = serde_json::to_vec(value).unwrap();
            let record = OutgoingRecord {
                topic,
                partition,
                key: Some(key.as_bytes()),
                value: Some(&value),
                headers: &[],
                tag: 0,
            };
            writer.send(record).unwrap();
        }
        writer.settle().unwrap();
        writer
    }

    /// Delivers what is due; the exit code has to be this one.
    pub fn run(&self, code: i32) -> Value {
        self.site.run_until_idle(code)
    }

    /// Names and contents of the files that are in the outbox.
    pub fn seen(&self) -> Vec<(String, String)> {
        let mut seen: Vec<(String, String)> = fs::read_dir(self.site.path("share/desk"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
            .collect();
        seen.sort();
        seen
    }

    /// The consumer takes all that is there.
    pub fn consume(&self) {
        for (name, _) in self.seen() {
            fs::remove_file(self.site.path("share/desk").join(name)).unwrap();
        }
    }

    pub fn deliveries(&self) -> Vec<Value> {
        let output = self.site.output(&["--json", "deliveries", "list", "--limit", "100000"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// An order as a service writes it.
pub fn event(id: &str, date: &str, number: &str, amount: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "type": "OrderTaken", "source": "/orders", "subject": number,
        "department": "sales", "businessdate": date, "provenance": "native",
        "data": { "number": number, "amount": amount },
    })
}

/// All days are worked, so that it does not matter on which one the test runs.
pub fn add_calendar(site: &Site) {
    let bridge = site.path("config/bridge.toml");
    let text = fs::read_to_string(&bridge).unwrap();
    let days = "business_days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]";
    fs::write(&bridge, format!("{text}[calendar.city]\nzone = \"UTC\"\n{days}\n")).unwrap();
}

pub fn set_clock(site: &Site, seconds: u64) {
    let part = site.path("clock.part");
    fs::write(&part, seconds.to_string()).unwrap();
    fs::rename(part, site.path("clock")).unwrap();
}

pub fn open_log(site: &Site) -> Box<dyn EventLog> {
    match site.log {
        LogKind::Embedded => Box::new(dropbridge_sqlite::SqliteLog::open(&site.path("state/events.sqlite")).unwrap()),
        LogKind::Kafka => {
            Box::new(dropbridge_kafka::KafkaLog::connect(dropbridge_kafka::KafkaSettings::new(&site.brokers)).unwrap())
        }
    }
}

pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
