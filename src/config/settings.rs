//! Configuration that cannot be wrong any more: what the rest of the bridge is given.

mod shares;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dropbridge_port::Attributes;

use crate::arrivals::Expectation;
use crate::capture::readiness::{ChecksumRule, Readiness};
use crate::capture::{Account, StoreOptions};
use crate::cutover::Gates;
use crate::domain::Calendar;
use crate::domain::name_pattern::{NamePattern, NameTemplate, Wildcard};
use crate::domain::policy::{
    Afterwards, Begin, Corrections, EventProvenance, KeepCaptures, RejectLimit, Repeat, Retention, SequenceReset,
    TargetExists, UnusableEvent,
};
use crate::layout::{Layout, Verdict};
use crate::mapping::spec::{EventSpec, FieldRef};
use crate::parity::Rules;
use crate::window::WindowRules;

pub use shares::{
    DirectorySettings, FtpSettings, FtpTls, RemoteAddress, SftpSettings, ShareSettings, SmbAddress, SmbSettings,
};

/// A whole bridge.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that all this was read from, `bridge.toml`, as it was named.
    pub source: PathBuf,
    /// The bridge's name: part of transactional ids and of event sources.
    pub name: String,
    /// Directory for what is local: genesis witness, the embedded log.
    pub state: PathBuf,
    /// The store.
    pub store: StoreSettings,
    /// Which event log.
    pub log: LogSettings,
    /// Topics.
    pub topics: TopicSettings,
    /// Sizes of transactions.
    pub transaction: TransactionSettings,
    /// How long the slot's holder may be silent before a standby takes over.
    pub takeover_after: Duration,
    /// Business calendars by name.
    pub calendars: BTreeMap<String, Arc<Calendar>>,
    /// Where to answer over HTTP; `None`: nowhere.
    pub http: Option<HttpSettings>,
    /// Where to send traces; `None`: nowhere.
    pub traces: Option<TraceSettings>,
    /// Shares by name.
    pub shares: BTreeMap<String, ShareSettings>,
    /// Event types by name.
    pub events: BTreeMap<String, EventSettings>,
    /// Feeds, in the order of the files.
    pub feeds: Vec<Arc<FeedSettings>>,
    /// Renderings, in the order of the files.
    pub renderings: Vec<Arc<RenderingSettings>>,
    /// What departments demand before they advance, where they state it.
    pub gates: BTreeMap<String, Gates>,
}

/// The store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Its directory.
    pub path: PathBuf,
    /// Form of its objects, and how many bytes they may take.
    pub options: StoreOptions,
    /// How long it keeps what no open drop needs, where a feed says nothing else.
    pub retention: Retention,
}

/// Which event log, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSettings {
    /// SQLite in one file.
    Embedded {
        /// The file.
        path: PathBuf,
    },
    /// Apache Kafka.
    Kafka {
        /// `host:port`, comma-separated.
        brokers: String,
        /// librdkafka properties, secrets resolved. Never printed.
        properties: BTreeMap<String, String>,
    },
}

/// Names and shapes of topics.
#[derive(Clone, Debug)]
pub struct TopicSettings {
    /// Before every topic's name.
    pub prefix: String,
    /// Partitions of an event topic that does not state its own.
    pub partitions: u32,
    /// Copies; `None` is the cluster's default.
    pub replication: Option<u16>,
}

/// Sizes of transactions and of what is held in memory.
#[derive(Clone, Copy, Debug)]
pub struct TransactionSettings {
    /// Small files that share one transaction.
    pub max_files: usize,
    /// A file with more events is published in chunks.
    pub chunk_records: usize,
    /// A chunk ends when its events have this many bytes.
    pub chunk_bytes: usize,
    /// Captures above this are spooled to the store.
    pub memory_capture_bytes: u64,
}

/// Answering over HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Address and port to listen at.
    pub listen: SocketAddr,
    /// Where that is stated, for messages: file, line and key.
    pub stated: String,
}

/// A collector of traces that speaks OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `host:port`.
    pub authority: String,
    /// Where it takes them.
    pub path: String,
}

/// An event type.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// Its topic.
    pub topic: String,
    /// The topic's partitions.
    pub partitions: u32,
    /// How long the topic keeps its records, in milliseconds, -1 for ever, when `init` makes it; `None`: the cluster
    /// decides.
    pub retention_ms: Option<i64>,
    /// The file of its schema, for messages.
    pub schema_path: PathBuf,
    /// Its JSON Schema.
    pub schema: serde_json::Value,
}

/// Where files are delivered, and how.
#[derive(Clone, Debug)]
pub struct OutboxSettings {
    /// The share's name.
    pub share: String,
    /// Directory within the share; empty is its root.
    pub directory: String,
    /// Directory within the share for temporary names; `.dropbridge` in the outbox where there is none.
    pub staging: Option<String>,
    /// What to do when a name is taken.
    pub target_exists: TargetExists,
    /// What each file is given.
    pub attributes: Attributes,
}

/// An interposed feed: its files are passed on to the legacy consumer.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Where to.
    pub outbox: OutboxSettings,
    /// What becomes of the file in the inbox.
    pub after: Afterwards,
}

/// One feed.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// Stable for ever: part of every event's identity.
    pub id: String,
    /// The department it belongs to.
    pub department: String,
    /// The share's name.
    pub share: String,
    /// Directory within the share; empty is its root.
    pub inbox: String,
    /// The inbox as one place among others: a directory without symbolic links, or an address.
    pub place: PathBuf,
    /// Look into directories below the inbox.
    pub recursive: bool,
    /// Directories below the inbox in which the bridge itself delivers: what is there is no drop.
    pub passed_over: Vec<String>,
    /// Where its files are passed on to, if it is interposed.
    pub relay: Option<RelaySettings>,
    /// What becomes of its files in the inbox, where it is not interposed.
    pub after: Afterwards,
    /// Names that belong to the feed; the first that fits decides.
    pub include: Vec<NamePattern>,
    /// Names that do not.
    pub exclude: Vec<Wildcard>,
    /// How its bytes are records.
    pub layout: Arc<Layout>,
    /// For names without date and sequence.
    pub repeat: Option<Repeat>,
    /// Other bytes under a known key.
    pub corrections: Corrections,
    /// How sequence numbers go on.
    pub sequence: SequenceReset,
    /// Which files are expected; `None`: nothing is said of arrivals.
    pub expect: Option<Arc<Expectation>>,
    /// When an entry is complete.
    pub ready: Readiness,
    /// Time between listings where nothing wakes the feed.
    pub poll: Duration,
    /// How many bad records a file may have; `None`: not one.
    pub rejects: Option<RejectLimit>,
    /// The least that the proof of a file must come to for it to be published.
    pub least_verdict: Verdict,
    /// Record types that make no event.
    pub ignore: Vec<String>,
    /// The events.
    pub events: Vec<EventSpec>,
    /// How a legacy file and a candidate are compared.
    pub parity: Arc<Rules>,
    /// Which of its captures stay in the store after publishing.
    pub keep_captures: KeepCaptures,
    /// Bytes that its objects may take in the store.
    pub store_quota: Option<u64>,
    /// How long the store keeps what none of its open drops needs.
    pub retention: Retention,
}

impl FeedSettings {
    /// On whose account its files are stored.
    #[must_use]
    pub fn account(&self) -> Account<'_> {
        Account { feed: &self.id, quota: self.store_quota }
    }
}

/// One rendering: files that are made of events, and where they are delivered.
#[derive(Clone, Debug)]
pub struct RenderingSettings {
    /// Stable for ever: part of every delivery's identity.
    pub id: String,
    /// The department it belongs to.
    pub department: String,
    /// Which events, and how they are files.
    pub kind: RenderingKind,
    /// The share's name.
    pub share: String,
    /// Directory within the share, where the consumer polls; empty is its root.
    pub outbox: String,
    /// The outbox as one place among others: a directory without symbolic links, or an address.
    pub place: PathBuf,
    /// Directory within the share for files on their way, on the same file system; `.dropbridge` in the outbox where none
    /// is stated.
    pub staging: Option<String>,
    /// The name of the file that says that another is whole; made last.
    pub marker: Option<NameTemplate>,
    /// The sidecar with the checksum; made before the marker.
    pub checksum: Option<ChecksumRule>,
    /// With which files it begins.
    pub begin: Begin,
    /// What it does where something has the name of a file.
    pub target_exists: TargetExists,
    /// What its files are given.
    pub attributes: Attributes,
}

/// Which events, and how they are files.
#[derive(Clone, Debug)]
pub enum RenderingKind {
    /// The files of a feed again, under their own names.
    Mirror {
        /// The feed's id.
        feed: String,
    },
    /// Events that came from no file, rolled into files by business date.
    Window(Arc<WindowSettings>),
}

/// Which events a rendering rolls into files, and how.
#[derive(Clone, Debug)]
pub struct WindowSettings {
    /// The feed whose kind of file it makes.
    pub feed: String,
    /// Its layout.
    pub layout: Arc<Layout>,
    /// Its events, which are read backwards.
    pub mapping: Vec<EventSpec>,
    /// Record types of the layout that are in no event.
    pub ignore: Vec<String>,
    /// Types of the events.
    pub event_types: Vec<String>,
    /// Departments whose events they are.
    pub departments: Vec<String>,
    /// Where they may come from.
    pub provenance: EventProvenance,
    /// Cut-offs, numbers and names.
    pub rules: WindowRules,
    /// By which fields of lead records the file is ordered; the events' keys where none is stated.
    pub order: Vec<FieldRef>,
    /// What stands in the header, by field.
    pub header: Vec<(String, FrameValue)>,
    /// What stands in the trailer, by field.
    pub trailer: Vec<(String, FrameValue)>,
    /// What becomes of an event that cannot be in a file.
    pub unusable: UnusableEvent,
}

/// What a field of header or trailer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameValue {
    /// The file's business date.
    BusinessDate,
    /// Its sequence number.
    Sequence,
    /// Its name.
    Name,
    /// When its date was to be cut off, in the zone of the calendar.
    CutOff,
    /// Always this.
    Constant(String),
}
