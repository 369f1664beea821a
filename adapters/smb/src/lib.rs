//! Shares on Windows and Samba servers, over SMB 2 and 3 (MS-SMB2), by the crate `smb2`.
//!
//! Nothing is opened that another's open would clash with: all shared modes are granted, no lease and no oplock is asked
//! for. A file is open only while it is read, since an open file's name stays taken after it was deleted. One connection
//! serves all that the bridge does on a share; it is opened when it is needed, and again when it was lost. Callers block;
//! tasks of the adapter's own drive the connection.
//!
//! - `settings`, `connect`: from what is stated to a session with a share;
//! - `request`, `found`, `session`: what is asked for, what came back, and which answer is to which request;
//! - `server`: the one connection, opened again with growing pauses;
//! - `tree`, `listing`, `entry`, `read_ahead`, `share`: the side that reads;
//! - `outbox`: the part that writes, and only to an outbox; `clearing`: takes files out of an inbox, where that is asked
//!   for;
//! - `failure`: the server's answers as errors with advice.

mod clearing;
mod connect;
mod entry;
mod failure;
mod found;
mod listing;
mod outbox;
mod read_ahead;
mod request;
mod server;
mod session;
mod settings;
mod share;
mod tree;

pub use clearing::SmbClearing;
pub use outbox::SmbOutbox;
pub use server::SmbServer;
pub use settings::SmbSettings;
pub use share::SmbShare;
