//! The records of one event: a lead record and the members that follow it.

use crate::layout::Record;

/// A reusable group. Its buffers are kept from one event to the next.
#[derive(Debug, Default)]
pub struct Group {
    lead: Record,
    open: bool,
    members: Vec<Record>,
    used: usize,
}

impl Group {
    /// A lead record was seen and not yet taken away.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Begins a group; the given record is exchanged for a spare buffer.
    pub fn begin(&mut self, record: &mut Record) {
        std::mem::swap(&mut self.lead, record);
        self.open = true;
        self.used = 0;
    }

    /// Adds a member; the given record is exchanged for a spare buffer.
    pub fn add(&mut self, record: &mut Record) {
        if self.used == self.members.len() {
            self.members.push(Record::default());
        }
        std::mem::swap(&mut self.members[self.used], record);
        self.used += 1;
    }

    /// Ends the group: nothing is open until the next lead record.
    pub fn end(&mut self) {
        self.open = false;
        self.used = 0;
    }

    /// The lead record.
    #[must_use]
    pub const fn lead(&self) -> Option<&Record> {
        if self.open { Some(&self.lead) } else { None }
    }

    /// The members, in the order of the file.
    #[must_use]
    pub fn members(&self) -> &[Record] {
        &self.members[..self.used]
    }

    /// The bytes from the lead record through the last member, half-open, terminators included.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let Some(lead) = self.lead() else { return (0, 0) };
        let last = self.members().last().unwrap_or(lead);
        (lead.bytes().start, last.bytes().end)
    }
}
