//! The proof of a file on its way: what its events carry, as they are serialised, against its records.

use crate::layout::{FileFacts, Layout, Proof, Prover, Record};
use crate::mapping::{CarriedRecords, Group, Mapping};

/// Collects the proof of one file while its events are made.
pub struct FileProof<'l> {
    layout: &'l Layout,
    mapping: &'l Mapping,
    prover: Prover<'l>,
    carried: CarriedRecords,
    copy: Record,
}

impl<'l> FileProof<'l> {
    /// For a file of this layout, whose events this mapping makes.
    #[must_use]
    pub fn new(layout: &'l Layout, mapping: &'l Mapping) -> Self {
        Self { layout, mapping, prover: Prover::new(layout), carried: CarriedRecords::default(), copy: Record::new() }
    }

    /// Holds a group against the payload that was made of it.
    pub fn event(&mut self, group: &Group, event_type: &str, data: &[u8], facts: &FileFacts) {
        let read = self.carried.read_event(self.layout, self.mapping, event_type, data);
        let carried = read.map_or(&[][..], |()| self.carried.records());
        let mut originals = group.lead().into_iter().chain(group.members());
        for (original, carried) in originals.by_ref().zip(carried) {
            self.prover.carried(original, carried, facts);
        }
        originals.for_each(|original| self.prover.uncarried(original, facts));
        let count = group.members().len() + 1;
        if carried.len() > count {
            // There would be records that the file does not have, and no exception takes one away.
            self.prover.give_up();
        }
    }

    /// Takes a header or trailer: the manifest has its fields.
    pub fn framing(&mut self, record: &Record, facts: &FileFacts) {
        self.copy.copy_values(record);
        self.prover.carried(record, &self.copy, facts);
    }

    /// Takes a record that is in no event.
    pub fn uncarried(&mut self, record: &Record, facts: &FileFacts) {
        self.prover.uncarried(record, facts);
    }

    /// The proof, when the parser has come to its end.
    #[must_use]
    pub fn finish(self, facts: &FileFacts) -> Proof {
        self.prover.finish(facts)
    }
}
