//! What shares on servers have in common, whatever the protocol: the adapters for SFTP, SMB and FTP are built of it.
//!
//! - `pauses`, `sessions`, `turns`: connections that are opened again with growing pauses, and how many files are read
//!   beside each other;
//! - `patience`: how long one answer is waited for;
//! - `root`: the directory that a share is, as a path of bytes;
//! - `survey`: what a listing takes in, what it leaves out, and how it is ordered;
//! - `attempts`, `upload`: going on after a connection was lost, in reading and in writing;
//! - `clearing`: taking a file out of an inbox, in steps that a lost connection leaves whole;
//! - `staging`: temporary names in an outbox, and which directory an outbox is;
//! - `refusal`: errors that read the same over every protocol.

mod attempts;
mod clearing;
mod patience;
mod pauses;
mod refusal;
mod root;
mod sessions;
mod staging;
mod survey;
mod turns;
mod upload;

pub use attempts::{Attempts, read_on};
pub use clearing::{ClearingSession, Way, clear};
pub use patience::Patience;
pub use pauses::Pauses;
pub use refusal::{no_file, no_size_and_time, not_regular, short_file, unanswered_login};
pub use root::{Root, join, parents};
pub use sessions::{Session, Sessions};
pub use staging::{Pin, STAGING, StagedNames, WITNESS, identity_of, nothing_staged, pass, witness_of};
pub use survey::Survey;
pub use turns::{Turn, Turns};
pub use upload::{BlockWriter, Upload, require_size};
