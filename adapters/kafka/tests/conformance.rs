//! What every event log has to do, on a real Apache Kafka.

mod broker;

dropbridge_conformance::event_log_cases!(match broker::KafkaBench::find() {
    Some(bench) => bench,
    None => return,
});
