//! The choreographed half: small services that react to each other's events, with nobody who directs them.
//!
//! ```text
//! bids → bid-processor → BidProcessed → work-order-service → WorkOrderCreated → completion-desk → WorkOrderCompleted → invoicer
//! ```
//!
//! Each writes *candidates* (`<prefix><Type>.candidate`) and reads what is *authoritative* (`<prefix><Type>`). Which
//! candidates become authoritative is the bridge's business, by department and business date.
//!
//! # Why an inbox and an outbox, and no Kafka transactions
//!
//! A service has two places that must agree: its own database, and Kafka. A Kafka transaction covers the records that
//! are written and the offsets that are read, never a row in the database: killed between both commits, a service would
//! have the one without the other. So the database alone decides. One of its transactions holds the id of the event that
//! came ([`store`]'s table `received`), its effect, and the events that follow from it (`outbox`). These are sent
//! afterwards, in order, and only then is the offset committed. Killed anywhere, a service
//!
//! - reads the event again, knows its id, and does nothing; or
//! - sends an event again that it did not know was sent already: the same bytes under the same id, which whoever consumes
//!   it knows, as the bridge does.
//!
//! The id of an event that follows is a function of the event that it follows from ([`event::derived_id`]): whichever of
//! six bid processors handles a bid, and however often, there is one fact.
//!
//! The monitor sends nothing, and reads every partition itself. It keeps its offsets in its own database, in the
//! transaction of what it counted ([`monitor`]).
//!
//! # Where to begin
//!
//! A service is an implementation of [`service::Service`]: [`work_orders`] is a good one to copy.

pub mod bids;
pub mod completions;
pub mod contracts;
pub mod event;
pub mod group_reader;
pub mod inbox;
pub mod invoices;
pub mod kafka;
pub mod monitor;
pub mod options;
pub mod outbox_sender;
pub mod service;
pub mod store;
pub mod work_orders;

use std::process::ExitCode;

/// Ends a program: with 0, or with 2 and what happened on standard error.
#[must_use]
pub fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    exit_code_of_answer(outcome.map(|()| true))
}

/// Ends a program that answers a question: with 0 for yes, 1 for no, or 2 and what happened on standard error.
#[must_use]
pub fn exit_code_of_answer(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
