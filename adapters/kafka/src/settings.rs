//! The settings of an event log on Kafka: what a person writes, checked, and made into properties for each client.

use std::collections::BTreeMap;
use std::fmt;

use dropbridge_port::{ErrorKind, PortError, Result};

/// How to reach a Kafka cluster.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// Any property of librdkafka (its `CONFIGURATION.md`), but those by which the bridge keeps its promises.
    pub properties: BTreeMap<String, String>,
    /// How long a transaction may stay open before the cluster aborts it, in milliseconds. At most the cluster's
    /// `transaction.max.timeout.ms`.
    pub transaction_timeout_ms: u32,
    /// How long one call waits for the cluster, in milliseconds.
    pub call_timeout_ms: u32,
}

impl KafkaSettings {
    /// Settings for these brokers: no security, transactions of at most a minute, calls of at most 30 seconds.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties: BTreeMap::new(),
            transaction_timeout_ms: 60_000,
            call_timeout_ms: 30_000,
        }
    }

    /// The same settings with one more property.
    #[must_use]
    pub fn with(mut self, property: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(property.into(), value.into());
        self
    }
}

/// Values that may be secrets are left out.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&String, &String)| {
            let value = if is_secret(name) { HIDDEN.to_owned() } else { value.clone() };
            (name.clone(), value)
        };
        out.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.iter().map(shown).collect::<BTreeMap<_, _>>())
            .field("transaction_timeout_ms", &self.transaction_timeout_ms)
            .field("call_timeout_ms", &self.call_timeout_ms)
            .finish()
    }
}

const HIDDEN: &str = "[hidden]";

/// Properties that are the bridge's own, and why nobody else may set them.
const OWN: &[(&str, &str)] = &[
    ("acks", "every record needs all replicas, or a published file could be lost"),
    ("auto.offset.reset", "records that are gone must be told, not passed over"),
    ("bootstrap.servers", "it is the setting `brokers`"),
    ("delivery.report.only.error", "the bridge must know where each record went"),
    ("dr_cb", "the bridge must know where each record went"),
    ("dr_msg_cb", "the bridge must know where each record went"),
    ("enable.auto.commit", "positions are committed in the transaction of what was done"),
    ("enable.auto.offset.store", "positions are committed in the transaction of what was done"),
    ("enable.idempotence", "without it records would be doubled when a request is repeated"),
    ("enable.partition.eof", "the bridge must know when it has read all"),
    ("group.id", "the bridge names its groups itself"),
    ("isolation.level", "the bridge must not act on what is aborted later"),
    ("log.queue", "log lines go to the bridge's own log"),
    ("metadata.broker.list", "it is the setting `brokers`"),
    ("partitioner", "a key must be where Java services put it"),
    ("request.required.acks", "every record needs all replicas, or a published file could be lost"),
    ("transaction.timeout.ms", "the bridge sets it by the size of its transactions"),
    ("transactional.id", "it says which instance may publish, and is the bridge's slot"),
];

/// Defaults for every client, before the user's properties.
const COMMON: &[(&str, &str)] = &[
    ("client.id", "dropbridge"),
    // An outage ends when the broker is back, not ten seconds later.
    ("reconnect.backoff.max.ms", "2000"),
];

/// Defaults for writers. The queue is bounded, or a large file would be in memory whole.
const WRITER: &[(&str, &str)] = &[
    ("compression.codec", "lz4"),
    ("linger.ms", "5"),
    ("queue.buffering.max.messages", "20000"),
    ("queue.buffering.max.kbytes", "16384"),
    // The default of brokers and topics (`message.max.bytes`), so that the cluster's limit decides.
    ("message.max.bytes", "1048588"),
];

/// Defaults for readers. The fetch queue is bounded for the same reason, and one answer too, which is compressed and
/// several times as large in the queue: a file is read by one reader for each partition. The waits are short so that the
/// end of a partition is told soon.
const READER: &[(&str, &str)] = &[
    ("queued.max.messages.kbytes", "2048"),
    ("fetch.message.max.bytes", "262144"),
    ("fetch.max.bytes", "8388608"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.queue.backoff.ms", "10"),
];

/// How long a broker may hold its answer back for a reader that only wants what is there, in milliseconds: the end of a
/// partition is told by an answer without records.
const TO_END_WAIT_MS: &str = "2";

/// Whether a reader stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// It waits for what comes.
    Follow,
    /// It leaves when it has read what is there.
    ToEnd,
}

/// Settings that can be used: checked, and with what they must not tell.
pub(crate) struct Checked {
    pub(crate) settings: KafkaSettings,
    pub(crate) secrets: Secrets,
}

impl Checked {
    /// Refuses properties that are the bridge's own. What librdkafka refuses shows when a client is made.
    pub(crate) fn new(settings: KafkaSettings) -> Result<Self> {
        let refuse = |message: String| PortError::new(ErrorKind::Configuration, "configure", "kafka", message);
        if settings.brokers.trim().is_empty() {
            return Err(refuse("`brokers` is empty".to_owned()).with_hint("name at least one broker as host:port"));
        }
        for (name, reason) in OWN {
            if settings.properties.contains_key(*name) {
                return Err(refuse(format!("the property `{name}` cannot be set: {reason}")));
            }
        }
        let secrets = Secrets::of(&settings.properties);
        Ok(Self { settings, secrets })
    }

    pub(crate) fn writer_properties(&self, transactional_id: &str) -> Vec<(String, String)> {
        let timeout_ms = self.settings.transaction_timeout_ms.to_string();
        let own = [
            ("transactional.id", transactional_id),
            ("transaction.timeout.ms", timeout_ms.as_str()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("partitioner", "murmur2_random"),
            ("allow.auto.create.topics", "false"),
        ];
        self.properties(WRITER, &own)
    }

    pub(crate) fn reader_properties(&self, isolation_level: &str, stay: Stay) -> Vec<(String, String)> {
        let mut own = vec![
            ("isolation.level", isolation_level),
            ("enable.partition.eof", "true"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
        ];
        if stay == Stay::ToEnd {
            own.push(("fetch.wait.max.ms", TO_END_WAIT_MS));
        }
        self.properties(READER, &own)
    }

    /// For questions about topics: the watermarks are those of all records, whatever became of them.
    pub(crate) fn inquiry_properties(&self) -> Vec<(String, String)> {
        self.properties(&[], &[("isolation.level", "read_uncommitted"), ("enable.auto.commit", "false")])
    }

    pub(crate) fn group_properties(&self, group: &str, isolation_level: &str) -> Vec<(String, String)> {
        let own = [("group.id", group), ("isolation.level", isolation_level), ("enable.auto.commit", "false")];
        self.properties(&[], &own)
    }

    /// In the order in which they are set: a later one overrides an earlier one, under whichever of its names.
    fn properties(&self, defaults: &[(&str, &str)], own: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let user = self.settings.properties.iter().map(|(name, value)| (name.clone(), value.clone()));
        let brokers = [("bootstrap.servers", self.settings.brokers.as_str())];
        let mut all: Vec<_> = COMMON.iter().chain(defaults).map(pair).collect();
        all.extend(user);
        all.extend(brokers.iter().chain(own).map(pair));
        all
    }
}

/// Whether the value of a property may be a secret, by its name.
pub(crate) fn is_secret(property: &str) -> bool {
    let name = property.to_ascii_lowercase();
    ["password", "secret", "token", "key.pem", "jaas", "oauthbearer.config"].iter().any(|part| name.contains(part))
        && name != "sasl.oauthbearer.token.endpoint.url"
}

/// Values that no error and no log line may contain.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    fn of(properties: &BTreeMap<String, String>) -> Self {
        let secret = |(name, value): (&String, &String)| (is_secret(name) && !value.is_empty()).then(|| value.clone());
        let mut values: Vec<_> = properties.iter().filter_map(secret).collect();
        // A secret may contain another: the longer one goes first.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// The text without any of them.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_property_of_the_bridge_is_refused_by_name() {
        for (name, _) in OWN {
            let error = Checked::new(KafkaSettings::new("localhost:9092").with(*name, "x")).err().expect("refused");
            assert_eq!(error.kind, ErrorKind::Configuration);
            assert!(error.message.contains(name), "{error}");
        }
    }

    #[test]
    fn any_other_property_reaches_every_client_and_overrides_defaults() {
        let settings = KafkaSettings::new("localhost:9092").with("linger.ms", "77").with("client.id", "mine");
        let checked = Checked::new(settings).unwrap();
        let last = |properties: Vec<(String, String)>, name: &str| {
            properties.into_iter().rfind(|(key, _)| key == name).map(|(_, value)| value)
        };
        assert_eq!(last(checked.writer_properties("slot"), "linger.ms").as_deref(), Some("77"));
        for properties in [
            checked.writer_properties("slot"),
            checked.reader_properties("read_committed", Stay::Follow),
            checked.inquiry_properties(),
            checked.group_properties("group", "read_committed"),
        ] {
            assert_eq!(last(properties, "client.id").as_deref(), Some("mine"));
        }
    }

    #[test]
    fn a_reader_that_leaves_does_not_let_the_broker_hold_its_answer_back() {
        let settings = KafkaSettings::new("localhost:9092").with("fetch.wait.max.ms", "500");
        let checked = Checked::new(settings).unwrap();
        let wait = |stay| {
            let properties = checked.reader_properties("read_committed", stay);
            properties.into_iter().rfind(|(key, _)| key == "fetch.wait.max.ms").map(|(_, value)| value)
        };
        assert_eq!(wait(Stay::Follow).as_deref(), Some("500"));
        assert_eq!(wait(Stay::ToEnd).as_deref(), Some(TO_END_WAIT_MS));
    }

    #[test]
    fn secrets_are_in_no_text() {
        let settings = KafkaSettings::new("localhost:9092")
            .with("sasl.password", "pass")
            .with("ssl.key.password", "password1")
            .with("sasl.username", "someone");
        let shown = format!("{settings:?}");
        assert!(shown.contains("someone") && !shown.contains("pass\"") && !shown.contains("password1"), "{shown}");
        let checked = Checked::new(settings).unwrap();
        let hidden = checked.secrets.hide_in("wrong: pass, password1");
        assert_eq!(hidden, "wrong: [hidden], [hidden]");
    }
}
