//! Shares on SFTP servers, over russh.
//!
//! Reading leaves no trace but what the server itself keeps (access times, its log). One connection serves all that the
//! bridge does on a server; it is opened when it is needed, and again when it was lost. Callers block; tasks of the
//! adapter's own drive the connection.
//!
//! - `settings`, `host_key`, `connect`: from what is stated to a session with the right server;
//! - `protocol`, `session`: packets, and which reply is to which request;
//! - `server`: the one connection, opened again with growing pauses;
//! - `tree`, `listing`, `entry`, `read_ahead`, `share`: the side that reads;
//! - `outbox`: the part that writes, and only to an outbox; `clearing`: takes files out of an inbox, where that is asked
//!   for;
//! - `failure`: the server's answers as errors with advice.

mod clearing;
mod connect;
mod entry;
mod failure;
mod host_key;
mod listing;
mod outbox;
mod protocol;
mod read_ahead;
mod server;
mod session;
mod settings;
mod share;
mod tree;

pub use clearing::SftpClearing;
pub use outbox::SftpOutbox;
pub use server::SftpServer;
pub use settings::{HostKeyTrust, PrivateKeyFile, SftpSettings};
pub use share::SftpShare;
