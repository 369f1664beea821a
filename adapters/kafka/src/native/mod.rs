//! The only unsafe code of this crate: librdkafka's C interface behind safe types.
//!
//! The `rdkafka` crate serves for the administration of topics (`crate::topics`). Writers and readers need more than
//! it gives: delivery reports without a box for each record, a commit that does not wait in steps of 100 ms, an end of
//! partition that says of which topic, readers without a group, and an interceptor.
//!
//! Source of the interface: `rdkafka.h` of librdkafka 2.12. All functions of a client may be called from any thread;
//! callbacks for deliveries and errors run inside the calls that serve the client's queue.

mod client;
#[cfg(feature = "failpoints")]
mod commit_sent;
mod consumer;
mod group;
mod producer;
mod raw;
mod topic;

pub(crate) use client::Client;
pub(crate) use consumer::{Consumed, Consumer};
pub(crate) use group::committed_offsets;
pub(crate) use producer::{Outgoing, ProduceError, Producer, Timeout};
pub(crate) use topic::{Topic, TopicMetadata};
