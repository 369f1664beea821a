//! Logins, certificates and rights, on a real Apache Kafka with a listener for TLS and SCRAM.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;

use std::net::{Ipv4Addr, TcpListener};

use broker::{unique, variable};
use dropbridge_conformance::event_log::bench::{read, record};
use dropbridge_kafka::{KafkaLog, KafkaSettings};
use dropbridge_port::{Cleanup, ErrorKind, EventLog, Isolation, PortError, StartAt, TopicSpec};

/// Settings for the listener with security, with the right user, password and authority.
fn secure() -> Option<KafkaSettings> {
    let settings = KafkaSettings::new(variable("DROPBRIDGE_TEST_KAFKA_SASL")?)
        .with("security.protocol", "SASL_SSL")
        .with("sasl.mechanism", "SCRAM-SHA-256")
        .with("sasl.username", variable("DROPBRIDGE_TEST_KAFKA_SASL_USER")?)
        .with("sasl.password", variable("DROPBRIDGE_TEST_KAFKA_SASL_PASSWORD")?)
        .with("ssl.ca.location", variable("DROPBRIDGE_TEST_KAFKA_SASL_CA")?);
    Some(settings)
}

fn refused(settings: KafkaSettings) -> PortError {
    KafkaLog::connect(settings).err().expect("a refusal")
}

fn spec(name: &str) -> TopicSpec {
    let (name, properties) = (name.to_owned(), std::collections::BTreeMap::new());
    TopicSpec { name, partitions: 1, cleanup: Cleanup::Delete, replication: None, properties }
}

#[test]
fn with_tls_and_the_right_password_everything_works() {
    let Some(settings) = secure() else { return };
    let log = KafkaLog::connect(settings).unwrap();
    let (topic, group) = (unique("secure"), unique("group"));
    log.create_topics(&[spec(&topic)]).unwrap();
    let mut writer = log.writer(&unique("writer")).unwrap();
    writer.begin().unwrap();
    writer.send(record(&topic, 0, "seen")).unwrap();
    writer.commit().unwrap();
    assert_eq!(read(&log, Isolation::ReadCommitted, &[&topic], 1).len(), 1);
    assert_eq!(log.topics(&[&topic]).unwrap()[0].cleanup.as_deref(), Some("delete"));
    assert_eq!(log.committed(&group, &topic).unwrap(), []);
}

#[test]
fn a_wrong_password_is_refused_and_not_told() {
    let Some(settings) = secure() else { return };
    let error = refused(settings.with("sasl.password", "s3cret-and-wrong"));
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret-and-wrong"), "{error:?}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("sasl.username")), "{error}");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let Some(mut settings) = secure() else { return };
    settings.properties.remove("ssl.ca.location");
    let error = refused(settings);
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.message.contains("certificate"), "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("ssl.ca.location")), "{error}");
}

#[test]
fn a_user_without_rights_is_refused_and_told_what_to_ask_for() {
    let (Some(settings), Some(guest)) = (secure(), variable("DROPBRIDGE_TEST_KAFKA_SASL_GUEST")) else { return };
    let topic = unique("forbidden");
    KafkaLog::connect(settings.clone()).unwrap().create_topics(&[spec(&topic)]).unwrap();
    let log = KafkaLog::connect(settings.with("sasl.username", guest)).unwrap();
    let refusals = [
        log.topics(&[&topic]).err(),
        log.create_topics(&[spec(&unique("new"))]).err(),
        log.writer(&unique("writer")).err(),
        log.reader(Isolation::ReadCommitted, &[(&topic, StartAt::Beginning)]).err(),
        log.watermarks(&topic).err(),
        log.committed(&unique("group"), &topic).err(),
    ];
    for (call, error) in refusals.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("call {call} was allowed"));
        assert_eq!(error.kind, ErrorKind::Refused, "call {call}: {error}");
        assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("init --plan")), "call {call}: {error}");
    }
}

#[test]
fn where_no_broker_listens_the_error_says_where_and_what_to_check() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut settings = KafkaSettings::new(closed.to_string());
    settings.call_timeout_ms = 2_000;
    let error = refused(settings);
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.subject.contains(&closed.to_string()) && error.hint.is_some(), "{error}");
}

#[test]
fn a_property_that_librdkafka_does_not_take_is_named() {
    for (name, value) in [("no.such.property", "1"), ("linger.ms", "soon"), ("ssl.key.password", "with\0nul")] {
        let error = refused(KafkaSettings::new("127.0.0.1:1").with(name, value));
        assert_eq!(error.kind, ErrorKind::Configuration, "{error}");
        assert!(error.message.contains(name) && !error.message.contains("with\0nul"), "{error}");
    }
}
