//! What an administrator sets up where the bridge may not: command lines of Kafka's own tools, to be pasted.
//!
//! Source: Apache Kafka manual, "Authorization and ACLs", table of operations and protocols.

use dropbridge_port::TopicSpec;

use crate::settings::KafkaSettings;

/// The command lines.
pub(crate) fn command_lines(
    settings: &KafkaSettings,
    specs: &[TopicSpec],
    transactional_ids: &[&str],
    groups: &[&str],
) -> Vec<String> {
    let server = format!("--bootstrap-server {}", quoted(&settings.brokers));
    let user = settings.properties.get("sasl.username").or_else(|| settings.properties.get("sasl.user.name"));
    let principal = format!("User:{}", user.map_or("dropbridge", String::as_str));
    let mut lines: Vec<_> = specs.iter().map(|spec| create_topic(&server, spec)).collect();
    let allow = |operations: &[&str], resource: &str, name: &str| {
        let operations: String = operations.iter().map(|operation| format!(" --operation {operation}")).collect();
        let principal = quoted(&principal);
        format!("kafka-acls.sh {server} --add --allow-principal {principal}{operations} {resource} {}", quoted(name))
    };
    // DescribeConfigs is what `check` reads the cleanup policy by.
    lines.extend(
        specs.iter().map(|spec| allow(&["Read", "Write", "Describe", "DescribeConfigs"], "--topic", &spec.name)),
    );
    lines.extend(transactional_ids.iter().map(|id| match id.strip_suffix('*') {
        None => allow(&["Write", "Describe"], "--transactional-id", id),
        Some(begin) => allow(&["Write", "Describe"], "--resource-pattern-type prefixed --transactional-id", begin),
    }));
    lines.extend(groups.iter().map(|group| allow(&["Read", "Describe"], "--group", group)));
    lines
}

fn create_topic(server: &str, spec: &TopicSpec) -> String {
    let name = quoted(&spec.name);
    let mut line =
        format!("kafka-topics.sh {server} --create --if-not-exists --topic {name} --partitions {}", spec.partitions);
    if let Some(replication) = spec.replication {
        line += &format!(" --replication-factor {replication}");
    }
    for (property, value) in topic_properties(spec) {
        line += &format!(" --config {}", quoted(&format!("{property}={value}")));
    }
    line
}

/// The settings of a topic by Kafka's names, its cleanup policy among them.
pub(crate) fn topic_properties(spec: &TopicSpec) -> impl Iterator<Item = (&str, &str)> {
    let policy = ("cleanup.policy", spec.cleanup.as_str());
    let others = spec.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    std::iter::once(policy).chain(others.filter(|(name, _)| *name != "cleanup.policy"))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-:,=/@+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dropbridge_port::Cleanup;

    use super::*;

    #[test]
    fn the_lines_can_be_pasted() {
        let settings = KafkaSettings::new("one:9092,two:9092").with("sasl.username", "o'hara");
        let spec = TopicSpec {
            name: "dropbridge.ledger".to_owned(),
            partitions: 3,
            cleanup: Cleanup::Compact,
            replication: Some(3),
            properties: BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]),
        };
        let lines = command_lines(&settings, &[spec], &["slot 1", "command-*"], &["bridge"]);
        assert_eq!(
            lines,
            [
                "kafka-topics.sh --bootstrap-server one:9092,two:9092 --create --if-not-exists --topic dropbridge.ledger \
                 --partitions 3 --replication-factor 3 --config cleanup.policy=compact --config min.insync.replicas=2",
                r"kafka-acls.sh --bootstrap-server one:9092,two:9092 --add --allow-principal 'User:o'\''hara' --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic dropbridge.ledger",
                r"kafka-acls.sh --bootstrap-server one:9092,two:9092 --add --allow-principal 'User:o'\''hara' --operation Write --operation Describe --transactional-id 'slot 1'",
                r"kafka-acls.sh --bootstrap-server one:9092,two:9092 --add --allow-principal 'User:o'\''hara' --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id command-",
                r"kafka-acls.sh --bootstrap-server one:9092,two:9092 --add --allow-principal 'User:o'\''hara' --operation Read --operation Describe --group bridge",
            ]
        );
    }
}
