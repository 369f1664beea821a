//! The bridge's own vocabulary: values without I/O.

pub mod calendar;
pub mod date;
pub mod date_time_format;
pub mod digits;
pub mod entry;
pub mod envelope;
pub mod event;
pub mod event_reader;
mod full_date;
pub mod hash;
pub mod key;
pub mod moment;
pub mod name_pattern;
pub mod policy;
pub mod quantity;
pub mod sequence;

pub use calendar::Calendar;
pub use date::BusinessDate;
pub use entry::EntryFacts;
pub use hash::ContentHash;
pub use key::LogicalKey;
pub use moment::Moment;
