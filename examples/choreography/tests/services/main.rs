//! The services as programs, on a real Apache Kafka.
//!
//! No bridge runs here: candidates are copied to the authoritative topics by the test, or the services write there
//! themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod chain;
mod kills;
mod operator;
mod overdue;
mod processes;
mod redelivery;
mod side_by_side;
mod site;
