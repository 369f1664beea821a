//! How the programs speak to Kafka.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;

use crate::options::Common;

/// How long a broker may take to answer when a program starts.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

/// What the programs' promises rest on: `--client-properties` must not change it.
const FIXED: [&str; 11] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "message.timeout.ms",
    "partitioner",
];

/// What every client has in common: brokers, and what `--client-properties` says.
///
/// # Errors
/// When that file cannot be read or used.
pub fn client(options: &Common) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &options.bootstrap_servers);
    if let Some(path) = &options.client_properties {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        for (name, value) in properties(&text, path)? {
            config.set(name, value);
        }
    }
    Ok(config)
}

/// The properties of a consumer: it sees committed events alone, from the beginning, and says where a partition ends.
#[must_use]
pub fn consumer(mut config: ClientConfig, group: &str) -> ClientConfig {
    config
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // A broker waits for so long before it says that there is nothing more: an idle service makes ten requests a
        // second, and `--until-idle` ends soon.
        .set("fetch.wait.max.ms", "100");
    config
}

/// The properties of a producer: it loses, doubles and reorders nothing while it lives, and waits for brokers that are
/// away.
#[must_use]
pub fn producer(mut config: ClientConfig) -> ClientConfig {
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("linger.ms", "5")
        // As Java clients and the bridge do it: a key is in one partition, whoever wrote it.
        .set("partitioner", "murmur2_random");
    config
}

/// The number of partitions of a topic.
///
/// # Errors
/// When no broker answers, or the topic is not there.
pub fn partitions<C: ClientContext>(client: &Client<C>, topic: &str) -> Result<i32> {
    find_topic(client, topic)?.with_context(|| {
        format!(
            "there is no topic `{topic}`. `dropbridge init` makes those of the bridge; is `--prefix` the bridge's? \
             Without a bridge, make it with Kafka's own tools"
        )
    })
}

/// The number of partitions of a topic, or `None` when it is not there.
///
/// # Errors
/// When no broker answers, or it may not be looked at.
pub fn find_topic<C: ClientContext>(client: &Client<C>, topic: &str) -> Result<Option<i32>> {
    let metadata = client.fetch_metadata(Some(topic), FIRST_ANSWER).map_err(|error| {
        anyhow!(
            "no answer from Kafka within {} s: {error}. Is `--bootstrap-servers` right? Does the cluster ask for TLS or \
             a password (`--client-properties`)?",
            FIRST_ANSWER.as_secs()
        )
    })?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let error = found.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
    match (found, error) {
        (None, _) | (_, Some(RDKafkaErrorCode::UnknownTopicOrPartition)) => Ok(None),
        (_, Some(error)) => bail!("look at topic `{topic}`: {error}"),
        (Some(found), None) => Ok(Some(i32::try_from(found.partitions().len())?)),
    }
}

/// Tells the operator what goes wrong and may pass: each thing once in a row.
#[derive(Debug)]
pub struct Notes {
    program: &'static str,
    last: Mutex<String>,
}

impl Notes {
    /// Of this program.
    #[must_use]
    pub const fn of(program: &'static str) -> Self {
        Self { program, last: Mutex::new(String::new()) }
    }

    /// Says something on standard error, unless it was the last thing that was said.
    pub fn say(&self, what: impl Display) {
        let what = what.to_string();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != what {
            eprintln!("{}: {what}", self.program);
            *last = what;
        }
    }
}

/// Lines `name=value`; empty ones and those that begin with `#` say nothing.
fn properties<'a>(text: &'a str, path: &Path) -> Result<Vec<(&'a str, &'a str)>> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("{}:{}", path.display(), index + 1);
        // The line may hold a password: it is not repeated.
        let Some((name, value)) = line.split_once('=') else { bail!("{}: this is not `name=value`", place()) };
        let name = name.trim();
        if FIXED.contains(&name) {
            bail!("{}: `{name}` is set by the program, whose promises rest on it: leave it out", place());
        }
        found.push((name, value.trim()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn properties_are_lines_and_what_promises_rest_on_is_refused() {
        let path = Path::new("client.properties");
        let text = "# the cluster\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n";
        let found = properties(text, path).unwrap();
        assert_eq!(found, [("security.protocol", "SASL_SSL"), ("sasl.password", "a=b")]);
        for (text, told) in [
            ("a=1\nisolation.level=read_uncommitted", "client.properties:2: `isolation.level`"),
            ("sasl.password hunter2", "client.properties:1: this is not `name=value`"),
        ] {
            let error = properties(text, path).unwrap_err().to_string();
            assert!(error.starts_with(told) && !error.contains("hunter2"), "{error}");
        }
    }
}
