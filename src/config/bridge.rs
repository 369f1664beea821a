//! `bridge.toml`: the bridge itself, its log, topics, shares and event types.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::calendar::{self, Calendars};
use super::given::Given;
use super::http;
use super::problems::Place;
use super::schema;
use super::secret;
use super::section::{Section, Source};
use super::settings::{
    EventSettings, HttpSettings, LogSettings, ShareSettings, StoreSettings, TopicSettings, TraceSettings,
    TransactionSettings,
};
use super::share;
use super::store;
use super::traces;
use crate::domain::quantity::parse_time;

/// A day in milliseconds: nothing the bridge waits for is longer.
pub(super) const DAY_MS: u64 = 86_400_000;

/// Far more than any topic of this kind needs; more is a slip of the pen.
const MOST_PARTITIONS: u64 = 1000;

/// A gigabyte: what is held in memory at once has to stay below.
const MOST_BYTES: u64 = 1 << 30;

/// A topic that keeps its records.
const FOR_EVER: &str = "for ever";

/// Names under the prefix that are topics of the bridge's own.
const OWN_TOPICS: [&str; 6] = ["ledger", "manifests", "rejects", "arrivals", "deliveries", "control"];

/// What `bridge.toml` says. Values that could not be read are absent; names are there whenever they were stated, so
/// that nothing that refers to them is reported too.
pub(super) struct Bridge {
    pub(super) name: Option<String>,
    pub(super) state: Option<(PathBuf, Place)>,
    pub(super) store: Option<(StoreSettings, Place)>,
    pub(super) log: Option<(LogSettings, Place)>,
    pub(super) topics: TopicSettings,
    pub(super) transaction: TransactionSettings,
    pub(super) takeover_after: Duration,
    pub(super) calendars: Calendars,
    pub(super) http: Option<HttpSettings>,
    pub(super) traces: Option<TraceSettings>,
    pub(super) shares: BTreeMap<String, Option<ShareSettings>>,
    pub(super) events: BTreeMap<String, Option<EventSettings>>,
    /// Pattern of the departments' files, relative to this one, and where it is stated.
    pub(super) departments: Option<(String, Place)>,
    /// Pattern of the layouts' files.
    pub(super) layouts: Option<(String, Place)>,
}

/// Reads `bridge.toml`.
pub(super) fn read(source: &Source<'_>) -> Bridge {
    let root = source.root();
    let head = root.need("bridge").and_then(|given| given.section());
    let name = head.as_ref().and_then(|head| word_of_an_address(head, "name"));
    let state = head.as_ref().and_then(|head| path(head, "state"));
    if let Some(head) = head {
        head.end();
    }
    let store = root.need("store").and_then(|given| given.section()).and_then(store::read);
    let topics = topics(root.section("topics"));
    let pattern = |key: &str| root.text(key).map(|text| (text, root.place_of(key)));
    let bridge = Bridge {
        log: log(&root, state.as_ref()),
        name,
        state,
        store,
        transaction: transaction(root.section("transaction")),
        takeover_after: takeover_after(root.section("slot")),
        calendars: calendar::read(root.section("calendar")),
        http: root.section("http").and_then(http::read),
        traces: root.section("traces").and_then(traces::read),
        shares: shares(root.need("share").and_then(|given| given.section())),
        events: events(root.need("event").and_then(|given| given.section()), &topics),
        topics,
        departments: pattern("departments"),
        layouts: pattern("layouts"),
    };
    root.end();
    bridge
}

/// A required name that becomes part of event sources and of transactional ids: letters, digits, `.`, `_` and `-`.
pub(super) fn word_of_an_address(section: &Section<'_>, key: &str) -> Option<String> {
    let given = section.need(key)?;
    let text = given.text()?;
    if !is_plain(&text) {
        given.problem(format!("`{text}` may have letters, digits, `.`, `_` and `-` only: it is part of event sources"));
        return None;
    }
    Some(text)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A required path, relative to the file.
pub(super) fn path(section: &Section<'_>, key: &str) -> Option<(PathBuf, Place)> {
    let given = section.need(key)?;
    let text = given.text()?;
    if text.is_empty() {
        given.problem("is empty");
        return None;
    }
    Some((section.source().beside(&text), given.place()))
}

#[derive(Clone, Copy)]
enum LogKind {
    Embedded,
    Kafka,
}

fn log(root: &Section<'_>, state: Option<&(PathBuf, Place)>) -> Option<(LogSettings, Place)> {
    let section = root.need("log")?.section()?;
    let kinds = [("embedded", LogKind::Embedded), ("kafka", LogKind::Kafka)];
    let kind = section.need("kind").and_then(|given| given.word(&kinds));
    let settings = match kind {
        Some(LogKind::Embedded) => {
            section.refuse("kafka", "has no meaning with kind = \"embedded\"");
            if section.has("path") {
                path(&section, "path").map(|(path, place)| (LogSettings::Embedded { path }, place))
            } else {
                let default = state.map(|(state, _)| LogSettings::Embedded { path: state.join("events.sqlite") });
                default.map(|settings| (settings, section.place()))
            }
        }
        Some(LogKind::Kafka) => {
            section.refuse("path", "has no meaning with kind = \"kafka\"");
            let place = section.place();
            section.need("kafka").and_then(|given| given.section()).and_then(kafka).map(|settings| (settings, place))
        }
        None => return None,
    };
    section.end();
    settings
}

fn kafka(section: Section<'_>) -> Option<LogSettings> {
    let brokers = section.need("brokers").and_then(|given| {
        let text = given.text()?;
        if text.split(',').any(|broker| broker.trim().is_empty()) {
            given.problem("must be `host:port`, comma-separated");
            return None;
        }
        Some(text)
    });
    let properties = section.section("properties").map(|table| secret::properties(&table)).unwrap_or_default();
    section.end();
    Some(LogSettings::Kafka { brokers: brokers?, properties })
}

fn topics(section: Option<Section<'_>>) -> TopicSettings {
    let mut topics = TopicSettings { prefix: "dropbridge.".to_owned(), partitions: 4, replication: None };
    let Some(section) = section else { return topics };
    if let Some(prefix) = section.optional_text("prefix") {
        if !prefix.is_empty() && !is_plain(&prefix) {
            section.problem("prefix", format!("`{prefix}` may have letters, digits, `.`, `_` and `-` only"), None);
        }
        topics.prefix = prefix;
    }
    topics.partitions = section.number("partitions", 1..=MOST_PARTITIONS).and_then(narrow).unwrap_or(topics.partitions);
    topics.replication = section.number("replication", 1..=100).and_then(narrow);
    section.end();
    topics
}

fn transaction(section: Option<Section<'_>>) -> TransactionSettings {
    let mut sizes = TransactionSettings {
        max_files: 200,
        chunk_records: 20_000,
        chunk_bytes: 8 << 20,
        memory_capture_bytes: 1 << 20,
    };
    let Some(section) = section else { return sizes };
    let size = |key: &str, most: u64| section.number(key, 1..=most).and_then(narrow);
    sizes.max_files = size("max_files", 100_000).unwrap_or(sizes.max_files);
    sizes.chunk_records = size("chunk_records", 100_000_000).unwrap_or(sizes.chunk_records);
    sizes.chunk_bytes = size("chunk_bytes", MOST_BYTES).unwrap_or(sizes.chunk_bytes);
    let memory = section.number("memory_capture_bytes", 0..=MOST_BYTES);
    sizes.memory_capture_bytes = memory.unwrap_or(sizes.memory_capture_bytes);
    section.end();
    sizes
}

fn takeover_after(section: Option<Section<'_>>) -> Duration {
    let after_ms = section.and_then(|section| {
        let after_ms = section.number("takeover_after_ms", 100..=DAY_MS);
        section.end();
        after_ms
    });
    Duration::from_millis(after_ms.unwrap_or(30_000))
}

fn shares(section: Option<Section<'_>>) -> BTreeMap<String, Option<ShareSettings>> {
    let named = section.map(|section| section.all()).unwrap_or_default();
    named.into_iter().map(|(name, given)| (name, given.section().and_then(share::read))).collect()
}

fn events(section: Option<Section<'_>>, topics: &TopicSettings) -> BTreeMap<String, Option<EventSettings>> {
    let mut topics_so_far = BTreeMap::new();
    let mut events = BTreeMap::new();
    for (name, given) in section.map(|section| section.all()).unwrap_or_default() {
        let event = given.section().and_then(|section| event(&name, section, topics));
        if let Some(event) = &event {
            let shape = (event.partitions, event.retention_ms);
            let (partitions, retention) = *topics_so_far.entry(event.topic.clone()).or_insert(shape);
            if partitions != event.partitions {
                given.problem(format!("topic `{}` has {partitions} partitions for another event type", event.topic));
            }
            if retention != event.retention_ms {
                given.problem(format!("topic `{}` has another retention for another event type", event.topic));
            }
        }
        events.insert(name, event);
    }
    events
}

fn event(name: &str, section: Section<'_>, topics: &TopicSettings) -> Option<EventSettings> {
    let topic = section.optional_text("topic").unwrap_or_else(|| format!("{}{name}", topics.prefix));
    if !is_plain(&topic) || topic.len() > 249 {
        let message = format!("topic `{topic}` may have up to 249 letters, digits, `.`, `_` and `-` only");
        section.problem("topic", message, None);
    }
    if topic.strip_prefix(&topics.prefix).is_some_and(|rest| OWN_TOPICS.contains(&rest)) {
        section.problem("topic", format!("topic `{topic}` is one of the bridge's own"), None);
    }
    let partitions = section.number("partitions", 1..=MOST_PARTITIONS).and_then(narrow).unwrap_or(topics.partitions);
    let retention_ms = section.find("retention").and_then(|given| retention_ms(&given));
    let schema = section.need("schema").and_then(|given| schema::read(&given));
    section.end();
    let (schema_path, schema) = schema?;
    Some(EventSettings { topic, partitions, retention_ms, schema_path, schema })
}

/// `"for ever"`, or a length of time.
fn retention_ms(given: &Given<'_>) -> Option<i64> {
    if given.as_text() == Some(FOR_EVER) {
        return Some(-1);
    }
    let text = given.text()?;
    match parse_time(&text) {
        Ok(time) => i64::try_from(time.as_millis()).ok(),
        Err(message) => {
            given.problem(format!("{message}, or \"{FOR_EVER}\""));
            None
        }
    }
}

/// A number that its range keeps small enough for its type.
pub(super) fn narrow<T: TryFrom<u64>>(number: u64) -> Option<T> {
    T::try_from(number).ok()
}
