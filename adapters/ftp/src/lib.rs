//! Shares on FTP servers, plain and over TLS (FTPS, explicit and implicit), over suppaftp and rustls.
//!
//! Reading leaves no trace but what the server itself keeps. FTP transfers one file at a time over a connection, so a
//! server has one connection for all commands, and further ones only while files are on their way. All are opened when
//! they are needed and used again. Callers block, no longer than the stated times.
//!
//! - `settings`, `trust`, `tls`, `connect`: from what is stated to a connection with the right server;
//! - `names`: names as bytes, through a library that speaks text; `facts`, `list_line`, `timestamp`: what servers write
//!   of files;
//! - `connection`, `transfer`: one command and its answer, one file on its way;
//! - `server`: connections that are used again, opened anew with growing pauses;
//! - `tree`, `look`, `listing`, `entry`, `share`: the side that reads;
//! - `outbox`: the part that writes, and only to an outbox; `clearing`: takes files out of an inbox, where that is asked
//!   for;
//! - `failure`: the server's answers as errors with advice.

mod clearing;
mod connect;
mod connection;
mod entry;
mod facts;
mod failure;
mod list_line;
mod listing;
mod look;
mod names;
mod outbox;
mod server;
mod settings;
mod share;
mod timestamp;
mod tls;
mod transfer;
mod tree;
mod trust;

pub use clearing::FtpClearing;
pub use outbox::FtpOutbox;
pub use server::FtpServer;
pub use settings::{CertificateTrust, Encryption, FtpSettings};
pub use share::FtpShare;
