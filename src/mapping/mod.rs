//! Records become events, and events become records again. Pure: no file, clock, broker or configuration.
//!
//! A mapping is declared ([`spec`]), compiled once against a layout ([`Mapping::compile`]), and then used in both
//! directions: [`Mapping::write_data`] makes a payload of a group of records, [`CarriedRecords`] makes the group again.

mod backward;
mod compile;
mod forward;
mod group;
mod scan;
mod schema;
pub mod spec;

pub use backward::{BackwardError, CarriedRecords};
pub use forward::{FileNaming, ForwardError, Surroundings};
pub use group::Group;
pub use scan::{Payload, PayloadScan};
pub use schema::{EventSchema, SchemaProblem};

use serde_json::Value;

/// A mapping that fits its layout.
#[derive(Debug)]
pub struct Mapping {
    events: Vec<EventPlan>,
    uses: Vec<RecordUse>,
}

/// What the records of one type are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordUse {
    /// They lead one of these events (indices of plans).
    Lead(Vec<usize>),
    /// They belong to the lead record of this type before them.
    Member(usize),
    /// Header or trailer.
    Frame,
    /// They make no event.
    Ignored,
}

/// One event, compiled: names have become indices.
#[derive(Debug)]
pub struct EventPlan {
    event_type: String,
    record: usize,
    when: Option<(usize, Vec<String>)>,
    key: usize,
    business_date: Source,
    data: Vec<Member>,
    needs_trailer: bool,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A field of the lead record.
    Lead(usize),
    /// A field of the member record at hand.
    Member(usize),
    /// A field of the header.
    Header(usize),
    /// A field of the trailer.
    Trailer(usize),
    /// The date in the file's name.
    FileBusinessDate,
    /// The sequence in the file's name.
    FileSequence,
    /// The file's name.
    FileName,
}

/// A property of a payload.
#[derive(Debug)]
struct Member {
    name: String,
    /// The name as JSON has it, with what stands around it.
    json_name: Vec<u8>,
    plan: ValuePlan,
}

#[derive(Debug)]
enum ValuePlan {
    Field { source: Source, number: bool },
    Codes { source: Source, codes: Vec<(String, String)> },
    Constant(Value),
    Object(Vec<Member>),
    Array(Vec<ValuePlan>),
    Each { record: usize, data: Vec<Member> },
}

impl Mapping {
    /// The compiled events.
    #[must_use]
    pub fn events(&self) -> &[EventPlan] {
        &self.events
    }

    /// What records of a type are for.
    #[must_use]
    pub fn record_use(&self, record_type: usize) -> &RecordUse {
        self.uses.get(record_type).unwrap_or(&RecordUse::Ignored)
    }

    /// Some records belong to the event of another.
    #[must_use]
    pub fn has_members(&self) -> bool {
        self.uses.iter().any(|record_use| matches!(record_use, RecordUse::Member(_)))
    }

    /// Some event carries a field of the trailer, so that the file has to be read to its end before the first event
    /// can be made.
    #[must_use]
    pub fn needs_trailer(&self) -> bool {
        self.events.iter().any(|event| event.needs_trailer)
    }
}

impl EventPlan {
    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }
}
