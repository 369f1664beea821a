//! dropbridge: file drops become events, exactly once, and events become files again.
//!
//! The way of a file: a share lists it, [`capture`] waits until it is settled and takes its bytes, the [`ledger`]
//! says whether they are new, [`layout`] and [`mapping`] make events of them, and [`inbound`] publishes those with
//! their ledger entry in one transaction. [`outbound`] makes files of events again. [`runner`] drives all feeds of a slot; [`wiring`] names the adapters.

pub mod arrivals;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cutover;
pub mod demo;
pub mod domain;
pub mod draft;
pub mod health;
pub mod http;
pub mod inbound;
pub mod layout;
pub mod ledger;
pub mod mapping;
pub mod metrics;
pub mod outbound;
pub mod parity;
pub mod relay;
pub mod runner;
pub mod stop;
pub mod traces;
pub mod window;
pub mod wiring;
