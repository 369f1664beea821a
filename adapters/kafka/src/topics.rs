//! Creates topics and reads their settings, by the administration client of the `rdkafka` crate.
//!
//! That client lives for one call: its log lines would pile up in a queue that nobody serves.

use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result, TopicSpec};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::errors::Failure;
use crate::plan::topic_properties;
use crate::settings::Checked;
use crate::waiting::block_on;

const ADVICE: &str = "have an administrator do what `init --plan` lists";

fn client(checked: &Checked, operation: &'static str) -> Result<AdminClient<DefaultClientContext>> {
    let configuration: ClientConfig = checked.inquiry_properties().into_iter().collect();
    configuration.create().map_err(|error| failed(checked, operation, &checked.settings.brokers, &error))
}

fn failed(checked: &Checked, operation: &'static str, subject: &str, error: &KafkaError) -> PortError {
    let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
    Failure::new(code as i32, checked.secrets.hide_in(&error.to_string())).into_port(operation, subject)
}

/// Creates topics; those that exist are left as they are.
pub(crate) fn create(checked: &Checked, specs: &[TopicSpec], timeout: Duration) -> Result<()> {
    const OPERATION: &str = "create topic";
    let client = client(checked, OPERATION)?;
    let topics: Vec<_> = specs.iter().map(new_topic).collect();
    let options = AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout));
    let results = block_on(client.create_topics(&topics, &options))
        .map_err(|error| failed(checked, OPERATION, &checked.settings.brokers, &error))?;
    for result in results {
        match result {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let error = Failure::new(code as i32, code.to_string()).into_port(OPERATION, name);
                return Err(if error.kind == ErrorKind::Refused { error.with_hint(ADVICE) } else { error });
            }
        }
    }
    Ok(())
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    // -1 is the cluster's default.
    let replication = spec.replication.map_or(-1, i32::from);
    let new = NewTopic::new(&spec.name, spec.partitions.cast_signed(), TopicReplication::Fixed(replication));
    topic_properties(spec).fold(new, |new, (name, value)| new.set(name, value))
}

/// The cleanup policy of each topic, in order; `None` where it may not be read.
pub(crate) fn cleanup_policies(checked: &Checked, names: &[&str], timeout: Duration) -> Result<Vec<Option<String>>> {
    const OPERATION: &str = "read topic settings";
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let client = client(checked, OPERATION)?;
    let topics: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let options = AdminOptions::new().request_timeout(Some(timeout));
    let results = block_on(client.describe_configs(&topics, &options))
        .map_err(|error| failed(checked, OPERATION, &checked.settings.brokers, &error))?;
    let mut policies = Vec::new();
    for (name, result) in names.iter().zip(results) {
        policies.push(match result {
            Ok(settings) => settings.get("cleanup.policy").and_then(|setting| setting.value.clone()),
            Err(code) => {
                let error = Failure::new(code as i32, code.to_string()).into_port(OPERATION, *name);
                if error.kind != ErrorKind::Refused {
                    return Err(error);
                }
                None
            }
        });
    }
    Ok(policies)
}
