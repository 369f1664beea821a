//! The topics of a bridge: names, shapes, and what to do where one is missing.

use std::collections::BTreeMap;

use dropbridge_port::{Cleanup, TopicSpec};

use crate::config::settings::{EventSettings, Settings, TopicSettings};

/// How many slots a bridge has: each is one writer with a ledger partition of its own.
pub const SLOTS: u32 = 1;

/// The partition of the control topic in which commands leave requests; before it stands one for each slot's claims.
pub const REQUEST_PARTITION: u32 = SLOTS;

/// What the name of a candidate topic ends with, behind that of its event topic.
const CANDIDATE: &str = ".candidate";

/// An event type's topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EventTopic {
    name: String,
    partitions: u32,
    retention_ms: Option<i64>,
}

impl EventTopic {
    fn new(event: &EventSettings) -> Self {
        Self { name: event.topic.clone(), partitions: event.partitions, retention_ms: event.retention_ms }
    }
}

/// Names of the bridge's own topics, and the event topics by type.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Which drops became which events; compacted.
    pub ledger: String,
    /// What each file needs beside its events.
    pub manifests: String,
    /// What could not be taken, and why.
    pub rejects: String,
    /// What is to be said of files that are expected.
    pub arrivals: String,
    /// Which files were made of events and placed; compacted.
    pub deliveries: String,
    /// Genesis, claims of slots, requests of commands; compacted.
    pub control: String,
    events: BTreeMap<String, EventTopic>,
    /// Some department is on its way: candidate topics stand beside the event topics.
    has_candidates: bool,
    replication: Option<u16>,
}

impl Topics {
    /// The topics of a bridge.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self::named(&settings.topics, &settings.events, !settings.gates.is_empty())
    }

    fn named(topics: &TopicSettings, events: &BTreeMap<String, EventSettings>, has_candidates: bool) -> Self {
        let own = |name: &str| format!("{}{name}", topics.prefix);
        Self {
            ledger: own("ledger"),
            manifests: own("manifests"),
            rejects: own("rejects"),
            arrivals: own("arrivals"),
            deliveries: own("deliveries"),
            control: own("control"),
            events: events.iter().map(|(name, event)| (name.clone(), EventTopic::new(event))).collect(),
            has_candidates,
            replication: topics.replication,
        }
    }

    /// The topic of an event type.
    #[must_use]
    pub fn event(&self, event_type: &str) -> Option<&str> {
        self.events.get(event_type).map(|topic| topic.name.as_str())
    }

    /// Event types and their topics.
    pub fn events(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events.iter().map(|(name, topic)| (name.as_str(), topic.name.as_str()))
    }

    /// The topic to which new services write what stands on `topic` once it is authoritative.
    #[must_use]
    pub fn candidate(topic: &str) -> String {
        format!("{topic}{CANDIDATE}")
    }

    /// Names of the candidate topics; none where no department is on its way.
    #[must_use]
    pub fn candidates(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.events.values().filter(|_| self.has_candidates).map(|topic| Self::candidate(&topic.name)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Every topic as the bridge wants it.
    #[must_use]
    pub fn specs(&self) -> Vec<TopicSpec> {
        let spec = |name: &str, partitions, cleanup, properties: &[(&str, &str)]| TopicSpec {
            name: name.to_owned(),
            partitions,
            cleanup,
            replication: self.replication,
            properties: properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let for_ever = [("retention.ms", "-1"), ("retention.bytes", "-1")];
        let mut specs = vec![
            spec(&self.ledger, SLOTS, Cleanup::Compact, &[]),
            spec(&self.deliveries, 1, Cleanup::Compact, &[]),
            spec(&self.control, SLOTS + 1, Cleanup::Compact, &[]),
            spec(&self.manifests, 1, Cleanup::Delete, &for_ever),
            spec(&self.rejects, 1, Cleanup::Delete, &for_ever),
            spec(&self.arrivals, 1, Cleanup::Delete, &for_ever),
        ];
        let mut events: Vec<_> = self.events.values().collect();
        events.sort();
        events.dedup_by(|one, other| one.name == other.name);
        for topic in events {
            let retention = topic.retention_ms.map(|time| time.to_string());
            let properties: Vec<_> = retention.iter().map(|time| ("retention.ms", time.as_str())).collect();
            specs.push(spec(&topic.name, topic.partitions, Cleanup::Delete, &properties));
            if self.has_candidates {
                specs.push(spec(&Self::candidate(&topic.name), topic.partitions, Cleanup::Delete, &properties));
            }
        }
        specs
    }
}
