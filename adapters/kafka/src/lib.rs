//! An event log on Apache Kafka, over librdkafka.
//!
//! - [`KafkaSettings`] say how to reach the cluster; any librdkafka property passes through but those by which the
//!   bridge keeps its promises.
//! - [`KafkaLog`] is the [`dropbridge_port::EventLog`].
//!
//! What to know of Kafka's own meaning, as far as it shows:
//!
//! - A writer that was fenced learns it from the broker, so at the latest when it settles or commits.
//! - `commit` answers when the decision is durable. The markers that show it to readers are written right after that:
//!   a reader that reaches the end at once may reach it a moment before.
//! - After a long silence the broker forgets a producer id. Its writer is told `Fenced`: take the id again.

mod deliveries;
mod errors;
mod log;
mod native;
mod plan;
mod reader;
mod settings;
mod topics;
mod waiting;
mod writer;

pub use log::KafkaLog;
pub use settings::KafkaSettings;
